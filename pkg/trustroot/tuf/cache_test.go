package tuf_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

// statePath is the one state file below the cache.
func (tr *trial) statePath() string {
	tr.t.Helper()
	files, err := filepath.Glob(filepath.Join(tr.dir, "*", "state.json"))
	if err != nil || len(files) != 1 {
		tr.t.Fatalf("got %q, %v, want one state", files, err)
	}
	return files[0]
}

// A cache that was changed by anything but bundler is fetched anew, never used.
func TestDamagedCacheIsFetchedAnew(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		damage func(*testing.T, []byte) []byte
	}{
		{"empty", func(_ *testing.T, _ []byte) []byte { return nil }},
		{"U11-truncated", func(_ *testing.T, data []byte) []byte { return data[:len(data)/2] }},
		{"U11-target-truncated", func(t *testing.T, data []byte) []byte {
			return swap(t, data, `"trusted_root.json":"`, `"trusted_root.json":"AAAA`)
		}},
		{"target-missing", func(t *testing.T, data []byte) []byte {
			return swap(t, data, `"trusted_root.json":"`, `"other.json":"`)
		}},
		{"of-another-url", func(t *testing.T, data []byte) []byte {
			return swap(t, data, `"url":"http://127.0.0.1`, `"url":"http://127.0.0.2`)
		}},
		{"of-another-root", func(t *testing.T, data []byte) []byte {
			return swap(t, data, `"rootSha256":"`, `"rootSha256":"00`)
		}},
		{"roots-of-a-thief", func(t *testing.T, data []byte) []byte {
			other := newTrial(t)
			other.accepted()
			theirs := []byte(other.state())
			theirs = bytes.ReplaceAll(theirs, between(t, theirs, `"url":"`, `"`), between(t, data, `"url":"`, `"`))
			return bytes.ReplaceAll(theirs, between(t, theirs, `"rootSha256":"`, `"`), between(t, data, `"rootSha256":"`, `"`))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			tr.accepted()
			tr.repo.Requests()
			path := tr.statePath()
			if err := os.WriteFile(path, test.damage(t, []byte(tr.state())), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := tr.source(func(o *tuf.Options) { o.Offline = true }).Trust(context.Background()); !errors.Is(err, tuf.ErrNoState) {
				t.Errorf("offline: got %v, want the damaged state not to count", err)
			}
			s, err := tr.source().Trust(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.Files[tuf.TrustedRootName], trust()[tuf.TrustedRootName]) || len(tr.repo.Requests()) == 0 {
				t.Error("got the trust without a refresh")
			}
			if len(tr.warnings) == 0 {
				t.Error("got no warning about the damage")
			}
		})
	}
}

