//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// writeCase writes trust.json, hello, hello.sigstore.json and alice.json, and
// for the key "release" release.pub and release.json. It returns the arguments
// that verify the first of them, with every file named in full.
func writeCase(t *testing.T) (dir string, args []string) {
	t.Helper()
	s, err := sandbox.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	hello := []byte("hello\n")
	signed, err := s.Sign(sandbox.SignOptions{Artifact: hello})
	if err != nil {
		t.Fatal(err)
	}
	key := s.Key("release", sandbox.P256)
	keySigned, err := s.Sign(sandbox.SignOptions{Artifact: hello, Key: key, Logs: []*sandbox.Log{}, TSAs: []*sandbox.TSA{}})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, data := range map[string][]byte{
		"trust.json": sandbox.JSON(s.TrustedRoot()), "acme.json": sandbox.JSON(s.PrivateRoot()),
		"hello": hello, "hello.sigstore.json": sandbox.JSON(signed),
		"alice.json":  fmt.Appendf(nil, `{"certificateIdentities":{"identities":[{"issuer":%q,"san":{"value":%q}}]}}`, sandbox.DefaultIssuer, sandbox.DefaultIdentity),
		"release.pub": key.PEM(), "release.json": sandbox.JSON(keySigned),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	return dir, []string{"verify", "--now", scriptNow, "--trusted-root", in("trust.json"), "--options", in("alice.json"), "--bundle", in("hello.sigstore.json"), in("hello")}
}

// runIn runs a command line in this process.
func runIn(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

// serveOnce puts a named pipe in the place of a file. It can be opened once: by
// then it is gone, hook has run, and it gives the file's contents. It returns a
// function that reports whether it was opened.
func serveOnce(t *testing.T, path string, hook func()) (opened func() bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	var served atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		w, err := os.OpenFile(path, os.O_WRONLY, 0) // waits for a reader
		if err != nil || os.Remove(path) != nil {
			return // the reader is the one below
		}
		served.Store(true)
		hook()
		_, _ = w.Write(data) // a reader that goes away sees to its own failure
		w.Close()
	}()
	return func() bool {
		was := served.Load()
		if r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil { // lets the writer go
			defer r.Close()
		}
		<-done
		return was
	}
}

// TestFilesAreReadOnce: what is read is one snapshot. A file that is opened
// twice could be another the second time; these can not be.
func TestFilesAreReadOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trust.json", "alice.json", "hello.sigstore.json", "hello"} {
		t.Run("F02-"+name, func(t *testing.T) {
			t.Parallel()
			dir, args := writeCase(t)
			opened := serveOnce(t, filepath.Join(dir, name), func() {})
			if status, out, errs := runIn(t, args...); status != exitYes || !opened() {
				t.Errorf("got exit status %d\n%s%s", status, out, errs)
			}
		})
	}
	for _, name := range []string{"release.pub", "release.json", "hello"} {
		t.Run("F02-key-"+name, func(t *testing.T) {
			t.Parallel()
			dir, _ := writeCase(t)
			opened := serveOnce(t, filepath.Join(dir, name), func() {})
			status, out, errs := runIn(t, "verify", "--now", scriptNow, "--key", filepath.Join(dir, "release.pub"), "--bundle", filepath.Join(dir, "release.json"), filepath.Join(dir, "hello"))
			if status != exitYes || !opened() {
				t.Errorf("got exit status %d\n%s%s", status, out, errs)
			}
		})
	}
}

