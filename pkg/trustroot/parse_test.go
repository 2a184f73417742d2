package trustroot

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseReadsEveryMediaType(t *testing.T) {
	t.Parallel()
	f := fixture()
	for _, mediaType := range []string{MediaTypeRoot, mediaTypeRoot01, mediaTypeRootOld} {
		doc := edited(t, f.rootDoc, "/mediaType", set(mediaType))
		c := accepted(t, doc)
		if c.Root == nil || c.Root.MediaType != mediaType || c.Signing != nil || c.Keyring != nil {
			t.Errorf("%s: got %+v", mediaType, c)
		}
		if c.SHA256 != sha256.Sum256(doc) || c.Source != "doc.json" {
			t.Errorf("%s: source or digest is wrong", mediaType)
		}
	}
	if c := accepted(t, f.clientDoc); c.Root == nil || c.Signing == nil || c.Keyring != nil {
		t.Errorf("client trust config: got %+v", c)
	}
	if c := accepted(t, f.signingDoc); c.Root != nil || c.Signing == nil || c.Keyring != nil {
		t.Errorf("signing config: got %+v", c)
	}
	if c := accepted(t, f.keyringDoc); c.Root == nil || c.Signing == nil || c.Keyring == nil {
		t.Errorf("keyring with the rest: got %+v", c)
	}
	bare := edited(t, edited(t, f.keyringDoc, "/trustedRoot", set(drop)), "/signingConfig", set(drop))
	if c := accepted(t, bare); c.Root != nil || c.Signing != nil || c.Keyring == nil {
		t.Errorf("bare keyring: got %+v", c)
	}
}

