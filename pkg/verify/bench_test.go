package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	sgroot "github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

func BenchmarkVerify(b *testing.B) {
	v := loadVectors(b)
	for _, c := range v {
		if c.name != "happy-path-v0.3" {
			continue
		}
		b.Run("floor", func(b *testing.B) { floor(b) })
		b.Run("bundler", func(b *testing.B) {
			trust, err := trustroot.Parse(c.trust, "")
			if err != nil {
				b.Fatal(err)
			}
			req := verify.DefaultRequirements()
			req.Now = time.Now()
			req.Identities = []verify.Identity{{Name: c.identity, Issuer: c.issuer}}
			vf, err := verify.New(trust, req)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := vf.VerifyJSON(c.bundle, &verify.Artifact{Digests: []bundle.Digest{c.digest}}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("sigstore-go", func(b *testing.B) {
			tr, err := sgroot.NewTrustedRootFromJSON(c.trust)
			if err != nil {
				b.Fatal(err)
			}
			vf, err := sgverify.NewVerifier(tr, sgverify.WithSignedCertificateTimestamps(1), sgverify.WithTransparencyLog(1), sgverify.WithObserverTimestamps(1))
			if err != nil {
				b.Fatal(err)
			}
			id, _ := sgverify.NewShortCertificateIdentity(c.issuer, "", c.identity, "")
			b.ReportAllocs()
			for b.Loop() {
				var sb sgbundle.Bundle
				if err := sb.UnmarshalJSON(c.bundle); err != nil {
					b.Fatal(err)
				}
				if _, err := vf.Verify(&sb, sgverify.NewPolicy(sgverify.WithArtifactDigest("sha256", c.digest.Bytes()), sgverify.WithCertificateIdentity(id))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func floor(b *testing.B) {
	msg := sha256.Sum256([]byte("x"))
	k384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s384, _ := ecdsa.SignASN1(rand.Reader, k384, msg[:])
	s256, _ := ecdsa.SignASN1(rand.Reader, k256, msg[:])
	_ = bytes.Equal
	b.ReportAllocs()
	for b.Loop() {
		ecdsa.VerifyASN1(&k384.PublicKey, msg[:], s384)
		for range 4 {
			ecdsa.VerifyASN1(&k256.PublicKey, msg[:], s256)
		}
	}
}
