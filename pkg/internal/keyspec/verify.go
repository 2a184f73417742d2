package keyspec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hashes that Details.Hash names
	_ "crypto/sha512"
	"errors"
	"fmt"
)

// ErrSignature is returned by VerifyDigest and VerifyMessage when the key did
// not make the signature.
var ErrSignature = errors.New("the signature was not made by this key over these bytes")

// VerifyDigest reports whether pub made sig over digest, by the algorithm d,
// which must hash first: digest is d.Hash() of the message. It returns
// ErrSignature for a wrong signature and another error for a wrong question.
//
// A PSS signature may have a salt of any length. Signers choose it: OpenSSL and
// sigstore take the longest that fits, RFC 8017 and X.509 the hash's own length,
// and sigstore's verifiers take any. The signature is no weaker for it.
//
// A signature has a twin in ECDSA, (r, n−s) beside (r, s), that verifies as
// well. So two signatures never count for more than one because their bytes
// differ: whoever counts does it by the key or the log that signed.
func VerifyDigest(pub crypto.PublicKey, d Details, digest, sig []byte) error {
	if err := Check(pub, d); err != nil {
		return err
	}
	s := specs[d]
	if s.hash == 0 {
		return fmt.Errorf("%v signs the message itself: a digest is not enough to verify it", d)
	}
	if len(digest) != s.hash.Size() {
		return fmt.Errorf("expected a %v digest of %d bytes, found %d", s.hash, s.hash.Size(), len(digest))
	}
	ok := false
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(pub, digest, sig)
	case *rsa.PublicKey:
		if s.scheme == pssScheme {
			ok = rsa.VerifyPSS(pub, s.hash, digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(pub, s.hash, digest, sig) == nil
		}
	case ed25519.PublicKey:
		ok = ed25519.VerifyWithOptions(pub, digest, sig, &ed25519.Options{Hash: crypto.SHA512}) == nil
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// VerifyMessage is VerifyDigest for a message in memory, and the only way to
// verify the schemes that do not hash first.
func VerifyMessage(pub crypto.PublicKey, d Details, message, sig []byte) error {
	if h := d.Hash(); h != 0 {
		w := h.New()
		w.Write(message)
		return VerifyDigest(pub, d, w.Sum(nil), sig)
	}
	if err := Check(pub, d); err != nil {
		return err
	}
	ok := false
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(pub, message, sig)
	case *mldsa.PublicKey:
		ok = mldsa.Verify(pub, message, sig, nil) == nil
	}
	if !ok {
		return ErrSignature
	}
	return nil
}
