// Package verify answers one question: is the bundle true?
//
// It proves, step by step, who signed an artifact, when, and who witnessed it,
// against one snapshot of trust, and reports every check it made. It does not
// decide whether the signer is welcome beyond the identities its caller names:
// that is a policy's judgement, on the facts proved here.
//
// One file holds one step; each step reads the bundle, the trust, the
// requirements and what earlier steps proved, and adds Checks to the Report:
//
//	parse        the bundle has one reading
//	log          log.go, checkpoint.go, logbody.go, logbind.go
//	time         time.go, tsa.go, tsatoken.go, tsapath.go, tsasigner.go
//	certificate  certificate.go, path.go, crl.go; or key.go
//	sct          sct.go
//	signature    signature.go
//	artifact     artifact.go
//	identity     identity.go, san.go
//
// The package opens no file and no socket: it reads the artifact it is given
// and nothing else. Neither does it ask the time.
//
// Source: sigstore/architecture-docs client-spec.md section 4.
package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// A Verifier verifies bundles against one snapshot of trust and one set of
// requirements. It keeps no verdicts and is safe for concurrent use.
type Verifier struct {
	trust    *trustroot.Config
	root     *trustroot.Root // never nil
	require  Requirements
	issuers  []issuer
	stampers []stamper
}

// New returns a Verifier. An error wraps ErrConfig: the requirements are
// incomplete, or ask for evidence that the trust has no key to check.
func New(trust *trustroot.Config, require Requirements) (*Verifier, error) {
	if trust == nil {
		return nil, fmt.Errorf("%w: no trust given", ErrConfig)
	}
	v := &Verifier{trust: trust, root: trust.Root, require: require}
	if v.root == nil {
		v.root = &trustroot.Root{}
	}
	if err := require.check(v.root, trust.Keyring); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, ca := range v.root.CAs {
		v.issuers = append(v.issuers, newIssuer(ca, &v.require))
	}
	for _, tsa := range v.root.TSAs {
		v.stampers = append(v.stampers, newStamper(tsa))
	}
	return v, nil
}

// ErrRevocation is wrapped by errors that mean no verdict, because the CRLs
// that were given do not tell whether a certificate is revoked.
var ErrRevocation = errors.New("revocation could not be checked")

// ErrConfig is wrapped by errors about the question, not about the bundle.
var ErrConfig = errors.New("verification is not configured")

// An Error says that a bundle was judged and failed. Any other error of Verify
// means that there is no verdict.
type Error struct {
	Report *Report
}

func (e *Error) Error() string {
	if c := e.Report.FirstFailure(); c != nil {
		return fmt.Sprintf("%s: %s", c.ID, c.Detail)
	}
	return "rejected"
}

// Verify judges a bundle as the signature of the artifacts: one artifact for a
// message signature; for an attestation each of them must be among its
// subjects. The Report is never nil. The error is nil if and only if the
// verdict is Pass, an *Error if it is Fail, and anything else (such as an
// artifact that could not be read) if there is none. ErrUndecided is the error
// of a report that a policy has yet to decide.
//
// A bundle comes from package bundle's parser; one made by hand that the parser
// would never return, such as one with two contents or none, fails.
func (v *Verifier) Verify(b *bundle.Bundle, artifacts ...*Artifact) (*Report, error) {
	if err := checkShape(b); err != nil {
		return v.Reject(err, artifacts...)
	}
	r := v.newRun(b, artifacts)
	r.add(Check{ID: CheckParse, Status: Pass, Required: true, Detail: "bundle of version " + b.Version.String()})
	return r.finish(r.steps())
}

// checkShape refuses what the steps could take for two different things: they
// rely on a bundle that has one signer, one content and something to prove in
// each entry.
func checkShape(b *bundle.Bundle) error {
	switch {
	case b == nil:
		return errors.New("expected a bundle, found none")
	case b.Version < bundle.V01 || b.Version > bundle.V03:
		return fmt.Errorf("expected a bundle of version 0.1, 0.2 or 0.3, found version %d", b.Version)
	case (b.Message == nil) == (b.Envelope == nil):
		return errors.New("expected exactly one of a message signature and an envelope")
	case b.HasCertificate() && b.KeyHint != "":
		return errors.New("expected exactly one of a certificate and a key hint")
	}
	for i := range b.Entries {
		if b.Entries[i].Promise == nil && b.Entries[i].Proof == nil {
			return fmt.Errorf("log entry %d: expected a promise or a proof, found neither", i)
		}
	}
	return nil
}

// VerifyJSON is Verify for a bundle that has yet to be parsed. A text that is
// not a bundle fails.
func (v *Verifier) VerifyJSON(data []byte, artifacts ...*Artifact) (*Report, error) {
	b, err := bundle.Parse(data)
	if err != nil {
		return v.Reject(err, artifacts...)
	}
	return v.Verify(b, artifacts...)
}

