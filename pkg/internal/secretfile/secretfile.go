// Package secretfile answers: how is a file read and created that nobody else
// may see?
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadOptions says what Read accepts; nil is the strictest.
type ReadOptions struct {
	// Shared accepts files that others may read, and symbolic links.
	Shared bool
}

// Read returns the contents of the regular file at path, which others can
// neither read nor write, is no symbolic link, and has at most limit bytes.
// What is judged is the file that was opened, so nobody can swap it between
// the check and the reading.
func Read(path string, limit int, opts *ReadOptions) ([]byte, error) {
	shared := opts != nil && opts.Shared
	f, err := open(path, shared)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(info, shared); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	data := make([]byte, limit+1) // of full size at once: growing would leave copies behind
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(data)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n > limit {
		clear(data)
		return nil, fmt.Errorf("%s: expected at most %d bytes, found more", path, limit)
	}
	return data[:n], nil
}

func check(info fs.FileInfo, shared bool) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("expected a regular file, found %v", info.Mode())
	}
	if mode := info.Mode().Perm(); !shared && hasModes && mode&0o077 != 0 {
		return fmt.Errorf("expected a file that only its owner may read, mode 0600, found mode %04o: whoever can read it has its secret", mode)
	}
	return nil
}

// Create writes data to a new file at path, mode 0600 whatever the umask. A
// file or a symbolic link that is there already is an error and stays as it
// is. If the data can not be written whole, no file is left.
func Create(path string, data []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: expected a name that is free, found a file: secrets are never written over one", path)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(path)
		}
	}()
	if err := f.Chmod(0o600); err != nil && hasModes { // an umask may have taken bits away
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
