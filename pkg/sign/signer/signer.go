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
	// Public before they use it.
	Sign(ctx context.Context, alg KeyDetails, input []byte) ([]byte, error)
}
