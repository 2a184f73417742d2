package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

// tufStart is when every simulated repository begins; its roles expire 30 days
// later.
var tufStart = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// A tufTrial is a user with a home of their own, an artifact with its bundle, and
// a repository that publishes the trust to verify it with.
type tufTrial struct {
	t    *testing.T
	repo *tufsim.Repo
	home string
	now  time.Time
}

// tufCase are the files of every trial: made once, since keys take time.
var tufCase = sync.OnceValue(func() map[string][]byte {
	s, err := sandbox.New(nil)
	if err != nil {
		panic(err)
	}
	artifact := []byte("hello\n")
	signed, err := s.Sign(sandbox.SignOptions{Artifact: artifact})
	if err != nil {
		panic(err)
	}
	return map[string][]byte{
		"hello": artifact, "hello.sigstore.json": sandbox.JSON(signed), "trusted_root.json": sandbox.JSON(s.TrustedRoot()),
		"signing_config.v0.2.json": sandbox.JSON(s.SigningConfig()),
	}
})

func newTUFTrial(t *testing.T) *tufTrial {
	t.Helper()
	tr := &tufTrial{t: t, repo: tufsim.New(tufStart), home: t.TempDir(), now: tufStart}
	t.Cleanup(tr.repo.Close)
	for name, data := range tufCase() {
		if strings.HasPrefix(name, "hello") {
			tr.write(name, data)
		} else {
			tr.repo.SetTarget(name, data)
		}
	}
	tr.repo.Publish()
	tr.write("root.json", tr.repo.Root1())
	return tr
}

func (tr *tufTrial) write(name string, data []byte) {
	tr.t.Helper()
	if err := os.WriteFile(filepath.Join(tr.home, name), data, 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

// command is bundler as a process of its own, in the trial's home.
func (tr *tufTrial) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		tr.t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: self, Args: append([]string{"bundler"}, args...), Dir: tr.home}
	cmd.Env = append(os.Environ(), "HOME="+tr.home, "XDG_CONFIG_HOME="+filepath.Join(tr.home, "config"), "XDG_CACHE_HOME="+filepath.Join(tr.home, "cache"))
	return cmd
}

// run returns the exit status and both outputs of a command, which must end well
// before a refresh may.
func (tr *tufTrial) run(args ...string) (status int, output string) {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tuf.DefaultTimeout+5*time.Second)
	defer cancel()
	cmd := tr.command(append(args, "--now", tr.now.Format(time.RFC3339))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		tr.t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !stop() {
		tr.t.Fatalf("%v: outlived the deadline of %v\n%s", args, tuf.DefaultTimeout, &out)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.String()
	}
	if err != nil {
		tr.t.Fatal(err)
	}
	return 0, out.String()
}

// want runs a command and expects a status, and that its output matches.
func (tr *tufTrial) want(status int, pattern string, args ...string) string {
	tr.t.Helper()
	got, output := tr.run(args...)
	if got != status || !regexp.MustCompile(pattern).MatchString(output) {
		tr.t.Errorf("bundler %s: got status %d, want %d and a match of %q in\n%s", strings.Join(args, " "), got, status, pattern, output)
	}
	if strings.Contains(output, "panic") || strings.Contains(output, "goroutine ") || strings.Contains(output, "TUF library failed") {
		tr.t.Errorf("bundler %s: panicked:\n%s", strings.Join(args, " "), output)
	}
	return output
}

func (tr *tufTrial) init(args ...string) []string {
	return append([]string{"trust", "init", "--tuf-url", tr.repo.URL(), "--tuf-root", "root.json", "--name", "prod"}, args...)
}

var verifyProd = []string{"verify", "--trust-profile", "prod", "--certificate-identity", sandbox.DefaultIdentity,
	"--certificate-oidc-issuer", sandbox.DefaultIssuer, "hello"}

