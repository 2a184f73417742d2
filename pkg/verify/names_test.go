package verify_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// TestSubjectIdentity: certificates without names are told by their
// distinguished name.
func TestSubjectIdentity(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	r := sandbox.Request{SANs: []sandbox.SAN{}, Subject: pkix.Name{CommonName: "build, robot", Organization: []string{"Acme"}}}
	c := private(t, s, s.PrivateCA, r, sandbox.SignOptions{})
	const dn = `CN=build\, robot,O=Acme`
	for _, row := range []struct {
		id verify.Identity
		ok bool
	}{
		{verify.Identity{Subject: dn}, true},
		{verify.Identity{SubjectPattern: pattern(t, `CN=build\\, .*,O=Acme`)}, true},
		{verify.Identity{Subject: `O=Acme,CN=build\, robot`}, false},
		{verify.Identity{Subject: `CN=build`}, false},
		{verify.Identity{Subject: strings.ToLower(dn)}, false},
		{verify.Identity{SubjectPattern: pattern(t, `CN=build`)}, false},
		{verify.Identity{SubjectPattern: pattern(t, `O=Acme`)}, false},
		{verify.Identity{Name: dn}, false},
		{verify.Identity{Name: "build, robot"}, false},
		{verify.Identity{Subject: dn, Name: "build, robot"}, false},
		{verify.Identity{Subject: dn, Issuer: sandbox.DefaultIssuer}, false},
	} {
		c.Require.Identities = []verify.Identity{row.id}
		if row.ok {
			c.accepted(t)
		} else {
			c.rejected(t, verify.CheckIdentity, "")
		}
	}
}

// TestHostileNames: C14. What is not refused is escaped.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, san := range map[string]sandbox.SAN{
		"C14-nul":     sandbox.Email("alice@example.com\x00.evil.org"),
		"C14-newline": sandbox.Email("alice@example.com\n✓ VERIFIED"[:18]),
		"C14-ansi":    sandbox.Email("\x1b[2Jalice@example.com"),
		"C14-rtl":     sandbox.OtherName(sandbox.OIDUserName, "\u202emoc.elpmaxe@ecila"),
		"C14-c1":      sandbox.OtherName(sandbox.OIDUserName, "\u009b2Jalice"),
		"C14-delete":  sandbox.DNS("alice\x7f\x7f.example.com"),
		"C14-subject": sandbox.DirName(pkix.Name{CommonName: "a\x1b[31mb\u202ec\r\n"}),
	} {
		t.Run(name, func(t *testing.T) {
			c := private(t, s, s.PrivateCA, sandbox.Request{SANs: []sandbox.SAN{san}}, sandbox.SignOptions{})
			c.Require.Identities = nil
			c.Require.AnyIdentity = true
			rep := c.accepted(t)
			c.Require.AnyIdentity = false
			c.Require.Identities = []verify.Identity{{Name: sandbox.DefaultIdentity}}
			bad := c.rejected(t, verify.CheckIdentity, "")
			for _, k := range append(rep.Checks, bad.Checks...) {
				for _, text := range []string{k.Detail, k.Expected, k.Got} {
					if i := strings.IndexFunc(text, invisible); i >= 0 {
						t.Errorf("check %s shows %q", k.ID, text)
					}
				}
			}
			text, err := rep.MarshalJSON()
			if err != nil || !json.Valid(text) {
				t.Fatalf("got %v and JSON %s", err, text)
			}
			// Any JSON writer that this text passes through chooses anew how
			// strings are written: the last one, in cmd/bundler, escapes the rest.
			if i := bytes.IndexFunc(text, func(c rune) bool { return c < ' ' }); i >= 0 {
				t.Errorf("got %q in the JSON of the report", text[i:min(len(text), i+8)])
			}
		})
	}
}

// invisible reports whether a terminal would do anything but show c.
func invisible(c rune) bool {
	return c < ' ' || 0x7f <= c && c < 0xa0 || 0x202a <= c && c <= 0x202e || 0x2066 <= c && c <= 0x2069
}
