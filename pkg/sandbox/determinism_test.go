package sandbox_test

import (
	"bytes"
	"encoding/pem"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// TestSameSeedSameBytes: two sandboxes of one seed make the same bundles and
// the same trusted root; another seed, another clock or another order does not.
func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	run := func(o *sandbox.Options) (root, bundle []byte) {
		s := must(sandbox.New(o))
		s.Advance(time.Minute)
		b := must(s.Sign(sandbox.SignOptions{Artifact: artifact, Logs: []*sandbox.Log{s.RekorV1, s.RekorV2}}))
		return sandbox.JSON(s.TrustedRoot()), sandbox.JSON(b)
	}
	root, bundle := run(nil)
	if again, b := run(&sandbox.Options{Now: sandbox.Birth}); !bytes.Equal(root, again) || !bytes.Equal(bundle, b) {
		t.Error("the same seed and clock: other bytes")
	}
	if other, b := run(&sandbox.Options{Seed: "x"}); bytes.Equal(root, other) || bytes.Equal(bundle, b) {
		t.Error("another seed: the same bytes")
	}
	if other, _ := run(&sandbox.Options{Now: sandbox.Birth.Add(time.Second)}); bytes.Equal(root, other) {
		t.Error("another clock: the same bytes")
	}
}

func TestClockIsSet(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	then := time.Date(2030, 2, 3, 4, 5, 6, 0, time.UTC)
	s.SetTime(then)
	leaf := must(s.Fulcio.Issue(sandbox.Request{}))
	if !leaf.Cert.NotBefore.Equal(then) || !leaf.Cert.NotAfter.Equal(then.Add(10*time.Minute)) {
		t.Errorf("got a leaf from %v to %v", leaf.Cert.NotBefore, leaf.Cert.NotAfter)
	}
	block, _ := pem.Decode(leaf.PEM())
	if block == nil || !bytes.Equal(block.Bytes, leaf.DER) {
		t.Error("the PEM is not the certificate")
	}
}

// TestKeysFollowFromLabels: nothing but the label, the seed and the type of
// key decides, and no two labels share a key.
func TestKeysFollowFromLabels(t *testing.T) {
	t.Parallel()
	s, twin := must(sandbox.New(nil)), must(sandbox.New(nil))
	seen := map[string]bool{}
	for _, a := range []sandbox.Algorithm{
		sandbox.P256, sandbox.P384, sandbox.P521, sandbox.Ed25519, sandbox.MLDSA44, sandbox.MLDSA65, sandbox.MLDSA87,
	} {
		for _, label := range []string{"a", "b"} {
			k := s.Key(label, a)
			if !bytes.Equal(k.SPKI(), twin.Key(label, a).SPKI()) {
				t.Errorf("%v %q: two keys", a, label)
			}
			if seen[string(k.SPKI())] {
				t.Errorf("%v %q: the key of another label", a, label)
			}
			seen[string(k.SPKI())] = true
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := sandbox.New(nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s := must(sandbox.New(nil))
	for b.Loop() {
		if _, err := s.Sign(sandbox.SignOptions{Artifact: artifact}); err != nil {
			b.Fatal(err)
		}
	}
}
