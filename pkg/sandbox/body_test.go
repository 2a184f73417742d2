package sandbox_test

import (
	"bytes"
	"testing"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/go-openapi/runtime"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	rekortiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	"github.com/sigstore/rekor-tiles/v2/pkg/types/hashedrekord"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// entryOf signs with one log entry and returns it.
func entryOf(s *sandbox.Sandbox, log *sandbox.Log, o sandbox.SignOptions) *rekorv1.TransparencyLogEntry {
	o.Logs = []*sandbox.Log{log}
	return must(s.Sign(o)).VerificationMaterial.TlogEntries[0]
}

// TestRekorV1BodiesAreTheServers has the server's own code read each body and
// write it again: the bytes stay as they are.
func TestRekorV1BodiesAreTheServers(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, o := range map[string]sandbox.SignOptions{
		"hashedrekord":      {Artifact: artifact},
		"hashedrekord-p384": {Artifact: artifact, Key: s.Key("k", sandbox.P384)},
		"hashedrekord-key":  {Artifact: artifact, Key: s.Key("k", sandbox.P256)},
		"dsse":              {Statement: statement()},
		"dsse-key":          {Statement: statement(), Key: s.Key("k", sandbox.P256)},
		"intoto":            {Statement: statement(), Kind: sandbox.Intoto002},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := entryOf(s, s.RekorV1, o)
			proposed, err := models.UnmarshalProposedEntry(bytes.NewReader(e.CanonicalizedBody), runtime.JSONConsumer())
			if err != nil {
				t.Fatal(err)
			}
			entry, err := types.UnmarshalEntry(proposed)
			if err != nil {
				t.Fatal(err)
			}
			if proposed.Kind() != e.KindVersion.Kind || entry.APIVersion() != e.KindVersion.Version {
				t.Errorf("got %s %s, want %v", proposed.Kind(), entry.APIVersion(), e.KindVersion)
			}
			again, err := types.CanonicalizeEntry(t.Context(), entry)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, e.CanonicalizedBody) {
				t.Errorf("got  %s\nwant %s", e.CanonicalizedBody, again)
			}
			if e.LogIndex == e.InclusionProof.LogIndex {
				t.Error("the index in the log is that in the tree")
			}
		})
	}
}

func TestRekorV2BodiesAreTheServers(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, o := range map[string]sandbox.SignOptions{
		"hashedrekord":         {Artifact: artifact},
		"hashedrekord-key":     {Artifact: artifact, Key: s.Key("k", sandbox.P384)},
		"hashedrekord-ed25519": {Artifact: artifact, Leaf: must(s.Fulcio.Issue(sandbox.Request{Algorithm: sandbox.Ed25519}))},
		"hashedrekord-pae":     {Statement: statement()},
		"dsse":                 {Statement: statement(), Kind: sandbox.DSSE002},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := entryOf(s, s.RekorV2, o)
			var entry rekortiles.Entry
			if err := protojson.Unmarshal(e.CanonicalizedBody, &entry); err != nil {
				t.Fatal(err)
			}
			if entry.Kind != e.KindVersion.Kind || entry.ApiVersion != e.KindVersion.Version {
				t.Errorf("got %s %s, want %v", entry.Kind, entry.ApiVersion, e.KindVersion)
			}
			if e.InclusionPromise != nil || e.IntegratedTime != 0 {
				t.Error("an entry of Rekor v2 has a promise or a time")
			}
			again := must(jsoncanonicalizer.Transform(must(protojson.Marshal(&entry))))
			if !bytes.Equal(again, e.CanonicalizedBody) {
				t.Errorf("got  %s\nwant %s", e.CanonicalizedBody, again)
			}
			record := entry.GetSpec().GetHashedRekordV002()
			if record == nil {
				return // an envelope's entry, of which the server's code has no more
			}
			want, err := hashedrekord.ToEntryHash(record.GetData().GetDigest(), record.GetSignature())
			if err != nil {
				t.Fatal(err)
			}
			if got := leafHash(e.CanonicalizedBody); !bytes.Equal(got, want) {
				t.Errorf("got leaf hash %x, want %x, of %s", got, want, e.CanonicalizedBody)
			}
		})
	}
}

// TestStrangersBodyIsAnEnvelopesToo: a log that records a stranger's signature
// keeps to the form of what it was asked to record.
func TestStrangersBodyIsAnEnvelopesToo(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	o := sandbox.SignOptions{Statement: statement(), Logs: []*sandbox.Log{s.RekorV1}, TSAs: []*sandbox.TSA{}}
	if err := judge(must(s.Sign(o)), s.TrustedRoot(), nil); err != nil {
		t.Error(err)
	}
	s.Misbehave(sandbox.WrongBody)
	b := must(s.Sign(o))
	if kind := b.VerificationMaterial.TlogEntries[0].KindVersion.Kind; kind != "dsse" {
		t.Errorf("got an entry of kind %q", kind)
	}
	if err := judge(b, s.TrustedRoot(), nil); err == nil {
		t.Error("a stranger's entry is taken")
	}
}

func TestBodyRefusesWhatItCannotHold(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	if _, err := s.Sign(sandbox.SignOptions{Artifact: artifact, Kind: sandbox.DSSE001}); err == nil {
		t.Error("an envelope's entry for a message")
	}
	if _, err := s.Sign(sandbox.SignOptions{Statement: statement(), Kind: sandbox.Kind{Name: "rpm", Version: "0.0.1"}}); err == nil {
		t.Error("an entry of a kind that bundles do not have")
	}
	if _, err := s.Sign(sandbox.SignOptions{}); err == nil {
		t.Error("a bundle about nothing")
	}
}