// Reject returns the report on something that is not the bundle it should be,
// with reason as its one check.
func (v *Verifier) Reject(reason error, artifacts ...*Artifact) (*Report, error) {
	r := v.newRun(nil, artifacts)
	r.failf(CheckParse, "%v", reason)
	return r.finish(nil)
}

// run is one verification under way.
type run struct {
	v         *Verifier
	b         *bundle.Bundle
	artifacts []*Artifact
	rep       *Report

	leaf    *x509.Certificate   // the signer, if certified
	others  []*x509.Certificate // the rest of the bundle's certificates, untrusted
	sans    *SubjectAltNames    // of leaf
	fulcio  *FulcioExtensions   // of leaf; nil if it does not have Fulcio's profile
	key     *trustroot.Key      // the signer, if a managed key
	chain   []*x509.Certificate // proved path, leaf first
	times   []VerifiedTime      // proved times
	windows []windowedLog       // logs whose window is to be checked at the established times

	statement *bundle.Statement
	noVerdict error // why a step could not tell
}

func (v *Verifier) newRun(b *bundle.Bundle, artifacts []*Artifact) *run {
	return &run{v: v, b: b, artifacts: artifacts, rep: &Report{
		Bundle:    b,
		Artifacts: artifacts,
		Trust:     v.trust,
		Evaluated: v.require.Now,
		Insecure:  v.require.insecure(),
	}}
}

// steps runs the pipeline. A step that can not go on without what an earlier
// one failed to prove says so in the report by leaving its checks out; finish
// then finds them missing. An error means no verdict.
func (r *run) steps() error {
	signed := r.signer()
	if signed {
		r.logs()
	}
	r.timestamps()
	r.establishTimes()
	if r.leaf != nil {
		r.certificate()
		r.scts()
	}
	if r.key != nil {
		r.keyWindow()
	}
	r.content()
	if err := r.artifact(); err != nil {
		return err
	}
	if signed {
		if err := r.signature(); err != nil {
			return err
		}
	}
	r.identity()
	if r.rep.FirstFailure() == nil {
		return r.noVerdict
	}
	return nil // a "no" stands, whatever else could not be told
}

// finish draws the verdict.
func (r *run) finish(err error) (*Report, error) {
	if err != nil {
		r.rep.Verdict = None
		return r.rep, err
	}
	if !r.rep.conclude(r.leaf != nil) {
		return r.rep, &Error{Report: r.rep}
	}
	if r.v.require.Policy {
		r.rep.Verdict, r.rep.awaiting = None, true
		return r.rep, ErrUndecided
	}
	return r.rep, nil
}

// establishedTimes returns the times at which keys and certificates must have
// been valid: those that were proved, else the time of evaluation.
func (r *run) establishedTimes() []time.Time {
	if len(r.times) == 0 {
		return []time.Time{r.v.require.Now}
	}
	at := make([]time.Time, len(r.times))
	for i, t := range r.times {
		at[i] = t.Time
	}
	return at
}

func (r *run) add(c Check) { r.rep.Checks = append(r.rep.Checks, c) }

// passf, failf, skipf and absentf record a check. What failed is always
// required: evidence that is wrong is never ignored.
func (r *run) passf(id CheckID, format string, args ...any) {
	r.add(Check{ID: id, Status: Pass, Required: true, Detail: fmt.Sprintf(format, args...)})
}

func (r *run) failf(id CheckID, format string, args ...any) {
	r.add(Check{ID: id, Status: Fail, Required: true, Detail: fmt.Sprintf(format, args...)})
}

func (r *run) skipf(id CheckID, format string, args ...any) {
	r.add(Check{ID: id, Status: Skipped, Detail: fmt.Sprintf(format, args...)})
}

// threshold records whether enough distinct witnesses were found.
func (r *run) threshold(id CheckID, want int, distinct map[string]bool, what, hint string) {
	got := len(distinct)
	c := Check{ID: id, Required: want > 0, Detail: fmt.Sprintf("%s: %d found, %d required", what, got, want)}
	switch {
	case want == 0 && got == 0:
		c.Status, c.Detail = Absent, what+": none found, none required"
	case want == 0:
		c.Status, c.Detail = Pass, fmt.Sprintf("%s: %d found, none required", what, got)
	case got >= want:
		c.Status = Pass
	default:
		c.Status = Fail
		c.Expected, c.Got = fmt.Sprintf("%d or more", want), fmt.Sprint(got)
		c.Hint = hint
	}
	r.add(c)
}

func fingerprint(der []byte) string { return fmt.Sprintf("%x", sha256.Sum256(der)) }
