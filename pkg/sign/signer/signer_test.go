package signer_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// keys has one of each kind; RSA once, since its keys are slow to make.
func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	made := make(map[string]crypto.Signer)
	add := func(name string, key crypto.Signer, err error) {
		if err != nil {
			t.Fatal(err)
		}
		made[name] = key
	}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(name, key, err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	add("RSA-2048", rsaKey, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	add("Ed25519", edKey, err)
	pqKey, err := mldsa.GenerateKey(mldsa.MLDSA65())
	add("ML-DSA-65", pqKey, err)
	return made
}

var algorithmsOf = map[string][]signer.KeyDetails{
	"P-256":     {keyspec.ECDSAP256SHA256},
	"P-384":     {keyspec.ECDSAP384SHA384},
	"P-521":     {keyspec.ECDSAP521SHA512},
	"RSA-2048":  {keyspec.RSA2048SHA256, keyspec.RSAPSS2048SHA256},
	"Ed25519":   {keyspec.Ed25519, keyspec.Ed25519ph},
	"ML-DSA-65": {keyspec.MLDSA65},
}

// input is what alg signs for a message: its hash, or itself.
func input(alg signer.KeyDetails, message string) []byte {
	h := alg.Hash()
	if h == 0 {
		return []byte(message)
	}
	w := h.New()
	w.Write([]byte(message))
	return w.Sum(nil)
}

func TestKeysSignByTheirAlgorithmsAndNoOther(t *testing.T) {
	t.Parallel()
	for name, key := range keys(t) {
		t.Run("K03-K06-"+name, func(t *testing.T) {
			t.Parallel()
			s, err := signer.FromKey(key)
			if err != nil {
				t.Fatal(err)
			}
			v, err := signer.Verified(s)
			if err != nil {
				t.Fatal(err)
			}
			signed := 0
			for alg := range signer.KeyDetails(64) { // old and unknown ones too
				for _, s := range []signer.Signer{s, v} {
					sig, err := s.Sign(t.Context(), alg, input(alg, "message"))
					if err != nil {
						if sig != nil {
							t.Errorf("%v: got a signature beside %v", alg, err)
						}
						continue
					}
					signed++
					if err := keyspec.VerifyMessage(key.Public(), alg, []byte("message"), sig); err != nil {
						t.Errorf("%v: %v", alg, err)
					}
				}
			}
			if want := 2 * len(algorithmsOf[name]); signed != want {
				t.Errorf("got %d signatures, want %d", signed, want)
			}
			alg := algorithmsOf[name][0]
			if alg.Hash() != 0 {
				for _, n := range []int{0, 20, alg.Hash().Size() - 1, alg.Hash().Size() + 1} {
					if _, err := v.Sign(t.Context(), alg, make([]byte, n)); err == nil {
						t.Errorf("%v signs %d bytes", alg, n)
					}
				}
			}
		})
	}
}

func TestWeakKeysAreNoSigners(t *testing.T) {
	t.Parallel()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("K03-P-224", func(t *testing.T) {
		t.Parallel()
		for name, key := range map[string]crypto.Signer{"P-224": p224, "none": nil, "P-256": good} {
			if s, err := signer.FromKey(key); (err == nil) != (name == "P-256") {
				t.Errorf("%s: got %v, %v", name, s, err)
			}
		}
		for _, key := range []crypto.Signer{p224, good} {
			if _, err := signer.Verified(&liar{key.Public(), nil}); (err == nil) != (key == crypto.Signer(good)) {
				t.Errorf("Verified(%v): got %v", key, err)
			}
		}
	})
}

// A liar is a signer with any public key and any signature.
type liar struct {
	public crypto.PublicKey
	sign   func(alg signer.KeyDetails, input []byte) ([]byte, error)
}

func (l *liar) Public() crypto.PublicKey { return l.public }
func (l *liar) Sign(_ context.Context, alg signer.KeyDetails, input []byte) ([]byte, error) {
	return l.sign(alg, input)
}

func TestVerifiedPassesOnGoodSignaturesOnly(t *testing.T) {
	t.Parallel()
	all := keys(t)
	key, other := all["P-256"], all["P-384"]
	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	by := func(k crypto.Signer, change func([]byte) []byte) func(signer.KeyDetails, []byte) ([]byte, error) {
		return func(alg signer.KeyDetails, input []byte) ([]byte, error) {
			sig, err := k.Sign(rand.Reader, input, alg.Hash())
			return change(sig), err
		}
	}
	same := func(sig []byte) []byte { return sig }
	down := errors.New("the token is gone")
	for name, sign := range map[string]func(signer.KeyDetails, []byte) ([]byte, error){
		"honest":      by(key, same),
		"another key": by(another, same),
		"nothing":     by(key, func([]byte) []byte { return nil }),
		"changed":     by(key, func(sig []byte) []byte { sig[len(sig)-1] ^= 1; return sig }),
		"longer":      by(key, func(sig []byte) []byte { return append(sig, 0) }),
		"another message": func(alg signer.KeyDetails, b []byte) ([]byte, error) {
			b = append([]byte{}, b...)
			b[0] ^= 1
			return by(key, same)(alg, b)
		},
		"an error": func(signer.KeyDetails, []byte) ([]byte, error) { return []byte("sig"), down },
	} {
		l := &liar{key.Public(), sign}
		s, err := signer.Verified(l)
		if err != nil {
			t.Fatal(err)
		}
		l.public = other.Public() // too late: the key is pinned
		sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32))
		if (err == nil) != (name == "honest") || (sig == nil) != (err != nil) {
			t.Errorf("%s: got %x, %v", name, sig, err)
		}
		if name == "an error" && err != down {
			t.Errorf("got %v, want %v as it is", err, down)
		}
		if !key.Public().(*ecdsa.PublicKey).Equal(s.Public()) {
			t.Errorf("%s: the public key changed", name)
		}
	}
}

