package program

import (
	"bytes"
	"sync"
)

// bounded keeps the first keep bytes written to it and drops the others, and
// calls flood once more than allow have been written. It never makes the writer
// fail, since the writer is a program whose pipe should drain until it has been
// killed.
type bounded struct {
	keep, allow int
	flood       func()

	mu      sync.Mutex // a writer may outlive the run: see exec.Cmd.WaitDelay
	kept    bytes.Buffer
	written int // at most allow and one write more
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept.Write(p[:min(len(p), b.keep-b.kept.Len())])
	if b.written <= b.allow {
		if b.written += len(p); b.written > b.allow {
			b.flood()
		}
	}
	return len(p), nil
}

func (b *bounded) flooded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.written > b.allow
}

func (b *bounded) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.kept.Bytes())
}
