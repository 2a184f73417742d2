package verify_test

import (
	"encoding/json/v2"
	"errors"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// undecided returns a report on an honest bundle that awaits a policy.
func undecided(t *testing.T) *verify.Report {
	t.Helper()
	c := honest(t, newSandbox(t), sandbox.SignOptions{})
	c.Require.Identities, c.Require.Policy = nil, true
	rep, err := c.verify(t)
	if err != verify.ErrUndecided {
		t.Fatalf("got %v, want ErrUndecided\n%s", err, dump(rep))
	}
	return rep
}

// A forgotten evaluation is no verdict, and shows nothing to believe.
func TestPolicyForgottenFailsClosed(t *testing.T) {
	t.Parallel()
	rep := undecided(t)
	if rep.Verdict != verify.None || !rep.Proved() || len(rep.Insecure) != 0 {
		t.Fatalf("got verdict %v, proved %v, insecure %v; want none, true, none", rep.Verdict, rep.Proved(), rep.Insecure)
	}
	var doc struct {
		Verdict string `json:"verdict"`
		Signer  any    `json:"signer"`
	}
	text, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &doc); err != nil || doc.Verdict != "none" || doc.Signer != nil {
		t.Errorf("got %+v, %v; want verdict none and no signer", doc, err)
	}
}

func TestPolicyDecides(t *testing.T) {
	t.Parallel()
	accepts, denies := verify.Judgement{Policy: "p", Accepted: true}, verify.Judgement{Policy: "q"}
	contradicts := verify.Judgement{Policy: "r", Accepted: true, Deny: []verify.Finding{{Code: "c", Message: "m"}}}
	for _, test := range []struct {
		name       string
		judgements []verify.Judgement
		want       verify.Verdict
	}{
		{"one-accepts", []verify.Judgement{accepts}, verify.Passed},
		{"all-accept", []verify.Judgement{accepts, accepts}, verify.Passed},
		{"one-of-two-denies", []verify.Judgement{accepts, denies}, verify.Failed},
		{"zero-judgement", []verify.Judgement{{}}, verify.Failed},
		{"accepted-and-denied", []verify.Judgement{contradicts}, verify.Failed},
		{"none", nil, verify.None},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rep := undecided(t)
			err := rep.Decide(test.judgements...)
			_, judged := errors.AsType[*verify.Error](err)
			if rep.Verdict != test.want || (err == nil) != (test.want == verify.Passed) || judged != (test.want == verify.Failed) {
				t.Fatalf("got verdict %v and %v, want %v", rep.Verdict, err, test.want)
			}
		})
	}
}

// A policy turns a pass into a no, and nothing into a pass.
func TestPolicyNeverMakesAPass(t *testing.T) {
	t.Parallel()
	accepts := verify.Judgement{Policy: "p", Accepted: true}
	failed := func(t *testing.T) *verify.Report {
		c := honest(t, newSandbox(t), sandbox.SignOptions{})
		c.Require.Policy = true
		c.Artifacts[0] = artifactOf([]byte("another"))
		return c.rejected(t, verify.CheckArtifact, "")
	}
	denied := func(t *testing.T) *verify.Report {
		rep := undecided(t)
		if err := rep.Decide(verify.Judgement{}); err == nil {
			t.Fatal("a zero judgement accepted")
		}
		return rep
	}
	for name, report := range map[string]func(*testing.T) *verify.Report{
		"failed": failed, "denied": denied, "zero": func(*testing.T) *verify.Report { return &verify.Report{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rep := report(t)
			if err := rep.Decide(accepts); err == nil || rep.Verdict == verify.Passed {
				t.Errorf("got verdict %v and %v, want an error and no pass", rep.Verdict, err)
			}
		})
	}
}

// Naming the signer still counts where a policy decides too.
func TestPolicyBesideIdentity(t *testing.T) {
	t.Parallel()
	c := honest(t, newSandbox(t), sandbox.SignOptions{})
	c.Require.Policy = true
	if rep, err := c.verify(t); err != verify.ErrUndecided || rep.Decide(verify.Judgement{Accepted: true}) != nil {
		t.Errorf("got %v, want a report to decide", err)
	}
	c.Require.Identities[0].Name = "mallory@example.com"
	c.rejected(t, verify.CheckIdentity, "")
}