// state is the last good state in the cache, "" if there is none.
func (tr *tufTrial) state() string {
	files, err := filepath.Glob(filepath.Join(tr.home, "cache", "bundler", "tuf", "*", "state.json"))
	if err != nil || len(files) == 0 {
		return ""
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(data)
}

// TestTUFRefuses plays every attack on a user: the update fails in time and says
// why, nothing is lost, and what was verified with the last state still is, until
// that expires: then there is no verdict. The attack's twin is accepted.
func TestTUFRefuses(t *testing.T) {
	t.Parallel()
	for _, attack := range tufsim.Attacks() {
		t.Run(attack.Name, func(t *testing.T) {
			t.Parallel()
			tr := newTUFTrial(t)
			if attack.Before != nil {
				attack.Before(tr.repo)
			}
			tr.want(0, "expires", tr.init()...)
			before := tr.state()
			tr.repo.Lock()
			attack.Play(tr.repo)
			tr.repo.Unlock()

			status := exitNo
			if attack.Down {
				status = exitNoVerdict
			}
			var deadline []string // 30 s; less where all of it would pass
			if attack.Hangs {
				deadline = []string{"--trust-timeout", "1s"}
			}
			verifyStale := slices.Concat(verifyProd, deadline)
			started := time.Now()
			tr.want(status, regexp.QuoteMeta(attack.Want), slices.Concat([]string{"trust", "update", "prod"}, deadline)...)
			t.Logf("took %v", time.Since(started).Round(time.Millisecond))
			if tr.state() != before {
				t.Error("the last good state has changed")
			}
			tr.want(0, "VERIFIED", verifyProd...)
			if matches, err := filepath.Glob(filepath.Join(tr.home, "cache", "bundler", "tuf", "*", "new")); err != nil || len(matches) > 0 {
				t.Errorf("got %q, %v, want no partial file", matches, err)
			}

			// Two days later the state is stale. It stands in until it expires.
			tr.now = tr.now.Add(48 * time.Hour)
			if !attack.Passes {
				tr.want(0, "(?s)could not be refreshed.*VERIFIED", verifyStale...)
			}
			tr.now = tr.now.Add(60 * 24 * time.Hour)
			if output := tr.want(exitNoVerdict, "expired", verifyStale...); strings.Contains(output, "VERIFIED") {
				t.Errorf("expired trust was used:\n%s", output)
			}

			twin := newTUFTrial(t)
			if attack.Before != nil {
				attack.Before(twin.repo)
			}
			twin.want(0, "expires", twin.init()...)
			if attack.Twin != nil {
				attack.Twin(twin.repo)
			} else {
				twin.repo.Publish()
			}
			twin.want(0, "expires", "trust", "update", "prod")
			twin.want(0, "VERIFIED", verifyProd...)
		})
	}
}

// TestTUFInitRefuses covers what an operator can get wrong, or a mirror at first
// use: no profile is made.
func TestTUFInitRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		edit   func(*tufTrial) []string // returns the arguments of init
		status int
		want   string
	}{
		{"U02-null-role", func(tr *tufTrial) []string {
			tr.write("root.json", []byte(strings.Replace(string(tr.repo.Root1()), `"root": {`, `"root": null, "other": {`, 1)))
			return tr.init()
		}, exitUsage, "null"},
		{"U02-short-key", func(tr *tufTrial) []string {
			tr.write("root.json", regexp.MustCompile(`"public": "[0-9a-f]+"`).ReplaceAll(tr.repo.Root1(), []byte(`"public": "00"`)))
			return tr.init()
		}, exitUsage, "Ed25519"},
		{"U02-not-a-root", func(tr *tufTrial) []string { tr.write("root.json", []byte("{}")); return tr.init() }, exitUsage, "signed and signatures"},
		{"U12-http", func(tr *tufTrial) []string { return append(tr.init(), "--tuf-url", "http://tuf.example/metadata") }, exitUsage, "expected https:"},
		{"M20-profile-name", func(tr *tufTrial) []string { return append(tr.init(), "--name", "../prod") }, exitUsage, "profile name"},
		{"M20-target-name", func(tr *tufTrial) []string { return append(tr.init(), "--target-keyring", "../../keyring.json") }, exitUsage, "target name"},
		{"M20-target-name-escaped", func(tr *tufTrial) []string { return append(tr.init(), "--target-keyring", "%2e%2e/keyring.json") }, exitUsage, "target name"},
		{"no-root", func(tr *tufTrial) []string { return []string{"trust", "init", "--tuf-url", tr.repo.URL()} }, exitUsage, "either --tuf-root or --tuf-root-sha256"},
		{"root-of-another", func(tr *tufTrial) []string {
			other := tufsim.New(tufStart)
			defer other.Close()
			tr.write("root.json", other.Root1())
			return tr.init()
		}, exitNo, "not enough signatures"},
		{"digest-of-another", func(tr *tufTrial) []string {
			return []string{"trust", "init", "--tuf-url", tr.repo.URL(), "--tuf-root-sha256", strings.Repeat("0", 64), "--name", "prod"}
		}, exitNo, "no root with SHA-256"},
		{"no-trust-in-it", func(tr *tufTrial) []string {
			return append(tr.init(), "--target-trusted-root", "a", "--target-signing-config", "b")
		}, exitNo, "found neither"},
		{"down", func(tr *tufTrial) []string { tr.repo.Close(); return tr.init() }, exitNoVerdict, "connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTUFTrial(t)
			tr.want(test.status, regexp.QuoteMeta(test.want), test.edit(tr)...)
			tr.want(exitUsage, "no such trust profile", verifyProd...)
			if matches, err := filepath.Glob(filepath.Join(tr.home, "config", "bundler", "trust", "*")); err != nil || len(matches) > 0 {
				t.Errorf("got profiles %q, %v, want none", matches, err)
			}
			twin := newTUFTrial(t)
			twin.want(0, "expires", twin.init()...)
		})
	}
}

