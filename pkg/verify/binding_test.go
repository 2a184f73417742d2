package verify_test

import (
	"bytes"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// A fault is what an attack changes in an honest trial, and the check that must
// see it.
type fault struct {
	name   string
	o      sandbox.SignOptions // of the honest trial
	bend   func(t *testing.T, c *trial)
	id     verify.CheckID
	detail string
}

// rejectsEach runs every fault beside its twin, which is the same trial unbent.
func rejectsEach(t *testing.T, s *sandbox.Sandbox, faults []fault) {
	t.Helper()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			honest(t, s, f.o).accepted(t)
			c := honest(t, s, f.o)
			f.bend(t, c)
			c.rejected(t, f.id, f.detail)
		})
	}
}

// firstEntry is the bundle's first log entry, for bending.
func (c *trial) firstEntry() *rekorv1.TransparencyLogEntry { return c.material().TlogEntries[0] }

// kind is that of the first entry.
func (c *trial) kind() sandbox.Kind {
	k := c.firstEntry().KindVersion
	return sandbox.Kind{Name: k.Kind, Version: k.Version}
}

// log is the log of the first entry.
func (c *trial) log() *sandbox.Log {
	for _, l := range []*sandbox.Log{c.RekorV1, c.RekorV2} {
		if bytes.Equal(l.ID(), c.firstEntry().LogId.KeyId) {
			return l
		}
	}
	panic("an entry of no usual log")
}

// append has the log of the first entry take another in its place, with the
// promise and the proof that the first one has.
func (c *trial) append(log *sandbox.Log, kind sandbox.Kind, body []byte) {
	old, e := c.firstEntry(), log.Append(kind, body)
	if old.InclusionPromise == nil && c.log().Version == 1 {
		e.InclusionPromise = nil
	}
	if old.InclusionProof == nil {
		e.InclusionProof = nil
	}
	c.material().TlogEntries[0] = e
}

// editBody logs the first entry's body with a text in it replaced.
func (c *trial) editBody(t *testing.T, old, new string) {
	t.Helper()
	body := c.firstEntry().CanonicalizedBody
	if !bytes.Contains(body, []byte(old)) {
		t.Fatalf("the body has no %q: %s", old, body)
	}
	c.append(c.log(), c.kind(), bytes.Replace(body, []byte(old), []byte(new), 1))
}

// relog logs the bundle's own signature, with something about it changed.
func (c *trial) relog(t *testing.T, kind sandbox.Kind, change func(*sandbox.Signed)) {
	t.Helper()
	signed := c.signed()
	change(&signed)
	body, err := sandbox.Body(kind, signed)
	if err != nil {
		t.Fatal(err)
	}
	c.append(c.log(), kind, body)
}

// signed is what an honest entry of the bundle is about.
func (c *trial) signed() sandbox.Signed {
	signed := sandbox.Signed{Algorithm: sandbox.P256, Hash: sha256Hash, Leaf: chainLeaf(c.Bundle)}
	if env := c.Bundle.GetDsseEnvelope(); env != nil {
		signed.Envelope, signed.Signature = env, env.Signatures[0].Sig
		signed.Digest = sum256(sandbox.PAE(env.PayloadType, env.Payload))
		return signed
	}
	m := c.Bundle.GetMessageSignature()
	signed.Signature, signed.Digest = m.Signature, m.MessageDigest.Digest
	return signed
}

// entryKinds are the ways in which logs hold a signature.
func entryKinds(t *testing.T, s *sandbox.Sandbox) map[string]sandbox.SignOptions {
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	return map[string]sandbox.SignOptions{
		"message-v1":       {Logs: v1},
		"message-v1-proof": {Logs: v1, NoPromise: true},
		"message-v1-SET":   {Logs: v1, NoProof: true, MediaType: sandbox.MediaTypeV01},
		"message-v2":       {Logs: v2},
		"dsse-v1":          {Logs: v1, Statement: statement(t)},
		"intoto-v1":        {Logs: v1, Statement: statement(t), Kind: sandbox.Intoto002},
		"dsse-v2":          {Logs: v2, Statement: statement(t), Kind: sandbox.DSSE002},
		"envelope-v2":      {Logs: v2, Statement: statement(t)},
	}
}

