package trustroot

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

func TestCheckFindsNothingWrong(t *testing.T) {
	t.Parallel()
	f := fixture()
	for _, doc := range [][]byte{f.rootDoc, f.clientDoc, f.signingDoc, f.keyringDoc} {
		if got := Check(accepted(t, doc), noon, nil); len(got) != 0 {
			t.Errorf("got %v, want nothing", got)
		}
	}
}

// Each row edits a document that Check has nothing to say about.
func TestCheckFinds(t *testing.T) {
	t.Parallel()
	f := fixture()
	at := func(days int) string { return noon.AddDate(0, 0, days).Format(time.RFC3339) }
	const log, ca, key = "/trustedRoot/tlogs/0", "/trustedRoot/certificateAuthorities/0", "/keys/0"
	successor := func(start, end string) func(node) node {
		return again(func(l map[string]node) {
			l["publicKey"].(map[string]node)["validFor"] = window64(start, end)
		})
	}
	chain := func(certs ...*x509.Certificate) node {
		list := []node{}
		for _, c := range certs {
			list = append(list, map[string]node{"rawBytes": encode64(c.Raw)})
		}
		return list
	}
	tight := issue(t, "tight", f.root, newKey(), func(c *x509.Certificate) { c.MaxPathLenZero = true })
	under := issue(t, "under tight", tight, newKey(), nil)
	tls := issue(t, "tls", f.root, newKey(), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	old := must(newLog("https://old.example", f.rsa2048.Public(), keyspec.RSAPKCS1v5, Validity{Start: noon}))
	for _, tt := range []struct {
		name string
		path string
		edit func(node) node
		want []string // "severity path text", in order
	}{
		{"log ends soon", log + "/publicKey/validFor/end", set(at(10)), []string{"warning " + log + " ends 2026-03-11T12:00:00Z, in 10 days"}},
		{"log ends on the last day that is soon", log + "/publicKey/validFor/end", set(at(29)), []string{"warning " + log + " in 29 days"}},
		{"log ends later", log + "/publicKey/validFor/end", set(at(31)), nil},
		{"CA ends soon", ca + "/validFor/end", set(at(1)), []string{"warning " + ca + " in 1 days, and nothing succeeds"}},
		{"CA ended", ca + "/validFor/end", set(at(-1)), []string{"warning /trustedRoot/certificateAuthorities no CA is valid", "warning /signingConfig/caUrls/0 not valid now"}},
		{"CA never valid", ca + "/validFor", set(window64("2010-01-01T00:00:00Z", "2011-01-01T00:00:00Z")), []string{"error " + ca + " at no time", "warning /signingConfig/caUrls/0 not valid now"}},
		{"key ends soon", key + "/publicKey/validFor/end", set(at(3)), []string{"warning " + key + " in 3 days"}},
		{"key ended", key + "/publicKey/validFor/end", set(at(-3)), []string{"warning " + key + " ended"}},
		{"gap", "/trustedRoot/tlogs", func(n node) node {
			n.([]node)[0].(map[string]node)["publicKey"].(map[string]node)["validFor"] = window64("2025-01-01T00:00:00Z", "2025-12-31T00:00:00Z")
			return successor(at(-3), "")(n)
		}, []string{"warning /trustedRoot/tlogs/2 listed before", "warning /trustedRoot/tlogs/2 predecessor ended 2025-12-31"}},
		{"successor in time", "/trustedRoot/tlogs", func(n node) node {
			n.([]node)[0].(map[string]node)["publicKey"].(map[string]node)["validFor"] = window64("2025-01-01T00:00:00Z", at(5))
			return successor(at(4), "")(n)
		}, []string{"warning /trustedRoot/tlogs/2 listed before"}},
		{"CA listed twice", "/trustedRoot/certificateAuthorities", again(func(map[string]node) {}), []string{"warning /trustedRoot/certificateAuthorities/1 listed before"}},
		{"path length", ca + "/certChain/certificates", set(chain(under.cert, tight.cert, f.root.cert)), []string{"error " + ca + " allows 0 CA certificates"}},
		{"path length kept", ca + "/certChain/certificates", set(chain(tight.cert, f.root.cert)), nil},
		{"no code signing path", ca + "/certChain/certificates", set(chain(tls.cert, f.root.cert)), []string{"warning " + ca + " codeSigning is not among them"}},
		{"unknown key type", log + "/publicKey/keyDetails", set("PKIX_FUTURE"), []string{"error " + log + " PKIX_FUTURE", "warning /signingConfig/rekorTlogUrls/0 no entry"}},
		{"operator in an old root", "/trustedRoot/mediaType", set(mediaTypeRoot01), []string{"warning /trustedRoot/tlogs/1 operators belong to"}},
		{"no base URL", log + "/baseUrl", set(drop), []string{"warning " + log + " no baseUrl", "warning /signingConfig/rekorTlogUrls/0 no entry"}},
		{"service not covered", "/signingConfig/tsaUrls/0/url", set("https://other.example"), []string{"warning /signingConfig/tsaUrls/0 no entry"}},
		{"service without operator", "/signingConfig/tsaUrls/0/operator", set(drop), []string{"error /signingConfig/tsaUrls/0 no operator"}},
		{"service not released", "/signingConfig/tsaUrls/0/majorApiVersion", set(drop), []string{"warning /signingConfig/tsaUrls/0 not yet released", "error /signingConfig/tsaUrls found none"}},
		{"service ended", "/signingConfig/caUrls/0/validFor/end", set(at(-1)), []string{"error /signingConfig/caUrls found none"}},
		{"too few services", "/signingConfig/tsaConfig/count", set(2), []string{"error /signingConfig/tsaUrls exactly 2"}},
		{"no selector", "/signingConfig/rekorTlogConfig", set(drop), []string{"error /signingConfig/rekorTlogUrls UNDEFINED"}},
		{"no identity provider", "/signingConfig/oidcUrls", set(drop), []string{"warning /signingConfig/oidcUrls no identity provider"}},
		{"no service", "/signingConfig", without("caUrls", "oidcUrls", "rekorTlogUrls", "tsaUrls"), []string{"error /signingConfig names no service"}},
		{"trusts nobody", "/trustedRoot", without("tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"), []string{"error  trusts nobody",
			"warning /signingConfig/caUrls/0 no entry", "warning /signingConfig/rekorTlogUrls/0 no entry", "warning /signingConfig/tsaUrls/0 no entry"}},
		{"old key type", "/trustedRoot/ctlogs", func(n node) node {
			doc := must((&Root{CTLogs: []*Log{old}}).Marshal())
			var added node
			edited(t, doc, "/ctlogs/0", func(l node) node { added = l; return l })
			return append(n.([]node), added)
		}, []string{"warning /trustedRoot/ctlogs/1 of an old kind"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Check(accepted(t, edited(t, f.keyringDoc, tt.path, tt.edit)), noon, nil)
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				prefix, text, _ := strings.Cut(want[len(strings.Fields(want)[0])+1:], " ")
				severity := strings.Fields(want)[0]
				if f := got[i]; string(f.Severity) != severity || f.Path != prefix || !strings.Contains(f.Message, text) {
					t.Errorf("finding %d: got %v, want %q", i, f, want)
				}
			}
		})
	}
}