// TestReplacedFilesChangeNothing replaces trust and bundle while the artifact
// is read: the verdict is about those that were there at first.
func TestReplacedFilesChangeNothing(t *testing.T) {
	t.Parallel()
	t.Run("F02-replaced-mid-run", func(t *testing.T) {
		t.Parallel()
		dir, args := writeCase(t)
		before, err := os.ReadFile(filepath.Join(dir, "trust.json"))
		if err != nil {
			t.Fatal(err)
		}
		opened := serveOnce(t, filepath.Join(dir, "hello"), func() {
			for to, from := range map[string]string{"trust.json": "acme.json", "hello.sigstore.json": "release.json"} {
				if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
					t.Error(err)
				}
			}
		})
		status, out, errs := runIn(t, append(args, "-o", "json")...)
		if status != exitYes || !opened() || !strings.Contains(out, bundle.Sum(bundle.SHA256, before).Hex()) {
			t.Errorf("got exit status %d, want yes by the trust of before\n%s%s", status, out, errs)
		}
		// The twin: with the files as they are now the answer is another.
		if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := runIn(t, args...); status == exitYes {
			t.Error("the new trust accepts the new bundle: the test shows nothing")
		}
	})
}

// createLoop is the program of TestKilledWhileWriting: it writes two trust
// configs over each other for as long as it lives.
func createLoop() {
	out, keys := os.Args[1], os.Args[2:]
	for i := 0; ; i++ {
		status := run(context.Background(), []string{"trust", "create", "--now", "2026-01-01", "--key", keys[i%len(keys)], "-o", out}, os.Stdin, os.Stdout, os.Stderr)
		if status != exitYes {
			os.Exit(status)
		}
	}
}

// TestKilledWhileWriting kills a writer at some point of its work, again and
// again: the file is always one of the two, and all of it.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	t.Run("F06-kill-9", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		out := filepath.Join(dir, "trust.json")
		var keys []string
		var whole [][]byte
		for i := range 2 {
			s, err := sandbox.New(&sandbox.Options{Seed: fmt.Sprint(i)})
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, filepath.Join(dir, fmt.Sprintf("%d.pub", i)))
			if err := os.WriteFile(keys[i], s.Key("release", sandbox.P256).PEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			_, text, _ := runIn(t, "trust", "create", "--now", "2026-01-01", "--key", keys[i])
			whole = append(whole, []byte(text))
		}
		seen := make(map[int]bool)
		look := func() {
			got, err := os.ReadFile(out)
			if errors.Is(err, fs.ErrNotExist) && len(seen) == 0 {
				return // not written yet
			}
			i := slices.IndexFunc(whole, func(w []byte) bool { return bytes.Equal(w, got) })
			if err != nil || i < 0 || len(got) == 0 {
				t.Fatalf("the file is neither of the two: %v\n%s", err, got)
			}
			seen[i] = true
		}
		for round := range 30 {
			killAfter(t, exec.Command("create-loop", out, keys[0], keys[1]), round%5+1, look)
			look()
		}
		if len(seen) != 2 {
			t.Errorf("got one of the two files every time: %v", seen)
		}
	})
}

// killAfter kills a program as soon as it has printed so many lines, and looks
// on all the while.
func killAfter(t *testing.T, cmd *exec.Cmd, lines int, look func()) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // if looking on ends the test
	printed := make(chan int, 1)
	go func() {
		read := 0
		for scan := bufio.NewScanner(stdout); read < lines && scan.Scan(); read++ {
		}
		printed <- read
	}()
	for read := -1; read < 0; {
		select {
		case read = <-printed:
			if err := cmd.Process.Kill(); err != nil || read < lines {
				t.Errorf("got %v after %d lines, want it killed after %d", err, read, lines)
			}
		default:
			look()
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended by itself")
	}
}

