package trustroot

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// A Change is one difference between two trust configs, as a sentence for a
// reviewer.
type Change struct {
	Kind    ChangeKind `json:"kind"`
	Message string     `json:"message"`
}

// ChangeKind says what a Change does to the entry it is about.
type ChangeKind string

const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Diff says in words how b differs from a: logs, authorities and keys are
// matched by key, services by URL. The order is that of the lists, and within
// one list that of b, then what only a has. How a document is spelled, and the
// order of its entries, makes no difference.
func Diff(a, b *Config) []Change {
	d := &differ{}
	ra, rb := rootOf(a), rootOf(b)
	diffList(d, ra.Logs, rb.Logs, func(l *Log) item { return l.item("Rekor log") })
	diffList(d, ra.CTLogs, rb.CTLogs, func(l *Log) item { return l.item("CT log") })
	diffList(d, ra.CAs, rb.CAs, func(a *Authority) item { return a.item("CA") })
	diffList(d, ra.TSAs, rb.TSAs, func(a *Authority) item { return a.item("TSA") })
	diffList(d, keysOf(a), keysOf(b), (*Key).item)
	d.signing(a.Signing, b.Signing)
	diffList(d, a.Warnings, b.Warnings, func(w string) item {
		return item{id: w, what: "entry that this build does not know (" + w + ")"}
	})
	return d.changes
}

func rootOf(c *Config) *Root {
	if c.Root == nil {
		return &Root{}
	}
	return c.Root
}

func keysOf(c *Config) []*Key {
	if c.Keyring == nil {
		return nil
	}
	return c.Keyring.Keys
}

// An item is what Diff compares of an entry.
type item struct {
	id     string // what makes it the same entry in both documents
	what   string // for people
	detail string // said when it is added
	valid  Validity
	facts  []fact
}

// A fact is one property of an entry, as text.
type fact struct{ name, value string }

func (l *Log) item(kind string) item {
	return item{
		id:     string(l.SPKI),
		what:   kind + " " + l.label(),
		detail: fmt.Sprintf("key %v, SHA-256 %x", l.KeyDetails, sha256.Sum256(l.SPKI)),
		valid:  l.ValidFor,
		facts: []fact{
			{"base URL", l.BaseURL}, {"operator", l.Operator}, {"key type", l.KeyDetails.String()},
			{"log id", fmt.Sprintf("%x", l.ID)}, {"origin", l.Origin},
		},
	}
}

func (a *Authority) item(kind string) item {
	return item{
		id:     string(a.Chain[0].Raw),
		what:   kind + " " + a.label(),
		detail: fmt.Sprintf("certificate SHA-256 %x", sha256.Sum256(a.Chain[0].Raw)),
		valid:  a.ValidFor,
		facts: []fact{
			{"URI", a.URI}, {"operator", a.Operator}, {"chain", chainText(a.Chain)},
		},
	}
}

func chainText(chain []*x509.Certificate) string {
	text := ""
	for i, cert := range chain {
		if i > 0 {
			text += " ← "
		}
		text += fmt.Sprintf("%s (SHA-256 %.8x…)", cert.Subject, sha256.Sum256(cert.Raw))
	}
	return text
}

func (k *Key) item() item {
	return item{
		id:     string(k.SPKI),
		what:   fmt.Sprintf("key %q", k.label()),
		detail: fmt.Sprintf("%v, SHA-256 %x", k.KeyDetails, sha256.Sum256(k.SPKI)),
		valid:  k.ValidFor,
		facts:  []fact{{"hint", k.Hint}, {"key type", k.KeyDetails.String()}},
	}
}

func (s Service) item(kind string) item {
	return item{
		id:     s.URL,
		what:   kind + " " + s.URL,
		detail: fmt.Sprintf("API version %d, operator %q", s.MajorAPIVersion, s.Operator),
		valid:  s.ValidFor,
		facts:  []fact{{"API version", fmt.Sprint(s.MajorAPIVersion)}, {"operator", s.Operator}},
	}
}

