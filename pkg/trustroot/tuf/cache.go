package tuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const lockPoll = 20 * time.Millisecond

// A cache is the directory of one repository below a base directory. Files in it
// are replaced whole. Nothing that is a symbolic link is followed, from the
// repository's directory down: who can plant one there could otherwise choose
// what is read or overwritten.
type cache struct {
	base, key string
}

func (c *cache) String() string {
	if c == nil {
		return "memory"
	}
	return filepath.Join(c.base, c.key)
}

// dir opens the repository's directory, made if need be. It is for its owner
// alone.
func (c *cache) dir(create bool) (*os.Root, error) {
	if create {
		if err := os.MkdirAll(c.base, 0o700); err != nil {
			return nil, err
		}
	}
	base, err := os.OpenRoot(c.base)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	if create {
		if err := base.Mkdir(c.key, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	info, err := base.Lstat(c.key)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: expected a directory, found %s", c, kindOf(info.Mode()))
	}
	return base.OpenRoot(c.key)
}

// check reports whether the cache can be read, or is not there yet.
func (c *cache) check() error {
	dir, err := c.dir(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return dir.Close()
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a directory"
	}
	return "a device"
}

// read returns a file of the cache. The error is fs.ErrNotExist if there is
// none.
func (c *cache) read(name string) ([]byte, error) {
	dir, err := c.dir(false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := checkRegular(dir, name); err != nil {
		return nil, err
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStateBytes+1))
	if err == nil && len(data) > maxStateBytes {
		err = fmt.Errorf("%s: larger than the limit of %d bytes", name, maxStateBytes)
	}
	return data, err
}

func checkRegular(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected a file, found %s", filepath.Join(dir.Name(), name), kindOf(info.Mode()))
	}
	return err
}

// write replaces a file of the cache. The caller holds its lock. A process that
// dies meanwhile leaves the old file, and a temporary one that the next write
// takes over.
func (c *cache) write(name string, data []byte) error {
	dir, err := c.dir(true)
	if err != nil {
		return err
	}
	defer dir.Close()
	const temporary = "new"
	if err := dir.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, dir.Remove(temporary))
	}
	return dir.Rename(temporary, name)
}

// remove deletes a file of the cache, if it is there.
func (c *cache) remove(name string) error {
	dir, err := c.dir(false)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock waits until no other process refreshes this cache.
func (c *cache) lock(ctx context.Context) (unlock func(), err error) {
	dir, err := c.dir(true)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := checkRegular(dir, "lock"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := dir.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		switch err := tryLock(f); {
		case err == nil:
			return func() { f.Close() }, nil
		case !errors.Is(err, errLocked):
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, errLocked
		case <-time.After(lockPoll):
		}
	}
}

// errLocked is returned by cache.lock when the time is up.
var errLocked = errors.New("another process is refreshing it")
