package sandbox

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
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
