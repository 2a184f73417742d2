//go:build unix

package program

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell runs a script. The time limit is one that a test can reach.
func shell(t *testing.T, script string, timeout time.Duration) ([]byte, error) {
	t.Helper()
	return Command{Path: "/bin/sh", Args: []string{"-c", script}, Stdin: []byte("question\n"), Timeout: timeout, Output: 1000}.Run(t.Context())
}

const long = time.Minute // longer than any of these takes

func TestRunReturnsTheAnswer(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"cat":                             "question\n",
		"echo a; echo noise >&2":          "a\n",
		"true":                            "",
		"head -c 1000 /dev/zero":          strings.Repeat("\x00", 1000),
		"head -c 500000 /dev/zero >&2":    "",
		"sleep 100 >/dev/null 2>&1 & pwd": mustGetwd(t) + "\n",
	} {
		if out, err := shell(t, script, long); err != nil || string(out) != want {
			t.Errorf("%s: got %.50q, %v, want %.50q", script, out, err, want)
		}
	}
}

func mustGetwd(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRunBoundsTheProgram(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script  string
		timeout time.Duration
		says    string
	}{
		"hangs":                         {"exec sleep 1000", 50 * time.Millisecond, "expected an answer within 50ms"},
		"hangs and ignores signals":     {"trap '' TERM INT HUP; while :; do sleep 1000; done", 50 * time.Millisecond, "expected an answer within"},
		"answers and hangs":             {"echo a; exec sleep 1000", 50 * time.Millisecond, "expected an answer within"},
		"floods":                        {"exec cat /dev/zero", long, "expected at most 1000 bytes of output, found more"},
		"one byte more":                 {"exec head -c 1001 /dev/zero", long, "expected at most 1000 bytes of output, found more"},
		"floods errors":                 {"exec cat /dev/zero >&2", long, "expected at most 16777216 bytes of messages, found more"},
		"leaves its output open":        {"sleep 1000 & echo a", long, "another program it started holds it open"},
		"closes its output and goes on": {"exec >&- 2>&-; exec sleep 1000", 50 * time.Millisecond, "expected an answer within"},
		"is killed":                     {"kill -9 $$", long, "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := shell(t, test.script, test.timeout)
			if err == nil || out != nil || errors.Is(err, ErrStatus) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %.50q, %v, want an error that says %q", out, err, test.says)
			}
		})
	}
}

func TestRunTellsFailureFromTheRest(t *testing.T) {
	t.Parallel()
	out, err := shell(t, `echo answer; printf 'bad \033[2J thing' >&2; exit 3`, long)
	if string(out) != "answer\n" || !errors.Is(err, ErrStatus) {
		t.Errorf("got %q, %v, want the answer beside ErrStatus", out, err)
	}
	if want := `it wrote "bad \x1b[2J thing"`; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := (Command{Path: "/nonexistent/program"}).Run(t.Context()); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrStatus) {
		t.Errorf("a missing program: got %v, want %v", err, os.ErrNotExist)
	}
	_, err = shell(t, "head -c 100000 /dev/zero >&2; exit 1", long)
	if len(err.Error()) > 4*maxQuote+500 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestRunKillsTheWholeSession(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"when its time is up": `sleep 1000 & echo $! >"$0"; exec sleep 1000`,
		"when it floods":      `sleep 1000 & echo $! >"$0"; exec cat /dev/zero`,
		"when it ends":        `sleep 1000 >/dev/null 2>&1 & echo $! >"$0"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "pid")
			Command{Path: "/bin/sh", Args: []string{"-c", script, file}, Timeout: time.Second}.Run(t.Context())
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			waitGone(t, pid)
		})
	}
}

// waitGone waits for the process to be dead: gone, or left for its new parent
// to bury.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, after, _ := strings.Cut(string(stat), ") "); err == nil && strings.HasPrefix(after, "Z") {
			return
		}
		if syscall.Kill(pid, 0) != nil {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Command{Path: "/bin/sleep", Args: []string{"1000"}}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestProgramsHaveNoTerminal(t *testing.T) {
	t.Parallel()
	if out, err := shell(t, ": </dev/tty", long); !errors.Is(err, ErrStatus) {
		t.Errorf("got %q, %v, want a failure at once", out, err)
	}
}
