package program

import (
	"bytes"
	"sync"
)

// bounded keeps the first most bytes written to it and drops the others, and
// calls full, if there is one, at the first that it drops. It never makes the
// writer fail, since the writer is a program whose pipe should drain until it
// has been killed.
type bounded struct {
	most int
	full func()

	mu      sync.Mutex // a writer may outlive the run: see exec.Cmd.WaitDelay
	buf     bytes.Buffer
	dropped bool
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.most - b.buf.Len()
	if len(p) <= room {
		return b.buf.Write(p)
	}
	b.buf.Write(p[:room])
	if !b.dropped && b.full != nil {
		b.full()
	}
	b.dropped = true
	return len(p), nil
}

func (b *bounded) over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

func (b *bounded) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
