package main

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/policy"
)

func newPolicyTestCommand() *cobra.Command {
	var output string
	var coverage float64
	cmd := &cobra.Command{
		Use:   "test [flags] DIRECTORY",
		Short: "Run a policy's tests",
		Long: `Run the tests of a policy: the rules whose names begin with test_ in its files
whose names end in _test.rego. Tests may also call print and trace.

--coverage N wants tests that evaluate at least N percent of the policy's lines.

Exit status:
  0  all tests pass, and cover enough
  1  a test fails, or they cover too little
  2  wrong usage
  3  the policy or its tests can not be read, or do not compile`,
		Args: exactArgs(1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" && output != "junit" {
				return usagef("-o %q: expected text, json or junit", output)
			}
			if coverage < 0 || coverage > 100 {
				return usagef("--coverage %v: expected 0 to 100", coverage)
			}
			source, err := policy.ReadSource(args[0])
			if err != nil {
				return noVerdictf("%w", err)
			}
			report, err := policy.Test(cmd.Context(), source, false)
			if err != nil {
				return noVerdictf("%s", clean(err.Error()))
			}
			if err := renderTests(cmd.OutOrStdout(), output, args[0], report); err != nil {
				return err
			}
			if !report.Passed() || report.Coverage < coverage {
				return errNo
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "the `format`: text, json or junit")
	cmd.Flags().Float64Var(&coverage, "coverage", 0, "the least `percent` of lines that tests must evaluate")
	return cmd
}

func renderTests(out io.Writer, output, name string, r *policy.TestReport) error {
	switch output {
	case "json":
		return writeJSON(out, struct {
			SchemaVersion int                `json:"schemaVersion"`
			Policy        string             `json:"policy"`
			Passed        bool               `json:"passed"`
			Report        *policy.TestReport `json:"report"`
		}{1, printable(name), r.Passed(), r})
	case "junit":
		return renderTestsJUnit(out, name, r)
	}
	failed := 0
	for _, t := range r.Results {
		if !t.Passed {
			failed++
			fmt.Fprintf(out, "FAIL %s: %s: %s\n", clean(t.At), clean(t.Name), clean(t.Reason))
		}
		if t.Output != "" {
			fmt.Fprintf(out, "     %s printed %s\n", clean(t.Name), clean(t.Output))
		}
	}
	fmt.Fprintf(out, "%d tests, %d failed; they evaluate %.1f %% of the lines\n", len(r.Results), failed, r.Coverage)
	for _, line := range r.Uncovered {
		fmt.Fprintf(out, "     not evaluated: %s\n", clean(line))
	}
	return nil
}

// JUnit's XML, as CI systems read it.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr,omitempty"` // seconds
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func renderTestsJUnit(out io.Writer, name string, r *policy.TestReport) error {
	suite := junitSuite{Name: clean(name), Tests: len(r.Results)}
	for _, t := range r.Results {
		c := junitCase{Class: clean(name), Name: clean(t.Name), Time: fmt.Sprintf("%.6f", t.Seconds)}
		if !t.Passed {
			suite.Failures++
			c.Failure = &junitMessage{Message: clean(t.Reason), Text: clean(t.At + ": " + t.Reason)}
		}
		suite.Cases = append(suite.Cases, c)
	}
	return writeXML(out, junitSuites{Suites: []junitSuite{suite}})
}

func writeXML(out io.Writer, doc any) error {
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return noVerdictf("rendering the result: %w", err)
	}
	fmt.Fprintf(out, "%s%s\n", xml.Header, text)
	return nil
}
