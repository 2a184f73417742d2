package verify_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

func pattern(t testing.TB, expr string) *regexp.Regexp {
	t.Helper()
	re, err := verify.Pattern(expr)
	if err != nil {
		t.Fatalf("pattern %q: %v", expr, err)
	}
	return re
}

// TestPatternsMatchWholeNames: C05.
func TestPatternsMatchWholeNames(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, row := range []struct{ name, expr, good, bad string }{
		{"C05-longer", `foo@example\.com`, "foo@example.com", "foo@example.com.evil.org"},
		{"C05-before", `foo@example\.com`, "foo@example.com", "evil-foo@example.com"},
		{"C05-anchored-by-hand", `^foo@example\.com$`, "foo@example.com", "foo@example.com.evil.org"},
		{"C05-alternatives", `foo@example\.com|bar@example\.com`, "bar@example.com", "bar@example.com.evil.org"},
		{"C05-first-alternative", `foo@example\.com|bar@example\.com`, "foo@example.com", "foo@example.com.evil.org"},
		{"C05-lines", `(?m)^foo@example\.com$`, "foo@example.com", "foo@example.com\nfoo@evil.org"},
		{"C05-last-line", `foo@example\.com$`, "foo@example.com", "foo@example.com\n"},
		{"C05-dot-is-a-dot", `foo@example\.com`, "foo@example.com", "foo@exampleXcom"},
		{"C05-newline-is-no-dot", `.+@example\.com`, "foo@example.com", "root@evil.org\n@example.com"},
		{"C05-shorter-first", `foo|foo@example\.com`, "foo@example.com", "foo@example.co"},
	} {
		t.Run(row.name, func(t *testing.T) {
			by := func(name string) *trial {
				leaf, err := s.Fulcio.Issue(sandbox.Request{SANs: []sandbox.SAN{sandbox.Email(name)}})
				if err != nil {
					t.Fatal(err)
				}
				c := honest(t, s, sandbox.SignOptions{Leaf: leaf})
				c.Require.Identities = []verify.Identity{{NamePattern: pattern(t, row.expr), Issuer: sandbox.DefaultIssuer}}
				return c
			}
			by(row.good).accepted(t)
			by(row.bad).rejected(t, verify.CheckIdentity, "no name of the certificate matches")
		})
	}
	t.Run("C05-pattern-compiled-elsewhere", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{})
		for _, set := range []func(id *verify.Identity, re *regexp.Regexp){
			func(id *verify.Identity, re *regexp.Regexp) { id.Name, id.NamePattern = "", re },
			func(id *verify.Identity, re *regexp.Regexp) { id.Issuer, id.IssuerPattern = "", re },
			func(id *verify.Identity, re *regexp.Regexp) { id.SubjectPattern = re },
		} {
			for _, expr := range []string{`alice`, `.*`, `\A(?:alice)|(?:x)\z`, `\A(?:.*)\z`} {
				id := verify.Identity{Name: sandbox.DefaultIdentity, Issuer: sandbox.DefaultIssuer}
				c.Require.Identities = []verify.Identity{id}
				c.accepted(t)
				set(&c.Require.Identities[0], regexp.MustCompile(expr))
				c.misconfigured(t, "Pattern")
			}
		}
	})
}

// TestNobodyHidesAmongSeveralNames: C06.
func TestNobodyHidesAmongSeveralNames(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	two := sandbox.Request{SANs: []sandbox.SAN{sandbox.Email(sandbox.DefaultIdentity), sandbox.Email("mallory@evil.example")}}
	t.Run("C06-fulcio-two-names", func(t *testing.T) {
		for _, request := range []sandbox.Request{
			two,
			{SANs: []sandbox.SAN{two.SANs[1], two.SANs[0]}},
			{SANs: []sandbox.SAN{two.SANs[0], two.SANs[0]}},
			{SANs: []sandbox.SAN{two.SANs[0], sandbox.OtherName(sandbox.OIDUserName, "mallory")}},
			{SANs: []sandbox.SAN{two.SANs[0], sandbox.RawSAN(3, true, nil)}},
		} {
			honest(t, s, sandbox.SignOptions{}).accepted(t)
			leaf, err := s.Fulcio.Issue(request)
			if err != nil {
				t.Fatal(err)
			}
			honest(t, s, sandbox.SignOptions{Leaf: leaf}).rejected(t, verify.CheckIdentity, "exactly one name")
		}
	})
	t.Run("C06-private-all-names-are-reported", func(t *testing.T) {
		c := private(t, s, s.PrivateCA, two, sandbox.SignOptions{})
		rep := c.accepted(t)
		text, err := rep.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if got := rep.Signer.Names.Texts(); len(got) != 2 || !bytes.Contains(text, []byte("mallory@evil.example")) {
			t.Errorf("got names %q, want both; report %s", got, text)
		}
		if detail := passed(rep, verify.CheckIdentity); !strings.Contains(detail, "mallory@evil.example") {
			t.Errorf("got identity %q, want both names", detail)
		}
		c.Require.Identities = []verify.Identity{{Name: "bob@example.com"}}
		c.rejected(t, verify.CheckIdentity, "mallory@evil.example")
	})
}