func swap(t *testing.T, data []byte, old, new string) []byte {
	t.Helper()
	if bytes.Count(data, []byte(old)) != 1 {
		t.Fatalf("expected %q once", old)
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

func between(t *testing.T, data []byte, start, end string) []byte {
	t.Helper()
	_, rest, ok := bytes.Cut(data, []byte(start))
	value, _, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("expected %q", start)
	}
	return value
}

func TestCachesAreKeyedByURLAndRoot(t *testing.T) {
	t.Parallel()
	t.Run("U08-exact-url-and-root", testCacheKeys)
}

func testCacheKeys(t *testing.T) {
	tr := newTrial(t)
	other := tufsim.New(start)
	t.Cleanup(other.Close)
	dirs := make(map[string]bool)
	for _, repo := range []tuf.Repository{
		{MetadataURL: "https://h.example/a/b", Root: tr.repo.Root1()},
		{MetadataURL: "https://h.example/a-b", Root: tr.repo.Root1()},
		{MetadataURL: "http://H.example/A-B", Root: tr.repo.Root1(), AllowHTTP: true},
		{MetadataURL: "https://h.example/a/b/", Root: tr.repo.Root1()},
		{MetadataURL: "https://h.example/a/b", Root: other.Root1()},
	} {
		source, err := tuf.New(repo, &tuf.Options{CacheDir: tr.dir, Fetcher: elsewhere{}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = source.Update(context.Background()) // makes the directory, and fails
		entries, err := os.ReadDir(tr.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			dirs[e.Name()] = true
		}
	}
	if len(dirs) != 5 {
		t.Errorf("got %d caches, want 5", len(dirs))
	}
}

// elsewhere has no files.
type elsewhere struct{}

func (elsewhere) Fetch(context.Context, string, int64) ([]byte, error) { return nil, tuf.ErrNotFound }

// Nothing in the cache is followed to elsewhere.
func TestSymbolicLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		read bool // the state is not behind the link
		link func(tr *trial, key, outside string) error
	}{
		{"M21-cache-directory", false, func(tr *trial, key, outside string) error {
			if err := os.RemoveAll(key); err != nil {
				return err
			}
			return os.Symlink(outside, key)
		}},
		{"M21-state", false, func(tr *trial, key, outside string) error {
			if err := os.Remove(filepath.Join(key, "state.json")); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(outside, "victim"), filepath.Join(key, "state.json"))
		}},
		{"M21-new-file", true, func(tr *trial, key, outside string) error {
			return os.Symlink(filepath.Join(outside, "victim"), filepath.Join(key, "new"))
		}},
		{"M21-cache-directory-to-its-neighbour", false, func(tr *trial, key, outside string) error {
			if err := os.Rename(key, filepath.Join(tr.dir, "neighbour")); err != nil {
				return err
			}
			return os.Symlink("neighbour", key)
		}},
		{"M21-state-to-its-neighbour", false, func(tr *trial, key, outside string) error {
			if err := os.Rename(filepath.Join(key, "state.json"), filepath.Join(key, "neighbour")); err != nil {
				return err
			}
			return os.Symlink("neighbour", filepath.Join(key, "state.json"))
		}},
		{"M21-lock", true, func(tr *trial, key, outside string) error {
			if err := os.Remove(filepath.Join(key, "lock")); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(outside, "victim"), filepath.Join(key, "lock"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			tr.accepted()
			key, outside := filepath.Dir(tr.statePath()), t.TempDir()
			victim := filepath.Join(outside, "victim")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := test.link(tr, key, outside); err != nil {
				t.Fatal(err)
			}
			offline := tr.source(func(o *tuf.Options) { o.Offline = true })
			if _, err := offline.Trust(context.Background()); (err == nil) != test.read {
				t.Errorf("got %v, want the state read: %v", err, test.read)
			}
			tr.accepted()
			entries, err := os.ReadDir(outside)
			if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
				t.Errorf("the link was written through: %q, %v", data, err)
			}
			if err != nil || len(entries) != 1 {
				t.Errorf("got %v, %v beside it, want nothing", entries, err)
			}
		})
	}
}

// Where nothing can be written, trust is kept in memory, with one warning.
func TestReadOnlyHomeMeansInMemory(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	if err := os.WriteFile(tr.dir, nil, 0o400); err != nil { // no directory can be made here, not even by root
		t.Fatal(err)
	}
	source := tr.source()
	for range 2 {
		if _, err := source.Trust(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(tr.warnings) != 1 || !strings.Contains(tr.warnings[0], "in memory") {
		t.Errorf("got warnings %q, want one that says so", tr.warnings)
	}
	if n := len(tr.repo.Requests()); n != 6 {
		t.Errorf("got %d requests, want those of one refresh", n)
	}
}

// Sources in many processes, or goroutines, take turns: all are right, and the
// cache is valid after.
func TestConcurrentSources(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	var group sync.WaitGroup
	for range 8 {
		source := tr.source()
		group.Go(func() {
			for range 3 {
				if _, err := source.Update(context.Background()); err != nil {
					t.Error(err)
				}
				tr.repo.Lock()
				tr.repo.Publish()
				tr.repo.Unlock()
			}
		})
	}
	group.Wait()
	if _, err := tr.source(func(o *tuf.Options) { o.Offline = true }).Trust(context.Background()); err != nil {
		t.Error(err)
	}
}