func TestTUFCommands(t *testing.T) {
	t.Parallel()
	tr := newTUFTrial(t)
	tr.want(0, "", "trust", "list")
	tr.want(exitUsage, "no such trust profile", verifyProd...)

	root := fingerprint(tr.repo.Root1())
	tr.want(0, `refreshed .*\n  expires    2026-07-01T12:00:00Z \(\w+, in 30 days\)`,
		"trust", "init", "--tuf-url", tr.repo.URL(), "--tuf-root-sha256", root, "--name", "prod", "--max-age", "1h")
	tr.want(exitUsage, "there is a trust profile of this name", tr.init()...)
	tr.repo.Requests()

	tr.want(0, "VERIFIED", verifyProd...)
	tr.want(0, "VERIFIED", append(verifyProd, "--offline")...)
	if got := tr.repo.Requests(); len(got) != 0 {
		t.Errorf("got requests %q, want none by a warm verify", got)
	}
	tr.now = tr.now.Add(2 * time.Hour)
	tr.want(0, "VERIFIED", append(verifyProd, "--offline")...)
	if got := tr.repo.Requests(); len(got) != 0 {
		t.Errorf("got requests %q, want none offline", got)
	}
	tr.want(0, "VERIFIED", verifyProd...)
	if got := tr.repo.Requests(); len(got) == 0 {
		t.Error("got no requests, want the repository asked after --max-age")
	}

	tr.want(0, `(?s)2026-06-01T14:00:00Z \(0 seconds ago\).*Rekor logs`, "trust", "show", "--trust-profile", "prod")
	var shown struct {
		TUF struct{ Expired bool } `json:"tuf"`
	}
	if err := json.Unmarshal([]byte(tr.want(0, "", "trust", "show", "--trust-profile", "prod", "-o", "json")), &shown); err != nil || shown.TUF.Expired {
		t.Errorf("got %+v, %v, want what is not expired", shown, err)
	}
	tr.want(0, `"profile": "prod"`, "trust", "list", "-o", "json")
	tr.want(exitUsage, "expected one source of trust", append(verifyProd, "--trusted-root", "root.json")...)

	tr.want(0, "written", "trust", "export", "prod", "--dir", "export")
	tr.repo.Close()
	away := newTUFTrial(t)
	away.want(0, "expires", "trust", "init", "--tuf-url", tr.repo.URL(), "--tuf-root-sha256", root, "--name", "prod", "--from", filepath.Join(tr.home, "export"))
	away.want(0, "VERIFIED", append(verifyProd, "--offline")...)
	away.want(0, "expires", "trust", "update", "prod", "--from", filepath.Join(tr.home, "export"))

	if status, output := tr.runPlain("trust", "forget", "prod"); status != 0 {
		t.Errorf("trust forget: got status %d\n%s", status, output)
	}
	tr.want(exitUsage, "no such trust profile", verifyProd...)
	if tr.state() != "" {
		t.Error("trust forget left a state behind")
	}
}

func (tr *tufTrial) runPlain(args ...string) (int, string) {
	out, err := tr.command(args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

func TestTUFProfileFromTheEnvironment(t *testing.T) {
	t.Parallel()
	tr := newTUFTrial(t)
	tr.want(0, "expires", tr.init()...)
	cmd := tr.command("verify", "--certificate-identity", sandbox.DefaultIdentity, "--certificate-oidc-issuer", sandbox.DefaultIssuer, "hello", "--now", "2026-06-01T12:00:00Z")
	cmd.Env = append(cmd.Env, profileVariable+"=prod")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("got %v, want the profile used\n%s", err, out)
	}
}

// A refresh that is killed at any moment leaves a cache that works, and what was
// verified stays verified.
func TestTUFKilledRefreshes(t *testing.T) {
	t.Parallel()
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	tr := newTUFTrial(t)
	tr.want(0, "expires", tr.init()...)
	for range rounds {
		tr.repo.Lock()
		tr.repo.Publish()
		tr.repo.Unlock()
		cmd := tr.command("trust", "update", "prod", "--now", tr.now.Format(time.RFC3339))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(rand.Int64N(int64(60*time.Millisecond))), func() { cmd.Process.Kill() })
		_ = cmd.Wait() // killed or not
		kill.Stop()
		if data := tr.state(); !json.Valid([]byte(data)) {
			t.Fatalf("got a state of %d bytes that is not whole", len(data))
		}
	}
	tr.want(0, "VERIFIED", append(verifyProd, "--offline")...)
	tr.want(0, "expires", "trust", "update", "prod")
}

