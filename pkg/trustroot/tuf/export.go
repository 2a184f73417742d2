package tuf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/atomicfile"
)

// Export writes the last verified state below dir as a repository of its own:
// metadata/ and metadata/targets/, for a machine that is cut off (DirFetcher),
// or for any TUF client. dir must not exist, or be empty.
func (s *Source) Export(dir string) error {
	if _, err := s.Cached(); err != nil {
		return err
	}
	s.mu.Lock()
	st := s.good
	s.mu.Unlock()
	files, err := s.repo.exported(st)
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s: expected an empty directory, or none", dir)
	}
	for name, data := range files {
		path := filepath.Join(dir, "metadata", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.Write(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// exported lists a state's files by where a client asks for them.
func (r *Repository) exported(st *state) (map[string][]byte, error) {
	session, err := NewSession(st.metadata(), r.MetadataURL, nil, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := session.Load(); err != nil {
		return nil, err
	}
	files := map[string][]byte{"timestamp.json": st.Timestamp}
	newest := session.trusted.Root.Signed.Version
	for i, root := range st.Roots {
		version := newest - int64(len(st.Roots)-1-i)
		files[strconv.FormatInt(version, 10)+".root.json"] = root
	}
	files[session.versioned("snapshot", session.trusted.Snapshot.Signed.Version)] = st.Snapshot
	for name, data := range st.Files {
		target, err := session.Find(context.Background(), name)
		if err != nil {
			return nil, err
		}
		files["targets/"+target.path()] = data
	}
	for role, targets := range session.trusted.Targets {
		files[session.versioned(role, targets.Signed.Version)] = st.Targets[role]
	}
	for name := range files {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return nil, fmt.Errorf("file name %q: expected one below the directory", name)
		}
	}
	return files, nil
}

// dirFetcher reads what Export wrote. It opens no socket.
type dirFetcher struct {
	base string // URL
	dir  fs.FS
}

// DirFetcher returns a Fetcher that answers for the repository's URL from the
// files below dir that Export wrote. Targets must lie below the metadata, as
// they do by default.
func DirFetcher(metadataURL, dir string) (Fetcher, error) {
	root, err := os.OpenRoot(filepath.Join(dir, "metadata"))
	if err != nil {
		return nil, fmt.Errorf("expected a directory that bundler trust export wrote: %w", err)
	}
	return &dirFetcher{withSlash(metadataURL), root.FS()}, nil
}

func (f *dirFetcher) Fetch(_ context.Context, address string, limit int64) ([]byte, error) {
	name, ok := strings.CutPrefix(address, f.base)
	if !ok {
		return nil, fmt.Errorf("expected a URL below %s", f.base)
	}
	// Names of roles stay escaped in file names; those of targets too.
	file, err := f.dir.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var data bytes.Buffer
	if _, err := io.Copy(&data, io.LimitReader(file, limit+1)); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}
