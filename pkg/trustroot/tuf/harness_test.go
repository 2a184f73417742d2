package tuf_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

// dump is where failing tests leave what their repository served:
// go test ./pkg/trustroot/tuf -args -dump DIR
var dump = flag.String("dump", "", "write what the simulated repositories served below this directory")

// start is when every simulated repository begins. Its roles expire 30 days
// later.
var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// A trial is a repository, a clock and a client's home.
type trial struct {
	t    *testing.T
	repo *tufsim.Repo
	dir  string // cache

	mu       sync.Mutex
	now      time.Time
	warnings []string
}

var trust = sync.OnceValue(func() map[string][]byte {
	s, err := sandbox.New(nil)
	if err != nil {
		panic(err)
	}
	return map[string][]byte{
		tuf.TrustedRootName:   sandbox.JSON(s.TrustedRoot()),
		tuf.SigningConfigName: sandbox.JSON(s.SigningConfig()),
	}
})

func newTrial(t *testing.T) *trial {
	t.Helper()
	tr := &trial{t: t, repo: tufsim.New(start), dir: filepath.Join(t.TempDir(), "cache"), now: start}
	for name, data := range trust() {
		tr.repo.SetTarget(name, data)
	}
	tr.repo.Publish()
	t.Cleanup(func() {
		tr.repo.Close()
		if *dump != "" {
			if err := tr.repo.Dump(filepath.Join(*dump, strings.ReplaceAll(t.Name(), "/", "_"))); err != nil {
				t.Error(err)
			}
		}
	})
	return tr
}

func (tr *trial) advance(d time.Duration) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.now = tr.now.Add(d)
}

func (tr *trial) clock() time.Time {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.now
}

func (tr *trial) repository() tuf.Repository {
	return tuf.Repository{MetadataURL: tr.repo.URL(), Root: tr.repo.Root1()}
}

// source is a new process of the same client.
func (tr *trial) source(edits ...func(*tuf.Options)) *tuf.Source {
	tr.t.Helper()
	o := &tuf.Options{CacheDir: tr.dir, Now: tr.clock, Warn: func(m string) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.warnings = append(tr.warnings, m)
	}}
	for _, edit := range edits {
		edit(o)
	}
	s, err := tuf.New(tr.repository(), o)
	if err != nil {
		tr.t.Fatal(err)
	}
	return s
}

// accepted updates and expects that to work.
func (tr *trial) accepted() *tuf.Snapshot {
	tr.t.Helper()
	s, err := tr.source().Update(context.Background())
	if err != nil {
		tr.t.Fatalf("got %v, want the update to be accepted", err)
	}
	return s
}

// state is the last good state's file, "" if there is none.
func (tr *trial) state() string {
	tr.t.Helper()
	files, err := filepath.Glob(filepath.Join(tr.dir, "*", "state.json"))
	if err != nil {
		tr.t.Fatal(err)
	}
	if len(files) == 0 {
		return ""
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(data)
}
