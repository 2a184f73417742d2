package trustroot

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// MaxKeyBytes bounds a file with one public key.
const MaxKeyBytes = 64 << 10

// KeyringOf returns a keyring of the one public key in data, as a person names
// it with --key FILE: PEM "PUBLIC KEY" or "RSA PUBLIC KEY", or either one's
// DER. details is the algorithm it signs by; zero stands for the one that
// Sigstore's registry prescribes for its type. The key goes by its derived
// hints; see also Sole.
func KeyringOf(data []byte, details KeyDetails) (*Keyring, error) {
	pub, err := ParsePublicKey(data)
	if err != nil {
		return nil, err
	}
	key, err := NewKey(pub, details, "")
	if err != nil {
		return nil, err
	}
	ring, err := NewKeyring([]*Key{key})
	if err != nil {
		return nil, err
	}
	ring.sole = true
	return ring, nil
}

// ParsePublicKey reads the one public key in data: PEM "PUBLIC KEY" or "RSA
// PUBLIC KEY", or either one's DER. Text before a PEM block is passed over, as
// some tools describe the key there; anything after it is refused, as is a key
// of a kind or size that nothing may be signed with.
func ParsePublicKey(data []byte) (crypto.PublicKey, error) {
	if len(data) > MaxKeyBytes {
		return nil, fmt.Errorf("expected a public key of at most %d bytes, found more", MaxKeyBytes)
	}
	der, kind := data, "PUBLIC KEY"
	if i := bytes.Index(data, pemBegin); i >= 0 {
		block, err := oneKeyBlock(data[i:])
		if err != nil {
			return nil, err
		}
		der, kind = block.Bytes, block.Type
	} else if _, err := x509.ParsePKCS1PublicKey(data); err == nil {
		kind = "RSA PUBLIC KEY"
	}
	pub, err := parseDER(der, kind)
	if err != nil {
		return nil, fmt.Errorf("expected a public key in PEM or DER: %w", err)
	}
	_, err = keyspec.ForKey(pub)
	return pub, err
}

var pemBegin = []byte("-----BEGIN ")

// oneKeyBlock decodes the PEM block that text begins with and ends with. The
// decoder of the standard library would pass over a malformed block to reach
// the next.
func oneKeyBlock(text []byte) (*pem.Block, error) {
	block, rest := pem.Decode(text)
	if block == nil || bytes.Count(text[:len(text)-len(rest)], pemBegin) != 1 {
		return nil, errors.New("expected a public key in PEM, found a PEM block that is not well formed")
	}
	if err := checkKeyBlock(block); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("expected one public key, found more text after it")
	}
	return block, nil
}

// KeyDetailsFor returns the algorithm that pub signs by: the one called name,
// which must be current and fit the key, or for an empty name the one that
// Sigstore's registry prescribes for its type.
func KeyDetailsFor(pub crypto.PublicKey, name string) (KeyDetails, error) {
	if name == "" {
		return keyspec.ForKey(pub)
	}
	details, ok := keyspec.Parse(name)
	if !ok || details.Old() {
		return 0, fmt.Errorf("expected a current algorithm, such as PKIX_ECDSA_P256_SHA_256, found %q", name)
	}
	return details, keyspec.Check(pub, details)
}

func parseDER(der []byte, kind string) (crypto.PublicKey, error) {
	if kind == "RSA PUBLIC KEY" {
		return x509.ParsePKCS1PublicKey(der)
	}
	return x509.ParsePKIXPublicKey(der)
}

// checkKeyBlock refuses the PEM files that people pass for a public key.
func checkKeyBlock(block *pem.Block) error {
	switch {
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return errors.New("expected a public key, found a private key: openssl pkey -pubout writes its public half; verification never needs the private one")
	case block.Type == "CERTIFICATE":
		return errors.New("expected a public key, found a certificate: a certificate is trusted through its CA, in a trust config (bundler trust create --ca)")
	case block.Type != "PUBLIC KEY" && block.Type != "RSA PUBLIC KEY":
		return fmt.Errorf("expected a PEM block PUBLIC KEY, found %q", block.Type)
	case len(block.Headers) > 0:
		return errors.New("expected a PEM block without headers, found some")
	}
	return nil
}

// ParseChain reads the certificates in PEM data, in any order and with any text
// between them, as openssl writes them, and returns them in order: each issued
// by the next, the anchor last. Certificates that do not form one chain, and
// PEM blocks of another kind, are refused.
func ParseChain(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if bytes.Count(data[:len(data)-len(rest)], pemBegin) != 1 {
			return nil, fmt.Errorf("expected PEM, found a block that is not well formed after %d certificates", len(certs))
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("expected PEM blocks CERTIFICATE, found %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		if len(certs) == maxChain {
			return nil, fmt.Errorf("expected at most %d certificates, found more", maxChain)
		}
		certs, data = append(certs, cert), rest
	}
	if bytes.Contains(data, pemBegin) {
		return nil, fmt.Errorf("expected PEM, found a block that is not well formed after %d certificates", len(certs))
	}
	if len(certs) == 0 {
		return nil, errors.New("expected certificates in PEM, found none")
	}
	return sortChain(certs)
}

// sortChain orders certs from the one that issued none of the others to the
// one that none of the others issued.
func sortChain(certs []*x509.Certificate) ([]*x509.Certificate, error) {
	issued := func(issuer, cert *x509.Certificate) bool {
		return !issuer.Equal(cert) && bytes.Equal(cert.RawIssuer, issuer.RawSubject) && cert.CheckSignatureFrom(issuer) == nil
	}
	first := slices.IndexFunc(certs, func(c *x509.Certificate) bool {
		return !slices.ContainsFunc(certs, func(other *x509.Certificate) bool { return issued(c, other) })
	})
	if first < 0 {
		return nil, errors.New("expected one chain, found certificates that issued each other")
	}
	chain := []*x509.Certificate{certs[first]}
	rest := slices.Delete(slices.Clone(certs), first, first+1)
	for len(rest) > 0 {
		last := chain[len(chain)-1]
		next := slices.IndexFunc(rest, func(c *x509.Certificate) bool { return issued(c, last) })
		if next < 0 {
			return nil, fmt.Errorf("expected one chain, found no issuer of %q (issuer %q) among the other certificates, such as %q",
				last.Subject, last.Issuer, rest[0].Subject)
		}
		chain = append(chain, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
	return chain, nil
}

// rawBytes returns the DER of k as its details prescribe.
func (k *Key) rawBytes() ([]byte, error) { return encodeKey(k.Public, k.KeyDetails, k.SPKI) }

func encodeKey(pub crypto.PublicKey, d KeyDetails, spki []byte) ([]byte, error) {
	if d != keyspec.PKCS1RSAPKCS1v5 && d != keyspec.PKCS1RSAPSS {
		return spki, nil
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("expected an RSA key for %v, found %s", d, keyspec.Describe(pub))
	}
	return x509.MarshalPKCS1PublicKey(key), nil
}