// The document that every row edits is accepted in TestParseReadsEveryMediaType
// and again here: each row differs from it only in the fault.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	f := fixture()
	accepted(t, f.keyringDoc)
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	ones := b64(bytes.Repeat([]byte{1}, 32))
	start := "2025-01-01T00:00:00Z"
	for _, tt := range []struct {
		name string
		path string // what is edited
		edit func(node) node
		at   string // where it is reported; "" for path
		want string
	}{
		{"media-type-missing", "/mediaType", set(""), "", "found none"},
		{"media-type-of-a-bundle", "/mediaType", set("application/vnd.dev.sigstore.bundle.v0.3+json"), "", "expected a trusted root"},
		{"media-type-of-a-later-root", "/trustedRoot/mediaType", set("application/vnd.dev.sigstore.trustedroot.v0.3+json"), "", "found"},
		{"media-type-of-inner-root-missing", "/trustedRoot/mediaType", set(drop), "", `found ""`},
		{"media-type-of-an-old-signing-config", "/signingConfig/mediaType", set("application/vnd.dev.sigstore.signingconfig.v0.1+json"), "", "v0.2"},

		{"T12-tlog-without-start", "/trustedRoot/tlogs/0/publicKey/validFor/start", set(drop), "", "found none"},
		{"T12-tlog-without-window", "/trustedRoot/tlogs/0/publicKey/validFor", set(drop), "/trustedRoot/tlogs/0/publicKey/validFor/start", "found none"},
		{"T12-ctlog-without-start", "/trustedRoot/ctlogs/0/publicKey/validFor/start", set(drop), "", "found none"},
		{"T12-ca-without-start", "/trustedRoot/certificateAuthorities/0/validFor/start", set(drop), "", "found none"},
		{"T12-tsa-without-start", "/trustedRoot/timestampAuthorities/0/validFor/start", set(drop), "", "found none"},
		{"T12-start-at-the-zero-time", "/trustedRoot/tlogs/0/publicKey/validFor/start", set("0001-01-01T00:00:00Z"), "", "year 1"},
		{"T12-end-at-the-zero-time", "/trustedRoot/tlogs/0/publicKey/validFor/end", set("0001-01-01T00:00:00Z"), "", "year 1"},
		{"T12-end-before-start", "/trustedRoot/tlogs/0/publicKey/validFor", set(map[string]node{"start": start, "end": "2024-12-31T23:59:59Z"}),
			"/trustedRoot/tlogs/0/publicKey/validFor/end", "at or after the start"},
		{"T12-key-end-before-start", "/keys/0/publicKey/validFor", set(map[string]node{"start": start, "end": "2024-12-31T23:59:59Z"}),
			"/keys/0/publicKey/validFor/end", "at or after the start"},

		{"D04-log-id-of-another-key", "/trustedRoot/tlogs/0/logId/keyId", set(ones), "", "SHA-256 of the log's key"},
		{"D04-log-id-truncated", "/trustedRoot/tlogs/0/logId/keyId", func(n node) node { return truncated(n, 4) }, "", "found"},
		{"D04-log-id-empty", "/trustedRoot/tlogs/0/logId/keyId", set(""), "", "found"},
		{"D04-no-id-at-all", "/trustedRoot/tlogs/0", without("logId", "checkpointKeyId"), "/trustedRoot/tlogs/0/logId", "found none"},
		{"D04-note-id-under-another-origin", "/trustedRoot/tlogs/1/baseUrl", set("https://other.example"), "/trustedRoot/tlogs/1/logId/keyId", "other.example"},
		{"D04-checkpoint-key-id-wrong", "/trustedRoot/tlogs/0/checkpointKeyId/keyId", set("AAAAAA=="), "", "checkpoint key id"},
		{"D04-checkpoint-key-id-of-3-bytes", "/trustedRoot/tlogs/0/checkpointKeyId/keyId", func(n node) node { return truncated(n, 3) }, "", "checkpoint key id"},
		{"D04-ctlog-id-wrong", "/trustedRoot/ctlogs/0/logId/keyId", set(ones), "", "SHA-256 of the log's key"},
		{"D04-ctlog-id-missing", "/trustedRoot/ctlogs/0/logId", set(drop), "/trustedRoot/ctlogs/0/logId/keyId", "SHA-256 of the log's key"},
		{"D04-ctlog-with-checkpoint-key-id", "/trustedRoot/ctlogs/0/checkpointKeyId", set(map[string]node{"keyId": "AAAAAA=="}), "", "none for a CT log"},

		{"hash-algorithm-other", "/trustedRoot/tlogs/0/hashAlgorithm", set("SHA2_512"), "", "SHA2_256"},
		{"hash-algorithm-missing", "/trustedRoot/ctlogs/0/hashAlgorithm", set(drop), "", "SHA2_256"},
		{"base-url-with-query", "/trustedRoot/tlogs/0/baseUrl", set("https://rekor.example?x"), "", "a host and a path"},
		{"base-url-with-credentials", "/trustedRoot/tlogs/0/baseUrl", set("https://u:p@rekor.example"), "", "a host and a path"},
		{"base-url-with-plus", "/trustedRoot/tlogs/0/baseUrl", set("https://rekor.example/a+b"), "", "plus signs"},
		{"base-url-with-override", "/trustedRoot/tlogs/0/baseUrl", set("https://rekor.example/\u202e"), "", "printable"},
		{"operator-with-escape", "/trustedRoot/tlogs/1/operator", set("\x1b[31mred"), "", "printable"},

		{"K05-curve-is-not-the-stated-one", "/trustedRoot/tlogs/0/publicKey/keyDetails", set("PKIX_ECDSA_P384_SHA_384"), "/trustedRoot/tlogs/0/publicKey/rawBytes", "found ECDSA P-256"},
		{"K05-type-is-not-the-stated-one", "/trustedRoot/tlogs/0/publicKey/keyDetails", set("PKIX_ED25519"), "/trustedRoot/tlogs/0/publicKey/rawBytes", "found ECDSA P-256"},
		{"K05-encoding-is-not-the-stated-one", "/trustedRoot/tlogs/0/publicKey/keyDetails", set("PKCS1_RSA_PKCS1V5"), "/trustedRoot/tlogs/0/publicKey/rawBytes", "does not parse"},
		{"K05-details-missing", "/trustedRoot/tlogs/0/publicKey/keyDetails", set(drop), "", "found none"},
		{"K05-details-unspecified", "/trustedRoot/ctlogs/0/publicKey/keyDetails", set("PUBLIC_KEY_DETAILS_UNSPECIFIED"), "", "found none"},
		{"K05-keyring-key", "/keys/0/publicKey/keyDetails", set("PKIX_ECDSA_P256_SHA_256"), "/keys/0/publicKey/rawBytes", "found ECDSA P-384"},
		{"key-missing", "/trustedRoot/tlogs/0/publicKey", set(drop), "", "found none"},
		{"key-empty", "/keys/0/publicKey/rawBytes", set(""), "", "does not parse"},
		{"key-with-trailing-bytes", "/keys/0/publicKey/rawBytes", func(n node) node {
			der, _ := base64.StdEncoding.DecodeString(n.(string))
			return b64(append(der, 0))
		}, "", "trailing data"},

		{"keyring-empty", "/keys", set([]node{}), "", "at least one key"},
		{"keyring-without-keys", "/keys", set(drop), "", "at least one key"},
		{"hint-with-newline", "/keys/0/hint", set("a\nb"), "", "printable"},
		{"hint-of-a-novel", "/keys/0/hint", set(strings.Repeat("a", maxText+1)), "", "at most"},

		{"service-without-scheme", "/signingConfig/caUrls/0/url", set("fulcio.example"), "", "such as https://"},
		{"service-without-host", "/signingConfig/tsaUrls/0/url", set("https:///api"), "", "such as https://"},
		{"service-of-a-file", "/signingConfig/tsaUrls/0/url", set("file://tsa.example/x"), "", "such as https://"},
		{"service-with-credentials", "/signingConfig/rekorTlogUrls/0/url", set("https://u:p@rekor.example"), "", "credentials"},
		{"service-without-window", "/signingConfig/oidcUrls/0/validFor", set(drop), "/signingConfig/oidcUrls/0/validFor/start", "found none"},
		{"selector-unknown", "/signingConfig/rekorTlogConfig/selector", set("SOME"), "", "ALL, ANY or EXACT"},
		{"selector-exact-of-none", "/signingConfig/tsaConfig/count", set(0), "", "1 or more"},
		{"selector-any-with-count", "/signingConfig/rekorTlogConfig/count", set(2), "", "EXACT alone"},

		{"chain-missing", "/trustedRoot/certificateAuthorities/0/certChain", set(drop), "/trustedRoot/certificateAuthorities/0/certChain/certificates", "found 0"},
		{"chain-empty", "/trustedRoot/certificateAuthorities/0/certChain/certificates", set([]node{}), "", "found 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := tt.at
			if at == "" {
				at = tt.path
			}
			refused(t, edited(t, f.keyringDoc, tt.path, tt.edit), at, tt.want)
		})
	}
}

