package trustroot

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says how bad a Finding is.
type Severity string

const (
	SeverityError   Severity = "error"   // something in the document can not work as stated
	SeverityWarning Severity = "warning" // it works, and someone should look at it
)

// A Finding is one thing that Check has to say about a trust config.
type Finding struct {
	Severity Severity `json:"severity"`
	Path     string   `json:"path"` // RFC 6901 pointer into the document
	Message  string   `json:"message"`
}

// CheckOptions tunes Check; nil means the defaults.
type CheckOptions struct {
	Soon time.Duration // a window that ends within it ends soon; default 30 days
}

// Check lints c as of now: what Parse accepts and is still wrong, or soon will
// be. It reports entries that this build does not understand as errors. The
// order of findings is that of the document's lists.
func Check(c *Config, now time.Time, opts *CheckOptions) []Finding {
	k := &checker{now: now, soon: 30 * 24 * time.Hour}
	if opts != nil && opts.Soon > 0 {
		k.soon = opts.Soon
	}
	k.findings = slices.Clone(c.skipped)
	if c.Root != nil {
		k.root(c.Root)
	}
	if c.Keyring != nil {
		k.keyring(c.Keyring)
	}
	if c.Signing != nil {
		k.signing(c)
	}
	return k.findings
}

type checker struct {
	now      time.Time
	soon     time.Duration
	findings []Finding
}

func (k *checker) errorf(path, format string, args ...any) {
	k.findings = append(k.findings, Finding{SeverityError, path, fmt.Sprintf(format, args...)})
}

func (k *checker) warnf(path, format string, args ...any) {
	k.findings = append(k.findings, Finding{SeverityWarning, path, fmt.Sprintf(format, args...)})
}

func (k *checker) root(r *Root) {
	if len(r.Logs)+len(r.CTLogs)+len(r.CAs)+len(r.TSAs) == 0 {
		k.errorf("", "the trusted root trusts nobody: it lists no log, no CA and no TSA")
		return
	}
	k.logs("Rekor log", r.Logs, r.MediaType)
	k.authorities("CA", r.CAs, r.MediaType, x509.ExtKeyUsageCodeSigning, "codeSigning")
	k.logs("CT log", r.CTLogs, r.MediaType)
	k.authorities("TSA", r.TSAs, r.MediaType, x509.ExtKeyUsageTimeStamping, "timeStamping")
}

func (k *checker) logs(kind string, logs []*Log, mediaType string) {
	var spans []span
	for i, l := range logs {
		what := kind + " " + l.label()
		if l.KeyDetails.Old() && l.ValidFor.Contains(k.now) {
			k.warnf(l.at, "%s: key type %v is of an old kind: the log should move to a current one", what, l.KeyDetails)
		}
		if l.BaseURL == "" {
			k.warnf(l.at, "%s: no baseUrl: its checkpoints can not be told from another log's", what)
		}
		k.operator(l.at, what, l.Operator, mediaType)
		for _, other := range logs[:i] {
			if bytes.Equal(other.SPKI, l.SPKI) {
				k.warnf(l.at, "%s: its key is listed before, as %s: a threshold counts them once", what, other.label())
				break
			}
		}
		spans = append(spans, span{l.at, what, cmp.Or(l.Operator, l.BaseURL), l.ValidFor})
	}
	k.windows(kind, spans)
}

func (k *checker) operator(path, what, operator, mediaType string) {
	if operator != "" && mediaType != MediaTypeRoot {
		k.warnf(path, "%s: operators belong to %s: readers of older media types may ignore this one", what, MediaTypeRoot)
	}
}

func (k *checker) authorities(kind string, list []*Authority, mediaType string, use x509.ExtKeyUsage, useName string) {
	var spans []span
	for i, a := range list {
		what := kind + " " + a.label()
		if w := a.Window; w.End.Before(w.Start) {
			k.errorf(a.at, "%s: at no time do validFor and the dates of all its certificates hold together", what)
		} else {
			spans = append(spans, span{a.at, what, cmp.Or(a.Operator, a.URI, string(a.Anchor().RawSubject)), w})
		}
		k.pathLength(a, what)
		k.usePath(a, what, use, useName)
		k.operator(a.at, what, a.Operator, mediaType)
		if slices.ContainsFunc(list[:i], func(b *Authority) bool {
			return b.ValidFor.equal(a.ValidFor) && slices.EqualFunc(b.Chain, a.Chain, (*x509.Certificate).Equal)
		}) {
			k.warnf(a.at, "%s: listed before, with the same window", what)
		}
	}
	k.windows(kind, spans)
}

