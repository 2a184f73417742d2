package bundler_test

import (
	"cmp"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/bundler-sign/bundler"

// The import diagram: which of our packages a package's own files may import,
// by directory. Imports point from decisions to data. A name that ends in /*
// stands for every package below that directory. Any package under pkg/ may
// import pkg/internal/*, and every package under cmd/ and pkg/ must be here.
//
// Test files may import more (verify's tests sign with the sandbox): the
// compiler refuses the cycles, and programs are refused here.
var diagram = map[string][]string{
	"cmd/bundler":   {"pkg/*"},
	"conformance/*": {"pkg/*"},

	"pkg/gate":   {"pkg/policy", "pkg/verify", "pkg/bundle", "pkg/trustroot"},
	"pkg/policy": {"pkg/verify", "pkg/bundle", "pkg/trustroot"},
	"pkg/verify": {"pkg/bundle", "pkg/trustroot"},
	"pkg/model":  {"pkg/bundle"},
	"pkg/sign":   {"pkg/bundle", "pkg/trustroot", "pkg/sign/signer"},
	"pkg/bundle": nil,

	"pkg/sign/service": {"pkg/sign", "pkg/sign/oidc", "pkg/sign/signer", "pkg/bundle", "pkg/trustroot"},
	"pkg/sign/oidc":    nil,

	"pkg/sign/signer":   nil,
	"pkg/sign/signer/*": {"pkg/sign/signer"},

	"pkg/trustroot":            nil,
	"pkg/trustroot/tuf":        {"pkg/trustroot"},
	"pkg/trustroot/tuf/tufsim": nil,
	"pkg/trustroot/tufrepo":    {"pkg/trustroot", "pkg/sign/signer"},
	"pkg/sandbox":              {"pkg/trustroot"},
	"pkg/sandbox/server":       {"pkg/sandbox"},

	"pkg/internal/*": nil,
}

// core packages, and those of ours that they import, stay free of the heavy
// modules: who verifies a bundle does not link a client for everything.
var core = []string{"pkg/bundle", "pkg/trustroot", "pkg/verify"}

var heavy = []string{
	"github.com/sigstore/sigstore-go",
	"github.com/sigstore/rekor",
	"github.com/sigstore/rekor-tiles",
	"github.com/sigstore/protobuf-specs",
	"google.golang.org/protobuf",
}

// topLevel is what the repository's root may hold.
var topLevel = []string{
	".ci", ".git", ".gitignore", "LICENSE", "Makefile", "go.mod", "go.sum", "imports_test.go",
	"cmd", "conformance", "docs", "pkg", "policies", "testdata",
}

func TestImportsFollowTheDiagram(t *testing.T) {
	t.Parallel()
	tree, err := readImports(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree) < 5 {
		t.Fatalf("got %d packages: the test does not see the sources", len(tree))
	}
	for _, fault := range slices.Concat(diagramFaults(tree), coreFaults(tree)) {
		t.Error(fault)
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	t.Parallel()
	for _, fault := range topLevelFaults(t, os.DirFS(".")) {
		t.Error(fault)
	}
}

// imports are the import paths in a package's own files and in its test files.
type imports struct {
	own, test []string
}

// readImports reads the imports of every Go file in the tree, whatever its
// build tags, by package directory. It skips what the go command skips.
func readImports(fsys fs.FS) (map[string]imports, error) {
	tree := make(map[string]imports)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		base := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		paths, err := fileImports(fsys, name)
		found := tree[path.Dir(name)]
		if strings.HasSuffix(name, "_test.go") {
			found.test = append(found.test, paths...)
		} else {
			found.own = append(found.own, paths...)
		}
		tree[path.Dir(name)] = found
		return err
	})
	return tree, err
}

