package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// A Log is a transparency log: Rekor v1 or v2.
type Log struct {
	Version   int    // of Rekor: 1 or 2
	URL       string // base URL, as a trusted root names the log
	Host      string // the name that checkpoints are signed under: the host of URL
	TreeID    int64  // v1: the number after the host in a checkpoint's first line
	Offset    int64  // v1: how many entries older shards have; v2: 0
	Key       *Key
	Witnesses []*Witness // cosign every checkpoint
	Start     time.Time  // when the log's key became valid

	sandbox *Sandbox

	mu     sync.Mutex
	tree   tree
	bodies [][]byte
	kinds  []Kind
	times  []int64
}

// LogOptions are the choices that NewLog leaves open. Nil means the defaults.
type LogOptions struct {
	Version   int       // 1 or 2; zero means 2
	Algorithm Algorithm // P256, Ed25519, RSA2048 … or MLDSA44; zero means P256 for v1 and Ed25519 for v2
	URL       string    // "" means https://NAME.sandbox.example
	Prior     int       // entries that are there already; zero means 6, negative none
}

// The first shard of a Rekor v1 log that NewLog makes holds that many entries
// already, so that the index in the log is never the index in the tree.
const defaultOffset = 4163431

// NewLog returns a log that nobody trusts yet: see Log.Instance. Its key
// follows from the name.
func (s *Sandbox) NewLog(name string, o *LogOptions) *Log {
	if o == nil {
		o = &LogOptions{}
	}
	l := &Log{Version: o.Version, URL: o.URL, sandbox: s, Start: s.Now().Add(-serviceAge)}
	if l.Version == 0 {
		l.Version = 2
	}
	if l.URL == "" {
		l.URL = serviceURL(name)
	}
	l.Host = hostOf(l.URL)
	algorithm := o.Algorithm
	if l.Version == 1 {
		l.TreeID, l.Offset = 1193050959916656506, defaultOffset
		if algorithm == 0 {
			algorithm = P256
		}
	}
	if algorithm == 0 {
		algorithm = Ed25519
	}
	l.Key = s.Key("log/"+name, algorithm)
	l.fill(o.Prior)
	return l
}

// hostOf returns a URL's host, without the port, as Rekor names itself. What
// is no URL is its own host.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	return u.Hostname()
}

// fill appends what others logged before.
func (l *Log) fill(prior int) {
	if prior == 0 {
		prior = 6
	}
	for i := range prior {
		l.add(Kind{}, fmt.Appendf(nil, `{"apiVersion":"0.0.1","kind":"prior","spec":{"entry":%d}}`, i))
	}
}

// add appends a body and returns its index in the tree.
func (l *Log) add(kind Kind, body []byte) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tree.leaves = append(l.tree.leaves, hashLeaf(body))
	l.bodies = append(l.bodies, slices.Clone(body))
	l.kinds = append(l.kinds, kind)
	l.times = append(l.times, l.sandbox.Now().Unix())
	return int64(len(l.bodies)) - 1
}

// Size returns how many entries the tree has.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.bodies))
}

// Root returns the root hash of the tree's first size entries. It panics if
// there are fewer.
func (l *Log) Root(size int64) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.root(size)
}

// Append appends a body, whatever it is, and returns its entry: proved in the
// tree that it completes, and promised too in a log of version 1.
func (l *Log) Append(kind Kind, body []byte) *rekorv1.TransparencyLogEntry {
	index := l.add(kind, body)
	return l.Entry(index, index+1)
}

// Entry returns an earlier entry by its index in the tree, proved in the tree
// of the first size entries. It panics if there is no such tree.
func (l *Log) Entry(index, size int64) *rekorv1.TransparencyLogEntry {
	l.mu.Lock()
	body, kind, integrated := l.bodies[index], l.kinds[index], l.times[index]
	root, hashes := l.tree.root(size), l.tree.proof(index, size)
	l.mu.Unlock()

	e := &rekorv1.TransparencyLogEntry{
		LogIndex:          l.Offset + index,
		LogId:             &protocommon.LogId{KeyId: l.ID()},
		KindVersion:       &rekorv1.KindVersion{Kind: kind.Name, Version: kind.Version},
		CanonicalizedBody: slices.Clone(body),
		InclusionProof: &rekorv1.InclusionProof{
			LogIndex:   index,
			RootHash:   root,
			TreeSize:   size,
			Hashes:     hashes,
			Checkpoint: &rekorv1.Checkpoint{Envelope: l.SignCheckpoint(l.Origin(), uint64(size), root)},
		},
	}
	if l.Version == 1 {
		e.IntegratedTime = integrated
		e.InclusionPromise = &rekorv1.InclusionPromise{SignedEntryTimestamp: l.SignSET(body, integrated, e.LogIndex)}
	}
	return e
}

