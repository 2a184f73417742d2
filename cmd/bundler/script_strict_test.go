package main

import (
	"encoding/json/v2"
	"encoding/xml"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// cmdStrict holds a file to its format: members that the format does not have,
// or that it requires and are missing, are errors.
func cmdStrict(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: strict junit|sarif|vsa FILE")
	}
	text := ts.ReadFile(args[1])
	fault := ""
	switch args[0] {
	case "junit":
		fault = junitFault(text)
	case "sarif":
		fault = sarifFault(text)
	case "vsa":
		fault = vsaFault(text)
	}
	if fault != "" {
		ts.Fatalf("%s: %s", args[1], fault)
	}
}

// junitFault reads XML whole and counts: the numbers must be those of the cases.
func junitFault(text string) string {
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.Strict = true
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			return err.Error()
		}
	}
	var doc junitSuites
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return err.Error()
	}
	for _, s := range doc.Suites {
		failures, errs := 0, 0
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errs++
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != errs {
			return "the counts are not those of the cases"
		}
	}
	return ""
}

// sarifFault holds to what SARIF's schema requires of the members that are used.
func sarifFault(text string) string {
	var doc sarifLog
	if err := json.Unmarshal([]byte(text), &doc, json.RejectUnknownMembers(true)); err != nil {
		return err.Error()
	}
	if doc.Version != "2.1.0" || len(doc.Runs) != 1 || doc.Runs[0].Tool.Driver.Name == "" {
		return "expected version 2.1.0, a run and the name of its driver"
	}
	for _, r := range doc.Runs[0].Results {
		_, err := url.Parse(r.Locations[0].Physical.Artifact.URI)
		known := slices.Contains(doc.Runs[0].Tool.Driver.Rules, sarifRule{r.RuleID})
		if err != nil || !known || r.Message.Text == "" || !slices.Contains([]string{"none", "note", "warning", "error"}, r.Level) {
			return "a result without a rule, a message or a level"
		}
	}
	return ""
}

// vsaFault holds to what in-toto and SLSA's VSA v1 require.
func vsaFault(text string) string {
	s, err := bundle.ParseStatement([]byte(text))
	if err != nil {
		return err.Error()
	}
	var p vsaPredicate
	if err := json.Unmarshal(s.Predicate, &p, json.RejectUnknownMembers(true)); err != nil {
		return err.Error()
	}
	levels := []string{"FAILED"}
	if p.Result == "PASSED" {
		levels = []string{"SLSA_BUILD_LEVEL_UNEVALUATED"}
	}
	if s.PredicateType != vsaType || p.Verifier.ID == "" || p.TimeVerified.IsZero() || p.ResourceURI == "" || p.Policy.URI == "" ||
		len(p.Policy.Digest["sha256"]) != 64 || len(p.Inputs) == 0 || !slices.Equal(p.Levels, levels) {
		return "a member that is required is missing"
	}
	return ""
}
