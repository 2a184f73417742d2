package keyspec

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json/v2"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

func TestEveryAlgorithmIsTested(t *testing.T) {
	t.Parallel()
	for d := range specs {
		if _, ok := algorithms[d]; !ok {
			t.Errorf("%v has no row in the tests' table", d)
		}
	}
	if len(algorithms) != len(specs) {
		t.Errorf("got %d rows for %d algorithms", len(algorithms), len(specs))
	}
}

// Every key signs in every way it can; each signature must verify under the
// algorithms that prescribe that way for that key, and under no other.
func TestOnlyThePrescribedAlgorithmVerifies(t *testing.T) {
	t.Parallel()
	for name, key := range keys() {
		t.Run("K03-"+name, func(t *testing.T) {
			t.Parallel()
			for _, m := range methodsOf(key) {
				sig := sign(t, key, m)
				for d, a := range algorithms {
					want := slices.Contains(a.keys, name) && a.method == m
					if err := VerifyMessage(key.Public(), d, message, sig); (err == nil) != want {
						t.Errorf("%s signed by %v, verified as %v: got %v, want accepted %v", name, m, d, err, want)
					}
					if err := VerifyMessage(key.Public(), d, append(message, '!'), sig); err == nil {
						t.Errorf("%s signed by %v, verified as %v over another message: accepted", name, m, d)
					}
				}
			}
		})
	}
}

func TestAnotherKeyDoesNotVerify(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sig := sign(t, keys()["P-256"], sha256Method)
	if err := VerifyMessage(other.Public(), ECDSAP256SHA256, message, sig); err != ErrSignature {
		t.Errorf("got %v, want %v", err, ErrSignature)
	}
	if err := VerifyMessage(keys()["P-256"].Public(), ECDSAP256SHA256, message, sig); err != nil {
		t.Errorf("the twin: got %v, want it accepted", err)
	}
}

func TestShortHashUnderALongCurveIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, key    string
		strong, weak Details
		right        method
		rightSize    int
	}{
		{"K04-P-384-over-SHA-256", "P-384", ECDSAP384SHA384, ECDSAP384SHA256, sha384Method, 48},
		{"K04-P-521-over-SHA-256", "P-521", ECDSAP521SHA512, ECDSAP521SHA256, sha512Method, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			key := keys()[test.key]
			weak := sign(t, key, sha256Method)
			if err := VerifyMessage(key.Public(), test.strong, message, weak); err != ErrSignature {
				t.Errorf("got %v, want %v", err, ErrSignature)
			}
			if err := VerifyDigest(key.Public(), test.strong, digest(crypto.SHA256, message), weak); err == nil || err == ErrSignature {
				t.Errorf("over a SHA-256 digest: got %v, want an error about its length", err)
			}
			if err := VerifyMessage(key.Public(), test.strong, message, sign(t, key, test.right)); err != nil {
				t.Errorf("the twin, over the prescribed hash: got %v, want it accepted", err)
			}
			if d, err := ForKey(key.Public()); d != test.strong || d.Hash().Size() != test.rightSize || err != nil {
				t.Errorf("ForKey: got %v, %v, want %v", d, err, test.strong)
			}
			// A trusted root may still name the old pair; nothing else leads to it.
			if err := VerifyMessage(key.Public(), test.weak, message, weak); err != nil || !test.weak.Old() {
				t.Errorf("as %v: got %v, old %v, want it accepted and old", test.weak, err, test.weak.Old())
			}
		})
	}
}

func TestVerifyDigestRefusesAWrongQuestion(t *testing.T) {
	t.Parallel()
	for d, a := range algorithms {
		key := keys()[a.keys[0]]
		sig := sign(t, key, a.method)
		sum := digest(a.method.hash, message)
		err := VerifyDigest(key.Public(), d, sum, sig)
		if hashes := d.Hash() != 0; (err == nil) != hashes {
			t.Errorf("%v: got %v, want accepted %v", d, err, hashes)
		}
		for _, bad := range [][]byte{nil, {}, sum[:len(sum)-1], append(slices.Clip(sum), 0), digest(crypto.SHA1, message)} {
			if err := VerifyDigest(key.Public(), d, bad, sig); err == nil || err == ErrSignature {
				t.Errorf("%v over %d bytes: got %v, want an error about the digest", d, len(bad), err)
			}
		}
	}
}

func TestMangledSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	for d, a := range algorithms {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			key := keys()[a.keys[0]]
			sig := sign(t, key, a.method)
			if err := VerifyMessage(key.Public(), d, message, sig); err != nil {
				t.Fatalf("the twin: got %v, want it accepted", err)
			}
			bad := [][]byte{nil, {}, sig[:len(sig)-1], sig[1:], append(slices.Clip(sig), 0), append([]byte{0}, sig...), make([]byte, len(sig))}
			for i := 0; i < len(sig); i += max(1, len(sig)/64) {
				mangled := bytes.Clone(sig)
				mangled[i] ^= 1
				bad = append(bad, mangled)
			}
			for _, sig := range bad {
				if err := VerifyMessage(key.Public(), d, message, sig); err != ErrSignature {
					t.Errorf("%x: got %v, want %v", sig, err, ErrSignature)
				}
			}
		})
	}
}

// Signing the message as a context or as a hash does not pass for signing it.
func TestContextsAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key  string
		opts crypto.SignerOpts
		d    Details
	}{
		"ML-DSA":    {"ML-DSA-65", &mldsa.Options{Context: "x"}, MLDSA65},
		"Ed25519ph": {"Ed25519", &ed25519.Options{Hash: crypto.SHA512, Context: "x"}, Ed25519ph},
		"Ed25519":   {"Ed25519", &ed25519.Options{Context: "x"}, Ed25519},
	} {
		key := keys()[test.key]
		if sig := sign(t, key, method{test.d.Hash(), test.opts}); VerifyMessage(key.Public(), test.d, message, sig) != ErrSignature {
			t.Errorf("%s: a signature under a context is accepted", name)
		}
	}
}

// The twin of an ECDSA signature verifies: the mathematics has no say in which
// of the two the signer made. It is the same statement by the same key, so it is
// no second signature to anyone who counts; that is why nothing counts by bytes.
func TestMalleableTwinIsNoNewSignature(t *testing.T) {
	t.Parallel()
	t.Run("K07-malleable-twin", func(t *testing.T) {
		t.Parallel()
		for _, test := range []struct {
			key string
			d   Details
			n   *big.Int
		}{
			{"P-256", ECDSAP256SHA256, elliptic.P256().Params().N},
			{"P-384", ECDSAP384SHA384, elliptic.P384().Params().N},
			{"P-521", ECDSAP521SHA512, elliptic.P521().Params().N},
		} {
			key := keys()[test.key]
			sig := sign(t, key, algorithms[test.d].method)
			r, s := parts(t, sig)
			twin := encode(t, r, new(big.Int).Sub(test.n, s))
			signers := make(map[string]bool)
			for _, sig := range [][]byte{sig, twin} {
				if err := VerifyMessage(key.Public(), test.d, message, sig); err != nil {
					t.Errorf("%s: got %v, want both twins accepted", test.key, err)
				}
				der, err := x509.MarshalPKIXPublicKey(key.Public())
				if err != nil {
					t.Fatal(err)
				}
				signers[string(der)] = true
			}
			if bytes.Equal(sig, twin) || len(signers) != 1 {
				t.Errorf("%s: got %d signers, want one signer with two signatures", test.key, len(signers))
			}
			// A value out of range is no twin.
			for _, bad := range [][2]*big.Int{{r, new(big.Int).Add(s, test.n)}, {new(big.Int).Add(r, test.n), s}, {r, new(big.Int).Neg(s)}, {new(big.Int), s}, {r, new(big.Int)}} {
				if err := VerifyMessage(key.Public(), test.d, message, encode(t, bad[0], bad[1])); err != ErrSignature {
					t.Errorf("%s: r %v, s %v: got %v, want %v", test.key, bad[0], bad[1], err, ErrSignature)
				}
			}
		}
	})
}

func TestForKeyAndForCertificate(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Details{
		"P-256": ECDSAP256SHA256, "P-384": ECDSAP384SHA384, "P-521": ECDSAP521SHA512, "Ed25519": Ed25519,
		"RSA-2048": RSA2048SHA256, "RSA-3072": RSA3072SHA256, "RSA-4096": RSA4096SHA256,
		"ML-DSA-44": MLDSA44, "ML-DSA-65": MLDSA65, "ML-DSA-87": MLDSA87,
	} {
		pub := keys()[name].Public()
		if got, err := ForKey(pub); got != want || err != nil {
			t.Errorf("ForKey(%s): got %v, %v, want %v", name, got, err, want)
		}
		if got, err := ForCertificate(pub, true); got != want || err != nil {
			t.Errorf("ForCertificate(%s) of an envelope: got %v, %v, want %v", name, got, err, want)
		}
		if want == Ed25519 {
			want = Ed25519ph
		}
		if got, err := ForCertificate(pub, false); got != want || err != nil {
			t.Errorf("ForCertificate(%s): got %v, %v, want %v", name, got, err, want)
		}
	}
	for _, pub := range []crypto.PublicKey{weakRSA(1024), weakRSA(2047), weakRSA(2056), &ecdsa.PublicKey{Curve: elliptic.P224()}} {
		if d, err := ForCertificate(pub, false); err == nil || d != Unspecified {
			t.Errorf("%s prescribes %v", Describe(pub), d)
		}
	}
}

