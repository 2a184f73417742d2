package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Exit statuses, the same for every command and output format.
const (
	exitYes       = 0 // the answer is yes, or the work is done
	exitNo        = 1 // a check failed, or a policy did not accept
	exitUsage     = 2 // wrong usage or configuration
	exitNoVerdict = 3 // it could not be told: unreadable input, unavailable trust, a bug
)

const exitHelp = `
Exit status:
  0  yes: verified, or done
  1  no: a check failed, or a policy did not accept
  2  wrong usage or configuration
  3  no verdict: input or trust could not be read, or bundler itself failed`

// statusError carries the exit status an error deserves. Errors without one
// are usage errors if they come from flag parsing, and no verdict otherwise.
type statusError struct {
	status int
	hint   string // printed on its own line; teaches, never suggests weakening a check
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// usagef reports wrong usage or configuration: exit status 2.
func usagef(format string, args ...any) error {
	return &statusError{status: exitUsage, err: fmt.Errorf(format, args...)}
}

// noVerdictf reports that no answer could be had: exit status 3.
func noVerdictf(format string, args ...any) error {
	return &statusError{status: exitNoVerdict, err: fmt.Errorf(format, args...)}
}

// withHint adds a line that says what to do next.
func withHint(err error, format string, args ...any) error {
	status := exitNoVerdict
	if se, ok := errors.AsType[*statusError](err); ok {
		status = se.status
	}
	return &statusError{status: status, hint: fmt.Sprintf(format, args...), err: err}
}

// errNo is returned by a command that has printed its result and whose answer
// is no. Nothing more is printed.
var errNo = &statusError{status: exitNo, err: errors.New("no")}

// run executes one command line and returns the exit status. A panic is a bug
// in bundler and never a verdict.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "bundler: error: internal error: %v\n%s", r, debug.Stack())
			fmt.Fprintln(stderr, "bundler: hint: this is a bug in bundler, not a verdict; please report it")
			status = exitNoVerdict
		}
	}()
	out := &checkedWriter{w: stdout}
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	status = report(err, stderr)
	if err != nil && !out.used && cmd.Annotations[alwaysJSON] != "" && asksForJSON(args) {
		renderNoVerdictJSON(out, err) // a command line that did not get as far as its command
	}
	// A result that nobody could read is not a result.
	if out.err != nil && status == exitYes {
		fmt.Fprintf(stderr, "bundler: error: writing the result: %v\n", out.err)
		return exitNoVerdict
	}
	return status
}

// alwaysJSON marks the commands that print one JSON document whatever happens,
// if asked for JSON.
const alwaysJSON = "always-json"

// asksForJSON finds -o json in a command line that may not be well formed.
func asksForJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "-ojson", "-o=json", "--output=json":
			return true
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		case "--":
			return false
		}
	}
	return false
}

// report prints err as people should see it and returns its exit status.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return exitYes
	}
	if err == error(errNo) {
		return exitNo
	}
	se, ok := errors.AsType[*statusError](err)
	if !ok {
		// cobra's own errors: unknown commands, flags and argument counts.
		// Those of commands have a status: see withStatus.
		se = &statusError{status: exitUsage, err: err}
	}
	text := se.err.Error()
	if ok {
		text = clean(text) // cobra's lists of suggestions have lines
	}
	fmt.Fprintf(stderr, "bundler: error: %s\n", text)
	if se.hint != "" {
		fmt.Fprintf(stderr, "bundler: hint: %s\n", clean(se.hint))
	}
	return se.status
}

// checkedWriter remembers the first error, since renderers print in many
// small pieces, and whether it was used at all.
type checkedWriter struct {
	w    io.Writer
	err  error
	used bool
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	c.used = true
	n, err := c.w.Write(p)
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bundler",
		Short: "Sign artifacts as Sigstore bundles and verify them, with your own trust",
		Long: `bundler signs artifacts as Sigstore bundles and verifies them, for people who
bring their own trust: a company CA, a private Sigstore, an HSM, a gate in CI.
` + exitHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(
		newSignCommand(),
		newRequestCommand(),
		newAssembleCommand(),
		newAttachCommand(),
		newInspectCommand(),
		newVerifyCommand(),
		newKeyCommand(),
		newPolicyCommand(),
		newTrustCommand(),
		newSandboxCommand(),
		newVersionCommand(),
	)
	withStatus(root)
	return root
}

// withStatus makes every command's errors that say nothing else mean that there
// is no verdict.
func withStatus(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if _, ok := errors.AsType[*statusError](err); err != nil && !ok {
				return &statusError{status: exitNoVerdict, err: err}
			}
			return err
		}
	}
	for _, sub := range cmd.Commands() {
		withStatus(sub)
	}
}
