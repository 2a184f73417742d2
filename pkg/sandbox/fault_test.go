package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// TestFaultsAreSeen turns on each fault and has sigstore-go see it, or, where
// sigstore-go does not look, a check of our own. Without the fault the same
// check sees nothing.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	direct := map[sandbox.Fault]func(*sandbox.Sandbox, *protobundle.Bundle) error{
		sandbox.ForkedLog:      checkFork,
		sandbox.CheckpointSize: checkSize,
		sandbox.OtherKind:      checkKind,
	}
	for _, fault := range sandbox.Faults() {
		for version := 1; version <= 2; version++ {
			if fault == sandbox.BadSET && version == 2 {
				continue // Rekor v2 gives no promises
			}
			t.Run(fmt.Sprintf("%s/v%d", fault, version), func(t *testing.T) {
				t.Parallel()
				s := newSandbox(t)
				log := map[int]*sandbox.Log{1: s.RekorV1, 2: s.RekorV2}[version]
				check := direct[fault]
				switch {
				case fault == sandbox.CheckpointOrigin && version == 1:
					check = checkOrigin
				case check == nil:
					check = func(s *sandbox.Sandbox, b *protobundle.Bundle) error { return judge(b, s.TrustedRoot(), nil) }
				}
				sign := func() *protobundle.Bundle {
					return must(s.Sign(sandbox.SignOptions{Artifact: artifact, Logs: []*sandbox.Log{log}}))
				}
				if err := check(s, sign()); err != nil {
					t.Fatalf("before the fault: %v", err)
				}
				s.Misbehave(fault)
				if err := check(s, sign()); err == nil {
					t.Error("nobody sees the fault")
				}
				s.Misbehave(sandbox.Honest)
				if err := check(s, sign()); err != nil {
					t.Errorf("after the fault: %v", err)
				}
			})
		}
	}
}

// checkFork compares the entry's tree with the log's own at the same size, or
// the log's own now that it has grown past it.
func checkFork(s *sandbox.Sandbox, b *protobundle.Bundle) error {
	e := b.VerificationMaterial.TlogEntries[0]
	log := s.RekorV1
	if !bytes.Equal(e.LogId.KeyId, log.ID()) {
		log = s.RekorV2
	}
	if err := judge(b, s.TrustedRoot(), nil); err != nil {
		return nil // a fork must be signed and proved as well as the log is
	}
	if log.Size() < e.InclusionProof.TreeSize {
		log.Append(sandbox.HashedRekord002, []byte("the log's own"))
	}
	if !bytes.Equal(log.Root(e.InclusionProof.TreeSize), e.InclusionProof.RootHash) {
		return fmt.Errorf("another tree")
	}
	return nil
}

func checkpointLine(b *protobundle.Bundle, n int) string {
	return strings.Split(b.VerificationMaterial.TlogEntries[0].InclusionProof.Checkpoint.Envelope, "\n")[n]
}

func checkSize(_ *sandbox.Sandbox, b *protobundle.Bundle) error {
	size := b.VerificationMaterial.TlogEntries[0].InclusionProof.TreeSize
	if got := checkpointLine(b, 1); got != fmt.Sprint(size) {
		return fmt.Errorf("checkpoint of size %s, proof of %d", got, size)
	}
	return nil
}

func checkOrigin(s *sandbox.Sandbox, b *protobundle.Bundle) error {
	if got := checkpointLine(b, 0); got != s.RekorV1.Origin() {
		return fmt.Errorf("checkpoint of %q", got)
	}
	return nil
}

func checkKind(_ *sandbox.Sandbox, b *protobundle.Bundle) error {
	e := b.VerificationMaterial.TlogEntries[0]
	var body struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal(e.CanonicalizedBody, &body); err != nil {
		return err
	}
	if body.Kind != e.KindVersion.Kind || body.APIVersion != e.KindVersion.Version {
		return fmt.Errorf("body %v, entry %v", body, e.KindVersion)
	}
	return nil
}