func fileImports(fsys fs.FS, name string) ([]string, error) {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// ours returns the directory of a package of this module.
func ours(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func diagramFaults(tree map[string]imports) (faults []string) {
	for _, dir := range slices.Sorted(maps.Keys(tree)) {
		allowed, listed := row(dir)
		if !listed && dir != "." {
			faults = append(faults, dir+": not in the diagram: add it there, and say what it may import")
		}
		for _, p := range tree[dir].own {
			target, ok := ours(p)
			if ok && !(inside(dir, "pkg") && inside(target, "pkg/internal")) && !slices.ContainsFunc(allowed, matches(target)) {
				faults = append(faults, fmt.Sprintf("%s imports %s: the diagram allows %s", dir, target, cmp.Or(strings.Join(allowed, ", "), "nothing of ours")))
			}
		}
		for _, p := range tree[dir].test {
			if target, ok := ours(p); ok && target != dir && (inside(target, "cmd") || inside(target, "conformance")) {
				faults = append(faults, fmt.Sprintf("%s: a test imports %s: nothing imports a program", dir, target))
			}
		}
	}
	return faults
}

// row returns what dir may import: its own row, else the one for its parent's
// children.
func row(dir string) (allowed []string, listed bool) {
	if allowed, ok := diagram[dir]; ok {
		return allowed, true
	}
	for pattern, allowed := range diagram {
		if parent, ok := strings.CutSuffix(pattern, "/*"); ok && dir != parent && inside(dir, parent) {
			return allowed, true
		}
	}
	return nil, false
}

// matches reports whether a name of the diagram stands for dir.
func matches(dir string) func(string) bool {
	return func(name string) bool {
		if parent, ok := strings.CutSuffix(name, "/*"); ok {
			return dir != parent && inside(dir, parent) && !inside(dir, "pkg/internal")
		}
		return name == dir
	}
}

// inside reports whether dir is parent or below it.
func inside(dir, parent string) bool {
	return dir == parent || strings.HasPrefix(dir, parent+"/")
}

// coreFaults follows the imports of the core packages through ours.
func coreFaults(tree map[string]imports) (faults []string) {
	reached := slices.Clone(core)
	for i := 0; i < len(reached); i++ {
		for _, p := range tree[reached[i]].own {
			if dir, ok := ours(p); ok && !slices.Contains(reached, dir) {
				reached = append(reached, dir)
			}
			if slices.ContainsFunc(heavy, func(m string) bool { return inside(p, m) }) {
				faults = append(faults, fmt.Sprintf("%s imports %s: what verifies a bundle stays free of it", reached[i], p))
			}
		}
	}
	return faults
}

func topLevelFaults(t *testing.T, fsys fs.FS) (faults []string) {
	t.Helper()
	ignored, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		known := slices.Contains(topLevel, e.Name()) || path.Ext(e.Name()) == ".md" ||
			slices.Contains(strings.Split(string(ignored), "\n"), "/"+e.Name()+"/")
		if !known {
			faults = append(faults, fmt.Sprintf("%q does not belong at the top level", e.Name()))
		}
	}
	return faults
}

// TestDiagramCatchesViolations holds the test above to account: each row is a
// file that breaks one rule, and its twin keeps it.
func TestDiagramCatchesViolations(t *testing.T) {
	t.Parallel()
	const internal = "pkg/internal/strictjson"
	for _, test := range []struct {
		name, file, imports string
		twin                string // an import that the same file may have
	}{
		{"verify-imports-sign", "pkg/verify/a.go", "pkg/sign", "pkg/bundle"},
		{"sign-imports-verify", "pkg/sign/a.go", "pkg/verify", "pkg/sign/signer"},
		{"verify-imports-policy", "pkg/verify/a.go", "pkg/policy", "pkg/trustroot"},
		{"verify-imports-tuf", "pkg/verify/a.go", "pkg/trustroot/tuf", "pkg/trustroot"},
		{"bundle-imports-ours", "pkg/bundle/a.go", "pkg/trustroot", internal},
		{"trustroot-imports-its-source", "pkg/trustroot/a.go", "pkg/trustroot/tuf", internal},
		{"signer-imports-its-kind", "pkg/sign/signer/a.go", "pkg/sign/signer/file", internal},
		{"kind-of-signer-imports-another", "pkg/sign/signer/exec/a.go", "pkg/sign/signer/file", "pkg/sign/signer"},
		{"internal-imports-public", "pkg/internal/fetch/a.go", "pkg/bundle", internal},
		{"model-imports-verify", "pkg/model/a.go", "pkg/verify", "pkg/bundle"},
		{"sandbox-imports-verify", "pkg/sandbox/a.go", "pkg/verify", "pkg/trustroot"},
		{"pkg-imports-cmd", "pkg/gate/a.go", "cmd/bundler", "pkg/policy"},
		{"cmd-imports-internal", "cmd/bundler/a.go", internal, "pkg/sign/signer/file"},
		{"cmd-imports-conformance", "cmd/bundler/a.go", "conformance/sigstore", "pkg/trustroot/tuf"},
		{"conformance-imports-cmd", "conformance/sigstore/a.go", "cmd/bundler", "pkg/verify"},
		{"under-a-build-tag", "pkg/verify/a_plan9.go", "pkg/sign", "pkg/bundle"},
		{"test-imports-cmd", "pkg/verify/a_test.go", "cmd/bundler", "pkg/sign"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if faults := diagramFaults(parseOne(t, test.file, module+"/"+test.imports)); len(faults) != 1 {
				t.Errorf("%s imports %s: got faults %q, want one", test.file, test.imports, faults)
			}
			if faults := diagramFaults(parseOne(t, test.file, module+"/"+test.twin)); len(faults) != 0 {
				t.Errorf("%s imports %s: got faults %q, want none", test.file, test.twin, faults)
			}
		})
	}
}

