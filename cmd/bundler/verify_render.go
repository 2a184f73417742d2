package main

import (
	"cmp"
	"encoding/json/v2"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// marks are the signs before a check: plain text, or for a terminal.
type marks struct{ yes, no, none string }

var (
	plainMarks = marks{"ok  ", "FAIL", "-   "}
	termMarks  = marks{"\x1b[32m✓\x1b[0m", "\x1b[31m✗\x1b[0m", "–"}
)

// marksFor chooses signs that the reader can show: no colour or Unicode unless
// it is a terminal, nor where NO_COLOR asks for none (no-color.org).
func marksFor(out io.Writer) marks {
	if c, ok := out.(*checkedWriter); ok {
		out = c.w
	}
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || !term.IsTerminal(int(file.Fd())) {
		return plainMarks
	}
	return termMarks
}

// A textRenderer shows results for people, one after the other.
type textRenderer struct {
	out, stderr io.Writer
	marks       marks
	shown       int
}

func (t *textRenderer) result(r result) {
	if t.shown++; t.shown > 1 {
		fmt.Fprintln(t.out)
	}
	if r.err != nil {
		fmt.Fprintf(t.out, "%s NO VERDICT %s\n", t.marks.none, clean(r.name))
		fmt.Fprintf(t.out, "  because  %s\n", clean(r.err.Error()))
		return
	}
	renderReport(t.out, t.marks, r)
}

// end counts, where there was more than one.
func (t *textRenderer) end(results []result) {
	if len(results) > 1 {
		renderCounts(t.out, results)
	}
}

func renderReport(out io.Writer, m marks, r result) {
	rep := r.report
	if rep.Verdict == verify.Passed {
		fmt.Fprintf(out, "%s VERIFIED %s\n", m.yes, clean(r.name))
		renderProved(out, rep)
	} else {
		fmt.Fprintf(out, "%s REJECTED %s\n", m.no, clean(r.name))
		if c := rep.FirstFailure(); c != nil {
			fmt.Fprintf(out, "  because  %s: %s\n", c.ID, clean(c.Detail))
		}
	}
	fmt.Fprintf(out, "  bundle   %s\n", clean(r.bundle))
	fmt.Fprintf(out, "  trust    %s\n", clean(rep.Trust.Source))
	for i := range rep.Policies {
		renderJudgement(out, &rep.Policies[i])
	}
	for _, name := range rep.Insecure {
		fmt.Fprintf(out, "  INSECURE %s, as asked for\n", name)
	}
	fmt.Fprintln(out, "  checks")
	for i := range rep.Checks {
		renderCheck(out, m, &rep.Checks[i])
	}
}

func renderProved(out io.Writer, rep *verify.Report) {
	signer := clean(rep.Signer.Summary())
	const most = 3
	for i, name := range rep.Signer.Names.Texts() {
		if i == most {
			signer += ", and more (-o json has all)"
			break
		}
		if i > 0 {
			signer += ", " + clean(name)
		}
	}
	if f := rep.Signer.Fulcio; f != nil {
		signer += ", vouched for by " + clean(f.Issuer)
	}
	fmt.Fprintf(out, "  signer   %s\n", signer)
	for _, t := range rep.Times {
		fmt.Fprintf(out, "  signed   by %s at the latest, witnessed by %s\n", t.Time.UTC().Format(time.RFC3339), clean(cmp.Or(t.URI, t.Operator, t.Type)))
	}
	if len(rep.Times) == 0 {
		fmt.Fprintf(out, "  signed   at a time without a witness; judged as of %s\n", rep.Evaluated.UTC().Format(time.RFC3339))
	}
}

// renderJudgement shows every reason of a policy: the check has but the first.
func renderJudgement(out io.Writer, j *verify.Judgement) {
	verb := "accepts"
	if !j.Accepted {
		verb = "rejects"
	}
	fmt.Fprintf(out, "  policy   %s %s\n", clean(j.Policy), verb)
	for _, f := range j.Deny {
		fmt.Fprintf(out, "           deny %s\n", clean(f.String()))
	}
	for _, f := range j.Warn {
		fmt.Fprintf(out, "           warn %s\n", clean(f.String()))
	}
}

func renderCheck(out io.Writer, m marks, c *verify.Check) {
	mark := map[verify.Status]string{verify.Pass: m.yes, verify.Fail: m.no}[c.Status]
	if mark == "" {
		mark = m.none
	}
	fmt.Fprintf(out, "    %s %-22s %s\n", mark, c.ID, clean(c.Detail))
	for _, line := range []struct{ label, text string }{
		{"expected", c.Expected}, {"found", c.Got}, {"hint", c.Hint},
	} {
		if c.Status == verify.Fail && line.text != "" {
			fmt.Fprintf(out, "         %-9s %s\n", line.label, clean(line.text))
		}
	}
}

func renderCounts(out io.Writer, results []result) {
	var passed, failed, none int
	for _, r := range results {
		switch {
		case r.err != nil:
			none++
		case r.report.Verdict == verify.Passed:
			passed++
		default:
			failed++
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		text string
	}{{passed, "passed"}, {failed, "rejected"}, {none, "without a verdict"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.text))
		}
	}
	fmt.Fprintf(out, "\n%s\n", strings.Join(parts, ", "))
}

// A resultsDoc is the JSON of several results. One result is its report alone.
type resultsDoc struct {
	SchemaVersion int         `json:"schemaVersion"`
	Verdict       string      `json:"verdict"`
	Results       []resultDoc `json:"results"`
}

type resultDoc struct {
	Bundle string         `json:"bundle"`
	Report *verify.Report `json:"report"`
	Error  string         `json:"error,omitzero"`
}

type noVerdictDoc struct {
	SchemaVersion int    `json:"schemaVersion"`
	Verdict       string `json:"verdict"`
	Error         string `json:"error"`
}

func renderResultsJSON(out io.Writer, results []result) error {
	var doc any
	switch {
	case len(results) == 1 && results[0].err != nil:
		renderNoVerdictJSON(out, results[0].err)
		return nil
	case len(results) == 1:
		doc = results[0].report
	default:
		doc = resultsOf(results)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return noVerdictf("rendering the report: %w", err)
	}
	fmt.Fprintf(out, "%s\n", cleanJSON(text))
	return nil
}

func resultsOf(results []result) resultsDoc {
	doc := resultsDoc{SchemaVersion: verify.SchemaVersion, Verdict: verify.Passed.String()}
	for _, r := range results {
		rd := resultDoc{Bundle: printable(r.bundle), Report: r.report}
		if r.err != nil {
			rd.Error, rd.Report = printable(r.err.Error()), nil
		}
		doc.Results = append(doc.Results, rd)
	}
	switch err := verdictOf(results); {
	case err == error(errNo):
		doc.Verdict = verify.Failed.String()
	case err != nil:
		doc.Verdict = verify.None.String()
	}
	return doc
}

func renderNoVerdictJSON(out io.Writer, err error) {
	text, merr := json.Marshal(noVerdictDoc{verify.SchemaVersion, verify.None.String(), printable(err.Error())})
	if merr != nil {
		panic("bundler: a text that is valid UTF-8 does not marshal: " + merr.Error())
	}
	fmt.Fprintf(out, "%s\n", cleanJSON(text))
}

// printable returns s as valid UTF-8.
func printable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// warnf prints a warning.
func warnf(stderr io.Writer, format string, args ...any) {
	fmt.Fprintf(stderr, "bundler: warning: "+format+"\n", args...)
}
