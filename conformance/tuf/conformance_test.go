package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

// A vector is a repository as files: initial_root.json, metadata/, targets/, the
// name of a target and the time to fetch it at.
type vector struct {
	dir    string
	root   []byte
	target string
	now    time.Time
}

func vectors(t *testing.T) []vector {
	t.Helper()
	dir := os.Getenv("BUNDLER_VECTORS")
	if dir == "" {
		t.Skip("BUNDLER_VECTORS is not set: make conformance sets it")
	}
	roots, err := filepath.Glob(filepath.Join(dir, "tuf", "*", "initial_root.json"))
	if err != nil || len(roots) == 0 {
		t.Fatalf("no repositories under %s: %v", dir, err)
	}
	var list []vector
	for _, path := range roots {
		v := vector{dir: filepath.Dir(path), root: read(t, path)}
		v.target = strings.TrimSpace(string(read(t, filepath.Join(v.dir, "targetpath"))))
		if v.now, err = fakeTime(strings.TrimSpace(string(read(t, filepath.Join(v.dir, "faketime")))), time.Time{}); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestConformanceDownloads(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(filepath.Base(v.dir), func(t *testing.T) {
			server := httptest.NewServer(http.FileServer(http.Dir(v.dir)))
			defer server.Close()
			dir := t.TempDir()
			args := []string{"--metadata-dir", dir, "--metadata-url", server.URL + "/metadata/"}
			for _, more := range [][]string{
				{"init", filepath.Join(v.dir, "initial_root.json")},
				{"refresh"},
				{"--target-name", v.target, "--target-base-url", server.URL + "/targets/", "--target-dir", dir, "download"},
			} {
				if err := run(append(args[:len(args):len(args)], more...), v.now, io.Discard); err != nil {
					t.Fatalf("%q: %v", more, err)
				}
			}
			if len(read(t, filepath.Join(dir, url.PathEscape(v.target)))) == 0 {
				t.Error("got an empty target")
			}
		})
	}
}

// files is a repository in memory.
type files map[string][]byte

func (f files) Fetch(_ context.Context, address string, limit int64) ([]byte, error) {
	data, ok := f[strings.TrimPrefix(address, "https://vector.example/")]
	switch {
	case !ok:
		return nil, tuf.ErrNotFound
	case int64(len(data)) > limit:
		return nil, io.ErrShortBuffer
	}
	return data, nil
}

// fetch runs the whole workflow from the root.
func (v *vector) fetch(root []byte, f files) ([]byte, error) {
	ctx := context.Background()
	session, err := tuf.NewSession(tuf.Metadata{Roots: [][]byte{root}}, "https://vector.example/metadata", f, v.now)
	if err != nil {
		return nil, err
	}
	if err := session.Refresh(ctx); err != nil {
		return nil, err
	}
	target, err := session.Find(ctx, v.target)
	if err != nil {
		return nil, err
	}
	return session.Download(ctx, target, "https://vector.example/targets", maxTarget)
}

// TestConformanceFlips changes every byte of what the workflow reads, each in
// turn: that is refused, or it was unsigned and the target is the same.
func TestConformanceFlips(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(filepath.Base(v.dir), func(t *testing.T) {
			f := load(t, v.dir)
			want, err := v.fetch(v.root, f)
			if err != nil {
				t.Fatal(err)
			}
			refused, harmless := 0, make(map[string]int)
			try := func(name string, at int, root []byte, f files) {
				switch got, err := v.fetch(root, f); {
				case err == nil && !bytes.Equal(got, want):
					t.Errorf("%s, byte %d: got another target", name, at)
				case err == nil:
					harmless[name]++
				case strings.Contains(err.Error(), "TUF library failed"):
					t.Errorf("%s, byte %d: panicked: %v", name, at, err)
				default:
					refused++
				}
			}
			for name, data := range f {
				for i := range data {
					changed := bytes.Clone(data)
					changed[i] ^= 1
					f[name] = changed
					try(name, i, v.root, f)
				}
				f[name] = data
			}
			for i := range v.root {
				changed := bytes.Clone(v.root)
				changed[i] ^= 1
				try("initial_root.json", i, changed, f)
			}
			t.Logf("%d changes refused, harmless: %v", refused, harmless)
			for name, n := range harmless {
				if size := len(f[name]); n == size && name != "metadata/1.root.json" { // it starts from initial_root.json
					t.Errorf("%s: got all changes harmless, want it read", name)
				}
			}
		})
	}
}

// load reads the files that the workflow may ask for.
func load(t *testing.T, dir string) files {
	t.Helper()
	f := make(files)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasPrefix(name, "metadata/") && strings.HasSuffix(name, ".json") || strings.HasPrefix(name, "targets/")) {
			f[name] = read(t, filepath.Join(dir, filepath.FromSlash(name)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
