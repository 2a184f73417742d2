package main

import (
	"fmt"
	"html"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// verifyOutputs are the formats beside text: each renders all results at once.
var verifyOutputs = map[string]func(io.Writer, []result) error{
	"json":     renderResultsJSON,
	"junit":    renderJUnit,
	"sarif":    renderSARIF,
	"markdown": renderMarkdown,
	"vsa":      renderVSA,
}

// reasons are why a result is no pass, for people: the checks that failed, or
// why there is no verdict.
func (r *result) reasons() []string {
	if r.err != nil {
		return []string{"no verdict: " + clean(r.err.Error())}
	}
	var out []string
	for i := range r.report.Checks {
		if c := &r.report.Checks[i]; c.Status == verify.Fail {
			out = append(out, fmt.Sprintf("%s: %s", c.ID, clean(c.Detail)))
		}
	}
	if len(out) == 0 && r.report.Verdict != verify.Passed {
		out = append(out, "a check that is required is missing")
	}
	return out
}

// warnings are those of the policies.
func (r *result) warnings() []string {
	var out []string
	if r.err == nil {
		for _, j := range r.report.Policies {
			for _, w := range j.Warn {
				out = append(out, clean(w.String()))
			}
		}
	}
	return out
}

// passed is the one place where these formats say yes.
func (r *result) passed() bool {
	return r.err == nil && r.report != nil && r.report.Verdict == verify.Passed
}

// renderJUnit writes a test case for each bundle: a failure is a "no", an
// error is no verdict.
func renderJUnit(out io.Writer, results []result) error {
	suite := junitSuite{Name: "bundler verify", Tests: len(results)}
	for i := range results {
		r := &results[i]
		c := junitCase{Class: xmlText(r.bundle), Name: xmlText(r.name)}
		if !r.passed() {
			reasons := r.reasons()
			m := &junitMessage{Message: xmlText(reasons[0]), Text: xmlText(strings.Join(reasons, "\n"))}
			if r.err != nil {
				suite.Errors++
				c.Error = m
			} else {
				suite.Failures++
				c.Failure = m
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	return writeXML(out, junitSuites{Suites: []junitSuite{suite}})
}

// xmlText returns text as XML can hold it: lines, and no other controls.
func xmlText(s string) string {
	lines := strings.Split(printable(s), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// renderMarkdown writes a summary for a CI job, such as $GITHUB_STEP_SUMMARY.
func renderMarkdown(out io.Writer, results []result) error {
	fmt.Fprintf(out, "### bundler verify\n\n| | artifact | signer | |\n| --- | --- | --- | --- |\n")
	for i := range results {
		r := &results[i]
		mark, signer, notes := "❌ rejected", "", r.reasons()
		switch {
		case r.passed():
			mark, signer, notes = "✅ verified", r.report.Signer.Summary(), r.warnings()
			for _, name := range r.report.Insecure {
				notes = append(notes, "INSECURE: "+name)
			}
		case r.err != nil:
			mark = "⚠️ no verdict"
		}
		for j := range notes {
			notes[j] = markdownText(notes[j])
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", mark, markdownText(r.name), markdownText(signer), strings.Join(notes, "<br>"))
	}
	return nil
}

// markdownText returns text that Markdown shows as it is: every character that
// means something there is an entity.
func markdownText(s string) string {
	s = html.EscapeString(clean(printable(s)))
	var b strings.Builder
	for _, c := range s {
		if strings.ContainsRune("\\`*_{}[]()#+-.!|~:@", c) {
			fmt.Fprintf(&b, "&#%d;", c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// SARIF 2.1.0, the part that is used: docs.oasis-open.org/sarif/sarif/v2.1.0.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		Successful bool `json:"executionSuccessful"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
		} `json:"physicalLocation"`
	}
)

const homepage = "https://github.com/bundler-sign/bundler"

// renderSARIF writes a result for each check that failed, each missing verdict
// and each warning of a policy.
func renderSARIF(out io.Writer, results []result) error {
	run := sarifRun{Invocations: []sarifInvocation{{Successful: true}}, Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "bundler", Version: version, InformationURI: homepage, Rules: []sarifRule{}}
	known := make(map[string]bool)
	add := func(r *result, rule, level, text string) {
		var at sarifLocation
		at.Physical.Artifact.URI = (&url.URL{Path: filepath.ToSlash(printable(r.name))}).String()
		run.Results = append(run.Results, sarifResult{rule, level, sarifMessage{text}, []sarifLocation{at}})
		if !known[rule] {
			known[rule] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{rule})
		}
	}
	for i := range results {
		r := &results[i]
		if r.err != nil {
			run.Invocations[0].Successful = false
		}
		if !r.passed() {
			for _, reason := range r.reasons() {
				rule, _, _ := strings.Cut(reason, ":")
				add(r, strings.ReplaceAll(rule, " ", "-"), "error", reason)
			}
		}
		for _, w := range r.warnings() {
			add(r, "policy.warn", "warning", w)
		}
	}
	return writeJSON(out, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