func TestDetailsAsJSON(t *testing.T) {
	t.Parallel()
	for d := range specs {
		text, err := json.Marshal(d)
		if err != nil || string(text) != `"`+d.String()+`"` {
			t.Errorf("%v: written as %s, %v", d, text, err)
		}
		var got Details
		if err := json.Unmarshal(text, &got); err != nil || got != d {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
		if got, ok := Parse(d.String()); !ok || got != d {
			t.Errorf("Parse(%v): got %v, %v", d, got, ok)
		}
	}
	for _, text := range []string{`"PUBLIC_KEY_DETAILS_UNSPECIFIED"`, `0`, `"LMS_SHA256"`, `14`, `"pkix_ed25519"`, `""`, `-5`} {
		got := Ed25519
		err := json.Unmarshal([]byte(text), &got)
		if _, ok := errors.AsType[*pbjson.UnknownEnumError](err); !ok || got.Known() {
			t.Errorf("%s: got %v, %v, want an unknown value", text, got, err)
		}
	}
	for _, d := range []Details{Unspecified, 14, 99} {
		if text, err := json.Marshal(d); err == nil {
			t.Errorf("%d: written as %s, want an error", int32(d), text)
		}
		if _, ok := Parse(d.String()); ok {
			t.Errorf("%v is the name of an algorithm", d)
		}
	}
}

// With the exponent 1 the padded digest is its own signature.
func TestExponentOneDoesNotVerify(t *testing.T) {
	t.Parallel()
	key := keys()["RSA-2048"].Public().(*rsa.PublicKey)
	sig := sign(t, keys()["RSA-2048"], sha256Method)
	padded := new(big.Int).Exp(new(big.Int).SetBytes(sig), big.NewInt(int64(key.E)), key.N)
	forged := padded.FillBytes(make([]byte, key.Size()))
	if err := VerifyMessage(&rsa.PublicKey{N: key.N, E: 1}, RSA2048SHA256, message, forged); err == nil {
		t.Error("a signature that needs no private key is accepted")
	}
	if err := VerifyMessage(key, RSA2048SHA256, message, sig); err != nil {
		t.Errorf("the twin: got %v, want it accepted", err)
	}
}

func TestSameAlgorithm(t *testing.T) {
	t.Parallel()
	same := map[[2]Details]bool{
		{RSAPKCS1v5, RSA2048SHA256}: true, {RSAPKCS1v5, PKCS1RSAPKCS1v5}: true, {RSAPSS, RSAPSS3072SHA256}: true,
		{ECDSAP256SHA256, ECDSAP256HMACSHA256}: true,
	}
	for d := Details(-1); d < 30; d++ {
		if got := d.SameAlgorithm(d); got != d.Known() {
			t.Errorf("%v: got %v for itself, want %v", d, got, d.Known())
		}
	}
	for _, pair := range [][2]Details{
		{RSAPKCS1v5, RSA2048SHA256}, {RSAPKCS1v5, PKCS1RSAPKCS1v5}, {RSAPSS, RSAPSS3072SHA256}, {ECDSAP256SHA256, ECDSAP256HMACSHA256},
		{RSA2048SHA256, RSAPSS2048SHA256}, {Ed25519, Ed25519ph}, {ECDSAP384SHA384, ECDSAP384SHA256}, {ECDSAP384SHA256, ECDSAP521SHA256},
		{MLDSA44, MLDSA65}, {MLDSA65, Ed25519}, {0, 0}, {0, RSA2048SHA256},
	} {
		a, b := pair[0], pair[1]
		if a.SameAlgorithm(b) != same[pair] || b.SameAlgorithm(a) != same[pair] {
			t.Errorf("%v and %v: got %v, want %v", a, b, a.SameAlgorithm(b), same[pair])
		}
	}
}
