package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// A checkpoint is a tree head that its log signed.
//
//	rekor.example - 1193050959916656506     the origin; Rekor v2: no tree id
//	75408393                                the tree's size
//	Fnnj13Uu1jdksPc4HZLapKX329dVlD5…        its root hash
//
//	— rekor.example wNI9ajBFAiBTyi…         the log's signature, and any others
//
// Source: C2SP tlog-checkpoint, signed-note.
type checkpoint struct {
	origin    string
	size      int64
	root      []byte
	signer    string   // the name under which the log signed
	witnesses []string // names of the other signatures, which are not verified
}

// openCheckpoint verifies the log's signature on a checkpoint and parses it.
func openCheckpoint(text string, log *trustroot.Log) (*checkpoint, error) {
	key := &noteKey{log: log}
	n, err := note.Open([]byte(text), key)
	if err != nil {
		return nil, checkpointError(err, log)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	c.signer = key.name
	for _, sig := range n.UnverifiedSigs {
		c.witnesses = append(c.witnesses, sig.Name)
	}
	return c, nil
}

func checkpointError(err error, log *trustroot.Log) error {
	if _, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return fmt.Errorf("its signature was not made by the key of %s", log.BaseURL)
	}
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		return fmt.Errorf("expected a signature with key id %x of %s, found none", log.CheckpointKeyID, log.BaseURL)
	}
	return fmt.Errorf("expected a signed note: %w", err)
}

func parseCheckpoint(text string) (*checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" || strings.Contains(text, "\n\n") {
		return nil, errors.New("expected lines with origin, tree size and root hash, and no empty line before the signatures")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size <= 0 || strconv.FormatInt(size, 10) != lines[1] {
		return nil, fmt.Errorf("expected a tree size in its second line, found %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return nil, fmt.Errorf("expected a root hash of 32 bytes in its third line, found %q", lines[2])
	}
	return &checkpoint{origin: lines[0], size: size, root: root}, nil
}

// noteKey is a log's key as a signed note knows it: by key id. The name on the
// signature is recorded and judged with the origin, since Rekor v1 servers sign
// under the name they were started with.
type noteKey struct {
	log  *trustroot.Log
	name string
}

func (k *noteKey) Verifier(name string, hash uint32) (note.Verifier, error) {
	if hash != binary.BigEndian.Uint32(k.log.CheckpointKeyID[:]) {
		return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
	}
	k.name = name
	return k, nil
}

func (k *noteKey) Name() string    { return k.name }
func (k *noteKey) KeyHash() uint32 { return binary.BigEndian.Uint32(k.log.CheckpointKeyID[:]) }
func (k *noteKey) Verify(msg, sig []byte) bool {
	return keyspec.VerifyMessage(k.log.Key, k.log.KeyDetails, msg, sig) == nil
}

// checkOrigin holds the checkpoint's name to the log and to the kind of entry.
// promised says that the entry's promise was verified under the same key.
//
// Rekor v2 names a checkpoint after the log's URL, exactly. Rekor v1 names it
// "NAME - TREE-ID" where NAME is what the server was told its host name is,
// which in private deployments need not be the host that clients use. Such a
// name is accepted if the log signed under it, no other trusted log has it, and
// a promise ties the entry to this log's id by itself.
func (v *Verifier) checkOrigin(c *checkpoint, log *trustroot.Log, g generation, promised bool) error {
	name, treeID, hasTree := strings.Cut(c.origin, " - ")
	if hasTree && !isDecimal(treeID) {
		return fmt.Errorf("its origin %q is not the name of a log", c.origin)
	}
	switch {
	case g == rekorV2 && hasTree:
		return fmt.Errorf("an entry of Rekor v2 has a checkpoint of Rekor v1: %q", c.origin)
	case g == rekorV1 && !hasTree:
		return fmt.Errorf("an entry of Rekor v1 has a checkpoint of Rekor v2: %q", c.origin)
	case g == rekorV1 && len(c.witnesses) > 0:
		return fmt.Errorf("expected the log's signature alone on a checkpoint of Rekor v1, found another, of %q", c.witnesses[0])
	case c.signer != name:
		return fmt.Errorf("its origin is %q but it is signed as %q", c.origin, c.signer)
	case name == log.Origin:
		return nil
	case g == rekorV1 && promised && !v.isOtherLog(name, log):
		return nil
	}
	return fmt.Errorf("expected origin %q, found %q", log.Origin, c.origin)
}

func (v *Verifier) isOtherLog(name string, log *trustroot.Log) bool {
	for _, other := range v.root.Logs {
		if other.Origin == name && !bytes.Equal(other.SPKI, log.SPKI) {
			return true
		}
	}
	return false
}

func isDecimal(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