// pathLength reports a chain that is longer than one of its certificates
// allows: nothing that it issues verifies.
func (k *checker) pathLength(a *Authority, what string) {
	below := 0 // CA certificates below this one
	for _, cert := range a.Chain {
		if !cert.IsCA {
			continue
		}
		limited := cert.MaxPathLen > 0 || cert.MaxPathLen == 0 && cert.MaxPathLenZero
		if limited && cert.MaxPathLen < below {
			k.errorf(a.at, "%s: certificate %q allows %d CA certificates below it, and the chain has %d", what, cert.Subject, cert.MaxPathLen, below)
			return
		}
		below++
	}
}

// usePath reports a chain whose extended key usages rule out what it is for.
func (k *checker) usePath(a *Authority, what string, use x509.ExtKeyUsage, name string) {
	for _, cert := range a.Chain {
		limited := len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0
		if limited && !slices.Contains(cert.ExtKeyUsage, use) && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny) {
			k.warnf(a.at, "%s: certificate %q has extended key usages, and %s is not among them: no certificate for that use can be issued under it", what, cert.Subject, name)
			return
		}
	}
}

func (k *checker) keyring(r *Keyring) {
	if len(r.Keys) == 0 {
		k.errorf("/keys", "the keyring has no key that this build knows")
	}
	for _, key := range r.Keys {
		what := fmt.Sprintf("key %q", key.label())
		if key.KeyDetails.Old() {
			k.warnf(key.at, "%s: key type %v is of an old kind: list it under a current one", what, key.KeyDetails)
		}
		switch end := key.ValidFor.End; {
		case end.IsZero():
		case end.Before(k.now):
			k.warnf(key.at, "%s: ended %s", what, day(end))
		case end.Sub(k.now) < k.soon:
			k.warnf(key.at, "%s: ends %s, in %d days", what, day(end), Days(k.now, end))
		}
	}
}

// A span is the window of one entry, and the group of those that succeed one
// another: one operator's, or one URL's.
type span struct {
	path, what, group string
	valid             Validity
}

// windows reports what successive entries of one group leave uncovered.
func (k *checker) windows(kind string, spans []span) {
	if len(spans) > 0 && !slices.ContainsFunc(spans, func(s span) bool { return s.valid.Contains(k.now) }) {
		k.warnf(parent(spans[0].path), "no %s is valid at %s: nothing signed now can be vouched for by one", kind, k.now.UTC().Format(time.RFC3339))
	}
	groups := make(map[string][]span)
	var order []string
	for _, s := range spans {
		if groups[s.group] == nil {
			order = append(order, s.group)
		}
		groups[s.group] = append(groups[s.group], s)
	}
	for _, name := range order {
		k.succession(groups[name])
	}
}

// succession reports gaps between the entries of one group, and an end that is
// near with nothing after it.
func (k *checker) succession(group []span) {
	slices.SortStableFunc(group, func(a, b span) int { return a.valid.Start.Compare(b.valid.Start) })
	last := group[0]
	for _, s := range group[1:] {
		if last.valid.End.IsZero() {
			return
		}
		if s.valid.Start.After(last.valid.End.Add(time.Second)) { // 23:59:59 and 00:00:00 meet
			k.warnf(s.path, "%s: starts %s, and its predecessor ended %s: nothing covers the time between", s.what, day(s.valid.Start), day(last.valid.End))
		}
		if s.valid.End.IsZero() || s.valid.End.After(last.valid.End) {
			last = s
		}
	}
	if end := last.valid.End; last.valid.Contains(k.now) && !end.IsZero() && end.Sub(k.now) < k.soon {
		k.warnf(last.path, "%s: ends %s, in %d days, and nothing succeeds it", last.what, day(end), Days(k.now, end))
	}
}

// Days returns the whole days from now until end, rounded down; negative when
// end has passed.
func Days(now, end time.Time) int {
	const aDay = 24 * time.Hour
	d := end.Sub(now)
	if d < 0 {
		return -int((-d + aDay - 1) / aDay)
	}
	return int(d / aDay)
}

// day formats a time as people compare them: as a date where it is one.
func day(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)]
}

// label names a log for people.
func (l *Log) label() string {
	if l.Origin != "" {
		return l.Origin
	}
	return fmt.Sprintf("with id %x", clip(l.ID)[:min(len(l.ID), 8)])
}

// label names an authority for people: by its issuing certificate.
func (a *Authority) label() string { return fmt.Sprintf("%q", a.Chain[0].Subject) }
