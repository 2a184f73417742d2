// Package atomicfile answers: how does a result reach the disk whole or not at
// all?
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write puts data into the file at path with those permissions, whatever the
// umask: readers see the old contents or the new, never a part. A new file is
// written beside it, synced, and renamed over it; on error it is removed, and
// the old file is as it was. A symbolic link at path is followed.
//
// inputs are the paths that data was made from. If path is one of them, under
// any name, Write refuses, and so it does where path is not a regular file.
func Write(path string, data []byte, perm fs.FileMode, inputs ...string) error {
	target, err := resolve(path, inputs)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := write(target, data, perm); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// resolve returns the path of the file to replace, links followed.
func resolve(path string, inputs []string) (string, error) {
	if path == "" {
		return "", errors.New("expected a file name, found none")
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return resolveNew(path)
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("expected a regular file or a name that is free, found a directory or a device")
	}
	for _, input := range inputs {
		if other, err := os.Stat(input); err == nil && os.SameFile(info, other) {
			return "", fmt.Errorf("it is also the input %s, which would be lost", input)
		}
	}
	return filepath.EvalSymlinks(path)
}

// resolveNew accepts a path at which nothing is.
func resolveNew(path string) (string, error) {
	if _, err := os.Lstat(path); err == nil {
		return "", errors.New("it is a symbolic link to a file that does not exist")
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the directory %s does not exist", dir)
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	return path, nil
}

func write(path string, data []byte, perm fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// syncDir makes the rename durable. Some file systems cannot; the file itself
// is whole either way.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
