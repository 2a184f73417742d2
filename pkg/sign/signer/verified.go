package signer

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// Verified returns a Signer that signs with s and passes on no signature that
// does not verify under the public key that s has now: whoever keeps the key
// may be slow, mistaken or hostile, and can still not put another key's
// signature into a bundle. It refuses what Check refuses before s is asked, and
// a key that nothing may be signed with. Closing it closes s.
func Verified(s Signer) (Signer, error) {
	pub := s.Public()
	if _, err := keyspec.ForKey(pub); err != nil {
		return nil, err
	}
	return &verified{s, pub}, nil
}

type verified struct {
	signer Signer
	public crypto.PublicKey
}

func (v *verified) Public() crypto.PublicKey { return v.public }

func (v *verified) Sign(ctx context.Context, alg KeyDetails, input []byte) ([]byte, error) {
	if err := Check(v.public, alg, input); err != nil {
		return nil, err
	}
	sig, err := v.signer.Sign(ctx, alg, input)
	if err != nil {
		return nil, err
	}
	verify := keyspec.VerifyMessage
	if alg.Hash() != 0 {
		verify = keyspec.VerifyDigest
	}
	switch err := verify(v.public, alg, input, sig); {
	case errors.Is(err, keyspec.ErrSignature):
		return nil, fmt.Errorf("expected a signature by %v that verifies under the signer's public key, found %d bytes that do not", alg, len(sig))
	case err != nil:
		return nil, err
	}
	return sig, nil
}

// Close closes the signer below if it can be closed.
func (v *verified) Close() error {
	if c, ok := v.signer.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
