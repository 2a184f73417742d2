package policy_test

import (
	"encoding/json/v2"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// TestPolicyRejects holds the engine to what hostile and mistaken policies must
// get. Each case has a twin that differs in the fault alone and is accepted.
func TestPolicyRejects(t *testing.T) {
	t.Parallel()
	in := alice(t)
	yes := module("default allow := false\nallow if input.signer.kind == \"certificate\"")

	t.Run("G01-allow-is-not-true", func(t *testing.T) {
		t.Parallel()
		accepts(t, yes, in)
		denies(t, module("default allow := false\nallow if input.signer.kind == \"publicKey\""), in, "")
		denies(t, module("allow if input.signer.kind == \"publicKey\""), in, "") // undefined
		accepts(t, module("allow if input.signer.kind == \"certificate\""), in)
		for _, value := range []string{`"true"`, `{"allow": true}`, `[true]`, `1`, `null`, `{true}`, `set()`, `[]`, `""`} {
			breaks(t, module("allow := "+value), nil, in, "allow")
		}
		for _, rules := range []string{"allow contains true", `allow["x"] := true`, "allow.x := true", "allow(_) := true"} {
			unloadable(t, module(rules), nil, "allow")
		}
		accepts(t, module("allow := true"), in)
	})
	t.Run("G02-package-or-rule-missing", func(t *testing.T) {
		t.Parallel()
		unloadable(t, files("p.rego", "package bundle\n\nallow := true\n"), nil, "no module defines package bundler")
		accepts(t, files("p.rego", "package bundler\n\nallow := true\n"), in)
		unloadable(t, module("alow := true"), nil, "no rule allow")
		unloadable(t, yes, &policy.Options{Package: "acme"}, "no module defines package acme")
		unloadable(t, yes, &policy.Options{Package: "bundler; x := 1"}, "expected names")
		unloadable(t, module(""), nil, "no rule allow")
	})
	t.Run("G03-only-deny", func(t *testing.T) {
		t.Parallel()
		deny := "deny contains {\"code\": \"c\", \"msg\": \"m\"} if input.signer.kind == \"publicKey\"\n"
		unloadable(t, module(deny), nil, "no rule allow")
		accepts(t, module(deny+"allow := true"), in)
		for _, rules := range []string{"deny := false", `deny := "no"`, `deny["x"] := 1`, "deny.x contains 1", "warn := true"} {
			unloadable(t, module(rules+"\nallow := true"), nil, "to be a set")
		}
		unloadable(t, files("p.rego", "package bundler\n\nallow := true\n", "q.rego", "package bundler.deny\n\nx := 1\n"), nil, "to be a set")
	})
	t.Run("G03-deny-beats-allow", func(t *testing.T) {
		t.Parallel()
		for elem, reason := range map[string]string{
			`{"code": "c", "msg": "because"}`: "c: because", `"because"`: "because", `{"why": "because"}`: "because",
			`false`: "false", `""`: "", `null`: "null", `[]`: "[]",
		} {
			denies(t, module("allow := true\ndeny contains "+elem), in, reason)
			accepts(t, module("allow := true\ndeny contains "+elem+" if input.signer.kind == \"publicKey\""), in)
		}
	})
	t.Run("G04-error-under-not", func(t *testing.T) {
		t.Parallel()
		rule := "allow if not time.parse_rfc3339_ns(%s) == 0"
		breaks(t, module(fmt.Sprintf(rule, "input.artifact.name")), nil, in, "time.parse_rfc3339_ns")
		accepts(t, module(fmt.Sprintf(rule, "input.times.evaluation")), in)
		breaks(t, module("allow if not to_number(input.artifact.name) > 3"), nil, in, "to_number")
	})
	t.Run("G08-conflict", func(t *testing.T) {
		t.Parallel()
		rules := "allow := true if input.signer.kind == \"certificate\"\nallow := false if input.bundle.content == %q"
		breaks(t, module(fmt.Sprintf(rules, in.Bundle.Content)), nil, in, "conflict")
		accepts(t, module(fmt.Sprintf(rules, "dsse")), in)
	})
	t.Run("G10-time-is-pinned", func(t *testing.T) {
		t.Parallel()
		unloadable(t, module("allow if time.now_ns() > 0"), nil, "time.now_ns")
		accepts(t, module("allow if time.parse_rfc3339_ns(input.times.evaluation) > 0"), in)
	})
	t.Run("G12-one-file-for-each-package", func(t *testing.T) {
		t.Parallel()
		own, other := "package bundler\n\nallow if input.signer.kind == \"certificate\"\n", "package %s\n\nallow if true\n"
		unloadable(t, files("a.rego", own, "b.rego", fmt.Sprintf(other, "bundler")), nil, "both define package bundler")
		unloadable(t, files("a.rego", own, "b.rego", fmt.Sprintf(other, "params")), nil, "--policy-data")
		unloadable(t, files("a.rego", own, "b.rego", fmt.Sprintf(other, "lib.text")), nil, "library")
		accepts(t, files("a.rego", own, "b.rego", fmt.Sprintf(other, "acme.names")), in)
	})
	t.Run("G12-data-is-no-package", func(t *testing.T) {
		t.Parallel()
		p := compiled(t, module("default allow := false\nallow if data.params.yes"), &policy.Options{Data: map[string]any{
			"yes": false, "bundler": map[string]any{"allow": true}, "allow": true,
		}})
		if v, err := p.Eval(t.Context(), in); err != nil || v.Accepted() {
			t.Errorf("got %+v, %v; want a denial", v, err)
		}
	})
	t.Run("C05-full-match", func(t *testing.T) {
		t.Parallel()
		rule := "import data.lib.text\n\nallow if {\n\tsome name in input.signer.certificate.san.email\n\ttext.full_match(%s, name)\n}"
		accepts(t, module(fmt.Sprintf(rule, "`alice@[a-z]+\\.example`")), withEmail(in, "alice@sandbox.example"))
		denies(t, module(fmt.Sprintf(rule, "`alice@[a-z]+\\.example`")), withEmail(in, "alice@sandbox.example.evil.org"), "")
		denies(t, module(fmt.Sprintf(rule, "`alice@x)|(?:.*`")), withEmail(in, "mallory@evil.org"), "")
	})
}

// TestPolicyCallsNothingForbidden tries everything that is not on the list.
func TestPolicyCallsNothingForbidden(t *testing.T) {
	t.Parallel()
	in, home := alice(t), listen(t)
	for call, arguments := range map[string]string{
		"http.send":          fmt.Sprintf(`{"method": "get", "url": %q}`, home.url),
		"net.lookup_ip_addr": `"localhost"`, "net.cidr_expand": `"10.0.0.0/8"`, "opa.runtime": "", "rand.intn": `"x", 9`,
		"uuid.rfc4122": `"x"`, "io.jwt.decode": `"x"`, "io.jwt.decode_verify": `"x", {}`,
		"json.match_schema": fmt.Sprintf(`{}, {"$ref": %q}`, home.url), "json.verify_schema": fmt.Sprintf(`{"$ref": %q}`, home.url),
		"graphql.is_valid": `"x", "y"`, "rego.parse_module": `"x", "y"`, "strings.render_template": `"x", {}`,
		"crypto.md5": `"x"`, "crypto.sha1": `"x"`, "crypto.parse_private_keys": `"x"`, "crypto.x509.parse_keypair": `"x", "y"`,
		"crypto.x509.parse_rsa_private_key": `"x"`, "crypto.x509.parse_and_verify_certificates": `"x"`,
		"providers.aws.sign_req": `{}, {}, 1`, "bits.lsh": "1, 2", "yaml.unmarshal": `"x"`, "print": `"x"`, "trace": `"x"`,
		"time.now_ns": "",
	} {
		id := "G05-" + call
		if strings.HasPrefix(call, "json.") {
			id = "G06-" + call
		}
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			unloadable(t, module(fmt.Sprintf("allow if {\n\tx := %s(%s)\n\tx == x\n}", call, arguments)), nil, call)
			unloadable(t, module(fmt.Sprintf("allow if {\n\tx := count([1]) with count as %s\n\tx == x\n}", call)), nil, "")
			accepts(t, module("allow if {\n\tx := count([1])\n\tx == 1\n}"), in)
		})
	}
	t.Run("G09-with-alias", func(t *testing.T) {
		t.Parallel()
		rules := "f(x) := y if y := lower(x)\n\nallow if f(input.artifact.name) == \"hello\"%s"
		accepts(t, module(fmt.Sprintf(rules, "")), in)
		accepts(t, module(fmt.Sprintf(rules, " with lower as upper")+"\n\nallow if upper(\"a\") == \"A\""), in)
		unloadable(t, module(fmt.Sprintf(rules, " with lower as http.send")), nil, "http")
		unloadable(t, module(fmt.Sprintf(rules, " with http.send as lower")), nil, "")
		unloadable(t, module(fmt.Sprintf(rules, " with data.bundler.f as net.lookup_ip_addr")), nil, "net")
	})
	t.Run("G06-schema-reference", func(t *testing.T) {
		t.Parallel()
		for _, schema := range []string{
			fmt.Sprintf(`# - input: {"$ref": %q}`, home.url), `# - input: schema.remote`,
			fmt.Sprintf(`# - data.params: {"type": "object", "$ref": %q}`, home.url),
		} {
			for _, scope := range []string{"package", "document", "rule"} {
				text := "# METADATA\n# scope: " + scope + "\n# schemas:\n" + schema + "\nallow := true\n"
				if scope == "package" {
					text = "# METADATA\n# scope: package\n# schemas:\n" + schema + "\npackage bundler\n\nallow := true\n"
				} else {
					text = "package bundler\n\n" + text
				}
				accepts(t, files("p.rego", text), in) // a comment like any other
			}
		}
	})
	t.Cleanup(func() {
		if n := home.heard.Load(); n != 0 {
			t.Errorf("a policy made %d connections", n)
		}
	})
}

