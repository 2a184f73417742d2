package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Limits on what is read.
const (
	MaxSource = 1 << 20  // bytes of all modules of one policy
	MaxFiles  = 256      // modules of one policy
	MaxData   = 16 << 20 // bytes of data.params
	maxDepth  = 16       // directories
)

// A Source is the text of one policy: its modules, read once. Tests, the files
// that end in _test.rego, are kept apart.
type Source struct {
	Name  string // for messages: the file or directory it came from
	Files []File
	Tests []File
}

// A File is one module.
type File struct {
	Name string
	Text string
}

// ReadSource reads a policy: a .rego file, or every one below a directory.
func ReadSource(name string) (*Source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return readSource(os.DirFS(filepath.Dir(name)), name, filepath.Base(name))
	}
	return readSource(os.DirFS(name), name, ".")
}

// ReadFS is ReadSource for the directory dir of a file system.
func ReadFS(fsys fs.FS, dir string) (*Source, error) { return readSource(fsys, dir, dir) }

func readSource(fsys fs.FS, name, root string) (*Source, error) {
	s := &Source{Name: name}
	left := int64(MaxSource)
	err := fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.Count(p, "/") > maxDepth:
			return fmt.Errorf("%s: deeper than the limit of %d directories", p, maxDepth)
		case d.IsDir() || p != root && path.Ext(p) != ".rego":
			return nil
		case len(s.Files)+len(s.Tests) == MaxFiles:
			return fmt.Errorf("more than the limit of %d modules", MaxFiles)
		}
		text, err := readAtMost(fsys, p, left)
		if err != nil {
			return err
		}
		left -= int64(len(text))
		s.add(p, text)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	if len(s.Files) == 0 {
		return nil, fmt.Errorf("policy %s: expected a .rego file that is no test, found none", name)
	}
	return s, nil
}

func (s *Source) add(name string, text []byte) {
	f := File{Name: name, Text: string(text)}
	if strings.HasSuffix(name, "_test.rego") {
		s.Tests = append(s.Tests, f)
	} else {
		s.Files = append(s.Files, f)
	}
}

func readAtMost(fsys fs.FS, name string, most int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s: a policy has more than the limit of %d bytes", name, MaxSource)
	}
	return text, err
}

// SHA256 returns a digest of the modules, tests left out, in hex: of the
// length and the bytes of each name and each text, in the order of names.
func (s *Source) SHA256() string {
	h := sha256.New()
	for _, f := range s.Files {
		fmt.Fprintf(h, "%d\n%s%d\n%s", len(f.Name), f.Name, len(f.Text), f.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}
