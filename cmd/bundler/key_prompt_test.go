//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/term"
)

// A terminal is a pseudo-terminal that a program runs on.
type terminal struct {
	master *os.File
	slave  *os.File
	echo   *term.State // its modes at first
	shown  transcript
	done   chan struct{}
}

// A transcript is what a program wrote to its terminal so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var unlock, number int32
	ioctl(t, master, syscall.TIOCSPTLCK, &unlock)
	ioctl(t, master, syscall.TIOCGPTN, &number)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	tty := &terminal{master: master, slave: slave, done: make(chan struct{})}
	tty.echo = tty.state(t)
	go func() {
		io.Copy(&tty.shown, master) // ends with an error when the last writer closes it
		close(tty.done)
	}()
	t.Cleanup(func() { master.Close(); slave.Close() })
	return tty
}

func ioctl(t *testing.T, f *os.File, request uintptr, value *int32) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
		t.Fatal(errno)
	}
}

// start runs bundler on the terminal; result goes to stdout.
func (tty *terminal) start(t *testing.T, stdout io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bundler", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty.slave, stdout, tty.slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// state returns the terminal's modes.
func (tty *terminal) state(t *testing.T) *term.State {
	t.Helper()
	s, err := term.GetState(int(tty.slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answer types text once the program has asked prompt and shows no more of what
// is typed.
func (tty *terminal) answer(t *testing.T, prompt, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(tty.shown.String(), prompt) || reflect.DeepEqual(tty.state(t), tty.echo); {
		if time.Now().After(deadline) {
			t.Fatalf("expected to be asked for %q, found %q", prompt, &tty.shown)
		}
	}
	io.WriteString(tty.master, text)
}

// wait returns the program's exit status and all it showed.
func (tty *terminal) wait(t *testing.T, cmd *exec.Cmd) (status int, shown string) {
	t.Helper()
	cmd.Wait()
	tty.slave.Close()
	<-tty.done
	return cmd.ProcessState.ExitCode(), tty.shown.String()
}

func TestPasswordsAreTypedInSilence(t *testing.T) {
	t.Parallel()
	t.Run("F05-prompt", func(t *testing.T) {
		t.Parallel()
		const password = "correct-horse-battery"
		key := filepath.Join(t.TempDir(), "key.pem")
		tty := newTerminal(t)
		var public, shownKey strings.Builder
		cmd := tty.start(t, &public, "key", "generate", "--encrypt", "-o", key)
		tty.answer(t, "new password for "+key+": ", password+"\n")
		tty.answer(t, "the same again: ", password+"\n")
		if status, shown := tty.wait(t, cmd); status != 0 || strings.Contains(shown, "horse") {
			t.Fatalf("generate: got status %d and %q on the terminal", status, shown)
		}

		tty = newTerminal(t)
		cmd = tty.start(t, &shownKey, "key", "import", key)
		tty.answer(t, "password for "+key+": ", password+"\n")
		status, shown := tty.wait(t, cmd)
		if status != 0 || strings.Contains(shown, "horse") || !strings.HasSuffix(shownKey.String(), public.String()) {
			t.Errorf("import: got status %d, %q on the terminal, %q, want the key %q", status, shown, &shownKey, &public)
		}

		// Two passwords are none.
		tty = newTerminal(t)
		cmd = tty.start(t, io.Discard, "key", "generate", "--encrypt", "-o", key+".2")
		tty.answer(t, "new password for ", password+"\n")
		tty.answer(t, "the same again: ", password+"!\n")
		status, shown = tty.wait(t, cmd)
		if _, err := os.Stat(key + ".2"); status != 3 || err == nil || strings.Contains(shown, "horse") {
			t.Errorf("two passwords: got status %d, %q on the terminal, and a file: %v", status, shown, err == nil)
		}
	})
}

func TestInterruptEndsThePrompt(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key.pem")
	tty := newTerminal(t)
	cmd := tty.start(t, io.Discard, "key", "generate", "--encrypt", "-o", key)
	tty.answer(t, "new password", "half a pass\x03") // Ctrl-C
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if !reflect.DeepEqual(tty.state(t), tty.echo) {
		t.Error("the terminal is left without echo")
	}
	if cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("got status %d, want 3", cmd.ProcessState.ExitCode())
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a key is there")
	}
}