func TestDiagramCatchesAnUnlistedPackage(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]int{
		"pkg/util/a.go":          1,
		"pkg/verify/deeper/a.go": 1,
		"cmd/other/a.go":         1,
		"tools/a.go":             1,
		"pkg/internal/new/a.go":  0,
		"pkg/sign/signer/new.go": 0,
		"pkg/sign/testdata/a.go": 0,
	} {
		if faults := diagramFaults(parseOne(t, file, "fmt")); len(faults) != want {
			t.Errorf("%s: got faults %q, want %d", file, faults, want)
		}
	}
}

func TestCoreCatchesHeavyModules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file, imports string
		want          int
	}{
		{"pkg/verify/a.go", "github.com/sigstore/rekor/pkg/types", 1},
		{"pkg/bundle/a.go", "google.golang.org/protobuf/encoding/protojson", 1},
		{"pkg/internal/keyspec/a.go", "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1", 1},
		{"pkg/verify/a.go", "github.com/sigstore/rekorder", 0},
		{"pkg/verify/a_test.go", "github.com/sigstore/sigstore-go/pkg/verify", 0},
		{"pkg/sign/a.go", "github.com/sigstore/sigstore-go/pkg/sign", 0},
	} {
		tree := parseOne(t, test.file, test.imports)
		tree["pkg/bundle"] = imports{own: append(tree["pkg/bundle"].own, module+"/pkg/internal/keyspec")}
		if faults := coreFaults(tree); len(faults) != test.want {
			t.Errorf("%s imports %s: got faults %q, want %d", test.file, test.imports, faults, test.want)
		}
	}
}

func TestTopLevelCatchesStrangers(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{".gitignore": {Data: []byte("/bin/\n")}, "bin/bundler": {}, "NEWS.md": {}, "util/a.go": {}, "notes.txt": {}}
	if faults := topLevelFaults(t, fsys); len(faults) != 2 {
		t.Errorf("got %q, want util and notes.txt", faults)
	}
}

func parseOne(t *testing.T, file, importPath string) map[string]imports {
	t.Helper()
	src := fmt.Sprintf("//go:build never\n\npackage p\n\nimport _ %q\n\nvar x = undefined", importPath)
	tree, err := readImports(fstest.MapFS{file: {Data: []byte(src)}})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
