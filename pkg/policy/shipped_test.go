package policy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/policies"
)

// Every shipped policy loads, has tests that pass and that evaluate every line,
// and a README.
func TestShippedPolicies(t *testing.T) {
	t.Parallel()
	dirs, err := fs.ReadDir(policies.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 10 {
		t.Fatalf("got %d directories, want nine policies and the library", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			t.Parallel()
			source, err := policy.ReadFS(policies.FS, dir.Name())
			if err != nil {
				t.Fatal(err)
			}
			library := dir.Name() == "lib"
			if library {
				source.Files = nil // they come with every policy
			} else if _, err := policy.New(source, nil); err != nil {
				t.Fatal(err)
			}
			report, err := policy.Test(t.Context(), source, library)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Results {
				if !r.Passed {
					t.Errorf("%s: %s: %s", r.At, r.Name, r.Reason)
				}
			}
			if len(report.Results) == 0 || report.Coverage != 100 {
				t.Errorf("got %d tests that cover %.1f %%, want 100 %%; not evaluated: %v", len(report.Results), report.Coverage, report.Uncovered)
			}
			if text, err := os.ReadFile(filepath.Join("..", "..", "policies", dir.Name(), "README.md")); err != nil || len(text) < 200 {
				t.Errorf("got README of %d bytes, %v", len(text), err)
			}
		})
	}
}
