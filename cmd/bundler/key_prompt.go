package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// askPassword asks on the terminal, whatever standard input is, and shows
// nothing of what is typed. An interrupt ends it.
func askPassword(ctx context.Context, prompt string, stderr io.Writer) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return nil, errors.New("it takes a password, and there is no terminal to ask on: give --password-file or --password-fd")
		}
		tty = os.Stdin
	} else {
		defer tty.Close()
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	fmt.Fprintf(stderr, "%s: ", clean(prompt))
	defer fmt.Fprintln(stderr)
	type answer struct {
		password []byte
		err      error
	}
	// Reading from a terminal can not be interrupted. When ctx is done the
	// program ends, and the goroutine with it.
	typed := make(chan answer, 1)
	go func() {
		password, err := term.ReadPassword(fd)
		typed <- answer{password, err}
	}()
	select {
	case a := <-typed:
		return a.password, a.err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}
