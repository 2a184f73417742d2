package sign

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// MaxCredential bounds a file with certificates or a key, in bytes.
const MaxCredential = 1 << 20

const maxHint = 1 << 10 // bytes, as pkg/bundle reads it

// A Credential is the public half of who signs: a certificate chain, or a bare
// public key with the hint that it goes by. It is immutable.
type Credential struct {
	public crypto.PublicKey
	chain  []*x509.Certificate // as for the bundle: leaf first, no root; nil for a bare key
	hint   string              // of a bare key
	issued bool                // by Certify, and so in public just now
}

// ParseCertificates reads the signer's certificate and those above it: PEM in
// any order, or one certificate in DER. They must form one chain up from an
// end entity's certificate. Roots are dropped, as the bundle format demands;
// so are the intermediates above one of Fulcio's certificates, which verifiers
// take from their trusted root.
func ParseCertificates(data []byte) (*Credential, error) {
	if err := checkCertificateFile(data); err != nil {
		return nil, err
	}
	if _, err := x509.ParseCertificate(data); err == nil {
		data = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})
	}
	chain, err := trustroot.ParseChain(data)
	if err != nil {
		return nil, err
	}
	if err := checkLeaf(chain[0]); err != nil {
		return nil, err
	}
	chain = slices.DeleteFunc(chain, isSelfSigned)
	if isFulcio(chain[0]) {
		chain = chain[:1]
	}
	if len(chain) > bundle.MaxCertificates {
		return nil, fmt.Errorf("expected at most %d certificates below the root, found %d", bundle.MaxCertificates, len(chain))
	}
	return &Credential{public: chain[0].PublicKey, chain: chain}, nil
}

func checkCertificateFile(data []byte) error {
	switch {
	case len(data) > MaxCredential:
		return fmt.Errorf("expected certificates of at most %d bytes, found more", MaxCredential)
	case bytes.Contains(data, []byte("PRIVATE KEY-----")):
		return errors.New("expected certificates, found a private key: it is needed nowhere here, and belongs in no file that is passed on")
	case bytes.Contains(data, []byte("-----BEGIN PUBLIC KEY-----")):
		return errors.New("expected certificates, found a public key, which a bundle names by a hint (--key)")
	case bytes.Contains(data, []byte("-----BEGIN CERTIFICATE REQUEST-----")):
		return errors.New("expected certificates, found a certificate request: the CA answers it with a certificate")
	}
	return nil
}

// checkLeaf refuses certificates that no verifier takes for a signer's.
func checkLeaf(c *x509.Certificate) error {
	switch {
	case c.IsCA:
		return fmt.Errorf("expected the signer's own certificate, found only those of CAs, such as %q", c.Subject)
	case isSelfSigned(c):
		return fmt.Errorf("%q is self-signed: nothing above it can be trusted, so a verifier has to know the key itself (--key)", c.Subject)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%q may not sign: its key usage lacks digitalSignature", c.Subject)
	}
	_, err := keyspec.ForKey(c.PublicKey)
	return err
}

func isSelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// isFulcio reports whether c has Fulcio's profile: an OIDC issuer, in either of
// the extensions for it. Source: sigstore/fulcio docs/oid-info.md.
func isFulcio(c *x509.Certificate) bool {
	for _, ext := range c.Extensions {
		for _, n := range []int{1, 8} {
			if ext.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}) {
				return true
			}
		}
	}
	return false
}

// ParsePublicKey reads a public key, PEM or DER. hint is the name by which
// bundles refer to it; if it is empty, DefaultHint's is taken.
func ParsePublicKey(data []byte, hint string) (*Credential, error) {
	if bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) {
		return nil, errors.New("expected a public key, found a certificate (--certificate)")
	}
	pub, err := trustroot.ParsePublicKey(data)
	if err != nil {
		return nil, err
	}
	if hint == "" {
		if hint, err = DefaultHint(pub); err != nil {
			return nil, err
		}
	}
	if len(hint) > maxHint || strings.ContainsFunc(hint, func(r rune) bool { return !strconv.IsPrint(r) || r == '\uFFFD' }) {
		return nil, fmt.Errorf("expected a hint of at most %d bytes of printable text, found %q", maxHint, hint)
	}
	return &Credential{public: pub, hint: hint}, nil
}

// DefaultHint returns base64 of SHA-256 over the key's SubjectPublicKeyInfo,
// the hint that sigstore-go, cosign and sigstore-python derive.
func DefaultHint(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// Algorithm returns what the key signs with when nothing else is said: what
// verifiers take it to have signed with.
func (c *Credential) Algorithm(envelope bool) (trustroot.KeyDetails, error) {
	return AlgorithmOf(c.public, c.chain != nil, envelope)
}

// AlgorithmOf is Credential.Algorithm for a key that has, or will have, a
// certificate; or has none.
func AlgorithmOf(pub crypto.PublicKey, certified, envelope bool) (trustroot.KeyDetails, error) {
	if certified {
		return keyspec.ForCertificate(pub, envelope)
	}
	return keyspec.ForKey(pub)
}

// Check reports whether the key can sign by that algorithm.
func (c *Credential) Check(alg trustroot.KeyDetails) error { return CheckAlgorithm(c.public, alg) }

// CheckAlgorithm is Credential.Check for a key alone.
func CheckAlgorithm(pub crypto.PublicKey, alg trustroot.KeyDetails) error {
	return keyspec.Check(pub, alg)
}

// Warnings says what a verifier will have to be told, beyond whom to trust, to
// accept a bundle for q by this signer.
func (c *Credential) Warnings(q *Request) []string {
	var list []string
	if usual, err := c.Algorithm(q.IsEnvelope()); err == nil && usual != q.algorithm {
		list = append(list, fmt.Sprintf("verifiers expect %v from this key: they have to be told that it signs by %v", usual, q.algorithm))
	}
	if c.chain != nil && !slices.Contains(c.chain[0].ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		list = append(list, fmt.Sprintf("verifiers expect the extended key usage code signing of %q: they have to be told which other one to accept", c.chain[0].Subject))
	}
	return list
}

// NewKeyCredential returns the credential of a bare public key. hint is as for
// ParsePublicKey.
func NewKeyCredential(pub crypto.PublicKey, hint string) (*Credential, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	return ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), hint)
}

// Hint returns the name by which bundles refer to a bare key; "" for a
// certificate.
func (c *Credential) Hint() string { return c.hint }

// CheckKey reports whether c is the public half of the key pub.
func (c *Credential) CheckKey(pub crypto.PublicKey) error {
	if !sameKey(c.public, pub) {
		return errors.New("it is for another key than the signer's")
	}
	return nil
}
