package verify_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// A mangler holds honest bundles and what a pass says about each.
type mangler struct {
	verifier *verify.Verifier
	honest   [][]byte
	bundles  []*bundle.Bundle
	says     []map[string]any
}

// newMangler signs a bundle of each kind. One verifier accepts them all.
func newMangler(t testing.TB) *mangler {
	t.Helper()
	s := newSandbox(t)
	s.RekorV2.Witnesses = append(s.RekorV2.Witnesses, s.NewWitness("witness"))
	m := &mangler{}
	for _, o := range []sandbox.SignOptions{
		{Logs: []*sandbox.Log{s.RekorV1}},
		{Logs: []*sandbox.Log{s.RekorV2}},
		{Logs: []*sandbox.Log{s.RekorV1}, Statement: statement(t), MediaType: sandbox.MediaTypeV02},
		{Logs: []*sandbox.Log{s.RekorV2}, Statement: statement(t), Kind: sandbox.DSSE002},
	} {
		c := honest(t, s, o)
		c.accepted(t)
		if m.verifier == nil {
			trust, err := trustroot.Parse(sandbox.JSON(c.Root), "sandbox")
			if err != nil {
				t.Fatal(err)
			}
			if m.verifier, err = verify.New(trust, c.Require); err != nil {
				t.Fatal(err)
			}
		}
		text := c.text()
		b, err := bundle.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		said := m.pass(t, text)
		if said == nil {
			t.Fatal("an honest bundle does not pass")
		}
		m.honest, m.bundles, m.says = append(m.honest, text), append(m.bundles, b), append(m.says, said)
	}
	return m
}

// pass returns what the report on a bundle says was proved, or nil if it did
// not pass. The text itself (its digest, version and checks) is not in it.
func (m *mangler) pass(t testing.TB, text []byte) map[string]any {
	t.Helper()
	digest := bundle.Sum(bundle.SHA256, hello)
	rep, err := m.verifier.VerifyJSON(text, &verify.Artifact{Name: "hello", Digests: []bundle.Digest{digest}})
	if rep == nil || (err == nil) != (rep.Verdict == verify.Passed) || (err != nil) != (rep.Verdict == verify.Failed) {
		t.Fatalf("got error %v with %v", err, dump(rep))
	}
	if err != nil {
		if rep.FirstFailure() == nil {
			t.Fatalf("rejected without a reason:\n%s", dump(rep))
		}
		return nil
	}
	doc, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(doc, &said); err != nil {
		t.Fatal(err)
	}
	delete(said, "bundle")
	delete(said, "checks")
	for _, entry := range said["evidence"].(map[string]any)["tlog"].([]any) {
		delete(entry.(map[string]any), "unverifiedWitnesses")
	}
	return said
}

// check fails the test if a text passes and says anything that no honest
// bundle says. It may say less: evidence beyond what is required can be taken
// away, and whoever can do that can withhold the bundle.
func (m *mangler) check(t testing.TB, text []byte) {
	t.Helper()
	said := m.pass(t, text)
	if said == nil {
		return
	}
	b, err := bundle.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.bundles, func(h *bundle.Bundle) bool { return string(h.Signature()) == string(b.Signature()) })
	if i < 0 {
		t.Fatalf("passed with a signature that nobody made:\n%s", text)
	}
	want := m.bundles[i]
	if diff := cmp.Diff(want.Certificates, b.Certificates); diff != "" {
		t.Errorf("passed with other certificates: %s", diff)
	}
	if b.Message != nil && (want.Message == nil || b.Message.Digest != want.Message.Digest) {
		t.Errorf("passed with digest %v", b.Message.Digest)
	}
	if b.Envelope != nil && (want.Envelope == nil || string(b.Envelope.Payload) != string(want.Envelope.Payload) || b.Envelope.PayloadType != want.Envelope.PayloadType) {
		t.Errorf("passed with another payload:\n%s", b.Envelope.Payload)
	}
	if fault := lessThan(said, m.says[i]); fault != "" {
		t.Errorf("a pass says what the honest bundle's does not: %s\n%s", fault, text)
	}
}

// lessThan reports the first thing in got that is not in want: elements of
// lists may be missing, nothing may be added or changed.
func lessThan(got, want any) string {
	switch got := got.(type) {
	case map[string]any:
		object, ok := want.(map[string]any)
		for name, value := range got {
			if !ok || object[name] == nil && value != nil {
				return "member " + name
			}
			if fault := lessThan(value, object[name]); fault != "" {
				return name + ": " + fault
			}
		}
		return ""
	case []any:
		list, _ := want.([]any)
		for _, item := range got {
			if !slices.ContainsFunc(list, func(w any) bool { return lessThan(item, w) == "" }) {
				return "an element that is new"
			}
		}
		return ""
	}
	return cmp.Diff(want, got)
}

// TestNoByteChangesWhatAPassSays flips a bit in every byte of honest bundles,
// and takes some away.
func TestNoByteChangesWhatAPassSays(t *testing.T) {
	t.Parallel()
	m := newMangler(t)
	for _, text := range m.honest {
		for i := range text {
			flipped := slices.Clone(text)
			flipped[i] ^= 1 << (i % 7)
			m.check(t, flipped)
			if i%16 == 0 {
				m.check(t, slices.Delete(slices.Clone(text), i, i+1))
			}
		}
	}
}

// FuzzVerifyJSON: nothing that is done to a bundle's text changes what a pass
// says about signer, signature, artifact, statement and time.
func FuzzVerifyJSON(f *testing.F) {
	m := newMangler(f)
	for _, text := range m.honest {
		if len(text) == 0 {
			f.Fatal("an empty seed")
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { m.check(t, text) })
}