// Verified asks nobody for a signature that nothing may be signed with, whatever
// the signer below would do.
func TestVerifiedRefusesBeforeItAsks(t *testing.T) {
	t.Parallel()
	t.Run("K06-old-or-foreign-algorithm", func(t *testing.T) {
		t.Parallel()
		key := keys(t)["P-384"]
		asked := 0
		s, err := signer.Verified(&liar{key.Public(), func(alg signer.KeyDetails, input []byte) ([]byte, error) {
			asked++
			return key.Sign(rand.Reader, input, alg.Hash())
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range []signer.KeyDetails{keyspec.ECDSAP384SHA256, keyspec.ECDSAP256SHA256, keyspec.RSAPKCS1v5, keyspec.Unspecified, 99} {
			if sig, err := s.Sign(t.Context(), alg, make([]byte, 32)); err == nil || asked != 0 {
				t.Errorf("%v: got %x, %v, asked %d times", alg, sig, err, asked)
			}
		}
		if _, err := s.Sign(t.Context(), keyspec.ECDSAP384SHA384, make([]byte, 48)); err != nil || asked != 1 {
			t.Errorf("the twin: got %v, asked %d times", err, asked)
		}
	})
}

func TestSignEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, err := signer.FromKey(keys(t)["P-256"])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sign(ctx, keyspec.ECDSAP256SHA256, make([]byte, 32)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestPasswordReaderReadsOneLineACall(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", signer.MaxPassword)
	ask := signer.PasswordReader(strings.NewReader("one\ntwo words \r\n\n" + long + "\nlast"))
	for _, want := range []string{"one", "two words ", "", long, "last"} {
		if got, err := ask(t.Context(), ""); err != nil || string(got) != want {
			t.Errorf("got %.20q, %v, want %.20q", got, err, want)
		}
	}
	if got, err := ask(t.Context(), ""); err == nil || got != nil {
		t.Errorf("after the end: got %q, %v, want an error", got, err)
	}
	for _, extra := range []string{"x", "xx", "xxxxxxxxxx"} {
		if got, err := signer.PasswordReader(strings.NewReader(long+extra+"\n"))(t.Context(), ""); err == nil || got != nil {
			t.Errorf("%d bytes: got %d, %v, want an error", len(long+extra), len(got), err)
		} else if strings.Contains(err.Error(), "xx") {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
}
