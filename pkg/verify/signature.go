package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// content checks the kind of content and parses the statement.
func (r *run) content() {
	q := &r.v.require
	if r.b.Message != nil {
		if q.Attestation || q.PredicateType != "" {
			r.failCheck(CheckContent, "the bundle is a message signature", "an attestation", "a message signature", "verify it without asking for a statement")
			return
		}
		r.passf(CheckContent, "message signature")
		return
	}
	env := r.b.Envelope
	if q.Message {
		r.failCheck(CheckContent, "the bundle is an attestation", "a message signature", "an attestation", "verify it as an attestation")
		return
	}
	if env.PayloadType != bundle.PayloadTypeInToto {
		r.failCheck(CheckContent, "the envelope does not hold a statement", fmt.Sprintf("payload type %q", bundle.PayloadTypeInToto), fmt.Sprintf("%q", env.PayloadType), "")
		return
	}
	if err := r.checkKeyID(env); err != nil {
		r.failf(CheckContent, "%v", err)
		return
	}
	s, err := bundle.ParseStatement(env.Payload)
	if err != nil {
		r.failf(CheckContent, "%v", err)
		return
	}
	if q.PredicateType != "" && s.PredicateType != q.PredicateType {
		r.failCheck(CheckContent, "the statement is of another kind", fmt.Sprintf("predicate type %q", q.PredicateType), fmt.Sprintf("%q", s.PredicateType),
			"another bundle may hold the statement asked for")
		return
	}
	r.statement, r.rep.Statement = s, s
	r.passf(CheckContent, "statement with predicate type %q", s.PredicateType)
}

// checkKeyID holds an envelope's key id, where it has one, to the signer: for
// a key it must be the bundle's hint, as sigstore_bundle.proto requires; for a
// certificate, which names its key itself, the key's fingerprint as DSSE
// implementations compute it.
func (r *run) checkKeyID(env *bundle.Envelope) error {
	want := r.b.KeyHint
	switch {
	case env.KeyID == "":
		return nil
	case r.leaf != nil:
		want = keyspec.SSHFingerprint(r.leaf.PublicKey)
	}
	if env.KeyID != want {
		return fmt.Errorf("expected the key id %q in the envelope, or none, found %q", want, env.KeyID)
	}
	return nil
}

// signature verifies that the signer's key signed the content. An error means
// that the artifact could not be read.
func (r *run) signature() error {
	algs, err := r.algorithms()
	if err != nil {
		r.failf(CheckSignature, "the signer's key: %v", err)
		return nil
	}
	for _, alg := range algs {
		var ok bool
		if r.b.Envelope != nil {
			ok = keyspec.VerifyMessage(r.publicKey(), alg, r.b.Envelope.PAE(), r.b.Envelope.Signature) == nil
		} else if ok, err = r.messageSignature(alg); err != nil {
			return err
		}
		if ok {
			r.noteAlgorithm(alg)
			r.passf(CheckSignature, "%v", alg)
			return nil
		}
	}
	if r.hasFailed(CheckSignature) {
		return nil
	}
	r.failCheck(CheckSignature, "the signature was not made by the signer's key over this content", "a signature by "+names(algs), "one that does not verify", r.signatureHint())
	return nil
}

// messageSignature verifies a signature over the artifact itself.
func (r *run) messageSignature(alg keyspec.Details) (bool, error) {
	if len(r.artifacts) != 1 || r.artifacts[0] == nil {
		r.failf(CheckSignature, "a message signature can be verified with exactly one artifact, %d were given", len(r.artifacts))
		return false, nil
	}
	a := r.artifacts[0]
	if alg.Hash() == 0 {
		return r.wholeMessage(alg, a)
	}
	want, ok := bundle.AlgorithmFor(alg.Hash())
	if !ok {
		return false, fmt.Errorf("no digest for %v", alg)
	}
	// The digest that identifies the artifact is wanted too, if it is another:
	// one reading serves both.
	if err := a.compute([]bundle.Algorithm{want, r.b.Message.Digest.Algorithm()}); err != nil {
		return false, err
	}
	d := a.digest(want)
	if d.IsZero() {
		r.failCheck(CheckSignature, fmt.Sprintf("the key signs %v digests, and one of another algorithm was given", want), "the artifact, or its "+want.String()+" digest", digestList(a.Digests), "give the artifact itself")
		return false, nil
	}
	return keyspec.VerifyDigest(r.publicKey(), alg, d.Bytes(), r.b.Message.Signature) == nil, nil
}

func (r *run) wholeMessage(alg keyspec.Details, a *Artifact) (bool, error) {
	if a.Open == nil {
		r.failCheck(CheckSignature, fmt.Sprintf("%v signs the artifact itself, not a digest of it", alg), "the artifact", digestList(a.Digests), "give the artifact itself")
		return false, nil
	}
	most := r.v.require.MaxUnhashed
	if most == 0 {
		most = defaultMaxUnhashed
	}
	if err := a.compute([]bundle.Algorithm{r.b.Message.Digest.Algorithm()}); err != nil {
		return false, err
	}
	message, err := a.bytes(most)
	if err != nil {
		return false, err
	}
	return keyspec.VerifyMessage(r.publicKey(), alg, message, r.b.Message.Signature) == nil, nil
}

// signatureHint tells the ways apart in which people end up with a signature
// that does not verify.
func (r *run) signatureHint() string {
	if r.b.Message != nil && r.hasFailed(CheckArtifact) {
		return "the artifact is not the one that was signed"
	}
	return "the signature, the key or the signed content has changed, or another algorithm was used to sign"
}

func (r *run) hasFailed(id CheckID) bool {
	return slices.ContainsFunc(r.rep.Checks, func(c Check) bool { return c.ID == id && c.Status == Fail })
}

func names(algs []keyspec.Details) string {
	var out []string
	for _, a := range algs {
		out = append(out, a.String())
	}
	return strings.Join(out, " or ")
}
