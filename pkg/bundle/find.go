package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MaxInFile is the most bundles that one JSON Lines file may hold.
const MaxInFile = 1024

// Suffixes are appended to an artifact's name, in this order, to find its
// bundle.
var Suffixes = []string{".sigstore.json", ".sigstore"}

// Find returns the path of the bundle that stands beside the artifact. If
// there is none the error wraps fs.ErrNotExist and names what was tried.
func Find(artifact string) (string, error) {
	for _, suffix := range Suffixes {
		path := artifact + suffix
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	return "", fmt.Errorf("no bundle beside %q: tried %q and %q: %w",
		artifact, artifact+Suffixes[0], artifact+Suffixes[1], fs.ErrNotExist)
}

// ParseLines parses JSON Lines: a bundle a line, blank lines passed over, as
// tools write that keep several attestations of one artifact in one file. A
// file without any bundle is an error.
func ParseLines(data []byte) ([]*Bundle, error) {
	var bundles []*Bundle
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if len(bundles) == MaxInFile {
			return nil, fmt.Errorf("line %d: more than the limit of %d bundles in one file", number, MaxInFile)
		}
		b, err := Parse(line)
		if err != nil {
			return nil, fmt.Errorf("bundle in line %d: %w", number, err)
		}
		bundles = append(bundles, b)
	}
	if len(bundles) == 0 {
		return nil, errors.New("no bundle in the file")
	}
	return bundles, nil
}