// passed returns the detail of the check of that id that passed.
func passed(rep *verify.Report, id verify.CheckID) string {
	for _, k := range rep.Checks {
		if k.ID == id && k.Status == verify.Pass {
			return k.Detail
		}
	}
	return ""
}

// TestIssuersAgree: C10, and what else Fulcio's extensions must be.
func TestIssuersAgree(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const a, b = sandbox.DefaultIssuer, "https://evil.example"
	raw := func(n int, value []byte) func(*x509.Certificate) {
		ext := sandbox.FulcioExtension(n, "")
		ext.Value = value
		return withExtension(ext)
	}
	text := append([]byte{0x0c, byte(len(a))}, a...)
	for _, row := range []struct {
		name  string
		bad   sandbox.Request
		check verify.CheckID
	}{
		{"C10-second-differs", sandbox.Request{Extensions: map[int]string{8: b}}, verify.CheckSigner},
		{"C10-first-differs", sandbox.Request{Extensions: map[int]string{1: b}}, verify.CheckSigner},
		{"C10-second-empty", sandbox.Request{Extensions: map[int]string{8: ""}}, verify.CheckSigner},
		{"C10-only-in-case", sandbox.Request{Extensions: map[int]string{8: strings.ToUpper(a)}}, verify.CheckSigner},
		{"both differ from the one wanted", sandbox.Request{Issuer: b}, verify.CheckIdentity},
		{"bare text in 8", sandbox.Request{Bend: raw(8, []byte(a))}, verify.CheckSigner},
		{"trailing DER in 8", sandbox.Request{Bend: raw(8, append(text[:len(text):len(text)], 5, 0))}, verify.CheckSigner},
		{"constructed text in 8", sandbox.Request{Bend: raw(8, append([]byte{0x2c, byte(len(a))}, a...))}, verify.CheckSigner},
		{"other string type in 8", sandbox.Request{Bend: raw(8, append([]byte{0x16, byte(len(a))}, a...))}, verify.CheckSigner},
		{"DER in 1", sandbox.Request{Bend: raw(1, text)}, verify.CheckSigner},
		{"invalid UTF-8 in 8", sandbox.Request{Bend: raw(8, []byte{0x0c, 2, 0xc3, 0x28})}, verify.CheckSigner},
		{"invalid UTF-8 in 9", sandbox.Request{Bend: raw(9, []byte{0x0c, 2, 0xc3, 0x28})}, verify.CheckSigner},
		{"extension twice", sandbox.Request{Bend: func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, sandbox.FulcioExtension(8, a))
		}}, verify.CheckSigner},
		{"names twice", sandbox.Request{Bend: func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, sandbox.SANExtension(false, sandbox.Email("b@c")))
		}}, verify.CheckSigner},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, r := range []sandbox.Request{{CT: []*sandbox.CTLog{}}, row.bad} {
				r.CT = []*sandbox.CTLog{}
				leaf, err := s.Fulcio.Issue(r)
				if err != nil {
					t.Skip("crypto/x509 does not write such a certificate: ", err)
				}
				c := honest(t, s, sandbox.SignOptions{Leaf: leaf})
				c.Require.SCTs = 0
				if r.Bend == nil && r.Issuer == "" && r.Extensions == nil {
					c.accepted(t)
				} else {
					c.rejected(t, row.check, "")
				}
			}
		})
	}
	for _, n := range []int{1, 8} {
		r := sandbox.Request{CT: []*sandbox.CTLog{}, Bend: func(c *x509.Certificate) {
			c.ExtraExtensions = without(c.ExtraExtensions, sandbox.FulcioExtension(9-n, "").Id)
		}}
		leaf, err := s.Fulcio.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		c := honest(t, s, sandbox.SignOptions{Leaf: leaf})
		c.Require.SCTs = 0
		if rep := c.accepted(t); rep.Signer.Fulcio.Issuer != a {
			t.Errorf("issuer in %d alone: got %q, want %q", n, rep.Signer.Fulcio.Issuer, a)
		}
	}
}

