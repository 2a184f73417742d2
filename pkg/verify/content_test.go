package verify_test

import (
	"testing"

	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

var other = []byte("another artifact\n")

// known returns an artifact of which only these digests are known.
func known(digests ...bundle.Digest) []*verify.Artifact {
	return []*verify.Artifact{{Name: "artifact", Digests: digests}}
}

// TestMessageIsAboutTheArtifact: what was signed is what the caller holds, by
// content and by whatever digest the caller knows.
func TestMessageIsAboutTheArtifact(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	message := sandbox.SignOptions{}
	// restate has bundle and log entry state another digest, and leaves the
	// signature as it is.
	restate := func(t *testing.T, c *trial) {
		c.Bundle.GetMessageSignature().MessageDigest.Digest = sum256(other)
		c.relog(t, sandbox.HashedRekord002, func(*sandbox.Signed) {})
	}
	with := func(artifacts ...*verify.Artifact) func(*testing.T, *trial) {
		return func(_ *testing.T, c *trial) { c.Artifacts = artifacts }
	}
	sum := bundle.Sum
	rejectsEach(t, s, []fault{
		{"B11-message-digest-of-another-artifact", message, restate, verify.CheckArtifact, "about another artifact"},
		{"B11-message-digest-of-another-artifact-by-digest", message, func(t *testing.T, c *trial) {
			restate(t, c)
			c.Artifacts = known(sum(bundle.SHA256, hello))
		}, verify.CheckArtifact, "about another artifact"},
		{"B11-message-digest-of-the-artifact-signature-of-another", message, func(t *testing.T, c *trial) {
			restate(t, c)
			c.Artifacts = known(sum(bundle.SHA256, other))
		}, verify.CheckSignature, "not made by the signer's key over this content"},
		{"B11-another-artifact", message, with(artifactOf(other)), verify.CheckArtifact, "about another artifact"},
		{"B11-empty-artifact", message, with(artifactOf(nil)), verify.CheckArtifact, "about another artifact"},
		{"B11-digest-of-another-artifact", message, with(known(sum(bundle.SHA256, other))...), verify.CheckArtifact, "about another artifact"},
		{"B11-digest-right-by-one-algorithm-alone", message, with(known(sum(bundle.SHA512, hello), sum(bundle.SHA256, other))...), verify.CheckArtifact, "about another artifact"},
		{"B12-sha512-digest-alone", message, with(known(sum(bundle.SHA512, hello))...), verify.CheckArtifact, "of another algorithm than the bundle's"},
		{"B12-sha384-digest-alone", message, with(known(sum(bundle.SHA384, hello))...), verify.CheckArtifact, "of another algorithm than the bundle's"},
		{"B12-sha512-digest-alone-of-a-statement", sandbox.SignOptions{Statement: statement(t)}, with(known(sum(bundle.SHA512, hello))...), verify.CheckArtifact, "is not a subject"},
		{"B13-no-digest", message, with(known()...), verify.CheckArtifact, "no digest"},
		{"B13-zero-digest", message, with(known(bundle.Digest{})...), verify.CheckArtifact, "of another algorithm"},
		{"B13-zero-digest-of-a-statement", sandbox.SignOptions{Statement: statement(t)}, with(known(bundle.Digest{})...), verify.CheckArtifact, "is not a subject"},
		{"B13-nil-artifact", message, with(nil), verify.CheckArtifact, "an artifact is missing"},
		{"B13-nil-beside-the-artifact", sandbox.SignOptions{Statement: statement(t)}, with(artifactOf(hello), nil), verify.CheckArtifact, "an artifact is missing"},
	})
	t.Run("B11-twin-by-digest", func(t *testing.T) {
		c := honest(t, s, message)
		c.Artifacts = known(sum(bundle.SHA512, other), sum(bundle.SHA256, hello))
		c.accepted(t)
	})
}

// TestDigestsAreWhatTheySay: no digest exists with another length than its
// algorithm's, whoever makes it.
func TestDigestsAreWhatTheySay(t *testing.T) {
	t.Parallel()
	d := bundle.Sum(bundle.SHA256, hello)
	for name, text := range map[string]string{
		"B12-sha512-of-32-bytes": "sha512:" + d.Hex(),
		"B12-sha384-of-32-bytes": "sha384:" + d.Hex(),
		"B12-md5-of-32-bytes":    "md5:" + d.Hex(),
		"B12-upper-case":         "SHA256:" + d.Hex(),
		"B12-no-algorithm":       ":" + d.Hex(),
		"B12-bare":               d.Hex(),
		"B13-short":              "sha256:" + d.Hex()[2:],
		"B13-long":               "sha256:" + d.Hex() + "00",
		"B13-empty":              "sha256:",
		"B13-nothing":            "",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := bundle.ParseDigest(d.String()); err != nil || got != d {
				t.Fatalf("twin: got %v, %v", got, err)
			}
			if got, err := bundle.ParseDigest(text); err == nil || !got.IsZero() {
				t.Errorf("%q: got %v, want an error", text, got)
			}
		})
	}
	t.Run("B13-nil", func(t *testing.T) {
		if got, err := bundle.NewDigest(bundle.SHA256, nil); err == nil || !got.IsZero() {
			t.Errorf("got %v, want an error", got)
		}
	})
}