type differ struct{ changes []Change }

func (d *differ) add(kind ChangeKind, format string, args ...any) {
	d.changes = append(d.changes, Change{kind, fmt.Sprintf(format, args...)})
}

// diffList matches entries by id; those that share one are first matched with
// their equals and then in order, so that a log listed twice with two windows
// can be followed.
func diffList[T any](d *differ, as, bs []T, itemOf func(T) item) {
	before, after := items(as, itemOf), items(bs, itemOf)
	matched := make([]*item, len(after)) // of before, by index of after
	used := make([]bool, len(before))
	for _, same := range []func(x, y item) bool{equalItems, func(x, y item) bool { return x.id == y.id }} {
		for j := range after {
			for i := range before {
				if matched[j] == nil && !used[i] && same(before[i], after[j]) {
					matched[j], used[i] = &before[i], true
				}
			}
		}
	}
	for j, it := range after {
		if matched[j] == nil {
			d.add(Added, "%s added%s%s", it.what, validText(it.valid), suffix(it.detail))
		} else {
			d.item(*matched[j], it)
		}
	}
	for i, it := range before {
		if !used[i] {
			d.add(Removed, "%s removed", it.what)
		}
	}
}

func items[T any](list []T, itemOf func(T) item) []item {
	out := make([]item, len(list))
	for i, v := range list {
		out[i] = itemOf(v)
	}
	return out
}

func equalItems(x, y item) bool {
	return x.id == y.id && x.valid.equal(y.valid) && slices.Equal(x.facts, y.facts)
}

// item says what changed in one entry.
func (d *differ) item(a, b item) {
	if !a.valid.Start.Equal(b.valid.Start) {
		d.add(Changed, "%s starts %s instead of %s", b.what, orAlways(b.valid.Start), orAlways(a.valid.Start))
	}
	switch from, to := a.valid.End, b.valid.End; {
	case from.Equal(to):
	case from.IsZero():
		d.add(Changed, "%s ends %s", b.what, day(to))
	case to.IsZero():
		d.add(Changed, "%s no longer ends (it ended %s)", b.what, day(from))
	default:
		d.add(Changed, "%s ends %s instead of %s", b.what, day(to), day(from))
	}
	for i, f := range b.facts {
		if old := a.facts[i].value; old != f.value {
			d.add(Changed, "%s: %s is %q instead of %q", b.what, f.name, f.value, old)
		}
	}
}

func orAlways(start time.Time) string {
	if start.IsZero() {
		return "at no stated time"
	}
	return day(start)
}

func validText(v Validity) string {
	text := ""
	if !v.Start.IsZero() {
		text += ", valid from " + day(v.Start)
	}
	if !v.End.IsZero() {
		text += " until " + day(v.End)
	}
	return text
}

func suffix(detail string) string {
	if detail == "" {
		return ""
	}
	return ", " + detail
}

func (d *differ) signing(a, b *SigningConfig) {
	var none SigningConfig
	if a == nil {
		a = &none
	}
	if b == nil {
		b = &none
	}
	for _, list := range []struct {
		kind   string
		before []Service
		after  []Service
	}{
		{"CA service", a.CAs, b.CAs},
		{"identity provider", a.OIDC, b.OIDC},
		{"Rekor service", a.Rekor, b.Rekor},
		{"TSA service", a.TSAs, b.TSAs},
	} {
		diffList(d, list.before, list.after, func(s Service) item { return s.item(list.kind) })
	}
	d.selection("Rekor services", a.RekorSelection, b.RekorSelection)
	d.selection("TSA services", a.TSASelection, b.TSASelection)
}

func (d *differ) selection(what string, a, b Selection) {
	if a != b {
		d.add(Changed, "%s to use: %s instead of %s", what, b, a)
	}
}

func (s Selection) String() string {
	switch s.Selector {
	case 0:
		return "none"
	case Exact:
		return fmt.Sprintf("EXACT %d", s.Count)
	}
	return s.Selector.String()
}
