package tuf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"errors"
	"fmt"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// state is a file of the cache. Binary members are base64. Nothing in it is
// believed for being there: metadata and files are verified from the pinned root
// on, and Refreshed decides no more than whether to ask the repository again.
type state struct {
	SchemaVersion int               `json:"schemaVersion"`
	URL           string            `json:"url"`
	RootSHA256    string            `json:"rootSha256"`
	Refreshed     time.Time         `json:"refreshed"`
	Roots         [][]byte          `json:"roots"`
	Timestamp     []byte            `json:"timestamp"`
	Snapshot      []byte            `json:"snapshot"`
	Targets       map[string][]byte `json:"targets"`
	Files         map[string][]byte `json:"files"` // targets, by name; null in seen.json
}

const stateVersion = 1

func (s *state) metadata() Metadata {
	return Metadata{Roots: s.Roots, Timestamp: s.Timestamp, Snapshot: s.Snapshot, Targets: s.Targets}
}

func (r *Repository) newState(m Metadata, files map[string][]byte, refreshed time.Time) *state {
	if files == nil {
		files = map[string][]byte{}
	}
	return &state{
		SchemaVersion: stateVersion, URL: r.MetadataURL, RootSHA256: r.pin(), Refreshed: refreshed,
		Roots: m.Roots, Timestamp: m.Timestamp, Snapshot: m.Snapshot, Targets: m.Targets, Files: files,
	}
}

func (s *state) encode() ([]byte, error) {
	data, err := json.Marshal(s, json.Deterministic(true))
	if err == nil && len(data) > maxStateBytes {
		err = fmt.Errorf("larger than the limit of %d bytes", maxStateBytes)
	}
	return data, err
}

// decodeState reads a file of the cache and holds it to the repository that it
// is said to be of.
func (r *Repository) decodeState(data []byte) (*state, error) {
	var s state
	if err := strictjson.Unmarshal(data, &s, strictjson.Limits{Bytes: maxStateBytes, Depth: 4}); err != nil {
		return nil, err
	}
	switch {
	case s.SchemaVersion != stateVersion:
		return nil, fmt.Errorf("expected schema version %d, found %d", stateVersion, s.SchemaVersion)
	case s.URL != r.MetadataURL || s.RootSHA256 != r.pin():
		return nil, errors.New("it is of another repository")
	case len(s.Roots) == 0 || !bytes.Equal(s.Roots[0], r.Root):
		return nil, errors.New("it does not start from the pinned root")
	}
	return &s, nil
}

// key names the repository's cache: what differs in the URL's bytes or in the
// root differs here.
func (r *Repository) key() string {
	sum := sha256.Sum256([]byte(r.MetadataURL + "\x00" + r.pin()))
	return hex.EncodeToString(sum[:])
}

func (r *Repository) pin() string {
	sum := sha256.Sum256(r.Root)
	return hex.EncodeToString(sum[:])
}

// verifyState returns what a state's files say, all of it verified but none of
// it held against the clock.
func (r *Repository) verifyState(s *state) (*Snapshot, error) {
	session, err := NewSession(s.metadata(), r.MetadataURL, nil, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := session.Load(); err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(s.Files))
	for _, name := range r.names() {
		target, err := session.Find(context.Background(), name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := target.Verify(s.Files[name]); err != nil {
			return nil, err
		}
		files[name] = s.Files[name]
	}
	return r.snapshot(session, files, s.Refreshed)
}
