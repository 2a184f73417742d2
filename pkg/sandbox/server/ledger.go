package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

const (
	maxEntries = 1 << 16   // in one log
	maxBody    = 1<<16 - 1 // bytes of one entry: what a bundle of entries can tell
	maxJournal = 1 << 30   // bytes
)

// A ledger is what a log's server knows beside the tree: which bodies are in
// it, and where the journal is.
type ledger struct {
	log *sandbox.Log
	now func() time.Time // the sandbox's clock

	mu      sync.Mutex
	leaves  [][sha256.Size]byte // leaf hashes
	bodies  [][]byte
	where   map[[sha256.Size]byte]int64 // the first entry with that leaf hash
	journal io.Writer                   // nil if the log forgets
}

func newLedger(box *sandbox.Sandbox, log *sandbox.Log) *ledger {
	l := &ledger{log: log, now: box.Now, where: map[[sha256.Size]byte]int64{}}
	size := log.Size()
	for i := range size {
		l.note(log.Entry(i, size).CanonicalizedBody)
	}
	return l
}

// note notes the body of the entry that the log has just got.
func (l *ledger) note(body []byte) {
	leaf := leafHash(body)
	if _, ok := l.where[leaf]; !ok {
		l.where[leaf] = int64(len(l.leaves))
	}
	l.leaves = append(l.leaves, leaf)
	l.bodies = append(l.bodies, body)
}

// leafHash: RFC 6962, section 2.1.
func leafHash(body []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte{0}, body...))
}

// A duplicate is the refusal of a body that the log has already.
type duplicate struct{ index int64 }

func (d *duplicate) Error() string {
	return fmt.Sprintf("an equivalent entry already exists in the transparency log with index %d", d.index)
}

// record logs a signature, which must have been verified. It returns a
// *duplicate if the log has it.
func (l *ledger) record(kind sandbox.Kind, signed sandbox.Signed) (*rekorv1.TransparencyLogEntry, error) {
	body, err := sandbox.Body(kind, signed)
	if err != nil {
		return nil, badRequest("%w", err)
	}
	if len(body) > maxBody {
		return nil, badRequest("expected an entry of at most %d bytes, found %d", maxBody, len(body))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if index, ok := l.where[leafHash(body)]; ok {
		return nil, &duplicate{index}
	}
	if len(l.bodies) >= maxEntries {
		return nil, refuse(http.StatusServiceUnavailable, "the log is full: it takes %d entries; start a new sandbox", maxEntries)
	}
	entry, err := l.log.Record(kind, signed)
	if err != nil {
		return nil, err
	}
	if l.log.Size() == int64(len(l.bodies)) {
		return entry, nil // shown to this client only: a fork
	}
	l.note(entry.CanonicalizedBody)
	return entry, l.remember(kind, entry.CanonicalizedBody)
}

// entry returns an entry by its index in the tree, proved in the newest tree.
func (l *ledger) entry(index int64) (*rekorv1.TransparencyLogEntry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := l.log.Size()
	if index < 0 || index >= size {
		return nil, false
	}
	return l.log.Entry(index, size), true
}

// find returns the index in the tree of a leaf.
func (l *ledger) find(leaf [sha256.Size]byte) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	index, ok := l.where[leaf]
	return index, ok
}

// A journalLine is one entry on disk.
type journalLine struct {
	Kind    string    `json:"kind"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	Body    []byte    `json:"body"`
}

func (l *ledger) remember(kind sandbox.Kind, body []byte) error {
	if l.journal == nil {
		return nil
	}
	line, err := json.Marshal(journalLine{kind.Name, kind.Version, l.now(), body})
	if err != nil {
		return err
	}
	if _, err := l.journal.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the log's journal: %w", err)
	}
	return nil
}

// keep takes back what a journal holds, and writes to it from now on. A last
// line without its end, which no client was told of, is cut off by the caller:
// complete is how many bytes of the journal are whole lines.
func (l *ledger) keep(box *sandbox.Sandbox, journal io.ReadWriter) (complete int64, err error) {
	text, err := io.ReadAll(io.LimitReader(journal, maxJournal+1))
	if err != nil {
		return 0, err
	}
	if len(text) > maxJournal {
		return 0, fmt.Errorf("expected at most %d bytes, found more", maxJournal)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := box.Now()
	defer box.SetTime(now)
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	number := 0
	for line := range bytes.Lines(text) {
		number++
		var j journalLine
		if err := json.Unmarshal(line, &j); err != nil || len(l.bodies) >= maxEntries {
			return 0, fmt.Errorf("line %d: expected an entry of the log, found something else or too many", number)
		}
		box.SetTime(j.Time)
		l.log.Append(sandbox.Kind{Name: j.Kind, Version: j.Version}, j.Body)
		l.note(j.Body)
	}
	l.journal = journal
	return int64(len(text)), nil
}