// TestFailedWriteLeavesTheOldFile: what can not be written whole is not
// written.
func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	dir, _ := writeCase(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	create := []string{"trust", "create", "--now", "2026-01-01", "--key", in("release.pub"), "-o"}
	if status, _, errs := runIn(t, append(create, in("ring.json"))...); status != exitYes {
		t.Fatalf("the twin: got exit status %d\n%s", status, errs)
	}
	ring, err := os.ReadFile(in("ring.json"))
	if err != nil {
		t.Fatal(err)
	}
	names := func() []string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	before := names()
	unchanged := func(t *testing.T) {
		t.Helper()
		if got, err := os.ReadFile(in("ring.json")); err != nil || !bytes.Equal(got, ring) {
			t.Errorf("the old file is another now: %v", err)
		}
		if got := names(); !slices.Equal(got, before) {
			t.Errorf("got files %q, want %q", got, before)
		}
	}
	t.Run("F07-no-space", func(t *testing.T) {
		cmd := exec.Command("sh", append([]string{"-c", `ulimit -f 0 && exec bundler "$@"`, "sh"}, append(create, in("ring.json"))...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if got := exitStatus(t, cmd.Run()); got != exitNoVerdict || !strings.Contains(stderr.String(), "writing "+in("ring.json")) {
			t.Errorf("got exit status %d, want %d\n%s", got, exitNoVerdict, &stderr)
		}
		unchanged(t)
	})
	t.Run("F07-output-is-the-input", func(t *testing.T) {
		key, err := os.ReadFile(in("release.pub"))
		if err != nil {
			t.Fatal(err)
		}
		if status, _, errs := runIn(t, append(create, in("release.pub"))...); status != exitNoVerdict || !strings.Contains(errs, "it is also the input") {
			t.Errorf("got exit status %d\n%s", status, errs)
		}
		if got, err := os.ReadFile(in("release.pub")); err != nil || !bytes.Equal(got, key) {
			t.Errorf("the input is another now: %v", err)
		}
		unchanged(t)
	})
	t.Run("F07-no-directory", func(t *testing.T) {
		if status, _, errs := runIn(t, append(create, in("none/ring.json"))...); status != exitNoVerdict || !strings.Contains(errs, "does not exist") {
			t.Errorf("got exit status %d\n%s", status, errs)
		}
		unchanged(t)
	})
}

func exitStatus(t *testing.T, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

// TestUnreadableResultIsNoResult: an answer that nobody can read is not yes. A
// descriptor that is closed before the program starts (">&-") can not be told
// from /dev/null: Go's runtime opens that in its place before main.
func TestUnreadableResultIsNoResult(t *testing.T) {
	t.Parallel()
	dir, verifies := writeCase(t)
	for name, args := range map[string][]string{
		"verify":       verifies,
		"verify-json":  append(slices.Clone(verifies), "-o", "json"),
		"trust-show":   {"trust", "show", filepath.Join(dir, "trust.json")},
		"trust-create": {"trust", "create", "--key", filepath.Join(dir, "release.pub")},
		"inspect":      {"inspect", filepath.Join(dir, "hello.sigstore.json")},
		"version":      {"version"},
		"help":         {"verify", "--help"},
	} {
		if status, _, errs := runIn(t, args...); status != exitYes {
			t.Fatalf("the twin %s: got exit status %d\n%s", name, status, errs)
		}
		t.Run("F08-full-device-"+name, func(t *testing.T) {
			t.Parallel()
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("this system has no /dev/full")
			}
			defer full.Close()
			failsTo(t, full, args)
		})
		t.Run("F08-broken-pipe-"+name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			defer w.Close()
			failsTo(t, w, args)
		})
		t.Run("F08-closed-"+name, func(t *testing.T) {
			t.Parallel()
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			var errs bytes.Buffer
			if got := run(context.Background(), args, strings.NewReader(""), f, &errs); got != exitNoVerdict || !strings.Contains(errs.String(), "bundler: error: writ") {
				t.Errorf("got exit status %d, want %d\n%s", got, exitNoVerdict, &errs)
			}
		})
	}
	t.Run("F08-a-no-stays-a-no", func(t *testing.T) {
		t.Parallel()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		defer w.Close()
		cmd := exec.Command("bundler", append(verifies[:len(verifies)-1:len(verifies)-1], filepath.Join(dir, "alice.json"))...)
		cmd.Stdout = w
		if got := exitStatus(t, cmd.Run()); got != exitNo {
			t.Errorf("got exit status %d, want %d", got, exitNo)
		}
	})
}

// failsTo runs the program with that standard output, and expects that it
// reports that its result was not written.
func failsTo(t *testing.T, stdout *os.File, args []string) {
	t.Helper()
	cmd := exec.Command("bundler", args...)
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	if got := exitStatus(t, cmd.Run()); got != exitNoVerdict || !strings.Contains(stderr.String(), "bundler: error: writ") {
		t.Errorf("got exit status %d, want %d\n%s", got, exitNoVerdict, &stderr)
	}
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("a bug") }
func (panicking) Read([]byte) (int, error)  { panic("a bug") }

// TestPanicIsNoVerdict: a bug in bundler is never an answer, nor taken for
// wrong usage, on whichever goroutine it strikes.
func TestPanicIsNoVerdict(t *testing.T) {
	t.Parallel()
	_, args := writeCase(t)
	reported := func(t *testing.T, status int, errs string) {
		t.Helper()
		if status != exitNoVerdict || !strings.Contains(errs, "internal error: a bug") || !strings.Contains(errs, "not a verdict; please report it") {
			t.Errorf("got exit status %d, want %d\n%s", status, exitNoVerdict, errs)
		}
	}
	t.Run("F09-while-writing", func(t *testing.T) {
		t.Parallel()
		var errs bytes.Buffer
		reported(t, run(context.Background(), args, strings.NewReader(""), panicking{}, &errs), errs.String())
	})
	t.Run("F09-while-reading", func(t *testing.T) {
		t.Parallel()
		var errs bytes.Buffer
		fromStdin := slices.Clone(args)
		fromStdin[slices.Index(args, "--bundle")+1] = "-"
		reported(t, run(context.Background(), fromStdin, panicking{}, io.Discard, &errs), errs.String())
	})
	t.Run("F09-in-a-job", func(t *testing.T) {
		t.Parallel()
		jobs := []*job{{path: "a"}, {path: "b"}, {path: "c"}}
		before := 0
		defer func() {
			if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "a bug") || before != 1 {
				t.Errorf("got panic %v after %d results, want that of the second job after the first's result", r, before)
			}
		}()
		for range runJobs(context.Background(), jobs, func(j *job) []result {
			if j.path == "b" {
				panic("a bug")
			}
			return []result{{bundle: j.path}}
		}) {
			before++
		}
	})
}

