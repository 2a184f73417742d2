//go:build unix

package secretfile

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

const hasModes = true

// open opens path for reading. It does not wait for a writer if path is a
// named pipe.
func open(path string, follow bool) (*os.File, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0)
	// FreeBSD says EMLINK and NetBSD EFTYPE where others say ELOOP.
	if info, lerr := os.Lstat(path); err != nil && lerr == nil && info.Mode()&os.ModeSymlink != 0 && !follow && !errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("%s: expected a file, found a symbolic link, whose target may change", path)
	}
	return f, err
}
