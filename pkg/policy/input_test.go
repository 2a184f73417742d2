package policy_test

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/policies"
)

var update = flag.Bool("update", false, "write golden files and schemas")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	got = append(bytes.TrimSpace(got), '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is made now: go test ./pkg/policy -update, and look at the difference\n%s", path, got)
	}
}

// The schemas beside the policies are those of the Go types.
func TestSchemasFollowTheTypes(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]bool{"input.schema.json": false, "set.schema.json": true} {
		text, err := json.Marshal(policy.Schema(set), json.Deterministic(true), jsontext.WithIndent("  "))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("..", "..", "policies", name), text)
	}
}

// kinds are inputs of each kind of signer and of content.
func kinds(t testing.TB) map[string]*policy.Input {
	t.Helper()
	s, err := sandbox.New(&sandbox.Options{Seed: "kinds"})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(ca *sandbox.CA, r sandbox.Request) *sandbox.Leaf {
		leaf, err := ca.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	statement, err := bundle.NewStatement([]bundle.Subject{{Name: "hello", Digests: []bundle.Digest{bundle.Sum(bundle.SHA256, hello)}}},
		"https://example.com/predicate/v1", []byte(`{"n": 12345678901234567890.10, "list": [null, true]}`))
	if err != nil {
		t.Fatal(err)
	}
	extensions := make(map[int]string)
	for n := 2; n <= 23; n++ {
		if n != 7 && n != 8 {
			extensions[n] = strings.Repeat("x", n)
		}
	}
	return map[string]*policy.Input{
		"fulcio": inputOf(t, s, sandbox.SignOptions{Leaf: issue(s.Fulcio, sandbox.Request{Extensions: extensions})}),
		"private": inputOf(t, s, sandbox.SignOptions{Leaf: issue(s.PrivateCA, sandbox.Request{SANs: []sandbox.SAN{
			sandbox.URI("spiffe://acme.example/ci/build"), sandbox.DNS("ci.acme.example"), sandbox.IP("192.0.2.7")}})}, s.PrivateCA),
		"key":         inputOf(t, s, sandbox.SignOptions{Key: s.Key("release", sandbox.P256), Hint: "release"}),
		"attestation": inputOf(t, s, sandbox.SignOptions{Statement: statement, Leaf: issue(s.Fulcio, sandbox.Request{}), Logs: []*sandbox.Log{s.RekorV1}}),
	}
}

func TestInputGolden(t *testing.T) {
	t.Parallel()
	for name, in := range kinds(t) {
		text, err := in.JSON()
		if err != nil {
			t.Fatal(err)
		}
		// Signatures by ECDSA differ each time, and so do digests over them.
		golden(t, filepath.Join("testdata", "input_"+name+".json"), withoutChance(t, text, in))
	}
}

// withoutChance replaces what differs between runs.
func withoutChance(t *testing.T, text []byte, in *policy.Input) []byte {
	t.Helper()
	replace := func(old, with string) {
		if old != "" {
			text = bytes.ReplaceAll(text, []byte(old), []byte(with))
		}
	}
	replace(*in.Bundle.SHA256, "BUNDLE")
	for _, token := range in.Unverified.Timestamps {
		replace(token.SHA256, "TOKEN")
	}
	if c := in.Signer.Certificate; c != nil {
		replace(c.SHA256, "CERTIFICATE")
		for _, ext := range c.Extensions {
			if ext.OID == "1.3.6.1.4.1.11129.2.4.2" {
				replace(ext.DER, "SCTS")
			}
		}
	}
	for _, link := range in.Signer.Chain {
		replace(link.SHA256, "CERTIFICATE")
	}
	replace(in.Trust.SHA256, "TRUST")
	return text
}

// What Rego sees is what the JSON says, and the schema describes it.
func TestInputIsItsJSON(t *testing.T) {
	t.Parallel()
	for name, in := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := in.JSON()
			if err != nil {
				t.Fatal(err)
			}
			want, err := ast.ValueFromReader(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			p := compiled(t, module("default allow := false\n\ndeny contains {\"msg\": json.marshal(input)}"), nil)
			v, err := p.Eval(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ast.ValueFromReader(strings.NewReader(v.Deny[0].Message))
			if err != nil || got.Compare(want) != 0 {
				t.Errorf("got %v, want %v", got, want)
			}
			conforms(t, policy.Schema(false), text)
		})
	}
}

// conforms checks a document by the schema's own words: the few that it uses.
func conforms(t *testing.T, schema map[string]any, text []byte) {
	t.Helper()
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if fault := schemaFault(schema, doc, ""); fault != "" {
		t.Error(fault)
	}
}