// TestLargeBundleIsRefusedAtTheLimit: R02 for the whole path from a file or
// standard input to the verdict. All that is allocated bounds what is in use at
// any time; it is the process's, so this test does not run in parallel.
func TestLargeBundleIsRefusedAtTheLimit(t *testing.T) {
	dir, args := writeCase(t)
	at := slices.Index(args, "--bundle") + 1
	for _, name := range []string{"R02-file", "R02-standard-input", "R02-json-lines"} {
		t.Run(name, func(t *testing.T) {
			if status, _, errs := runIn(t, args...); status != exitYes {
				t.Fatalf("the twin: got exit status %d\n%s", status, errs)
			}
			large := filepath.Join(dir, name+map[bool]string{true: ".jsonl", false: ".json"}[name == "R02-json-lines"])
			if err := os.WriteFile(large, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(large, 100<<20); err != nil {
				t.Fatal(err)
			}
			of, stdin := slices.Clone(args), io.Reader(strings.NewReader(""))
			if of[at] = large; name == "R02-standard-input" {
				file, err := os.Open(large)
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				of[at], stdin = "-", file
			}
			var before, after runtime.MemStats
			var out, errs bytes.Buffer
			runtime.ReadMemStats(&before)
			status := run(context.Background(), of, stdin, &out, &errs)
			runtime.ReadMemStats(&after)
			if status != exitNo || !strings.Contains(out.String(), "larger than the limit of 33554432 bytes") {
				t.Errorf("got exit status %d, want %d\n%s%s", status, exitNo, &out, &errs)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got >= 2*bundle.MaxSize {
				t.Errorf("allocated %d MiB, want less than %d", got>>20, 2*bundle.MaxSize>>20)
			}
		})
	}
}
