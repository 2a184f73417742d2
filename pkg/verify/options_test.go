package verify_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

const whoText = `"certificateIdentities":{"identities":[{"issuer":"https://accounts.sandbox.example","san":{"type":"EMAIL","value":"alice@example.com"}}]}`

// TestOptionsFile holds each field of an options file to what it must be.
func TestOptionsFile(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	key := s.Key("release", sandbox.P256)
	spki := base64.StdEncoding.EncodeToString(key.SPKI())
	keyText := func(fields string) string {
		return fmt.Sprintf(`{"publicKeys":{"publicKeys":[{"rawBytes":%q,"keyDetails":"PKIX_ECDSA_P256_SHA_256"%s}]}}`, spki, fields)
	}
	who := func(san string) string {
		return `{"certificateIdentities":{"identities":[{"issuer":"https://i","san":` + san + `}]}}`
	}
	with := func(fields string) string { return "{" + whoText + "," + fields + "}" }
	for _, row := range []struct{ name, good, bad, detail string }{
		{"nothing", with(`"tlogOptions":{"threshold":1}`), `{}`, "either"},
		{"identities and keys", keyText(""), `{` + whoText + `,"publicKeys":{"publicKeys":[]}}`, "either"},
		{"no identities", `{` + whoText + `}`, `{"certificateIdentities":{}}`, "at least one"},
		{"no keys", keyText(""), `{"publicKeys":{"publicKeys":[]}}`, "at least one"},
		{"no san", who(`{"value":"a"}`), `{"certificateIdentities":{"identities":[{"issuer":"https://i"}]}}`, "san"},
		{"empty san", who(`{"value":"a"}`), who(`{}`), "value or a regexp"},
		{"empty value", who(`{"value":"a"}`), who(`{"value":""}`), "found none"},
		{"value and regexp", who(`{"value":"a"}`), who(`{"value":"a","regexp":"a"}`), "value or a regexp"},
		{"C11-empty-regexp", who(`{"regexp":"a"}`), who(`{"regexp":""}`), "empty"},
		{"C11-catch-all", who(`{"regexp":"a"}`), who(`{"regexp":".*"}`), "every name"},
		{"broken regexp", who(`{"regexp":"(a)"}`), who(`{"regexp":"(a"}`), "missing closing"},
		{"unknown type", who(`{"value":"a","type":"URI"}`), who(`{"value":"a","type":"DNS"}`), "unknown value"},
		{"type by number", who(`{"value":"a","type":3}`), who(`{"value":"a","type":4}`), "unknown value"},
		{"type in lower case", who(`{"value":"a","type":"EMAIL"}`), who(`{"value":"a","type":"email"}`), "unknown value"},
		{"oid of one part", strings.Replace(who(`{"value":"a"}`), `"issuer"`, `"oids":[{"oid":{"id":[1,2]},"value":"BQA="}],"issuer"`, 1),
			strings.Replace(who(`{"value":"a"}`), `"issuer"`, `"oids":[{"oid":{"id":[1]},"value":"BQA="}],"issuer"`, 1), "two parts"},
		{"negative oid", strings.Replace(who(`{"value":"a"}`), `"issuer"`, `"oids":[{"oid":{"id":[1,2]},"value":"BQA="}],"issuer"`, 1),
			strings.Replace(who(`{"value":"a"}`), `"issuer"`, `"oids":[{"oid":{"id":[1,-2]},"value":"BQA="}],"issuer"`, 1), "identifier"},
		{"member twice", `{` + whoText + `}`, `{` + whoText + `,` + whoText + `}`, "twice"},
		{"unknown member", `{` + whoText + `}`, with(`"tlogoptions":{"threshold":1}`), "tlogoptions"},
		{"member of another message", with(`"ctlogOptions":{"threshold":1}`), with(`"ctlogOptions":{"threshold":1,"performOnlineVerification":false}`), "performOnlineVerification"},
		{"trailing bytes", `{` + whoText + `}`, `{` + whoText + `} {}`, "after"},
		{"null", `{` + whoText + `}`, with(`"tlogOptions":null`), "null"},
		{"not an object", `{` + whoText + `}`, `[]`, ""},
		{"empty", `{` + whoText + `}`, ``, ""},
		{"online", with(`"tlogOptions":{"threshold":1}`), with(`"tlogOptions":{"threshold":1,"performOnlineVerification":true}`), "performOnlineVerification"},
		{"too large", `{` + whoText + `}`, `{` + whoText + strings.Repeat(" ", 1<<20) + `}`, ""},
		{"K05-curve-is-not-the-stated-one", keyText(""), strings.Replace(keyText(""), "P256_SHA_256", "P384_SHA_384", 1), "P-256"},
		{"details missing", keyText(""), strings.Replace(keyText(""), `,"keyDetails":"PKIX_ECDSA_P256_SHA_256"`, "", 1), "key details"},
		{"raw bytes missing", keyText(""), `{"publicKeys":{"publicKeys":[{"keyDetails":"PKIX_ECDSA_P256_SHA_256"}]}}`, "parse"},
		{"T12-end-before-start", keyText(`,"validFor":{"start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:00Z"}`),
			keyText(`,"validFor":{"start":"2026-01-02T00:00:00Z","end":"2026-01-01T00:00:00Z"}`), "end"},
		{"T12-end-at-the-zero-time", keyText(`,"validFor":{"end":"0001-01-01T00:00:01Z"}`), keyText(`,"validFor":{"end":"0001-01-01T00:00:00Z"}`), "end"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := verify.ParseOptions([]byte(row.good)); err != nil {
				t.Fatalf("%s: %v", row.good, err)
			}
			o, err := verify.ParseOptions([]byte(row.bad))
			if err == nil || o != nil || !strings.Contains(err.Error(), row.detail) {
				t.Errorf("got %v and error %v, want an error with %q", o, err, row.detail)
			}
		})
	}
	for _, name := range []string{"tlogOptions", "ctlogOptions", "tsaOptions", "integratedTsOptions", "observerOptions"} {
		t.Run(name, func(t *testing.T) {
			for text, ok := range map[string]bool{
				`{"threshold":1}`: true, `{"threshold":2,"disable":false}`: true, `{"disable":true}`: true, `{"threshold":0,"disable":true}`: true,
				`{}`: false, `{"threshold":0}`: false, `{"threshold":-1}`: false, `{"threshold":1,"disable":true}`: false,
				`{"threshold":-1,"disable":true}`: false, `{"threshold":1.5}`: false, `{"threshold":4294967297}`: false, `{"threshold":true}`: false,
			} {
				_, err := verify.ParseOptions([]byte(with(fmt.Sprintf("%q:%s", name, text))))
				if (err == nil) != ok {
					t.Errorf("%s: got %v, want accepted %v", text, err, ok)
				}
			}
		})
	}
}

