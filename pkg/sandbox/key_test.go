package sandbox_test

import (
	"crypto"
	"crypto/sha256"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// TestEveryAlgorithmSigns: a signature verifies under its own algorithm, and
// under its own key only.
func TestEveryAlgorithmSigns(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	message := []byte("message")
	other := s.Key("other", sandbox.P256)
	for _, a := range []sandbox.Algorithm{
		sandbox.P256, sandbox.P384, sandbox.P521, sandbox.P384SHA256, sandbox.P521SHA256, sandbox.Ed25519, sandbox.Ed25519ph,
		sandbox.RSA2048, sandbox.RSA3072, sandbox.RSAPSS2048, sandbox.MLDSA44, sandbox.MLDSA65, sandbox.MLDSA87,
	} {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			k := s.Key("k", a)
			if err := keyspec.VerifyMessage(k.Public(), keyspec.Details(a), message, k.Sign(message)); err != nil {
				t.Error(err)
			}
			if err := keyspec.VerifyMessage(other.Public(), keyspec.ECDSAP256SHA256, message, k.Sign(message)); err == nil {
				t.Error("another key's signature verifies")
			}
		})
	}
}

// TestKeysMixAlgorithms: one private key signs as the caller says, fitting or
// not, as an attacker would.
func TestKeysMixAlgorithms(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	message := []byte("message")
	ed := s.Key("k", sandbox.Ed25519)
	if keyspec.VerifyMessage(ed.Public(), keyspec.Ed25519, message, ed.As(sandbox.Ed25519ph).Sign(message)) == nil {
		t.Error("Ed25519ph verifies as Ed25519")
	}
	if err := keyspec.VerifyMessage(ed.Public(), keyspec.Ed25519ph, message, ed.As(sandbox.Ed25519ph).Sign(message)); err != nil {
		t.Error(err)
	}
	p384 := s.Key("k", sandbox.P384)
	digest := sha256.Sum256(message)
	weak := p384.SignDigest(crypto.SHA256, digest[:])
	if keyspec.VerifyMessage(p384.Public(), keyspec.ECDSAP384SHA384, message, weak) == nil {
		t.Error("P-384 over SHA-256 verifies as over SHA-384")
	}
	if err := keyspec.VerifyMessage(p384.Public(), keyspec.ECDSAP384SHA256, message, weak); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a key of an unknown algorithm")
		}
	}()
	s.Key("k", 99)
}
