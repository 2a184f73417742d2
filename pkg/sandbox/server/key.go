package server

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A verifier is who made a signature, as far as a client says: a public key,
// and its certificate if there is one.
type verifier struct {
	public crypto.PublicKey
	leaf   []byte // DER
}

// parsePEMVerifier reads one PEM block: a certificate or a public key.
func parsePEMVerifier(text []byte) (verifier, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return verifier{}, errors.New("expected one PEM block with a certificate or a public key")
	}
	switch block.Type {
	case "CERTIFICATE":
		return parseCertificate(block.Bytes)
	case "PUBLIC KEY":
		return parsePublicKey(block.Bytes)
	}
	return verifier{}, fmt.Errorf("expected a PEM block of a certificate or a public key, found %q", clip(block.Type))
}

func parseCertificate(der []byte) (verifier, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return verifier{}, fmt.Errorf("certificate: %w", err)
	}
	if _, err := keyspec.ForKey(cert.PublicKey); err != nil {
		return verifier{}, fmt.Errorf("certificate: %w", err)
	}
	return verifier{public: cert.PublicKey, leaf: der}, nil
}

func parsePublicKey(der []byte) (verifier, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return verifier{}, fmt.Errorf("public key: %w", err)
	}
	if _, err := keyspec.ForKey(public); err != nil {
		return verifier{}, fmt.Errorf("public key: %w", err)
	}
	return verifier{public: public}, nil
}

// algorithms lists what a key may have signed with, the usual first. Early
// clients sign with SHA-256 whatever the curve.
func algorithms(public crypto.PublicKey) []keyspec.Details {
	usual, err := keyspec.ForKey(public)
	if err != nil {
		return nil
	}
	all := []keyspec.Details{usual}
	switch usual {
	case keyspec.ECDSAP384SHA384:
		all = append(all, keyspec.ECDSAP384SHA256)
	case keyspec.ECDSAP521SHA512:
		all = append(all, keyspec.ECDSAP521SHA256)
	case keyspec.Ed25519:
		all = append(all, keyspec.Ed25519ph)
	case keyspec.RSA2048SHA256:
		all = append(all, keyspec.RSAPSS2048SHA256)
	case keyspec.RSA3072SHA256:
		all = append(all, keyspec.RSAPSS3072SHA256)
	case keyspec.RSA4096SHA256:
		all = append(all, keyspec.RSAPSS4096SHA256)
	}
	return all
}

// verifyMessage returns the algorithm by which the key signed message.
func verifyMessage(public crypto.PublicKey, message, sig []byte) (keyspec.Details, error) {
	for _, d := range algorithms(public) {
		if keyspec.VerifyMessage(public, d, message, sig) == nil {
			return d, nil
		}
	}
	return 0, errors.New("the signature does not verify with the public key")
}

// verifyDigest is verifyMessage for what was hashed before.
func verifyDigest(public crypto.PublicKey, h crypto.Hash, digest, sig []byte) (keyspec.Details, error) {
	for _, d := range algorithms(public) {
		if d.Hash() == h && keyspec.VerifyDigest(public, d, digest, sig) == nil {
			return d, nil
		}
	}
	return 0, errors.New("the signature does not verify with the public key")
}

// sandboxKey is a client's key to the sandbox, which certifies and logs it.
func sandboxKey(public crypto.PublicKey, d keyspec.Details) *sandbox.Key {
	return sandbox.NewKey(publicOnly{public}, sandbox.Algorithm(d))
}

// publicOnly is a signer that cannot sign.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("only the client has the private key")
}
