//go:build !unix

package secretfile

import (
	"fmt"
	"os"
)

// hasModes is false where permissions are not mode bits: access lists decide
// who may read a file, and they are not looked at.
const hasModes = false

// open opens path for reading.
func open(path string, follow bool) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 && !follow {
		return nil, fmt.Errorf("%s: expected a file, found a symbolic link, whose target may change", path)
	}
	return os.Open(path)
}
