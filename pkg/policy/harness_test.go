package policy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

var hello = []byte("hello, world\n")

// newSandbox returns a sandbox of the test's own.
func newSandbox(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reportOf verifies what s signs with o, leaving the decision to a policy.
func reportOf(t testing.TB, s *sandbox.Sandbox, o sandbox.SignOptions, cas ...*sandbox.CA) *verify.Report {
	t.Helper()
	if o.Artifact == nil && o.Statement == nil {
		o.Artifact = hello
	}
	signed, err := s.Sign(o)
	if err != nil {
		t.Fatal(err)
	}
	root := s.TrustedRoot()
	for _, ca := range cas {
		root.CertificateAuthorities = append(root.CertificateAuthorities, ca.Authority())
	}
	trust, err := trustroot.Parse(sandbox.JSON(root), "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	q := verify.DefaultRequirements()
	q.Now, q.Policy = s.Now(), true
	if o.Key != nil {
		key, err := trustroot.NewKey(o.Key.Public(), trustroot.KeyDetails(o.Key.Algorithm), o.Hint)
		if err != nil {
			t.Fatal(err)
		}
		if trust.Keyring, err = trustroot.NewKeyring([]*trustroot.Key{key}); err != nil {
			t.Fatal(err)
		}
		q.SCTs = 0
	}
	if len(cas) > 0 {
		q.SCTs = 0
	}
	v, err := verify.New(trust, q)
	if err != nil {
		t.Fatal(err)
	}
	digest := bundle.Sum(bundle.SHA256, hello)
	rep, err := v.VerifyJSON(sandbox.JSON(signed), &verify.Artifact{Name: "hello", Digests: []bundle.Digest{digest}})
	if err != verify.ErrUndecided {
		t.Fatalf("got %v, want a report that awaits a policy", err)
	}
	return rep
}

// inputOf is reportOf's input.
func inputOf(t testing.TB, s *sandbox.Sandbox, o sandbox.SignOptions, cas ...*sandbox.CA) *policy.Input {
	t.Helper()
	in, err := policy.NewInput(reportOf(t, s, o, cas...), map[string]string{"team": "release"})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// alice is the input of hello signed by Fulcio's alice.
func alice(t testing.TB) *policy.Input { return inputOf(t, newSandbox(t), sandbox.SignOptions{}) }

// module returns a policy of one module: rules, under the usual package.
func module(rules string) *policy.Source { return files("p.rego", "package bundler\n\n"+rules+"\n") }

// files returns a policy of files: name, text, name, text…
func files(pairs ...string) *policy.Source {
	s := &policy.Source{Name: "test"}
	for i := 0; i < len(pairs); i += 2 {
		s.Files = append(s.Files, policy.File{Name: pairs[i], Text: pairs[i+1]})
	}
	return s
}

func compiled(t testing.TB, s *policy.Source, o *policy.Options) *policy.Policy {
	t.Helper()
	p, err := policy.New(s, o)
	if err != nil {
		t.Fatalf("got %v, want a policy\n%s", err, s.Files[0].Text)
	}
	return p
}

func judged(t testing.TB, s *policy.Source, in *policy.Input) *policy.Verdict {
	t.Helper()
	v, err := compiled(t, s, nil).Eval(context.Background(), in)
	if err != nil {
		t.Fatalf("got %v, want a verdict\n%s", err, s.Files[0].Text)
	}
	return v
}

func accepts(t testing.TB, s *policy.Source, in *policy.Input) {
	t.Helper()
	if v := judged(t, s, in); !v.Accepted() {
		t.Fatalf("got %+v, want acceptance\n%s", v, s.Files[0].Text)
	}
}

func denies(t testing.TB, s *policy.Source, in *policy.Input, reason string) {
	t.Helper()
	v := judged(t, s, in)
	if v.Accepted() {
		t.Fatalf("got acceptance, want none\n%s", s.Files[0].Text)
	}
	for _, f := range v.Deny {
		if strings.Contains(f.String(), reason) {
			return
		}
	}
	if reason != "" {
		t.Fatalf("got %q, want a reason with %q", v.Deny, reason)
	}
}

// unloadable fails the test unless the policy is refused when it is loaded.
func unloadable(t testing.TB, s *policy.Source, o *policy.Options, reason string) {
	t.Helper()
	p, err := policy.New(s, o)
	isBroken(t, err, reason)
	if p != nil {
		t.Fatal("got a policy beside the error")
	}
}

// breaks fails the test unless the policy loads, and evaluating it is an error.
func breaks(t testing.TB, s *policy.Source, o *policy.Options, in *policy.Input, reason string) {
	t.Helper()
	v, err := compiled(t, s, o).Eval(context.Background(), in)
	isBroken(t, err, reason)
	if v != nil {
		t.Fatalf("got verdict %+v beside the error", v)
	}
}

func isBroken(t testing.TB, err error, reason string) {
	t.Helper()
	broken, ok := errors.AsType[*policy.BrokenError](err)
	if !ok || broken.Policy != "test" || !strings.Contains(err.Error(), reason) {
		t.Fatalf("got %v, want a broken policy: %s", err, reason)
	}
}