func schemaFault(schema map[string]any, doc any, at string) string {
	if either, ok := schema["anyOf"].([]any); ok {
		fault := ""
		for _, s := range either {
			if fault = schemaFault(s.(map[string]any), doc, at); fault == "" {
				return ""
			}
		}
		return fault
	}
	switch schema["type"] {
	case nil:
	case "null":
		if doc != nil {
			return at + ": expected null"
		}
	case "string":
		if _, ok := doc.(string); !ok {
			return at + ": expected a string"
		}
	case "boolean":
		if _, ok := doc.(bool); !ok {
			return at + ": expected a boolean"
		}
	case "integer":
		if n, ok := doc.(float64); !ok || n != float64(int64(n)) {
			return at + ": expected an integer"
		}
	case "array":
		list, ok := doc.([]any)
		if !ok {
			return at + ": expected an array"
		}
		for _, elem := range list {
			if fault := schemaFault(schema["items"].(map[string]any), elem, at+"[]"); fault != "" {
				return fault
			}
		}
	case "object":
		return objectFault(schema, doc, at)
	}
	return ""
}

func objectFault(schema map[string]any, doc any, at string) string {
	object, ok := doc.(map[string]any)
	if !ok {
		return at + ": expected an object"
	}
	properties, _ := schema["properties"].(map[string]any)
	rest, _ := schema["additionalProperties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := object[name.(string)]; !ok {
			return at + "." + name.(string) + ": missing"
		}
	}
	for name, value := range object {
		s, ok := properties[name].(map[string]any)
		if !ok {
			s = rest
		}
		if s == nil {
			return at + "." + name + ": not in the schema"
		}
		if fault := schemaFault(s, value, at+"."+name); fault != "" {
			return fault
		}
	}
	return ""
}

// 1,000 evaluations at once come to the same verdicts. Under the race detector
// this shows that nothing is shared that changes.
func TestEvalIsConcurrent(t *testing.T) {
	t.Parallel()
	in := alice(t)
	in.Params = map[string]string{"issuer": sandbox.DefaultIssuer, "identity": sandbox.DefaultIdentity}
	mallory := withEmail(in, "mallory@example.com")
	p := compiled(t, shipped(t, "fulcio-identity"), nil)
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			who, want := in, true
			if i%2 == 1 {
				who, want = mallory, false
			}
			if v, err := p.Eval(t.Context(), who); err != nil || v.Accepted() != want {
				t.Errorf("got %+v, %v; want accepted %v", v, err, want)
			}
		})
	}
	wg.Wait()
}

func shipped(t testing.TB, name string) *policy.Source {
	t.Helper()
	source, err := policy.ReadFS(policies.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// BenchmarkEval compares the shipped policy for Fulcio's identities with OPA's
// own prepared query of the same rules on the same input.
func BenchmarkEval(b *testing.B) {
	in := alice(b)
	in.Params = map[string]string{"issuer": sandbox.DefaultIssuer, "identity": sandbox.DefaultIdentity}
	b.Run("impl=bundler", func(b *testing.B) {
		p := compiled(b, shipped(b, "fulcio-identity"), nil)
		for b.Loop() {
			if v, err := p.Eval(b.Context(), in); err != nil || !v.Accepted() {
				b.Fatal(v, err)
			}
		}
	})
	text, err := in.JSON()
	if err != nil {
		b.Fatal(err)
	}
	value, err := ast.ValueFromReader(bytes.NewReader(text))
	if err != nil {
		b.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		b.Fatal(err)
	}
	// bundler starts from the facts, as OPA does from a document; OPA with a
	// value of its own has nothing to convert.
	for impl, input := range map[string]rego.EvalOption{"opa": rego.EvalInput(doc), "opa-value": rego.EvalParsedInput(value)} {
		benchOPA(b, impl, input)
	}
}

func benchOPA(b *testing.B, impl string, input rego.EvalOption) {
	b.Run("impl="+impl, func(b *testing.B) {
		query, err := rego.New(rego.Query("data.bundler.allow; count(data.bundler.deny) == 0"),
			rego.Module("policy.rego", shipped(b, "fulcio-identity").Files[0].Text),
			rego.Module("cert.rego", library(b, "cert")), rego.Module("params.rego", library(b, "params"))).PrepareForEval(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if rs, err := query.Eval(b.Context(), input); err != nil || len(rs) != 1 {
				b.Fatal(rs, err)
			}
		}
	})
}

func library(t testing.TB, name string) string {
	t.Helper()
	text, err := policies.FS.ReadFile("lib/" + name + ".rego")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// BenchmarkInput is what it takes to build the input of a report.
func BenchmarkInput(b *testing.B) {
	rep := reportOf(b, newSandbox(b), sandbox.SignOptions{})
	for b.Loop() {
		if _, err := policy.NewInput(rep, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNew is what it takes to compile a policy, once for a process.
func BenchmarkNew(b *testing.B) {
	source := shipped(b, "fulcio-identity")
	for b.Loop() {
		compiled(b, source, nil)
	}
}