func window64(start, end string) node {
	w := map[string]node{"start": start}
	if end != "" {
		w["end"] = end
	}
	return w
}

func TestCheckSoon(t *testing.T) {
	t.Parallel()
	f := fixture()
	doc := edited(t, f.rootDoc, "/tlogs/0/publicKey/validFor/end", set(noon.AddDate(0, 0, 60).Format(time.RFC3339)))
	c := accepted(t, doc)
	if got := Check(c, noon, nil); len(got) != 0 {
		t.Errorf("got %v, want nothing within 30 days", got)
	}
	if got := Check(c, noon, &CheckOptions{Soon: 90 * 24 * time.Hour}); len(got) != 1 {
		t.Errorf("got %v, want one finding within 90 days", got)
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		d    time.Duration
		want int
	}{{0, 0}, {23 * time.Hour, 0}, {24 * time.Hour, 1}, {-time.Hour, -1}, {-24 * time.Hour, -1}, {-25 * time.Hour, -2}} {
		if got := Days(noon, noon.Add(tt.d)); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.d, got, tt.want)
		}
	}
}

func TestDiffSays(t *testing.T) {
	t.Parallel()
	f := fixture()
	const log = "/trustedRoot/tlogs/0"
	for _, tt := range []struct {
		name string
		path string
		edit func(node) node
		want []string
		back []string // the other way round
	}{
		{"a log ends", log + "/publicKey/validFor/end", set("2026-05-01T00:00:00Z"),
			[]string{"Rekor log rekor.example ends 2026-05-01"}, []string{"Rekor log rekor.example no longer ends (it ended 2026-05-01)"}},
		{"a log starts", log + "/publicKey/validFor/start", set("2026-01-01T00:00:00Z"),
			[]string{"Rekor log rekor.example starts 2026-01-01 instead of 2025-09-01T12:00:00Z"}, []string{"starts 2025-09-01T12:00:00Z instead of 2026-01-01"}},
		{"a CA goes", "/trustedRoot/certificateAuthorities", set([]node{}),
			[]string{`CA "CN=intermediate,O=example" removed`}, []string{`CA "CN=intermediate,O=example" added, valid from 2025-09-01T12:00:00Z, certificate SHA-256`}},
		{"a chain changes", "/trustedRoot/certificateAuthorities/0/certChain/certificates", func(n node) node { return n.([]node)[:1] },
			[]string{`CA "CN=intermediate,O=example": chain is`}, []string{"chain is"}},
		{"a TSA moves", "/trustedRoot/timestampAuthorities/0/uri", set("https://new.example"),
			[]string{`URI is "https://new.example" instead of "https://tsa.example/api"`}, []string{`instead of "https://new.example"`}},
		{"an operator appears", log + "/operator", set("rekor.example"), []string{`operator is "rekor.example" instead of ""`}, []string{`operator is "" instead`}},
		{"a hint changes", "/keys/0/hint", set("prod"), []string{`key "prod": hint is "prod" instead of "release"`}, []string{`hint is "release"`}},
		{"a window twice", "/trustedRoot/ctlogs", again(func(l map[string]node) {
			l["publicKey"].(map[string]node)["validFor"] = window64("2030-01-01T00:00:00Z", "")
		}), []string{"CT log ct.example/2026 added, valid from 2030-01-01"}, []string{"CT log ct.example/2026 removed"}},
		{"a service moves", "/signingConfig/caUrls/0/url", set("https://new.example"),
			[]string{"CA service https://new.example added", "CA service https://fulcio.example removed"}, []string{"fulcio.example added", "new.example removed"}},
		{"a selector", "/signingConfig/rekorTlogConfig/selector", set("ALL"), []string{"Rekor services to use: ALL instead of ANY"}, []string{"ANY instead of ALL"}},
		{"no signing config", "/signingConfig", set(drop), []string{"removed", "removed", "removed", "removed", "none instead of ANY", "none instead of EXACT 1"},
			[]string{"added", "added", "added", "added", "ANY instead of none", "EXACT 1 instead of none"}},
		{"an unknown key", log + "/publicKey/keyDetails", set("PKIX_FUTURE"), []string{"rekor.example removed", "PKIX_FUTURE"}, []string{"rekor.example added", "PKIX_FUTURE"}},
		{"another media type", "/trustedRoot/mediaType", set(mediaTypeRoot01), nil, nil},
		{"another order", "/trustedRoot/tlogs", func(n node) node { slices.Reverse(n.([]node)); return n }, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := accepted(t, f.keyringDoc), accepted(t, edited(t, f.keyringDoc, tt.path, tt.edit))
			saysEach(t, Diff(a, b), tt.want)
			saysEach(t, Diff(b, a), tt.back)
		})
	}
}

func saysEach(t *testing.T, got []Change, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %q", got, want)
	}
	for i, c := range got {
		if !strings.Contains(c.Message, want[i]) {
			t.Errorf("change %d: got %v, want %q", i, fmt.Sprint(c), want[i])
		}
	}
}
