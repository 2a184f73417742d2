package sandbox

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// A Witness cosigns checkpoints that it has seen to be consistent; this one
// cosigns whatever it is shown.
type Witness struct {
	Name string
	Key  *Key // Ed25519
}

// NewWitness returns a witness. Add it to Log.Witnesses to have it cosign.
func (s *Sandbox) NewWitness(name string) *Witness {
	return &Witness{Name: host(name), Key: s.Key("witness/"+name, Ed25519)}
}

// SignatureLine returns the witness's cosignature at t over the text of a
// checkpoint, as the line of a note.
//
// Source: C2SP tlog-cosignature, cosignature/v1.
func (w *Witness) SignatureLine(text string, t time.Time) string {
	seconds := uint64(t.Unix())
	sig := w.Key.Sign(fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text))
	pub := w.Key.Public().(ed25519.PublicKey)
	id := sha256.Sum256(slices.Concat([]byte(w.Name+"\n\x04"), pub))
	return noteLine(w.Name, id[:4], slices.Concat(binary.BigEndian.AppendUint64(nil, seconds), sig))
}

// cosignSubtree is how an ML-DSA key signs a checkpoint, also that of the log
// itself: a time, and the signature over it and what the checkpoint says. Of a
// text that is no checkpoint it signs the empty tree.
//
// Source: C2SP tlog-cosignature, subtree/v1.
func (k *Key) cosignSubtree(name, text string, t time.Time) []byte {
	lines := append(strings.SplitN(text, "\n", 4), "", "", "")
	size, _ := strconv.ParseUint(lines[1], 10, 64)
	root, _ := base64.StdEncoding.DecodeString(lines[2])
	seconds := uint64(t.Unix())

	b := cryptobyte.NewBuilder([]byte("subtree/v1\n\x00"))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
	b.AddUint64(seconds)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(lines[0])) })
	b.AddUint64(0)
	b.AddUint64(size)
	b.AddBytes(root)
	return slices.Concat(binary.BigEndian.AppendUint64(nil, seconds), k.Sign(b.BytesOrPanic()))
}
