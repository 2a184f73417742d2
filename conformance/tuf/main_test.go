package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// client runs the adapter over a metadata directory of its own.
type client struct {
	t    *testing.T
	repo *tufsim.Repo
	dir  string
}

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{t, tufsim.New(start), t.TempDir()}
	t.Cleanup(c.repo.Close)
	c.repo.SetTarget("file.txt", []byte("one\n"))
	c.repo.Delegate("targets", "../role?", "deep/*")
	c.repo.SetRoleTarget("../role?", "deep/file.txt", []byte("two\n"))
	c.repo.Publish()
	root := filepath.Join(t.TempDir(), "initial.json")
	if err := os.WriteFile(root, c.repo.Root1(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.run("init", root); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) run(args ...string) error {
	return run(append([]string{"--metadata-dir", filepath.Join(c.dir, "metadata"), "--metadata-url", c.repo.URL()}, args...), start, io.Discard)
}

func (c *client) download(names ...string) error {
	args := []string{"--target-base-url", c.repo.TargetsURL(), "--target-dir", c.dir}
	for _, name := range names {
		args = append(args, "--target-name", name)
	}
	return c.run(append(args, "download")...)
}

func (c *client) file(name string) string {
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Error(err)
	}
	return string(data)
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	if err := c.run("refresh"); err != nil {
		t.Fatal(err)
	}
	if err := c.download("file.txt", "deep/file.txt"); err != nil {
		t.Fatal(err)
	}
	if c.file("file.txt") != "one\n" || c.file("deep%2Ffile.txt") != "two\n" {
		t.Error("got other files")
	}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets", "..%2Frole%3F"} {
		if c.file("metadata/"+role+".json") == "" {
			t.Errorf("%s.json is empty", role)
		}
	}
	c.repo.Requests()
	if err := c.download("file.txt", "deep/file.txt"); err != nil {
		t.Fatal(err)
	}
	if got := c.repo.Requests(); len(got) != 2 { // 2.root.json, timestamp.json
		t.Errorf("got requests %q, want nothing fetched again", got)
	}
	for _, name := range []string{"none", "deep/none", "../x"} {
		if c.download(name) == nil {
			t.Errorf("got target %q, want none", name)
		}
	}
}

// What was verified before a step failed is kept, as clients of the suite do.
func TestKeepsWhatIsVerified(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	if err := c.run("refresh"); err != nil {
		t.Fatal(err)
	}
	snapshot := c.file("metadata/snapshot.json")
	c.repo.PublishRoot()
	c.repo.Publish()
	c.repo.Signers["snapshot"] = c.repo.Signers["targets"]
	if c.run("refresh") == nil {
		t.Fatal("got a refresh, want the snapshot refused")
	}
	if c.file("metadata/root.json") != string(c.repo.RootBytes(2)) {
		t.Error("got another root, want version 2")
	}
	if !bytes.Contains([]byte(c.file("metadata/timestamp.json")), []byte(`"version": 3`)) {
		t.Error("got an older timestamp, want version 3")
	}
	if c.file("metadata/snapshot.json") != snapshot {
		t.Error("the snapshot has changed")
	}
}

// The specification discards another timestamp of the same version in silence.
func TestSameTimestampVersionIsDiscarded(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	if err := c.run("refresh"); err != nil {
		t.Fatal(err)
	}
	before := c.file("metadata/timestamp.json")
	c.repo.Timestamp.Signed.Expires = start.Add(time.Hour)
	if err := c.run("refresh"); err != nil {
		t.Error(err)
	}
	if c.file("metadata/timestamp.json") != before {
		t.Error("the timestamp has changed")
	}
}

func TestRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"init"}, {"refresh"}, {"--metadata-dir", "x", "refresh"}, {"--metadata-dir", "x", "--metadata-url", "y", "delete"}, {"--nothing"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

func TestFakeTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"":                          start,
		"2025-02-09 09:17:23":       time.Date(2025, 2, 9, 9, 17, 23, 0, time.UTC),
		"@2025-02-09 09:17:23":      time.Date(2025, 2, 9, 9, 17, 23, 0, time.UTC),
		"2025-02-09 09:17:23+00:00": time.Date(2025, 2, 9, 9, 17, 23, 0, time.UTC),
		"+60":                       start.Add(time.Minute),
		"-2d":                       start.Add(-48 * time.Hour),
	} {
		if got, err := fakeTime(text, start); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := fakeTime("tomorrow", start); err == nil {
		t.Error("got a time for tomorrow")
	}
}