// Fork returns a log of the same name and key whose tree differs from l's in
// its first entry, and holds as many. It panics if l is empty.
func (l *Log) Fork() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	fork := &Log{
		Version: l.Version, URL: l.URL, Host: l.Host, TreeID: l.TreeID, Offset: l.Offset,
		Key: l.Key, Witnesses: l.Witnesses, Start: l.Start, sandbox: l.sandbox,
		bodies: slices.Clone(l.bodies), kinds: slices.Clone(l.kinds), times: slices.Clone(l.times),
		tree: tree{leaves: slices.Clone(l.tree.leaves)},
	}
	fork.bodies[0] = []byte(`{"apiVersion":"0.0.1","kind":"prior","spec":{"fork":true}}`)
	fork.tree.leaves[0] = hashLeaf(fork.bodies[0])
	return fork
}

// ID returns the log id: the SHA-256 of the key (v1), or the untruncated
// checkpoint key id (v2).
func (l *Log) ID() []byte {
	id := l.keyID(l.Host)
	return id[:]
}

// noteKeyID returns the untruncated key id of C2SP signed-note. An ECDSA key
// is known by its hash alone.
func noteKeyID(name string, pub crypto.PublicKey, spki []byte) [32]byte {
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		return sha256.Sum256(slices.Concat([]byte(name+"\n\x01"), pub))
	case *mldsa.PublicKey:
		return sha256.Sum256(slices.Concat([]byte(name+"\n\x06"), pub.Bytes()))
	case *rsa.PublicKey:
		return sha256.Sum256(slices.Concat([]byte(name+"\n\xffPKIX-RSA-PKCS#1v1.5"), spki))
	case *ecdsa.PublicKey:
	}
	return sha256.Sum256(spki)
}

// Origin returns the first line of the log's checkpoints.
func (l *Log) Origin() string {
	if l.Version == 1 {
		return fmt.Sprintf("%s - %d", l.Host, l.TreeID)
	}
	return l.Host
}

// Checkpoint returns the signed checkpoint of the tree's first size entries.
// It panics if there are fewer.
func (l *Log) Checkpoint(size int64) string {
	return l.SignCheckpoint(l.Origin(), uint64(size), l.Root(size))
}

// SignCheckpoint signs a checkpoint of whatever it is told, and has it
// cosigned. extra are lines that follow the root hash.
//
// Source: C2SP tlog-checkpoint.
func (l *Log) SignCheckpoint(origin string, size uint64, root []byte, extra ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root))
	for _, line := range extra {
		text.WriteString(line + "\n")
	}
	return l.SignNote(text.String())
}

// SignNote signs a text, which should end in a newline, as a note, and has it
// cosigned.
//
// Source: C2SP signed-note.
func (l *Log) SignNote(text string) string {
	note := text + "\n" + l.SignatureLine(l.Host, text)
	for _, w := range l.Witnesses {
		note += w.SignatureLine(text, l.sandbox.Now())
	}
	return note
}

// SignatureLine returns the log's signature over text, as the line of a note
// that is signed under name.
func (l *Log) SignatureLine(name, text string) string {
	id := l.keyID(name)
	if _, ok := l.Key.Public().(*mldsa.PublicKey); ok {
		return noteLine(name, id[:4], l.Key.cosignSubtree(name, text, l.sandbox.Now()))
	}
	return noteLine(name, id[:4], l.Key.Sign([]byte(text)))
}

// keyID is the key id under name. A log of version 1 goes by the hash of its
// key, whatever the key.
func (l *Log) keyID(name string) [32]byte {
	if l.Version == 1 {
		return sha256.Sum256(l.Key.SPKI())
	}
	return noteKeyID(name, l.Key.Public(), l.Key.SPKI())
}

func noteLine(name string, keyID, sig []byte) string {
	return fmt.Sprintf("— %s %s\n", name, base64.StdEncoding.EncodeToString(slices.Concat(keyID, sig)))
}

// SignSET signs the promise that a body has been logged at a time (seconds of
// Unix time), under an index in the log (not in the tree).
func (l *Log) SignSET(body []byte, integratedTime, logIndex int64) []byte {
	payload := canonicalJSON(object{
		"body":           base64.StdEncoding.EncodeToString(body),
		"integratedTime": integratedTime,
		"logID":          hex.EncodeToString(l.ID()),
		"logIndex":       logIndex,
	})
	return l.Key.Sign(payload)
}