// A listener counts whoever calls.
type listener struct {
	url   string
	heard atomic.Int64
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ConnState = func(net.Conn, http.ConnState) { l.heard.Add(1) }
	s.Start()
	t.Cleanup(s.Close)
	l.url = s.URL + "/schema.json"
	return l
}

// The listener does hear: or its silence would prove nothing.
func TestListenerHears(t *testing.T) {
	t.Parallel()
	home := listen(t)
	resp, err := http.Get(home.url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if home.heard.Load() == 0 {
		t.Error("a request was not heard")
	}
}

// Not parallel: it looks at the process's memory.
func TestPolicyIsBounded(t *testing.T) {
	in := alice(t)
	doubling := func(times int) *policy.Source {
		rules := "s0 := input.signer.certificate.serial\n"
		for i := range times {
			rules += fmt.Sprintf("s%d := concat(\"\", [s%d, s%d])\n", i+1, i, i)
		}
		return module(rules + fmt.Sprintf("allow if count(s%d) > 0", times))
	}
	t.Run("G07-doubling", func(t *testing.T) {
		o := &policy.Options{Limits: policy.Limits{Memory: 64 << 20}}
		start := time.Now()
		breaks(t, doubling(60), o, in, "memory")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if took := time.Since(start); took > 10*time.Second || m.Sys > 2<<30 {
			t.Errorf("took %v and %d bytes", took, m.Sys)
		}
		accepts(t, doubling(6), in)
	})
	t.Run("G07-cartesian", func(t *testing.T) {
		rules := "allow if {\n\tsome a in numbers.range(1, %[1]d)\n\tsome b in numbers.range(1, %[1]d)\n\tsome c in numbers.range(1, %[1]d)\n\ta + b + c == %[1]d * 3 + 1\n}"
		o := &policy.Options{Limits: policy.Limits{Deadline: 200 * time.Millisecond}}
		start := time.Now()
		breaks(t, module(fmt.Sprintf(rules, 3000)), o, in, "longer than")
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		denies(t, module(fmt.Sprintf(rules, 3)), in, "")
	})
	t.Run("G07-range", func(t *testing.T) {
		o := &policy.Options{Limits: policy.Limits{Deadline: time.Second, Memory: 64 << 20}}
		breaks(t, module("allow if count(numbers.range(1, 1000000000000)) > 0"), o, in, "limit")
	})
	t.Run("G07-many-reasons", func(t *testing.T) {
		breaks(t, module("allow := true\ndeny contains x if some x in numbers.range(1, 2000)"), nil, in, "at most 1000")
	})
	t.Run("G07-source", func(t *testing.T) {
		if _, err := policy.ReadSource("/dev/zero"); err == nil {
			t.Error("an endless policy was read")
		}
	})
}

var (
	signOptions = sandbox.SignOptions{}
	rejection   = verify.Judgement{Policy: "test"}
)

// withEmail returns in as it would be with that name in the certificate.
func withEmail(in *policy.Input, name string) *policy.Input {
	out, cert := *in, *in.Signer.Certificate
	cert.SAN.Email = []string{name}
	out.Signer.Certificate = &cert
	return &out
}

func withoutUnverified(t *testing.T, rep *verify.Report) string {
	t.Helper()
	in, err := policy.NewInput(rep, nil)
	if err != nil {
		t.Fatal(err)
	}
	in.Unverified = policy.Unverified{}
	text, err := in.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What a bundle claims and nobody proved stays out of what policies see, but
// for the part named for it: claims are changed, and the rest does not change.
func TestInputHoldsVerifiedFacts(t *testing.T) {
	t.Parallel()
	t.Run("G11-mutation", func(t *testing.T) {
		t.Parallel()
		s := newSandbox(t)
		rep := reportOf(t, s, signOptions)
		before := withoutUnverified(t, rep)
		b := *rep.Bundle
		b.KeyHint = "CLAIMED"
		b.Timestamps = append(b.Timestamps, []byte("CLAIMED"))
		for i := range b.Entries {
			e := &b.Entries[i]
			e.LogIndex, e.IntegratedTime, e.Kind, e.Version, e.LogID, e.Body = 4711, 4711, "CLAIMED", "CLAIMED", []byte("CLAIMED"), []byte("CLAIMED")
		}
		rep.Bundle = &b
		if after := withoutUnverified(t, rep); after != before {
			t.Errorf("claims show:\n%s\nbefore:\n%s", after, before)
		}
		in, err := policy.NewInput(rep, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := json.Marshal(in.Unverified); !strings.Contains(string(text), "CLAIMED") {
			t.Errorf("the claims are not where claims belong: %s", text)
		}
	})
	t.Run("G11-not-verified", func(t *testing.T) {
		t.Parallel()
		rep := reportOf(t, newSandbox(t), signOptions)
		if in, err := policy.NewInput(rep, nil); err != nil || in == nil {
			t.Fatalf("got %v, want an input", err)
		}
		denied := *rep
		_ = denied.Decide(rejection)
		if in, err := policy.NewInput(&denied, nil); err == nil || in != nil {
			t.Errorf("got an input of a report that failed")
		}
		if in, err := policy.NewInput(nil, nil); err == nil || in != nil {
			t.Errorf("got an input of nothing")
		}
	})
}