// TestEnvelopesAreWhatWasSigned: one signature, over the type and the payload.
func TestEnvelopesAreWhatWasSigned(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	envelope := func(bend func(*protodsse.Envelope)) func(*testing.T, *trial) {
		return func(_ *testing.T, c *trial) { bend(c.Bundle.GetDsseEnvelope()) }
	}
	var faults []fault
	for log, o := range map[string]sandbox.SignOptions{
		"v1": {Logs: []*sandbox.Log{s.RekorV1}, Statement: statement(t)},
		"v2": {Logs: []*sandbox.Log{s.RekorV2}, Statement: statement(t)},
	} {
		faults = append(faults,
			fault{"B14-no-signature/" + log, o, envelope(func(e *protodsse.Envelope) { e.Signatures = nil }), verify.CheckParse, "expected exactly one signature, found 0"},
			fault{"B14-the-signature-twice/" + log, o, envelope(func(e *protodsse.Envelope) { e.Signatures = append(e.Signatures, e.Signatures[0]) }), verify.CheckParse, "found 2"},
			fault{"B14-another-signature-after/" + log, o, envelope(func(e *protodsse.Envelope) {
				e.Signatures = append(e.Signatures, &protodsse.Signature{Sig: []byte("other")})
			}), verify.CheckParse, "found 2"},
			fault{"B14-another-signature-before/" + log, o, envelope(func(e *protodsse.Envelope) {
				e.Signatures = append([]*protodsse.Signature{{Sig: []byte("other")}}, e.Signatures...)
			}), verify.CheckParse, "found 2"},
			fault{"B14-empty-signature/" + log, o, envelope(func(e *protodsse.Envelope) { e.Signatures[0].Sig = nil }), verify.CheckParse, "expected 1 to"},
			fault{"B15-payload-type/" + log, o, envelope(func(e *protodsse.Envelope) { e.PayloadType = "application/vnd.in-toto.v2+json" }), verify.CheckSignature, "not made by the signer's key"},
			fault{"B15-payload-type-and-a-space/" + log, o, envelope(func(e *protodsse.Envelope) { e.PayloadType += " " }), verify.CheckContent, "does not hold a statement"},
			fault{"B15-no-payload-type/" + log, o, envelope(func(e *protodsse.Envelope) { e.PayloadType = "" }), verify.CheckParse, "payloadType: missing"},
			fault{"B15-payload/" + log, o, envelope(func(e *protodsse.Envelope) { e.Payload = append(e.Payload, ' ') }), verify.CheckSignature, "not made by the signer's key"},
		)
	}
	rejectsEach(t, s, faults)
	t.Run("B15-payload-type-of-something-else-signed", func(t *testing.T) {
		honest(t, s, sandbox.SignOptions{Statement: statement(t)}).accepted(t)
		honest(t, s, sandbox.SignOptions{Statement: statement(t), PayloadType: "application/json"}).rejected(t, verify.CheckContent, "does not hold a statement")
	})
}

// TestKindOfContentAndSigner: a bundle is of the kind that was asked for.
func TestKindOfContentAndSigner(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	message, attestation := sandbox.SignOptions{}, sandbox.SignOptions{Statement: statement(t)}
	key := sandbox.SignOptions{Key: s.Key("release", sandbox.P256)}
	rejectsEach(t, s, []fault{
		{"B21-attestation-required", message, func(_ *testing.T, c *trial) { c.Require.Attestation = true }, verify.CheckContent, "is a message signature"},
		{"B21-predicate-type-required", message, func(_ *testing.T, c *trial) { c.Require.PredicateType = "https://example.com/predicate/v1" }, verify.CheckContent, "is a message signature"},
		{"B21-message-required", attestation, func(_ *testing.T, c *trial) { c.Require.Message = true }, verify.CheckContent, "is an attestation"},
		{"B22-identity-required", key, func(_ *testing.T, c *trial) {
			c.Require.AnyKey, c.Require.Identities = false, []verify.Identity{{Name: sandbox.DefaultIdentity}}
		}, verify.CheckSigner, "signed with a bare key"},
		{"B22-key-required", message, func(t *testing.T, c *trial) {
			twin := honest(t, s, key)
			twin.accepted(t)
			c.Require, c.Keyring = twin.Require, twin.Keyring
		}, verify.CheckSigner, "signed with a certificate"},
		{"B22-key-of-the-certificate-required", message, func(t *testing.T, c *trial) {
			leaf, err := s.Fulcio.Issue(sandbox.Request{Key: key.Key})
			if err != nil {
				t.Fatal(err)
			}
			twin := honest(t, s, key)
			*c = *honest(t, s, sandbox.SignOptions{Leaf: leaf})
			c.Require, c.Keyring = twin.Require, twin.Keyring
		}, verify.CheckSigner, "signed with a certificate"},
	})
	t.Run("B22-anybody-but-no-keyring", func(t *testing.T) {
		c := honest(t, s, key)
		c.Require.AnyKey, c.Require.AnyIdentity = false, true
		c.accepted(t)
		c.Keyring = nil
		c.rejected(t, verify.CheckSigner, "has no keyring")
	})
}

