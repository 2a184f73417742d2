package verify_test

import (
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// Public timestamp authorities send along their root as an older root
// certified it: the same name and key, another certificate.
func TestTokenMayHoldTheRootCrossCertified(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	older, err := s.NewRoot("older-root", nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string) *trial {
		c := honest(t, s, sandbox.SignOptions{})
		cross, err := older.Sub(name, nil) // of the CA with that name, and its key
		if err != nil {
			t.Fatal(err)
		}
		c.material().TimestampVerificationData = &protobundle.TimestampVerificationData{}
		sandbox.AddTimestamp(c.material(), s.TSA.Token(sandbox.TokenOptions{
			Over: c.Bundle.GetMessageSignature().Signature, Certificates: [][]byte{cross.Chain[0].Raw},
		}))
		return c
	}
	with("tsa-ca-root").accepted(t)
	with("tsa-other-root").rejected(t, verify.CheckTimestamp, "no part in the authority's path")
}
