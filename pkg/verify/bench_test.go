package verify_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// BenchmarkVerify compares a warm verifier with the signatures that it must
// check, the floor, and with sigstore-go: parsing included, artifact by digest.
// The bundles have the shape of the public-good instance's: a P-384 CA, and
// P-256 for leaf, CT log and Rekor v1.
func BenchmarkVerify(b *testing.B) {
	s := newSandbox(b)
	ca, err := s.NewCA("p384", &sandbox.CAOptions{Profile: sandbox.FulcioProfile, Algorithm: sandbox.P384})
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := ca.Issue(sandbox.Request{})
	if err != nil {
		b.Fatal(err)
	}
	evidence := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}, TSAs: []*sandbox.TSA{}}
	certified, managed := evidence, evidence
	certified.Leaf, managed.Key = leaf, s.Key("release", sandbox.P256)
	for _, c := range []struct {
		name       string
		options    sandbox.SignOptions
		p384, p256 int // signatures to check
	}{
		{"signer=certificate", certified, 1, 4}, // certificate; signature, SCT, SET, checkpoint
		{"signer=key", managed, 0, 3},           // signature, SET, checkpoint
	} {
		trial := honest(b, s, c.options)
		trial.Root.CertificateAuthorities = []*prototrustroot.CertificateAuthority{ca.Authority()}
		b.Run(c.name+"/impl=floor", func(b *testing.B) { benchFloor(b, c.p384, c.p256) })
		b.Run(c.name+"/impl=bundler", func(b *testing.B) { benchBundler(b, trial) })
		b.Run(c.name+"/impl=sigstore-go", func(b *testing.B) { benchSigstoreGo(b, trial, managed.Key) })
	}
}

func benchFloor(b *testing.B, p384, p256 int) {
	digest := sha256.Sum256(hello)
	check := func(curve elliptic.Curve, times int) func() {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			b.Fatal(err)
		}
		return func() {
			for range times {
				if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
					b.Fatal("signature does not verify")
				}
			}
		}
	}
	large, small := check(elliptic.P384(), p384), check(elliptic.P256(), p256)
	b.ReportAllocs()
	for b.Loop() {
		large()
		small()
	}
}

func benchBundler(b *testing.B, c *trial) {
	trust, err := trustroot.Parse(sandbox.JSON(c.Root), "sandbox")
	if err != nil {
		b.Fatal(err)
	}
	trust.Keyring = c.Keyring
	verifier, err := verify.New(trust, c.Require)
	if err != nil {
		b.Fatal(err)
	}
	text, digest := c.text(), bundle.Sum(bundle.SHA256, hello)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.VerifyJSON(text, &verify.Artifact{Name: "hello", Digests: []bundle.Digest{digest}}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchSigstoreGo(b *testing.B, c *trial, key *sandbox.Key) {
	v := &vector{
		trust: sandbox.JSON(c.Root), digest: bundle.Sum(bundle.SHA256, hello),
		identity: sandbox.DefaultIdentity, issuer: sandbox.DefaultIssuer,
	}
	if c.Require.AnyKey {
		v.key = key.PEM()
	}
	verifier, policy, err := sigstoreGoVerifier(v)
	if err != nil {
		b.Fatal(err)
	}
	text := c.text()
	b.ReportAllocs()
	for b.Loop() {
		var parsed sgbundle.Bundle
		if err := parsed.UnmarshalJSON(text); err != nil {
			b.Fatal(err)
		}
		if _, err := verifier.Verify(&parsed, policy); err != nil {
			b.Fatal(err)
		}
	}
}
