package sign

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// wrapped is text in lines of 64 characters, as openssl base64 writes it.
func wrapped(text string) string {
	var b strings.Builder
	for len(text) > 64 {
		b.WriteString(text[:64] + "\n")
		text = text[64:]
	}
	return b.String() + text + "\n"
}

// spellings are the encodings of bytes that a signature may come in.
func spellings(sig []byte) map[string][]byte {
	return map[string][]byte{
		"binary":          sig,
		"base64":          []byte(base64Of(sig)),
		"base64-line":     []byte(base64Of(sig) + "\n"),
		"base64-crlf":     []byte(base64Of(sig) + "\r\n"),
		"base64-wrapped":  []byte(wrapped(base64Of(sig))),
		"base64-unpadded": []byte(base64.RawStdEncoding.EncodeToString(sig)),
		"base64-url":      []byte(base64.URLEncoding.EncodeToString(sig)),
		"hex":             []byte(hex.EncodeToString(sig)),
		"hex-line":        []byte(hex.EncodeToString(sig) + "\n"),
		"hex-upper":       []byte(strings.ToUpper(hex.EncodeToString(sig))),
		"hex-wrapped":     []byte(wrapped(hex.EncodeToString(sig))),
	}
}

// raw is an ECDSA signature as r‖s.
func raw(t testing.TB, der []byte, pub *ecdsa.PublicKey) []byte {
	t.Helper()
	r, s, ok := parseDER(der)
	if !ok {
		t.Fatalf("%x is not DER", der)
	}
	out := make([]byte, signatureSize(pub))
	r.FillBytes(out[:len(out)/2])
	s.FillBytes(out[len(out)/2:])
	return out
}

// TestEverySpellingOfASignature: however a tool spells it, the bundle has the
// same signature.
func TestEverySpellingOfASignature(t *testing.T) {
	t.Parallel()
	for alg, m := range algorithms {
		t.Run(alg.String(), func(t *testing.T) {
			t.Parallel()
			pub := keys()[m.key].Public()
			sig := m.sign(t, artifact)
			forms := map[string][]byte{"": sig}
			if key, ok := pub.(*ecdsa.PublicKey); ok {
				forms = map[string][]byte{"der-": sig, "raw-": raw(t, sig, key)}
			}
			for form, bytesOf := range forms {
				for name, data := range spellings(bytesOf) {
					got, err := decodeSignature(data, pub)
					if err != nil || !bytes.Equal(got, sig) {
						t.Errorf("%s%s: got %x, %v, want %x", form, name, got, err, sig)
					}
				}
			}
		})
	}
}

// TestSignaturesThatAreNone: what is no signature, or could be two, is refused
// with words that say which.
func TestSignaturesThatAreNone(t *testing.T) {
	t.Parallel()
	p256, rsa2048 := keys()["P-256"].Public(), keys()["RSA-2048"].Public()
	sig := algorithms[keyspec.ECDSAP256SHA256].sign(t, artifact)
	key := p256.(*ecdsa.PublicKey)
	n := key.Params().N
	half := func(x *big.Int) []byte { return x.FillBytes(make([]byte, 32)) }
	// 64 bytes that are DER of two integers, and r‖s of two others.
	ambiguous := append([]byte{0x30, 62, 2, 29, 1}, make([]byte, 28)...)
	ambiguous = append(append(ambiguous, 2, 29, 1), make([]byte, 28)...)
	for name, test := range map[string]struct {
		data []byte
		rsa  bool
		want string
	}{
		"empty":            {data: nil, want: "found nothing"},
		"line-break":       {data: []byte("\n"), want: "expected one by ECDSA P-256"},
		"too-large":        {data: make([]byte, MaxSignature+1), want: "found more"},
		"truncated-der":    {data: sig[:len(sig)-1], want: "expected one by ECDSA P-256: ASN.1 DER, or r‖s of 64 bytes"},
		"trailing-byte":    {data: append(bytes.Clone(sig), 0), want: "found "},
		"truncated-base64": {data: []byte(base64Of(sig)[:21]), want: "bytes as binary"},
		"raw-63":           {data: raw(t, sig, key)[1:], want: "63 bytes as binary"},
		"zero-r":           {data: append(make([]byte, 32), half(big.NewInt(1))...), want: "64 bytes as binary"},
		"r-is-n":           {data: append(half(n), half(big.NewInt(1))...), want: "64 bytes as binary"},
		"negative":         {data: []byte{0x30, 6, 2, 1, 0xff, 2, 1, 1}, want: "expected one by"},
		"not-minimal":      {data: []byte{0x30, 7, 2, 2, 0, 1, 2, 1, 1}, want: "expected one by"},
		"long-length":      {data: []byte{0x30, 0x81, 6, 2, 1, 1, 2, 1, 1}, want: "expected one by"},
		"three-integers":   {data: []byte{0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1}, want: "expected one by"},
		"pem":              {data: pemBlock("SIGNATURE", sig), want: "a PEM file"},
		"openssl-hex":      {data: []byte("ECDSA-SHA2-256(app)= " + hex.EncodeToString(sig)), want: "leave out -hex"},
		"json":             {data: []byte(`{"sig":"` + base64Of(sig) + `"}`), want: "look like JSON"},
		"ambiguous":        {data: ambiguous, want: "can be read as binary of ASN.1 DER and as binary of r‖s"},
		"rsa-short":        {data: make([]byte, 255), rsa: true, want: "expected one by RSA 2048: 256 bytes"},
		"rsa-long":         {data: make([]byte, 257), rsa: true, want: "257 bytes as binary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pub := p256
			if test.rsa {
				pub = rsa2048
			}
			got, err := decodeSignature(test.data, pub)
			if got != nil {
				t.Errorf("got signature %x", got)
			}
			wantError(t, err, test.want)
		})
	}
	// The twins of "negative" and its neighbours, and of "zero-r".
	for name, data := range map[string][]byte{"der": {0x30, 6, 2, 1, 1, 2, 1, 1}, "raw": append(half(big.NewInt(1)), half(big.NewInt(1))...)} {
		if _, err := decodeSignature(data, p256); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzSignatureEncoding: what is accepted is a signature as bundles have it,
// and is read as the same one again.
func FuzzSignatureEncoding(f *testing.F) {
	seeds := 0
	for _, m := range algorithms {
		for _, data := range spellings(m.sign(f, artifact)) {
			f.Add(data)
			seeds++
		}
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, key := range keys() {
			sig, err := decodeSignature(data, key.Public())
			if err != nil {
				if sig != nil {
					t.Fatalf("%s: a signature with the error %v", name, err)
				}
				continue
			}
			for how, spelt := range map[string][]byte{"binary": sig, "base64": []byte(base64Of(sig)), "hex": []byte(hex.EncodeToString(sig))} {
				again, err := decodeSignature(spelt, key.Public())
				if err == nil && !bytes.Equal(again, sig) || err != nil && !strings.Contains(err.Error(), "can be read as") {
					t.Fatalf("%s: %x is read in %s as %x, %v", name, sig, how, again, err)
				}
			}
		}
	})
}
