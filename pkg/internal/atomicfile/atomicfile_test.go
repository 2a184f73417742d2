package atomicfile

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestWriteCreatesAndReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	for _, text := range []string{"first, and longer", "second"} {
		if err := Write(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Fatalf("got %q, %v, want %q", got, err, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o644 {
		t.Errorf("got mode %v, want 0644", got)
	}
	onlyFile(t, dir, "out.json")
}

func TestWriteFollowsLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	if err := Write(link, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(target); string(got) != "new" {
		t.Errorf("got %q through the link, want new", got)
	}
	if info, _ := os.Lstat(link); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path string
		want       string
	}{
		{"F07-output-is-input", "in", "it is also the input"},
		{"F07-output-is-input-by-another-name", "hard", "it is also the input"},
		{"F07-directory-missing", "no/such/out", "does not exist"},
		{"F07-parent-is-a-file", "in/out", "not a directory"},
		{"F07-output-is-a-directory", "dir", "a directory or a device"},
		{"F07-dangling-link", "dangling", "symbolic link"},
		{"F07-no-name", "", "expected a file name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			in := filepath.Join(dir, "in")
			if err := os.WriteFile(in, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{
				os.Link(in, filepath.Join(dir, "hard")),
				os.Mkdir(filepath.Join(dir, "dir"), 0o700),
				os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "dangling")),
			} {
				if err != nil {
					t.Skip(err)
				}
			}
			path := tt.path
			if path != "" {
				path = filepath.Join(dir, path)
			}
			err := Write(path, []byte("new"), 0o644, in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if got, _ := os.ReadFile(in); string(got) != "precious" {
				t.Errorf("the input now reads %q", got)
			}
			if err := Write(filepath.Join(dir, "free"), []byte("new"), 0o644, in); err != nil {
				t.Errorf("twin: %v", err)
			}
		})
	}
}

// A failure of the last step stands for any earlier one: all share the clean-up.
func TestWriteLeavesNothingOnFailure(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("permissions of directories")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	// Renaming a file over a directory fails after everything was written.
	if err := write(path, []byte("new"), 0o644); err == nil {
		t.Fatal("a directory was replaced by a file")
	}
	onlyFile(t, dir, "out")
}

func onlyFile(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("got %v in the directory, want only %s", entries, name)
	}
}
