package verify

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// fuzzSigned returns a sandbox's trust and a bundle of each kind of entry that
// its logs record.
func fuzzSigned(f *testing.F) (*trustroot.Config, []*protobundle.Bundle) {
	f.Helper()
	s, err := sandbox.New(&sandbox.Options{Seed: "fuzz"})
	if err != nil {
		f.Fatal(err)
	}
	s.RekorV2.Witnesses = append(s.RekorV2.Witnesses, s.NewWitness("witness"))
	artifact := []byte("hello\n")
	statement, err := sandbox.Statement("https://example.com/p", nil, sandbox.Subject{Name: "hello", Content: artifact})
	if err != nil {
		f.Fatal(err)
	}
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	var bundles []*protobundle.Bundle
	for _, o := range []sandbox.SignOptions{
		{Artifact: artifact, Logs: v1},
		{Artifact: artifact, Logs: v2},
		{Artifact: artifact, Logs: v2, Key: s.Key("release", sandbox.P384)},
		{Statement: statement, Logs: v1},
		{Statement: statement, Logs: v1, Kind: sandbox.Intoto002},
		{Statement: statement, Logs: v2, Kind: sandbox.DSSE002},
	} {
		b, err := s.Sign(o)
		if err != nil {
			f.Fatal(err)
		}
		bundles = append(bundles, b)
	}
	trust, err := s.Config()
	if err != nil {
		f.Fatal(err)
	}
	return trust, bundles
}

// FuzzTimestamp: no token but those that the authority signed is believed,
// whatever is done to them, and what is parsed is within bounds and has no
// second reading.
func FuzzTimestamp(f *testing.F) {
	trust, bundles := fuzzSigned(f)
	require := DefaultRequirements()
	require.Now, require.AnyIdentity = sandbox.Birth, true
	v, err := New(trust, require)
	if err != nil {
		f.Fatal(err)
	}
	honest := make(map[string]bool) // what the authority signed
	var messages [][]byte
	for i, b := range bundles {
		der := b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp
		message := b.GetMessageSignature().GetSignature()
		if message == nil {
			message = b.GetDsseEnvelope().Signatures[0].Sig
		}
		token, err := parseTimestamp(der)
		if err != nil || len(token.content) == 0 {
			f.Fatalf("seed %d: got %v, want an honest timestamp", i, err)
		}
		if _, err := v.verifyTimestamp(der, message); err != nil {
			f.Fatalf("seed %d: %v", i, err)
		}
		honest[string(token.content)] = true
		messages = append(messages, message)
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		token, err := parseTimestamp(der)
		if err != nil {
			if token != nil || err.Error() == "" {
				t.Fatalf("got a token: %t, with error %q", token != nil, err)
			}
			return
		}
		if len(token.certificates) > maxTokenCertificates || token.imprintHash.Size() < 32 || token.info.Serial == nil {
			t.Fatalf("got %d certificates, an imprint by %v, serial number %v", len(token.certificates), token.imprintHash, token.info.Serial)
		}
		if _, err := parseTimestamp(append(slices.Clone(der), 0)); err == nil {
			t.Fatal("a byte after the token makes no difference")
		}
		_ = token.signerName()
		for _, message := range messages {
			got, err := v.verifyTimestamp(der, message)
			if err == nil && (!honest[string(token.content)] || !got.time.Equal(token.info.GenTime)) {
				t.Fatalf("believed a token that nobody made: %x", token.content)
			}
		}
	})
}

// FuzzCheckpoint: no checkpoint but those that the log signed is opened, and
// what is read from one is what it says.
func FuzzCheckpoint(f *testing.F) {
	trust, bundles := fuzzSigned(f)
	honest := make(map[string]bool)
	for i, b := range bundles {
		text := b.VerificationMaterial.TlogEntries[0].InclusionProof.Checkpoint.Envelope
		signed, _, ok := strings.Cut(text, "\n\n")
		if !ok {
			f.Fatalf("seed %d: %q is no note", i, text)
		}
		honest[signed+"\n"] = true
		opened := 0
		for _, log := range trust.Root.Logs {
			if _, err := openCheckpoint(text, log); err == nil {
				opened++
			}
		}
		if opened != 1 {
			f.Fatalf("seed %d: %d logs signed it, want one", i, opened)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, log := range trust.Root.Logs {
			c, err := openCheckpoint(text, log)
			if err != nil {
				if c != nil || err.Error() == "" {
					t.Fatalf("got a checkpoint: %t, with error %q", c != nil, err)
				}
				continue
			}
			// A note ends its text at the last empty line.
			signed := text[:strings.LastIndex(text, "\n\n")+1]
			if !honest[signed] {
				t.Fatalf("opened a checkpoint that nobody signed: %q", text)
			}
		}
		c, err := parseCheckpoint(text)
		if err != nil {
			return
		}
		if c.size <= 0 || len(c.root) != 32 {
			t.Fatalf("got size %d and a root of %d bytes", c.size, len(c.root))
		}
		if again := fmt.Sprintf("%s\n%d\n", c.origin, c.size); !strings.HasPrefix(text, again) {
			t.Fatalf("%q was read as %q", text, again)
		}
	})
}

// FuzzLogBody: a body has one signature, one signer and one digest, and says
// itself of which kind it is.
func FuzzLogBody(f *testing.F) {
	_, bundles := fuzzSigned(f)
	for i, b := range bundles {
		e := b.VerificationMaterial.TlogEntries[0]
		if _, err := parseBody(&bundle.LogEntry{Kind: e.KindVersion.Kind, Version: e.KindVersion.Version, Body: e.CanonicalizedBody}); err != nil {
			f.Fatalf("seed %d: %v", i, err)
		}
		f.Add(e.KindVersion.Kind, e.KindVersion.Version, e.CanonicalizedBody)
	}
	f.Fuzz(func(t *testing.T, kind, version string, text []byte) {
		body, err := parseBody(&bundle.LogEntry{Kind: kind, Version: version, Body: text})
		if err != nil {
			if body != nil || err.Error() == "" {
				t.Fatalf("got a body: %t, with error %q", body != nil, err)
			}
			return
		}
		if body.digest.IsZero() || body.certificate != nil && body.key != nil {
			t.Fatalf("got digest %v, a certificate: %t, a key: %t", body.digest, body.certificate != nil, body.key != nil)
		}
		if want := map[string]generation{"0.0.1": rekorV1, "0.0.2": rekorV2}[version]; body.generation != want && kind != "intoto" {
			t.Fatalf("%s/%s: got generation %d", kind, version, body.generation)
		}
		if !bytes.Contains(text, []byte(kind)) || !bytes.Contains(text, []byte(version)) {
			t.Fatalf("%s/%s is nowhere in %q", kind, version, text)
		}
		for other := range bodyParsers {
			k, v, _ := strings.Cut(other, "/")
			if k == kind && v == version {
				continue
			}
			if _, err := parseBody(&bundle.LogEntry{Kind: k, Version: v, Body: text}); err == nil {
				t.Fatalf("a body of %s/%s is also one of %s", kind, version, other)
			}
		}
	})
}