// TestOptionsApply: what a file says is what is required.
func TestOptionsApply(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	apply := func(text string) verify.Requirements {
		o, err := verify.ParseOptions([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		q := verify.DefaultRequirements()
		q.Now = s.Now()
		o.Apply(&q)
		return q
	}
	q := apply(`{` + whoText + `}`)
	if q.Logs != 1 || q.SCTs != 1 || q.ObserverTimes != 1 || q.Timestamps != 0 || q.IntegratedTimes != 0 {
		t.Errorf("a file that names only the signer changes the thresholds: %+v", q)
	}
	q = apply(`{` + whoText + `,"tlogOptions":{"threshold":2},"ctlogOptions":{"threshold":3},"tsaOptions":{"threshold":4},"integratedTsOptions":{"threshold":5},"observerOptions":{"threshold":6}}`)
	if q.Logs != 2 || q.SCTs != 3 || q.Timestamps != 4 || q.IntegratedTimes != 5 || q.ObserverTimes != 6 {
		t.Errorf("got %+v, want the file's thresholds", q)
	}
	q = apply(`{` + whoText + `,"tlogOptions":{"disable":true},"observerOptions":{"disable":true}}`)
	if q.Logs != 0 || q.ObserverTimes != 0 || q.SCTs != 1 {
		t.Errorf("got %+v, want no logs and no observers", q)
	}

	c := honest(t, s, sandbox.SignOptions{})
	c.Require = apply(`{` + whoText + `}`)
	c.accepted(t)
	c.Require = apply(`{` + strings.Replace(whoText, "EMAIL", "URI", 1) + `}`)
	c.rejected(t, verify.CheckIdentity, "")
	c.Require = apply(`{` + strings.Replace(whoText, `"value":"alice@example.com"`, `"regexp":"alice@example"`, 1) + `}`)
	c.rejected(t, verify.CheckIdentity, "") // anchored
	c.Require = apply(`{` + strings.Replace(whoText, `"value":"alice@example.com"`, `"regexp":"alice@example.*"`, 1) + `}`)
	c.accepted(t)
	issuer := base64.StdEncoding.EncodeToString(sandbox.FulcioExtension(8, sandbox.DefaultIssuer).Value)
	oids := `"oids":[{"oid":{"id":[1,3,6,1,4,1,57264,1,8]},"value":"` + issuer + `"}],"issuer"`
	c.Require = apply(`{` + strings.Replace(whoText, `"issuer"`, oids, 1) + `}`)
	c.accepted(t)
	c.Require = apply(`{` + strings.Replace(whoText, `"issuer"`, strings.Replace(oids, "1,8]", "1,9]", 1), 1) + `}`)
	c.rejected(t, verify.CheckIdentity, "")
	c.Require = apply(`{` + strings.Replace(whoText, `"issuer"`, strings.Replace(oids, issuer, "DAA=", 1), 1) + `}`)
	c.rejected(t, verify.CheckIdentity, "")
}

// TestOptionsKeys: a file's keys are held to their windows.
func TestOptionsKeys(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	key := s.Key("release", sandbox.P256)
	for valid, ok := range map[string]bool{
		``: true,
		`,"validFor":{"start":"2026-01-02T03:04:05Z"}`: true,
		`,"validFor":{"end":"2026-01-02T03:04:05Z"}`:   true,
		`,"validFor":{"start":"2026-01-02T03:04:06Z"}`: false,
		`,"validFor":{"end":"2026-01-02T03:04:04Z"}`:   false,
	} {
		o, err := verify.ParseOptions(fmt.Appendf(nil, `{"publicKeys":{"publicKeys":[{"rawBytes":%q,"keyDetails":"PKIX_ECDSA_P256_SHA_256"%s}]}}`,
			base64.StdEncoding.EncodeToString(key.SPKI()), valid))
		if err != nil {
			t.Fatal(err)
		}
		c := honest(t, s, sandbox.SignOptions{Key: key})
		c.Keyring = keyring(t, o.Keys...)
		o.Apply(&c.Require)
		if ok {
			c.accepted(t)
		} else {
			c.rejected(t, verify.CheckKeyWindow, "")
		}
	}
}

// TestRequirementsZeroValueIsRefused: fields whose zero value would accept.
func TestRequirementsZeroValueIsRefused(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	c := honest(t, s, sandbox.SignOptions{})
	good := c.Require
	for name, change := range map[string]func(q *verify.Requirements){
		"zero":                    func(q *verify.Requirements) { *q = verify.Requirements{} },
		"no time":                 func(q *verify.Requirements) { q.Now = time.Time{} },
		"nobody":                  func(q *verify.Requirements) { q.Identities = nil },
		"key and identity":        func(q *verify.Requirements) { q.AnyKey = true },
		"any identity and one":    func(q *verify.Requirements) { q.AnyIdentity = true },
		"key without a keyring":   func(q *verify.Requirements) { q.Identities, q.AnyKey = nil, true },
		"attestation and message": func(q *verify.Requirements) { q.Attestation, q.Message = true, true },
		"unknown key details":     func(q *verify.Requirements) { q.KeyDetails = 4711 },
		"defaults":                func(q *verify.Requirements) { *q = verify.DefaultRequirements() },
	} {
		c.Require = good
		c.accepted(t)
		change(&c.Require)
		rep, err := c.verify(t)
		if rep != nil || err == nil {
			t.Errorf("%s: got %v, want an error of the question", name, err)
		}
	}
	if _, err := verify.New(nil, good); err == nil {
		t.Error("no trust: got no error")
	}
	if q := verify.RequirementsFor(nil); q.Logs+q.SCTs+q.ObserverTimes != 0 {
		t.Errorf("no trust: got %+v", q)
	}
	if _, err := verify.New(&trustroot.Config{}, verify.Requirements{Now: s.Now(), AnyKey: true}); err == nil {
		t.Error("a key without a keyring: got no error")
	}
}
