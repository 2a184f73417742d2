package bundle

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Read reads one bundle from r, as ReadText and Parse do.
func Read(r io.Reader) (*Bundle, error) {
	text, err := ReadText(r)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// ErrRead is wrapped by the errors of Read and ReadText that come from the
// reader, which say nothing about the bundle.
var ErrRead = errors.New("reading the bundle")

// ReadText reads the text of one bundle, or of several in JSON Lines. It reads
// one byte more than MaxSize at most, and then refuses; until then it holds
// little more than was read. Errors from r are returned wrapped in ErrRead.
func ReadText(r io.Reader) ([]byte, error) {
	const smallest, largest = 16 << 10, 4 << 20
	r = io.LimitReader(r, MaxSize+1)
	var full [][]byte
	total, chunk := 0, make([]byte, 0, smallest)
	for {
		n, err := r.Read(chunk[len(chunk):cap(chunk)])
		chunk = chunk[:len(chunk)+n]
		total += n
		switch {
		case total > MaxSize:
			return nil, fmt.Errorf("the bundle is larger than the limit of %d bytes", MaxSize)
		case err == io.EOF && len(full) == 0:
			return chunk, nil
		case err == io.EOF:
			return slices.Concat(append(full, chunk)...), nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrRead, err)
		case len(chunk) == cap(chunk):
			full = append(full, chunk)
			chunk = make([]byte, 0, min(2*cap(chunk), largest))
		}
	}
}
