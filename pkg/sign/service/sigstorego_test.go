package service_test

import (
	"bytes"
	"fmt"
	"testing"

	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

// TestSigstoreGoBelieves: other clients verify what is signed here.
func TestSigstoreGoBelieves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trusted, err := root.NewTrustedRootFromJSON(sandbox.JSON(w.TrustedRoot()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := sgverify.NewVerifier(trusted, sgverify.WithSignedCertificateTimestamps(1), sgverify.WithTransparencyLog(1), sgverify.WithSignedTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	who, err := sgverify.NewShortCertificateIdentity(w.URL(server.OIDC), "", sandbox.DefaultIdentity, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, rekor := range []uint32{1, 2} {
		for _, statement := range []bool{false, true} {
			t.Run(fmt.Sprintf("rekor-v%d/statement=%v", rekor, statement), func(t *testing.T) {
				b, _, err := w.sign(order{rekor: rekor, statement: statement})
				if err != nil {
					t.Fatal(err)
				}
				text, err := b.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				parsed := &sgbundle.Bundle{}
				if err := parsed.UnmarshalJSON(text); err != nil {
					t.Fatal(err)
				}
				for artifact, want := range map[string]bool{string(hello): true, "another\n": false} {
					policy := sgverify.NewPolicy(sgverify.WithArtifact(bytes.NewReader([]byte(artifact))), sgverify.WithCertificateIdentity(who))
					if _, err := v.Verify(parsed, policy); (err == nil) != want {
						t.Errorf("artifact %q: got %v, want it verified: %v", artifact, err, want)
					}
				}
			})
		}
	}
}
