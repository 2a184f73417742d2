package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

// MaxSignature bounds a file with a signature, in bytes. The largest signature,
// ML-DSA-87's, has 4627, and twice that in hexadecimal.
const MaxSignature = 32 << 10

// A reading is one way to read a signature file.
type reading struct {
	how string // "base64 of ASN.1 DER"
	sig []byte // as a bundle has it
}

// decodeSignature returns the signature in data as a bundle has it: ASN.1 DER
// for ECDSA, the algorithm's own bytes for others. data may be binary, base64
// (either alphabet, in lines or not) or hexadecimal; an ECDSA signature may be
// DER or r‖s. What could be read in two ways is refused.
func decodeSignature(data []byte, pub crypto.PublicKey) ([]byte, error) {
	if len(data) == 0 {
		return nil, errors.New("signature: expected a signature, found nothing")
	}
	if len(data) > MaxSignature {
		return nil, fmt.Errorf("signature: expected at most %d bytes, found more", MaxSignature)
	}
	var found []reading
	for _, e := range encodings(data) {
		found = append(found, forms(e, pub)...)
	}
	switch len(found) {
	case 0:
		return nil, notASignature(data, pub)
	case 1:
		return found[0].sig, nil
	}
	return nil, fmt.Errorf("signature: it can be read as %s and as %s, and nothing tells which is meant: sign again, since an ECDSA signature is another one each time",
		found[0].how, found[1].how)
}

// encodings returns every reading of data as bytes.
func encodings(data []byte) []reading {
	list := []reading{{"binary", data}}
	text := bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, bytes.Trim(data, " \t\r\n"))
	if raw, err := hex.DecodeString(string(text)); err == nil && len(raw) > 0 {
		list = append(list, reading{"hexadecimal", raw})
	}
	if raw, err := pbjson.DecodeBase64(text); err == nil && len(raw) > 0 {
		list = append(list, reading{"base64", raw})
	}
	return list
}

// forms returns every reading of e's bytes as a signature by a key like pub.
func forms(e reading, pub crypto.PublicKey) []reading {
	key, isECDSA := pub.(*ecdsa.PublicKey)
	if !isECDSA {
		if len(e.sig) == signatureSize(pub) {
			return []reading{e}
		}
		return nil
	}
	var list []reading
	if r, s, ok := parseDER(e.sig); ok && inRange(key.Curve, r, s) {
		list = append(list, reading{e.how + " of ASN.1 DER", e.sig})
	}
	if len(e.sig) == signatureSize(pub) {
		half := len(e.sig) / 2
		r, s := new(big.Int).SetBytes(e.sig[:half]), new(big.Int).SetBytes(e.sig[half:])
		if inRange(key.Curve, r, s) {
			list = append(list, reading{e.how + " of r‖s", encodeDER(r, s)})
		}
	}
	return list
}

// signatureSize returns the length of a signature in bytes; for ECDSA that of
// r‖s.
func signatureSize(pub crypto.PublicKey) int {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return 2 * ((pub.Curve.Params().BitSize + 7) / 8)
	case *rsa.PublicKey:
		return pub.Size()
	case ed25519.PublicKey:
		return ed25519.SignatureSize
	case *mldsa.PublicKey:
		return pub.Parameters().SignatureSize()
	}
	return -1
}

// parseDER parses ECDSA-Sig-Value, SEQUENCE { r INTEGER, s INTEGER }, in its
// one DER encoding: cryptobyte accepts no other. Source: RFC 3279 section 2.2.3.
func parseDER(der []byte) (r, s *big.Int, ok bool) {
	r, s = new(big.Int), new(big.Int)
	input := cryptobyte.String(der)
	var inner cryptobyte.String
	ok = input.ReadASN1(&inner, asn1.SEQUENCE) && input.Empty() &&
		inner.ReadASN1Integer(r) && inner.ReadASN1Integer(s) && inner.Empty()
	return r, s, ok
}

func encodeDER(r, s *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r)
		b.AddASN1BigInt(s)
	})
	return b.BytesOrPanic() // fails only above 4 GiB
}

// inRange reports whether r and s are from 1 to n-1, n the curve's order.
func inRange(curve elliptic.Curve, r, s *big.Int) bool {
	n := curve.Params().N
	return r.Sign() > 0 && s.Sign() > 0 && r.Cmp(n) < 0 && s.Cmp(n) < 0
}

// notASignature says what was expected, what data looks like, and what to do.
func notASignature(data []byte, pub crypto.PublicKey) error {
	what := fmt.Sprintf("%d bytes", signatureSize(pub))
	if _, ok := pub.(*ecdsa.PublicKey); ok {
		what = fmt.Sprintf("ASN.1 DER, or r‖s of %s,", what)
	}
	var lengths []string
	for _, e := range encodings(data) {
		lengths = append(lengths, fmt.Sprintf("%d bytes as %s", len(e.sig), e.how))
	}
	err := fmt.Errorf("signature: expected one by %s: %s in binary, base64 or hexadecimal; found %s", keyspec.Describe(pub), what, strings.Join(lengths, ", "))
	switch {
	case bytes.HasPrefix(data, []byte("-----BEGIN ")):
		return fmt.Errorf("%w, a PEM file", err)
	case bytes.Contains(data, []byte(")= ")):
		return fmt.Errorf("%w, as openssl dgst -hex prints them: leave out -hex", err)
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return fmt.Errorf("%w, which look like JSON: give the bare signature", err)
	}
	return err
}
