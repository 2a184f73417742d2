package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// TestFindPrefersTheNewerName: FILE.sigstore.json, then FILE.sigstore.
func TestFindPrefersTheNewerName(t *testing.T) {
	t.Parallel()
	artifact := filepath.Join(t.TempDir(), "app.tar.gz")
	path, err := bundle.Find(artifact)
	if !errors.Is(err, fs.ErrNotExist) || path != "" {
		t.Fatalf("B23: got %q, %v, want an error that wraps ErrNotExist", path, err)
	}
	for _, name := range []string{artifact + ".sigstore.json", artifact + ".sigstore"} {
		if !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%v does not say that %q was tried", err, name)
		}
	}
	for _, suffix := range []string{".sigstore", ".sigstore.json"} {
		if err := os.WriteFile(artifact+suffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if path, err := bundle.Find(artifact); err != nil || path != artifact+suffix {
			t.Errorf("got %q, %v, want %q", path, err, artifact+suffix)
		}
	}
}

// TestFindReportsWhatItCouldNotSee: a name that can not be looked up is not a
// name that is free.
func TestFindReportsWhatItCouldNotSee(t *testing.T) {
	t.Parallel()
	path, err := bundle.Find(filepath.Join(t.TempDir(), strings.Repeat("x", 300)))
	if err == nil || errors.Is(err, fs.ErrNotExist) || path != "" {
		t.Errorf("got %q, %v, want an error that is not ErrNotExist", path, err)
	}
}

func TestParseLines(t *testing.T) {
	t.Parallel()
	one, two := text(t, "message", nil), text(t, "statement", nil)
	for name, doc := range map[string][]byte{
		"lines":          slices.Concat(one, []byte("\n"), two, []byte("\n")),
		"no-last-break":  slices.Concat(one, []byte("\n"), two),
		"blank-lines":    slices.Concat([]byte("\n \n"), one, []byte("\n\t\n\n"), two, []byte("\n\n")),
		"carriage-ends":  slices.Concat(one, []byte("\r\n"), two, []byte("\r\n")),
		"space-in-lines": slices.Concat([]byte(" "), one, []byte(" \n\t"), two),
	} {
		bundles, err := bundle.ParseLines(doc)
		if err != nil || len(bundles) != 2 || bundles[0].Message == nil || bundles[1].Envelope == nil {
			t.Errorf("%s: got %d bundles, %v, want the two in order", name, len(bundles), err)
		}
	}
	for name, test := range map[string]struct {
		doc  []byte
		want string
	}{
		"B23-empty":            {nil, "no bundle in the file"},
		"B23-blank":            {[]byte("\n \n\r\n"), "no bundle in the file"},
		"J05-two-in-a-line":    {slices.Concat(one, two), "bundle in line 1: "},
		"J05-half-a-line":      {slices.Concat(one, []byte("\n"), two[:len(two)-1]), "bundle in line 2: "},
		"B24-one-bad":          {slices.Concat(one, []byte("\n\n{}\n"), two), "bundle in line 3: "},
		"J05-array":            {slices.Concat([]byte("["), one, []byte(",\n"), two, []byte("]")), "bundle in line 1: "},
		"J05-byte-order-mark":  {slices.Concat([]byte("\ufeff"), one), "bundle in line 1: "},
		"R02-too-many-bundles": {bytes.Repeat(append(text(t, "key", nil), '\n'), bundle.MaxInFile+1), "line 1025: more than the limit of 1024 bundles in one file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bundles, err := bundle.ParseLines(test.doc)
			if err == nil || bundles != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d bundles, %v, want an error with %q", len(bundles), err, test.want)
			}
		})
	}
	if bundles, err := bundle.ParseLines(bytes.Repeat(append(text(t, "key", nil), '\n'), bundle.MaxInFile)); err != nil || len(bundles) != bundle.MaxInFile {
		t.Errorf("at the limit: got %d bundles, %v", len(bundles), err)
	}
}

// TestReadTellsReadingFromParsing: an error of the reader says nothing about
// the bundle.
func TestReadTellsReadingFromParsing(t *testing.T) {
	t.Parallel()
	doc := text(t, "message", nil)
	if _, err := bundle.Read(iotest.OneByteReader(bytes.NewReader(doc))); err != nil {
		t.Errorf("got %v, want it read", err)
	}
	broken := errors.New("broken disk")
	b, err := bundle.Read(iotest.TimeoutReader(bytes.NewReader(doc)))
	if b != nil || !errors.Is(err, bundle.ErrRead) || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got a bundle: %t, and %v, want ErrRead and its cause", b != nil, err)
	}
	if _, err = bundle.Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v, want its cause", err)
	}
	if _, err = bundle.Read(strings.NewReader("{")); err == nil || errors.Is(err, bundle.ErrRead) {
		t.Errorf("got %v, want an error about the text", err)
	}
}