// TestNothingIsNotVerified: no bundle, no artifact and no run is a pass.
func TestNothingIsNotVerified(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, text := range map[string]string{"no-text": "", "space": " ", "null": "null", "empty-object": "{}", "empty-array": "[]", "zero": "0"} {
		t.Run("B23-"+name, func(t *testing.T) {
			c := honest(t, s, sandbox.SignOptions{})
			c.accepted(t)
			c.JSON = []byte(text)
			c.rejected(t, verify.CheckParse, "")
		})
	}
	nobody := func(_ *testing.T, c *trial) { c.Artifacts = nil }
	rejectsEach(t, s, []fault{
		{"B23-no-artifact-of-a-message", sandbox.SignOptions{}, nobody, verify.CheckArtifact, "no artifact was given"},
		{"B23-no-artifact-of-a-statement", sandbox.SignOptions{Statement: statement(t)}, nobody, verify.CheckArtifact, "no artifact was given"},
	})
	t.Run("B23-zero-report", func(t *testing.T) {
		if got := new(verify.Report).Verdict; got == verify.Passed || got.String() != "none" {
			t.Errorf("got verdict %v of a report on nothing", got)
		}
	})
}

// TestOneVerdictEach: one Verifier judges a good bundle and a bad one, in turn
// and repeatedly, and never takes one's facts for the other's. The caller of
// several bundles reports each.
func TestOneVerdictEach(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	good, bad := honest(t, s, sandbox.SignOptions{}), honest(t, s, sandbox.SignOptions{})
	bad.accepted(t)
	bad.Bundle.GetMessageSignature().Signature[8] ^= 1
	v := good.verifier(t)
	t.Run("B24-in-turn", func(t *testing.T) {
		for i, text := range [][]byte{good.text(), bad.text(), good.text(), bad.text()} {
			rep, err := v.VerifyJSON(text, artifactOf(hello))
			if want := i%2 == 0; (err == nil) != want || (rep.Verdict == verify.Passed) != want {
				t.Errorf("bundle %d: got %v, %v, want verified %v", i, rep.Verdict, err, want)
			}
		}
	})
	t.Run("B24-in-one-text", func(t *testing.T) {
		for _, text := range []string{string(good.text()) + "\n" + string(bad.text()), "[" + string(good.text()) + "," + string(bad.text()) + "]"} {
			if rep, err := v.VerifyJSON([]byte(text), artifactOf(hello)); err == nil || rep.Verdict != verify.Failed {
				t.Errorf("got %v, %v, want a rejection", rep.Verdict, err)
			}
		}
	})
}

// verifier returns the trial's.
func (c *trial) verifier(t *testing.T) *verify.Verifier {
	t.Helper()
	trust, err := c.Config()
	if err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(trust, c.Require)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestBundlesMadeByHand: the parser returns no bundle of these shapes, and a
// program that makes one learns nothing from it.
func TestBundlesMadeByHand(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	c := honest(t, s, sandbox.SignOptions{})
	attested := parsed(t, honest(t, s, sandbox.SignOptions{Statement: statement(t)}).text())
	v := c.verifier(t)
	// stolen is a message signature of an artifact that nobody signed, beside
	// an envelope that somebody did.
	stolen := *attested
	stolen.Message = &bundle.MessageSignature{Digest: bundle.Sum(bundle.SHA256, other), Signature: attested.Envelope.Signature}
	for name, bend := range map[string]func(*bundle.Bundle){
		"B21-two-contents":              func(b *bundle.Bundle) { *b = stolen },
		"B21-no-content":                func(b *bundle.Bundle) { b.Message = nil },
		"B22-certificate-and-key":       func(b *bundle.Bundle) { b.KeyHint = "release" },
		"B23-zero":                      func(b *bundle.Bundle) { *b = bundle.Bundle{} },
		"B23-no-version":                func(b *bundle.Bundle) { b.Version = 0 },
		"B01-entry-that-proves-nothing": func(b *bundle.Bundle) { b.Entries[0].Promise, b.Entries[0].Proof = nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := parsed(t, c.text())
			if _, err := v.Verify(b, artifactOf(hello)); err != nil {
				t.Fatalf("twin: %v", err)
			}
			bend(b)
			for _, artifact := range [][]byte{hello, other} {
				if rep, err := v.Verify(b, artifactOf(artifact)); err == nil || rep.Verdict != verify.Failed {
					t.Errorf("got verdict %v, %v, want fail", rep.Verdict, err)
				}
			}
		})
	}
	t.Run("B23-nil", func(t *testing.T) {
		if rep, err := v.Verify(nil, artifactOf(hello)); err == nil || rep.Verdict != verify.Failed {
			t.Errorf("got verdict %v, %v, want fail", rep.Verdict, err)
		}
	})
}

func parsed(t *testing.T, text []byte) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