// truncated returns the base64 in n cut to its first bytes.
func truncated(n node, size int) node {
	b, _ := base64.StdEncoding.DecodeString(n.(string))
	return base64.StdEncoding.EncodeToString(b[:size])
}

// without is an edit that removes members.
func without(names ...string) func(node) node {
	return func(n node) node {
		for _, name := range names {
			delete(n.(map[string]node), name)
		}
		return n
	}
}

// again is an edit of a list that adds its first element again, changed.
func again(edit func(map[string]node)) func(node) node {
	return func(n node) node {
		list := n.([]node)
		var copied map[string]node
		data, _ := json.Marshal(list[0])
		_ = json.Unmarshal(data, &copied)
		edit(copied)
		return append(list, copied)
	}
}

func TestOneKeyIsOneWitness(t *testing.T) {
	t.Parallel()
	f := fixture()
	// The Rekor 2 log of the fixture, stated by the hash of its key: what a
	// Rekor 1 with the same key would have.
	spkiHash := sha256.Sum256(f.config.Root.Logs[1].SPKI)
	asRekor1 := map[string]node{"keyId": base64.StdEncoding.EncodeToString(spkiHash[:])}
	ed := edited(t, f.rootDoc, "/tlogs", func(n node) node { return n.([]node)[1:] })
	accepted(t, ed)

	t.Run("D03-one-key-two-log-ids", func(t *testing.T) {
		t.Parallel()
		doc := edited(t, ed, "/tlogs", again(func(l map[string]node) { l["logId"] = asRekor1 }))
		refused(t, doc, "/tlogs/1/logId", "one log id for one key")
		accepted(t, edited(t, ed, "/tlogs/0/logId", set(asRekor1)))
	})
	t.Run("D03-one-key-two-operators", func(t *testing.T) {
		t.Parallel()
		doc := edited(t, ed, "/tlogs", again(func(l map[string]node) { l["operator"] = "other.example" }))
		refused(t, doc, "/tlogs/1/operator", "one operator for one key")
	})
	t.Run("D03-one-key-with-and-without-operator", func(t *testing.T) {
		t.Parallel()
		doc := edited(t, ed, "/tlogs", again(func(l map[string]node) { delete(l, "operator") }))
		refused(t, doc, "/tlogs/1/operator", "one operator for one key")
	})
	t.Run("D03-one-log-two-windows-counts-once", func(t *testing.T) {
		t.Parallel()
		c := accepted(t, edited(t, ed, "/tlogs", again(func(l map[string]node) {
			l["publicKey"].(map[string]node)["validFor"] = map[string]node{"start": "2030-01-01T00:00:00Z"}
		})))
		if a, b := c.Root.Logs[0].Identity(), c.Root.Logs[1].Identity(); a != b {
			t.Errorf("got identities %q and %q, want one", a, b)
		}
	})
	t.Run("D07-one-certificate-two-operators", func(t *testing.T) {
		t.Parallel()
		doc := edited(t, f.rootDoc, "/timestampAuthorities", again(func(a map[string]node) { a["operator"] = "other.example" }))
		refused(t, doc, "/timestampAuthorities/1/operator", "one operator for one key")
		accepted(t, edited(t, f.rootDoc, "/timestampAuthorities", again(func(map[string]node) {})))
	})
}

