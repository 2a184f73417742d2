// Package signer answers one question: who can sign with this key?
//
// A Signer is a private key that somebody else keeps: a file, a smart card, a
// KMS, another program. A Mux opens one by URI; which schemes it knows is
// decided where it is built, since there is no registry. What is signed, and
// what becomes of the signature, is package sign's business.
package signer

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// KeyDetails names a key's encoding and its signature algorithm, as
// protobuf-specs' PublicKeyDetails does.
type KeyDetails = keyspec.Details

// A Signer signs with one private key. It may also be an io.Closer, to be
// closed after the last signature. It need not be safe for concurrent use.
type Signer interface {
	// Public returns the key's public half, as it was when the Signer was
	// opened. It costs nothing.
	Public() crypto.PublicKey

	// Sign returns a signature by the algorithm alg, which fits the key:
	// over input = alg.Hash() of the message or, where alg.Hash() is zero,
	// over input = the message itself. An ECDSA signature is in ASN.1 DER.
	//
	// A signature is as good as whoever made it: callers verify it against
	// Public before they use it. Verified does, and so does whatever a Mux
	// opens.
	Sign(ctx context.Context, alg KeyDetails, input []byte) ([]byte, error)
}

// Check reports whether a key with the public half pub may sign input by alg:
// the algorithm is current and made for such a key, and input is as long as
// its hash.
func Check(pub crypto.PublicKey, alg KeyDetails, input []byte) error {
	if err := keyspec.Check(pub, alg); err != nil {
		return err
	}
	if alg.Old() {
		return fmt.Errorf("%v is read for the sake of old trusted roots: nothing signs by it", alg)
	}
	if h := alg.Hash(); h != 0 && len(input) != h.Size() {
		return fmt.Errorf("expected a %v digest of %d bytes to sign by %v, found %d", h, h.Size(), alg, len(input))
	}
	return nil
}

// Options returns what crypto.Signer takes for a signature by alg. The salt of
// a PSS signature is as long as its hash (RFC 8017 section 9.1).
func Options(alg KeyDetails) crypto.SignerOpts {
	switch alg {
	case keyspec.RSAPSS2048SHA256, keyspec.RSAPSS3072SHA256, keyspec.RSAPSS4096SHA256:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: alg.Hash()}
	case keyspec.Ed25519ph:
		return &ed25519.Options{Hash: alg.Hash()}
	}
	return alg.Hash()
}

// FromKey returns a Signer for a private key in memory. A key that nothing may
// be signed with, such as RSA of 1024 bits, is an error.
func FromKey(key crypto.Signer) (Signer, error) {
	if key == nil {
		return nil, errors.New("expected a private key, found none")
	}
	if _, err := keyspec.ForKey(key.Public()); err != nil {
		return nil, err
	}
	return memory{key}, nil
}

type memory struct{ key crypto.Signer }

func (m memory) Public() crypto.PublicKey { return m.key.Public() }

func (m memory) Sign(ctx context.Context, alg KeyDetails, input []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := Check(m.Public(), alg, input); err != nil {
		return nil, err
	}
	return m.key.Sign(rand.Reader, input, Options(alg))
}