// TestEntriesAreAboutTheBundle gives bundles entries that are right in
// themselves, and about something else.
func TestEntriesAreAboutTheBundle(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	stranger, err := s.Fulcio.Issue(sandbox.Request{SANs: []sandbox.SAN{sandbox.Email("mallory@example.com")}})
	if err != nil {
		t.Fatal(err)
	}
	var faults []fault
	for name, o := range entryKinds(t, s) {
		faults = append(faults,
			fault{"B01-entry-of-another-bundle/" + name, o, func(t *testing.T, c *trial) {
				c.material().TlogEntries = honest(t, s, o).material().TlogEntries
			}, verify.CheckLogBinding, "about another signature"},
			fault{"B02-entry-of-another-signer/" + name, o, func(t *testing.T, c *trial) {
				c.relog(t, c.kind(), func(*sandbox.Signed) {})
				c.accepted(t)
				c.relog(t, c.kind(), func(signed *sandbox.Signed) { signed.Leaf = stranger.DER })
			}, verify.CheckLogBinding, "about another signer"},
			fault{"B02-entry-of-the-bare-key/" + name, o, func(t *testing.T, c *trial) {
				c.relog(t, c.kind(), func(signed *sandbox.Signed) { signed.Leaf, signed.Key = nil, stranger.Key })
			}, verify.CheckLogBinding, "found the key"},
		)
		if o.Statement == nil {
			faults = append(faults, fault{"B03-entry-with-another-digest/" + name, o, func(t *testing.T, c *trial) {
				c.relog(t, c.kind(), func(signed *sandbox.Signed) { signed.Digest = sum256([]byte("other")) })
			}, verify.CheckLogBinding, "the entry is about sha256:"})
			continue
		}
		faults = append(faults, fault{"B04-entry-of-another-envelope/" + name, o, func(t *testing.T, c *trial) {
			c.relog(t, c.kind(), func(signed *sandbox.Signed) {
				other := honest(t, s, sandbox.SignOptions{Statement: bytes.Replace(statement(t), []byte("true"), []byte("null"), 1)}).signed()
				signed.Envelope.Payload, other.Envelope.Payload = other.Envelope.Payload, signed.Envelope.Payload
				signed.Digest, other.Envelope = other.Digest, signed.Envelope
			})
			c.Bundle.GetDsseEnvelope().Payload = statement(t)
		}, verify.CheckLogBinding, "about a payload with digest"})
	}
	rejectsEach(t, s, faults)
}

// chainLeaf is the signer's certificate, however the bundle has it.
func chainLeaf(b *protobundle.Bundle) []byte {
	if chain := b.VerificationMaterial.GetX509CertificateChain(); chain != nil {
		return chain.Certificates[0].RawBytes
	}
	return b.VerificationMaterial.GetCertificate().GetRawBytes()
}