func TestDistinctWitnesses(t *testing.T) {
	t.Parallel()
	f := fixture()
	other := issue(t, "tsa two", f.tsaRoot, newKey(), asTSA)
	a := must(NewTSA([]*x509.Certificate{f.tsaLeaf.cert, f.tsaRoot.cert}, Validity{Start: noon}))
	b := must(NewTSA([]*x509.Certificate{other.cert, f.tsaRoot.cert}, Validity{Start: noon}))
	if a.Identity() == b.Identity() {
		t.Error("D07: two TSAs without URI count once")
	}
	a.Operator, b.Operator = "one", "one"
	if a.Identity() != b.Identity() {
		t.Error("two TSAs of one operator count twice")
	}
	// An operator cannot be named like another's key.
	b.Operator = ""
	a.Operator = string(b.Chain[0].Raw)
	if a.Identity() == b.Identity() {
		t.Error("an operator passes for a key")
	}
}

func TestUnknownKeyTypesAreSkippedWithAWarning(t *testing.T) {
	t.Parallel()
	f := fixture()
	doc := f.keyringDoc
	for _, path := range []string{"/trustedRoot/tlogs/0", "/trustedRoot/ctlogs/0", "/keys/0"} {
		doc = edited(t, doc, path+"/publicKey/keyDetails", set("PKIX_FUTURE_1024"))
	}
	c := accepted(t, doc)
	if len(c.Root.Logs) != 1 || len(c.Root.CTLogs) != 0 || len(c.Keyring.Keys) != 0 {
		t.Errorf("got %d logs, %d CT logs, %d keys, want 1, 0, 0", len(c.Root.Logs), len(c.Root.CTLogs), len(c.Keyring.Keys))
	}
	if len(c.Warnings) != 3 || !strings.Contains(c.Warnings[0], "PKIX_FUTURE_1024") {
		t.Errorf("got warnings %q, want 3", c.Warnings)
	}
	if c := accepted(t, edited(t, doc, "/keys/0/publicKey/keyDetails", set(14))); len(c.Warnings) != 3 {
		t.Errorf("LMS by number: got warnings %q, want 3", c.Warnings)
	}
	for _, bad := range []node{"lower", "", "A B", 1.5, true, map[string]node{}, 1 << 40} {
		if _, err := Parse(edited(t, f.keyringDoc, "/keys/0/publicKey/keyDetails", set(bad)), ""); err == nil {
			t.Errorf("keyDetails %v: accepted", bad)
		}
	}
}

func TestParseIsStrict(t *testing.T) {
	t.Parallel()
	f := fixture()
	for name, doc := range map[string][]byte{"root": f.rootDoc, "client": f.clientDoc, "signing": f.signingDoc, "keyring": f.keyringDoc} {
		accepted(t, doc)
		text := string(doc)
		for fault, bad := range map[string]string{
			"J01-duplicate-member":      strings.Replace(text, `"mediaType":`, `"mediaType": "x", "mediaType":`, 1),
			"J01-duplicate-nested":      strings.Replace(text, `"start":`, `"start": "2020-01-01T00:00:00Z", "start":`, 1),
			"J04-unknown-field":         strings.Replace(text, `"mediaType":`, `"extra": 1, "mediaType":`, 1),
			"J04-unknown-nested":        strings.Replace(text, `"start":`, `"begin": "2020-01-01T00:00:00Z", "start":`, 1),
			"J04-case-variant":          strings.Replace(text, `"start":`, `"Start":`, 1),
			"J05-trailing-bytes":        text + "x",
			"J05-two-documents":         text + text,
			"J05-byte-order-mark":       "\xef\xbb\xbf" + text,
			"J05-nul":                   text + "\x00",
			"J09-invalid-utf8":          strings.Replace(text, `example"`, "example\xff\"", 1),
			"J09-lone-surrogate":        strings.Replace(text, `example"`, `example\ud800"`, 1),
			"R04-nested-200k":           strings.Repeat("[", 200_000),
			"R05-number-of-10^6-digits": strings.Replace(text, `"mediaType":`, `"n": `+strings.Repeat("9", 1_000_000)+`, "mediaType":`, 1),
			"R02-larger-than-the-limit": text + strings.Repeat(" ", MaxBytes),
			"J05-empty":                 "",
			"J05-pem-instead":           "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n",
			"J04-not-an-object":         "[]",
		} {
			t.Run(fault+"/"+name, func(t *testing.T) {
				t.Parallel()
				if bad == text {
					t.Fatal("the fault is not in the document")
				}
				c, err := Parse([]byte(bad), "doc.json")
				if fe, ok := err.(*FormatError); !ok || c != nil {
					t.Errorf("got %v, %v, want nil and a *FormatError", c, err)
				} else if len(fe.Error()) > 600 {
					t.Errorf("the error is %d bytes long", len(fe.Error()))
				}
			})
		}
	}
}

