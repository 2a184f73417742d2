package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
)

// A TestReport is what the tests of a policy came to.
type TestReport struct {
	Results   []TestResult `json:"results"`   // in the order of files and lines
	Coverage  float64      `json:"coverage"`  // percent of lines that tests evaluate
	Uncovered []string     `json:"uncovered"` // file:line of the others
}

// A TestResult is that of one test.
type TestResult struct {
	Name    string  `json:"name"` // package and rule
	At      string  `json:"at"`   // file:line
	Passed  bool    `json:"passed"`
	Reason  string  `json:"reason"` // why not
	Output  string  `json:"output"` // what it printed
	Seconds float64 `json:"seconds"`

	file string
	row  int
}

// Passed reports whether there are tests and all of them passed.
func (r *TestReport) Passed() bool {
	return len(r.Results) > 0 && !slices.ContainsFunc(r.Results, func(t TestResult) bool { return !t.Passed })
}

// Test runs a policy's tests: the rules test_… of its files _test.rego. Tests
// may also print and trace. With library, it is the library's coverage that is
// measured. Any error is a *BrokenError.
func Test(ctx context.Context, source *Source, library bool) (*TestReport, error) {
	report, err := test(ctx, source, library)
	if err != nil {
		return nil, &BrokenError{Policy: source.Name, Err: err}
	}
	return report, nil
}

func test(ctx context.Context, source *Source, library bool) (*TestReport, error) {
	if len(source.Tests) == 0 {
		return nil, errors.New("expected tests in a file whose name ends in _test.rego, found none")
	}
	own, err := parse(source.Files, false)
	if err != nil {
		return nil, err
	}
	tests, err := parse(source.Tests, true)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(own)
	maps.Copy(all, tests)
	if all, err = withLibrary(all); err != nil {
		return nil, err
	}
	measured := own
	if library {
		measured = maps.Clone(all)
		maps.DeleteFunc(measured, func(name string, _ *ast.Module) bool { return !strings.HasPrefix(name, "lib/") || tests[name] != nil })
	}
	return runTests(ctx, all, measured)
}

func runTests(ctx context.Context, all, measured map[string]*ast.Module) (*TestReport, error) {
	store := newStore(map[string]any{})
	txn, err := store.NewTransaction(ctx, storage.TransactionParams{})
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	coverage := cover.New()
	results, err := tester.NewRunner().SetCompiler(newCompiler(true, true)).SetStore(store).SetModules(all).
		SetTimeout(Limits{}.orDefault().Deadline).SetCoverageQueryTracer(coverage).RaiseBuiltinErrors(true).
		CapturePrintOutput(true).RunTests(ctx, txn)
	if err != nil {
		return nil, err
	}
	report := &TestReport{}
	for r := range results {
		report.Results = append(report.Results, newTestResult(r))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	slices.SortFunc(report.Results, func(a, b TestResult) int {
		if c := strings.Compare(a.file, b.file); c != 0 {
			return c
		}
		return a.row - b.row
	})
	report.cover(coverage.Report(measured), measured)
	return report, nil
}

func newTestResult(r *tester.Result) TestResult {
	out := TestResult{
		Name: strings.TrimPrefix(r.Package, "data.") + "." + r.Name, At: at(r.Location), Passed: r.Pass(),
		Output: string(r.Output), Seconds: r.Duration.Seconds(), file: r.Location.File, row: r.Location.Row,
	}
	switch {
	case r.Error != nil:
		out.Reason = r.Error.Error()
	case r.Skip:
		out.Reason = "it is marked to be left out"
	case r.Fail && r.FailedAt != nil && r.FailedAt.Location != nil:
		out.Reason = fmt.Sprintf("does not hold: %s, at %s", r.FailedAt.Location.Text, at(r.FailedAt.Location))
	case r.Fail:
		out.Reason = "does not hold"
	}
	return out
}

// cover counts the lines of the modules that are measured.
func (r *TestReport) cover(c cover.Report, measured map[string]*ast.Module) {
	covered, all := 0, 0
	for _, name := range slices.Sorted(maps.Keys(measured)) {
		file := c.Files[name]
		if file == nil {
			continue
		}
		covered += file.CoveredLines
		all += file.CoveredLines + file.NotCoveredLines
		for _, rng := range file.NotCovered {
			if line := fmt.Sprintf("%s:%d", name, rng.Start.Row); !slices.Contains(r.Uncovered, line) {
				r.Uncovered = append(r.Uncovered, line)
			}
		}
	}
	if all > 0 {
		r.Coverage = 100 * float64(covered) / float64(all)
	}
}

func at(l *ast.Location) string { return fmt.Sprintf("%s:%d", l.File, l.Row) }