// TestGenerationsDoNotMix: an entry is of Rekor v1 or v2 in every part.
func TestGenerationsDoNotMix(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	proofOnly := sandbox.SignOptions{Logs: v1, NoPromise: true}
	attest := sandbox.SignOptions{Logs: v1, NoPromise: true, Statement: statement(t)}
	same := func(*sandbox.Signed) {}
	into := func(log *sandbox.Log, kind sandbox.Kind, change func(*sandbox.Signed)) func(*testing.T, *trial) {
		return func(t *testing.T, c *trial) {
			c.relog(t, kind, change)
			c.append(log, kind, c.firstEntry().CanonicalizedBody)
			if kind == sandbox.HashedRekord002 || kind == sandbox.DSSE002 {
				c.firstEntry().LogIndex = c.firstEntry().InclusionProof.LogIndex // as Rekor v2 has it
			}
		}
	}
	rejectsEach(t, s, []fault{
		{"B05-v2-body-of-another-signer-under-v1-checkpoint", proofOnly, into(s.RekorV1, sandbox.HashedRekord002, func(signed *sandbox.Signed) {
			*signed = honest(t, s, sandbox.SignOptions{}).signed()
		}), verify.CheckLogBinding, "about another signature"},
		{"B05-v2-body-under-v1-checkpoint", proofOnly, into(s.RekorV1, sandbox.HashedRekord002, same), verify.CheckLogCheckpoint, "Rekor v2 has a checkpoint of Rekor v1"},
		{"B05-v2-dsse-under-v1-checkpoint", attest, into(s.RekorV1, sandbox.DSSE002, same), verify.CheckLogCheckpoint, "Rekor v2 has a checkpoint of Rekor v1"},
		{"B05-v2-body-with-promise", sandbox.SignOptions{Logs: v1}, into(s.RekorV1, sandbox.HashedRekord002, same), verify.CheckLogPromise, "Rekor v2 has no signed entry timestamp"},
		{"B05-v1-body-under-v2-checkpoint", sandbox.SignOptions{Logs: v2}, into(s.RekorV2, sandbox.HashedRekord001, same), verify.CheckLogCheckpoint, "Rekor v1 has a checkpoint of Rekor v2"},
		{"B05-v1-dsse-under-v2-checkpoint", sandbox.SignOptions{Logs: v2, Statement: statement(t)}, into(s.RekorV2, sandbox.DSSE001, same), verify.CheckLogCheckpoint, "Rekor v1 has a checkpoint of Rekor v2"},
		{"B05-v1-body-in-v2-log-promised", sandbox.SignOptions{Logs: v2}, func(t *testing.T, c *trial) {
			into(s.RekorV2, sandbox.HashedRekord001, same)(t, c)
			e := c.firstEntry()
			e.IntegratedTime = s.Now().Unix()
			e.InclusionPromise = &rekorv1.InclusionPromise{SignedEntryTimestamp: s.RekorV2.SignSET(e.CanonicalizedBody, e.IntegratedTime, e.LogIndex)}
		}, verify.CheckLogCheckpoint, "Rekor v1 has a checkpoint of Rekor v2"},
		{"B10-version-of-v2-on-v1-body", sandbox.SignOptions{Logs: v1}, func(_ *testing.T, c *trial) { c.firstEntry().KindVersion.Version = "0.0.2" }, verify.CheckLogBinding, "its body says"},
		{"B10-version-of-v1-on-v2-body", sandbox.SignOptions{Logs: v2}, func(_ *testing.T, c *trial) { c.firstEntry().KindVersion.Version = "0.0.1" }, verify.CheckLogBinding, "its body says"},
		{"B10-kind-of-envelope-on-message", sandbox.SignOptions{Logs: v1}, func(_ *testing.T, c *trial) { c.firstEntry().KindVersion.Kind = "dsse" }, verify.CheckLogBinding, "its body says"},
		{"B10-kind-in-another-case", sandbox.SignOptions{Logs: v1}, func(_ *testing.T, c *trial) { c.firstEntry().KindVersion.Kind = "HashedRekord" }, verify.CheckLogBinding, `found "HashedRekord/0.0.1"`},
		{"B10-kind-with-the-version-in-it", sandbox.SignOptions{Logs: v1}, func(_ *testing.T, c *trial) { c.firstEntry().KindVersion.Kind = "hashedrekord/0.0.1" }, verify.CheckLogBinding, "expected an entry of kind"},
		{"B10-no-version", sandbox.SignOptions{Logs: v1}, func(_ *testing.T, c *trial) { c.firstEntry().KindVersion.Version = "" }, verify.CheckParse, "kindVersion: missing"},
		{"B10-body-of-another-kind", sandbox.SignOptions{Logs: v1}, func(t *testing.T, c *trial) { c.editBody(t, `"kind":"hashedrekord"`, `"kind":"rekord"`) }, verify.CheckLogBinding, "its body says"},
		{"B10-message-for-an-envelope", attest, into(s.RekorV1, sandbox.HashedRekord001, same), verify.CheckLogBinding, "is about a message signature"},
		{"B10-envelope-for-a-message", sandbox.SignOptions{Logs: v1}, func(t *testing.T, c *trial) {
			c.relog(t, sandbox.DSSE001, func(signed *sandbox.Signed) {
				signed.Envelope = honest(t, s, attest).Bundle.GetDsseEnvelope()
			})
		}, verify.CheckLogBinding, "is about an attestation"},
	})
}

// TestUnprovedIndexIsNotReported: nobody signs the log index of an entry of
// Rekor v1 that has a proof alone. It may say anything, and is shown nowhere.
func TestUnprovedIndexIsNotReported(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	const invented = 777777777
	t.Run("B09-v1-proof-alone", func(t *testing.T) {
		t.Parallel()
		promised := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}})
		if e := promised.accepted(t).Entries[0]; e.LogIndex != promised.firstEntry().LogIndex {
			t.Errorf("promised: got index %d, want %d", e.LogIndex, promised.firstEntry().LogIndex)
		}
		c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}, NoPromise: true})
		c.firstEntry().LogIndex = invented
		rep := c.accepted(t)
		text, err := rep.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if e := rep.Entries[0]; e.LogIndex != -1 || e.TreeIndex != c.firstEntry().InclusionProof.LogIndex {
			t.Errorf("got %+v, want no log index", e)
		}
		if strings.Contains(string(text), "777777777") || strings.Contains(dump(rep), "777777777") {
			t.Errorf("the report shows the invented index: %s", text)
		}
	})
	wrong := func(_ *testing.T, c *trial) { c.firstEntry().LogIndex++ }
	rejectsEach(t, s, []fault{
		{"B09-v2", sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}}, wrong, verify.CheckLogInclusion, "is proved to have index"},
		{"B09-v1-promised", sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}}, wrong, verify.CheckLogPromise, "not the log's"},
	})
}