func TestParseRefusesNullEverywhere(t *testing.T) {
	t.Parallel()
	f := fixture()
	var doc node
	if err := json.Unmarshal(f.keyringDoc, &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(path string, v node)
	walk = func(path string, v node) {
		if path != "" {
			n++
			t.Run("J06-null-at"+path, func(t *testing.T) {
				if c, err := Parse(edited(t, f.keyringDoc, path, set(nil)), "doc.json"); err == nil {
					t.Errorf("accepted: %+v", c)
				}
			})
		}
		switch v := v.(type) {
		case map[string]node:
			for name, child := range v {
				walk(path+"/"+name, child)
			}
		case []node:
			for i, child := range v {
				walk(fmt.Sprintf("%s/%d", path, i), child)
			}
		}
	}
	walk("", doc)
	if n < 50 {
		t.Errorf("only %d nodes were visited", n)
	}
}

func TestParseIsBounded(t *testing.T) {
	t.Parallel()
	f := fixture()
	repeat := func(n int) func(node) node {
		return func(v node) node {
			list := v.([]node)
			for len(list) < n {
				list = append(list, list[0])
			}
			return list
		}
	}
	for _, path := range []string{"/tlogs", "/ctlogs", "/certificateAuthorities", "/timestampAuthorities"} {
		t.Run("R09"+path, func(t *testing.T) {
			t.Parallel()
			accepted(t, edited(t, f.rootDoc, path, repeat(maxEntries)))
			refused(t, edited(t, f.rootDoc, path, repeat(maxEntries+1)), path, "at most 256")
		})
	}
	t.Run("R09-certificate-chain-of-10^4", func(t *testing.T) {
		t.Parallel()
		const path = "/certificateAuthorities/0/certChain/certificates"
		refused(t, edited(t, f.rootDoc, path, repeat(10_000)), path, "1 to 16")
	})
	t.Run("R09-certificates-in-all", func(t *testing.T) {
		t.Parallel()
		p := f.root
		chain := []node{}
		for i := range maxChain {
			p = issue(t, fmt.Sprint("ca ", i), p, f.root.key, nil)
			chain = append([]node{map[string]node{"rawBytes": base64.StdEncoding.EncodeToString(p.cert.Raw)}}, chain...)
		}
		long := edited(t, f.rootDoc, "/certificateAuthorities/0/certChain/certificates", set(chain))
		accepted(t, long)
		many := edited(t, long, "/certificateAuthorities", repeat(maxCerts/maxChain+1))
		refused(t, many, "/certificateAuthorities/64/certChain/certificates", "certificates in all")
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	f := fixture()
	dir := t.TempDir()
	path := filepath.Join(dir, "trust.json")
	if err := os.WriteFile(path, f.clientDoc, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := File(path)
	if err != nil || c.Source != path {
		t.Fatalf("got %+v, %v", c, err)
	}
	for name, tt := range map[string]struct {
		path   string
		format bool
	}{
		"missing":   {filepath.Join(dir, "none.json"), false},
		"directory": {dir, false},
		"device":    {os.DevNull, false},
		"R02-large": {large(t, filepath.Join(dir, "large.json")), true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := File(tt.path)
			if err == nil || c != nil {
				t.Fatalf("got %v, %v, want an error", c, err)
			}
			if _, ok := errors.AsType[*FormatError](err); ok != tt.format {
				t.Errorf("got %T, want a FormatError: %v", err, tt.format)
			}
			if !strings.Contains(err.Error(), tt.path) {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

// large makes a sparse file of 1 GiB.
func large(t *testing.T, path string) string {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<30); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileReadsAPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	name := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if _, err := os.Stat(name); err != nil {
		t.Skip("no /dev/fd here")
	}
	go func() {
		w.Write(fixture().signingDoc)
		w.Close()
	}()
	if c, err := File(name); err != nil || c.Signing == nil {
		t.Errorf("got %v, %v", c, err)
	}
}
