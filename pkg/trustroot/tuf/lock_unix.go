//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package tuf

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock on f, which ends with f or with the process, or returns
// errLocked.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