func without(list []pkix.Extension, id asn1.ObjectIdentifier) []pkix.Extension {
	var kept []pkix.Extension
	for _, ext := range list {
		if !ext.Id.Equal(id) {
			kept = append(kept, ext)
		}
	}
	return kept
}

// TestIdentityMustSayWho: C11.
func TestIdentityMustSayWho(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	name, issuer := sandbox.DefaultIdentity, sandbox.DefaultIssuer
	ok := verify.Identity{Name: name, Issuer: issuer}
	set := func(t *testing.T, ids ...verify.Identity) *trial {
		c := honest(t, s, sandbox.SignOptions{})
		c.Require.Identities = []verify.Identity{ok}
		c.accepted(t)
		c.Require.Identities = ids
		return c
	}
	for name, ids := range map[string][]verify.Identity{
		"C11-none":                  nil,
		"C11-empty-list":            {},
		"C11-zero":                  {{}},
		"C11-zero-beside-good":      {ok, {}},
		"C11-issuer-alone":          {{Issuer: issuer}},
		"C11-issuer-pattern-alone":  {{IssuerPattern: pattern(t, `https://.*`)}},
		"C11-extension-alone":       {{Extensions: []verify.ExtensionValue{{OID: asn1.ObjectIdentifier{1, 2}}}}},
		"C11-kind-alone":            {{NameType: verify.Email, Issuer: issuer}},
		"C11-name-and-pattern":      {{Name: name, NamePattern: pattern(t, `a.*@x`), Issuer: issuer}},
		"C11-unknown-kind-of-name":  {{Name: name, NameType: 4, Issuer: issuer}},
		"C11-negative-kind-of-name": {{Name: name, NameType: -1, Issuer: issuer}},
	} {
		t.Run(name, func(t *testing.T) { set(t, ids...).misconfigured(t, "") })
	}
	t.Run("C11-identity-and-key", func(t *testing.T) {
		c := set(t, ok)
		c.Require.AnyIdentity = true
		c.misconfigured(t, "exactly one")
	})
	t.Run("C11-fulcio-without-issuer", func(t *testing.T) {
		set(t, verify.Identity{Name: name}).rejected(t, verify.CheckIdentity, "OIDC issuer must be given")
		set(t, verify.Identity{Name: name}, ok).accepted(t)
	})
	for _, expr := range []string{
		``, `.*`, `.+`, `^.*$`, `(?s).*`, `(?s).+`, `(.*)`, `((.*))`, `(?:.*)`, `.*.*`, `.*|x`, `x|.*`, `|`, `x?.*`, `.*x?`,
		`[\s\S]*`, `[^\n]*`, `[^\x00]+`, `(?i).*`, `.{0,}`, `.{1,1000}`, `\S+`, `\S*`, `[ -~]*`, `[[:print:]]+`, `[[:ascii:]]+`,
		`[\x00-\x7f]*`, `\b.*`, `.*\b`, `\w.*`, `.*\w`, `.*[[:alnum:]].*`, `(?:\w|\W)*`, `[^\p{Han}]+`, `.*(?:)`, `^`, `$`, `()`, `.`,
		`(?m)^.*$`, `.*[a-z].*|.*[0-9].*`, `[^Z].*`, `(.|\n)*`, `(a|[^a])*`, `a.*|[^a].*`,
	} {
		t.Run("C11-pattern-"+expr, func(t *testing.T) {
			if re, err := verify.Pattern(expr); err == nil {
				t.Errorf("got %v for %q, want an error", re, expr)
			} else if expr != "" && !errors.Is(err, verify.ErrCatchAll) {
				t.Errorf("%q: got %v, want ErrCatchAll", expr, err)
			}
		})
	}
	for _, expr := range []string{`(`, `a)|(b`, `a)(?:b`, `\`, `x\Q`, `[`, `*`, `(?P<a`, strings.Repeat("a", 1025)} {
		t.Run("C11-broken-"+expr[:min(len(expr), 5)], func(t *testing.T) {
			if re, err := verify.Pattern(expr); err == nil {
				t.Errorf("got %v for %q, want an error", re, expr)
			}
		})
	}
	for _, expr := range []string{
		`alice@example\.com`, `.*@example\.com`, `https://github\.com/acme/.*`, `https://.*`, `.+@.+`, `[a-z0-9.-]+`, `CN=.*,O=Acme`,
		`(?i)ALICE@.*`, `spiffe://.*`, `.*\.acme\.example`, `10\..*`, `\Qa.b\E`, `(alice|bob)@example\.com`,
	} {
		if _, err := verify.Pattern(expr); err != nil {
			t.Errorf("pattern %q that says something: %v", expr, err)
		}
	}
}
