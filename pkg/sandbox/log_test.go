package sandbox_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	tiles "github.com/sigstore/rekor-tiles/v2/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

func leafHash(body []byte) []byte { return rfc6962.DefaultHasher.HashLeaf(body) }

func verifyProof(p *rekorv1.InclusionProof, body []byte) error {
	return proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.LogIndex), uint64(p.TreeSize), leafHash(body), p.Hashes, p.RootHash)
}

// TestLogProvesEveryEntryAtEverySize compares our tree with transparency-dev's
// verifier.
func TestLogProvesEveryEntryAtEverySize(t *testing.T) {
	t.Parallel()
	log := newSandbox(t).NewLog("l", &sandbox.LogOptions{Prior: -1})
	if got := log.Root(0); !bytes.Equal(got, rfc6962.DefaultHasher.EmptyRoot()) {
		t.Errorf("got %x for the empty tree", got)
	}
	const n = 20
	for i := range n {
		log.Append(sandbox.HashedRekord002, fmt.Appendf(nil, "entry %d", i))
	}
	for size := int64(1); size <= n; size++ {
		for i := range size {
			e := log.Entry(i, size)
			if err := verifyProof(e.InclusionProof, e.CanonicalizedBody); err != nil {
				t.Errorf("entry %d of %d: %v", i, size, err)
			}
			if err := verifyProof(e.InclusionProof, []byte("another entry")); err == nil {
				t.Errorf("entry %d of %d: the proof proves another entry", i, size)
			}
		}
	}
}

// TestCheckpointsVerify opens checkpoints of every kind of log key with
// rekor-tiles' verifier.
func TestCheckpointsVerify(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, a := range []sandbox.Algorithm{sandbox.Ed25519, sandbox.P256, sandbox.P384, sandbox.RSA2048, sandbox.MLDSA44} {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			log := s.NewLog("log-"+fmt.Sprint(int(a)), &sandbox.LogOptions{Algorithm: a})
			log.Witnesses = []*sandbox.Witness{s.NewWitness("w")}
			v, err := signature.LoadDefaultVerifier(log.Key.Public())
			if err != nil {
				t.Fatal(err)
			}
			nv, err := note.NewNoteVerifier(log.Host, v)
			if err != nil {
				t.Fatal(err)
			}
			checkpoint := log.Checkpoint(3)
			c, err := tiles.VerifyCheckpoint(checkpoint, nv)
			if err != nil {
				t.Fatalf("%v\n%s", err, checkpoint)
			}
			if c.Size != 3 || !bytes.Equal(c.Hash, log.Root(3)) {
				t.Errorf("got %+v", c)
			}
			spoilt := strings.Replace(checkpoint, "\n3\n", "\n4\n", 1)
			if _, err := tiles.VerifyCheckpoint(spoilt, nv); err == nil {
				t.Error("a checkpoint of another size verifies")
			}
			if lines := strings.Count(checkpoint, "\n— "); lines != 2 {
				t.Errorf("got %d signatures, want the log's and the witness's", lines)
			}
		})
	}
}

// TestForkIsAnotherTree: a fork is signed as the log is, and consistent with
// it at no size.
func TestForkIsAnotherTree(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	log := s.RekorV2
	fork := log.Fork()
	if !bytes.Equal(fork.ID(), log.ID()) || fork.Size() != log.Size() {
		t.Error("the fork is told apart by its name or size")
	}
	for size := int64(1); size <= log.Size(); size++ {
		if bytes.Equal(fork.Root(size), log.Root(size)) {
			t.Errorf("size %d: the same root", size)
		}
	}
	if fork.Append(sandbox.HashedRekord002, []byte("x")); fork.Size() != log.Size()+1 {
		t.Error("an entry in the fork is one in the log")
	}
}