// Two processes that refresh at once are both right.
func TestTUFTwoProcessesAtOnce(t *testing.T) {
	t.Parallel()
	tr := newTUFTrial(t)
	tr.want(0, "expires", tr.init()...)
	for range 5 {
		tr.repo.Lock()
		tr.repo.Publish()
		tr.repo.Unlock()
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { tr.want(0, "expires", "trust", "update", "prod") })
		}
		group.Wait()
	}
	tr.want(0, "VERIFIED", append(verifyProd, "--offline")...)
}

// TestTUFCache holds what is cached to its repository, its clock and its place.
func TestTUFCache(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*tufTrial){
		"U07-root-that-is-not-verified": func(tr *tufTrial) {
			before := tr.state()
			tr.repo.PublishRoot()
			good := tr.repo.RootBytes(2)
			tr.repo.ReplaceRoot(2, bytes.Replace(good, []byte(`"version": 2`), []byte(`"version": 3`), 1))
			tr.want(exitNo, "2.root.json: refused", "trust", "update", "prod")
			if tr.state() != before {
				tr.t.Error("the last good state has changed")
			}
			tr.repo.ReplaceRoot(2, good) // the twin
			tr.want(0, "root version 2", "trust", "update", "prod")
		},
		"U08-urls-that-look-alike": func(tr *tufTrial) {
			tr.want(0, "expires", append(tr.init(), "--name", "slash", "--tuf-url", tr.repo.URL()+"/")...)
			if n := len(tr.caches()); n != 2 {
				tr.t.Errorf("got %d caches, want 2", n)
			}
		},
		"U09-stamp-in-the-future": func(tr *tufTrial) {
			tr.repo.Requests()
			tr.want(0, "VERIFIED", verifyProd...)
			if got := tr.repo.Requests(); len(got) != 0 {
				tr.t.Errorf("got requests %q, want none with a fresh stamp", got)
			}
			tr.now = tr.now.Add(-time.Hour)
			tr.want(0, "VERIFIED", verifyProd...)
			if got := tr.repo.Requests(); len(got) == 0 {
				tr.t.Error("got no requests, want a refresh with a stamp in the future")
			}
		},
		"U11-truncated": func(tr *tufTrial) {
			path := filepath.Join(tr.caches()[0], "state.json")
			if err := os.Truncate(path, int64(len(tr.state())/2)); err != nil {
				tr.t.Fatal(err)
			}
			tr.want(exitNoVerdict, "can not be used", append(verifyProd, "--offline")...)
			tr.want(0, "VERIFIED", verifyProd...)
			tr.want(0, "VERIFIED", append(verifyProd, "--offline")...)
		},
		"M21-cache-is-a-symbolic-link": func(tr *tufTrial) {
			dir, moved := tr.caches()[0], filepath.Join(tr.home, "moved")
			if err := os.Rename(dir, moved); err != nil {
				tr.t.Fatal(err)
			}
			if err := os.Symlink(moved, dir); err != nil {
				tr.t.Fatal(err)
			}
			tr.want(exitNoVerdict, "found a symbolic link", append(verifyProd, "--offline")...)
			tr.want(0, "in memory", "trust", "update", "prod")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTUFTrial(t)
			tr.want(0, "expires", tr.init()...)
			tr.want(0, "VERIFIED", append(verifyProd, "--offline")...)
			test(tr)
		})
	}
}

// caches are the directories of repositories in the cache.
func (tr *tufTrial) caches() []string {
	dirs, err := filepath.Glob(filepath.Join(tr.home, "cache", "bundler", "tuf", "*"))
	if err != nil || len(dirs) == 0 {
		tr.t.Fatalf("got caches %q, %v, want some", dirs, err)
	}
	return dirs
}

// A home that can not be written means that trust is kept in memory, with one
// warning.
func TestTUFReadOnlyHome(t *testing.T) {
	t.Parallel()
	tr := newTUFTrial(t)
	tr.want(0, "expires", tr.init()...)
	if err := os.RemoveAll(filepath.Join(tr.home, "cache")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	tr.write("cache", nil) // a file: not even root can make a directory below it
	output := tr.want(0, "(?s)in memory.*VERIFIED", verifyProd...)
	if n := strings.Count(output, "bundler: warning:"); n != 1 {
		t.Errorf("got %d warnings, want 1\n%s", n, output)
	}
}
