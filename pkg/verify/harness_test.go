package verify_test

import (
	"errors"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// hello is the artifact that trials sign.
var hello = []byte("hello, world\n")

// A trial is one verification, with material that a sandbox signed. Its fields
// are set to what an honest run has and then bent, so that a test which
// rejects shares all but the fault with its accepted twin.
type trial struct {
	*sandbox.Sandbox
	Bundle    *protobundle.Bundle
	JSON      []byte // in place of Bundle, if set
	Root      *prototrustroot.TrustedRoot
	Keyring   *trustroot.Keyring
	Artifacts []*verify.Artifact
	Require   verify.Requirements
}

// newSandbox returns a sandbox of the test's own.
func newSandbox(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// honest returns a trial of a bundle that s signs with o, which must be
// accepted as it is: hello signed by Fulcio's alice, unless o says otherwise.
// With o.Key the signer is that key; with a leaf of another CA the caller sets
// Root and Require.Identities.
func honest(t testing.TB, s *sandbox.Sandbox, o sandbox.SignOptions) *trial {
	t.Helper()
	if o.Artifact == nil && o.Statement == nil {
		o.Artifact = hello
	}
	b, err := s.Sign(o)
	if err != nil {
		t.Fatal(err)
	}
	c := &trial{Sandbox: s, Bundle: b, Root: s.TrustedRoot(), Artifacts: []*verify.Artifact{artifactOf(hello)}}
	c.Require = verify.DefaultRequirements()
	c.Require.Now = s.Now()
	if o.Key == nil {
		c.Require.Identities = []verify.Identity{{Name: sandbox.DefaultIdentity, Issuer: sandbox.DefaultIssuer}}
		return c
	}
	c.Require.AnyKey, c.Require.SCTs = true, 0
	key, err := trustroot.NewKey(o.Key.Public(), trustroot.KeyDetails(o.Key.Algorithm), o.Hint)
	if err != nil {
		t.Fatal(err)
	}
	c.Keyring = keyring(t, key)
	return c
}

func keyring(t testing.TB, keys ...*trustroot.Key) *trustroot.Keyring {
	t.Helper()
	ring, err := trustroot.NewKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// statement returns an in-toto statement about hello.
func statement(t testing.TB) []byte {
	t.Helper()
	d := bundle.Sum(bundle.SHA256, hello)
	text, err := bundle.NewStatement([]bundle.Subject{{Name: "hello", Digests: []bundle.Digest{d}}}, "https://example.com/predicate/v1", []byte(`{"ok":true}`))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// entry returns the bundle's i-th log entry's material for bending.
func (c *trial) material() *protobundle.VerificationMaterial { return c.Bundle.VerificationMaterial }

func (c *trial) text() []byte {
	if c.JSON != nil {
		return c.JSON
	}
	return sandbox.JSON(c.Bundle)
}

// verify runs the trial.
func (c *trial) verify(t testing.TB) (*verify.Report, error) {
	t.Helper()
	trust, err := trustroot.Parse(sandbox.JSON(c.Root), "sandbox")
	if err != nil {
		return nil, err
	}
	trust.Keyring = c.Keyring
	v, err := verify.New(trust, c.Require)
	if err != nil {
		return nil, err
	}
	return v.VerifyJSON(c.text(), c.Artifacts...)
}

// accepted fails the test unless the bundle verifies.
func (c *trial) accepted(t testing.TB) *verify.Report {
	t.Helper()
	rep, err := c.verify(t)
	if err != nil {
		t.Fatalf("got %v, want a pass\n%s", err, dump(rep))
	}
	if rep.Verdict != verify.Passed {
		t.Fatalf("got verdict %v without an error", rep.Verdict)
	}
	return rep
}

// rejected fails the test unless the bundle is rejected, by that check, for a
// reason that contains detail.
func (c *trial) rejected(t testing.TB, id verify.CheckID, detail string) *verify.Report {
	t.Helper()
	rep, err := c.verify(t)
	if _, ok := errors.AsType[*verify.Error](err); !ok {
		t.Fatalf("got error %v, want a rejection\n%s", err, dump(rep))
	}
	if rep.Verdict != verify.Failed {
		t.Fatalf("got verdict %v, want fail", rep.Verdict)
	}
	for _, k := range rep.Checks {
		if k.Status == verify.Fail && k.ID == id && strings.Contains(k.Detail+" "+k.Expected+" "+k.Got, detail) {
			return rep
		}
	}
	t.Fatalf("got no failed check %s with %q\n%s", id, detail, dump(rep))
	return nil
}

// misconfigured fails the test unless the question itself is refused: trust or
// requirements that make no sense.
func (c *trial) misconfigured(t testing.TB, detail string) {
	t.Helper()
	rep, err := c.verify(t)
	if err == nil || rep != nil || !strings.Contains(err.Error(), detail) {
		t.Fatalf("got report %v and error %v, want an error with %q", dump(rep), err, detail)
	}
}
