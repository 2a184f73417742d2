// Package program answers: how is a program that is not trusted run, so that it
// can not hang, flood or outlive whoever asked it something?
//
// It says nothing about what the program answers.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A Command is one run of a program, without a shell.
type Command struct {
	Path  string   // of the executable
	Args  []string // after its name
	Stdin []byte

	Timeout time.Duration // for the whole run; zero stands for DefaultTimeout
	Output  int           // bytes it may write to standard output; zero stands for DefaultOutput
}

// Limits on one run.
const (
	DefaultTimeout = time.Minute
	DefaultOutput  = 256 << 10 // bytes

	maxStderr  = 16 << 20        // bytes it may write to standard error
	keepStderr = 2 << 10         // of them that are kept, the first ones
	maxQuote   = 500             // bytes of a program's words in an error
	linger     = 1 * time.Second // for a pipe to close after the program has ended
)

// An Error says how a run went wrong. It is returned by Run.
type Error struct {
	Path   string
	Stderr string // what the program had to say, cut short; not fit for a terminal
	Err    error
}

func (e *Error) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%q: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%q: %v; it wrote %s", e.Path, e.Err, Quote(e.Stderr))
}

func (e *Error) Unwrap() error { return e.Err }

// Quote quotes what a program said, as far as a message has room for it.
func Quote(s string) string {
	if len(s) > maxQuote {
		return strconv.Quote(s[:maxQuote]) + "…"
	}
	return strconv.Quote(s)
}

// ErrStatus is returned by Run, in an Error, beside the output of a program
// that ended by itself with another exit status than 0.
var ErrStatus = errors.New("the program failed")

// Run runs c to its end and returns what it wrote to standard output. The
// program gets this process's environment, and neither its terminal nor its
// open files. When its time is up, ctx is done or it writes too much, it is
// killed, and with it whatever it started that did not leave its session; the
// same goes for what is left of it when it ends. A program that ends while
// another still holds its output open has not given a whole answer.
//
// The error is an *Error, and for a program that could be run and failed by
// itself wraps ErrStatus; only then is there output beside it.
func (c Command) Run(ctx context.Context) ([]byte, error) {
	timeout, most := c.Timeout, c.Output
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if most <= 0 {
		most = DefaultOutput
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("expected an answer within %v, found none", timeout))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	flood := func(allow int, where string) func() {
		return func() { stop(fmt.Errorf("expected at most %d bytes of %s, found more", allow, where)) }
	}
	stdout := &bounded{keep: most, allow: most, flood: flood(most, "output")}
	stderr := &bounded{keep: keepStderr, allow: maxStderr, flood: flood(maxStderr, "messages")}
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Stdin), stdout, stderr
	cmd.WaitDelay = linger
	ownSession(cmd)
	cmd.Cancel = func() error { return killSession(cmd) }
	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
		// What it left behind goes too. The number of its session is no other's
		// unless the kernel has gone through all numbers since Wait.
		killSession(cmd)
	}
	if err == nil && !stdout.flooded() && !stderr.flooded() {
		return stdout.bytes(), nil
	}
	e := &Error{Path: c.Path, Stderr: strings.TrimSpace(string(stderr.bytes())), Err: err}
	switch exit, failed := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		e.Err = context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		e.Err = errors.New("expected it to close its output when it ends, found that another program it started holds it open")
	case failed && exit.ExitCode() > 0:
		e.Err = fmt.Errorf("%w: %v", ErrStatus, exit)
		return stdout.bytes(), e
	}
	return nil, e
}
