package signer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/secretfile"
)

// A PasswordFunc returns a password or PIN: from a person, whom prompt tells
// what for, or from wherever it is kept. The caller owns what it returns, and
// overwrites it after use. It may be called several times.
type PasswordFunc func(ctx context.Context, prompt string) ([]byte, error)

// MaxPassword bounds a password or PIN, in bytes.
const MaxPassword = 1 << 10

// PasswordFile returns a function that reads the first line of the file at
// path, without its line break. The file must be the user's own: a symbolic
// link, and a file that others may read, are refused. The name of an open
// descriptor, as shells make one for <(PROGRAM), stands for PasswordDescriptor.
func PasswordFile(path string) PasswordFunc {
	if path == "/dev/stdin" {
		return PasswordDescriptor(0)
	}
	if number, ok := strings.CutPrefix(path, "/dev/fd/"); ok {
		if fd, err := strconv.ParseUint(number, 10, 31); err == nil {
			return PasswordDescriptor(uintptr(fd))
		}
	}
	return func(context.Context, string) ([]byte, error) {
		data, err := secretfile.Read(path, MaxPassword+2, nil)
		if err != nil {
			return nil, fmt.Errorf("password file: %w", err)
		}
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		defer clear(rest)
		return checkPassword(bytes.TrimSuffix(line, []byte("\r")))
	}
}

// PasswordReader returns a function that reads the next line of r at each
// call, byte by byte, so that what follows the line is left for others.
func PasswordReader(r io.Reader) PasswordFunc {
	return func(context.Context, string) ([]byte, error) {
		line := make([]byte, 0, MaxPassword+2) // never grows, which would leave a copy behind
		var one [1]byte
		defer clear(one[:])
		for len(line) < cap(line) {
			n, err := r.Read(one[:])
			if n == 1 && one[0] == '\n' {
				break
			}
			line = append(line, one[:n]...)
			if errors.Is(err, io.EOF) && len(line) > 0 {
				break
			}
			if err != nil {
				clear(line)
				return nil, fmt.Errorf("reading a password: %w", err)
			}
		}
		return checkPassword(bytes.TrimSuffix(line, []byte("\r")))
	}
}

// PasswordDescriptor is PasswordReader for the open file descriptor fd of this
// process.
func PasswordDescriptor(fd uintptr) PasswordFunc {
	f := os.NewFile(fd, fmt.Sprintf("descriptor %d", fd))
	if f == nil {
		return func(context.Context, string) ([]byte, error) {
			return nil, fmt.Errorf("reading a password: descriptor %d is not open", fd)
		}
	}
	return PasswordReader(f)
}

func checkPassword(password []byte) ([]byte, error) {
	if len(password) > MaxPassword {
		clear(password)
		return nil, fmt.Errorf("expected a password of at most %d bytes, found more", MaxPassword)
	}
	return password, nil
}
