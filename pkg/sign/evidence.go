package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// A CA certifies a key for whoever an identity token names, as Fulcio does. It
// returns the certificate, alone or with its chain, in PEM.
type CA interface {
	Certify(ctx context.Context, key signer.Signer, token string) (pem []byte, err error)
}

// A TSA is an RFC 3161 timestamp authority. It returns a TimeStampResp (DER)
// over the bytes of a signature.
type TSA interface {
	Timestamp(ctx context.Context, signature []byte) ([]byte, error)
	String() string // its URL
}

// A Log is a transparency log.
type Log interface {
	// Record makes a signature public. If the error is an *UncertainError the
	// log may have recorded it.
	Record(ctx context.Context, s *Submission) (*bundle.LogEntry, error)

	// Reread returns the entry as the log shows it to everybody now, proved in
	// its newest tree.
	Reread(ctx context.Context, e *bundle.LogEntry) (*bundle.LogEntry, error)

	// Holds reports whether the log can hold an entry about a signature by that
	// algorithm over an envelope, or over an artifact.
	Holds(alg trustroot.KeyDetails, envelope bool) error

	String() string // its URL
}

// A Submission is what a log is told about a signature.
type Submission struct {
	Bundle      *bundle.Bundle // its content and signature
	Algorithm   trustroot.KeyDetails
	PublicKey   []byte // DER SubjectPublicKeyInfo
	Certificate []byte // DER; nil for a bare key
}

// UncertainError says that a service may have done what it was asked, though
// it did not say so.
type UncertainError struct{ Err error }

func (e *UncertainError) Error() string { return e.Err.Error() }
func (e *UncertainError) Unwrap() error { return e.Err }

// Proved counts what in a bundle is proved, by times that come with it.
type Proved struct {
	Entries, Timestamps int
	Times               []time.Time // of the timestamps and promises
}

// A Judge verifies a bundle that is not complete yet as strangers will verify
// it once it is: everything in it must be right, but nothing need be in it.
// What is proved is counted also where there is an error.
type Judge func(*bundle.Bundle) (Proved, error)

// Evidence is what a signature gets beside it: who witnesses it, and who judges
// what they say before it enters a bundle. Judge and Now are required.
type Evidence struct {
	TSAs  []TSA
	Logs  []Log
	Judge Judge
	Now   func() time.Time
}

// ErrReply is wrapped by errors about a service's answer that was understood
// and does not verify: it is about something else, or is not true.
var ErrReply = errors.New("it does not verify")

// Certify has the CA certify the key, and returns the signer that the
// certificate names. It must be for that key.
func Certify(ctx context.Context, ca CA, key signer.Signer, token string) (*Credential, error) {
	pem, err := ca.Certify(ctx, key, token)
	if err != nil {
		return nil, err
	}
	by, err := ParseCertificates(pem)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w: %w", ErrReply, err)
	}
	if !sameKey(by.public, key.Public()) {
		return nil, fmt.Errorf("certificate: %w: it is for another key than the one to certify", ErrReply)
	}
	by.issued = true
	return by, nil
}

func sameKey(a, b crypto.PublicKey) bool {
	x, errX := x509.MarshalPKIXPublicKey(a)
	y, errY := x509.MarshalPKIXPublicKey(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// NotAfter returns when the signer's certificate ends, the zero time for a bare
// key.
func (c *Credential) NotAfter() time.Time {
	if c.chain == nil {
		return time.Time{}
	}
	return c.chain[0].NotAfter
}

// Sign returns the bundle of a signature that key makes over what q says, with
// all the evidence, each part of it verified before it enters the bundle. by is
// the key's public half.
//
// Timestamps come first, since they make nothing public, and logs last. public
// says what is public then, for people, also if there is no bundle: "entry 7 of
// https://rekor.example".
func (v *Evidence) Sign(ctx context.Context, q *Request, key signer.Signer, by *Credential) (b *bundle.Bundle, public []string, err error) {
	if by.issued {
		public = append(public, fmt.Sprintf("certificate %x of %q, in its CT log", by.chain[0].SerialNumber, by.chain[0].Issuer))
	}
	if err := v.check(q); err != nil {
		return nil, public, err
	}
	if b, err = v.signed(ctx, q, key, by); err != nil {
		return nil, public, err
	}
	for _, tsa := range v.TSAs {
		if b, err = v.Timestamp(ctx, b, tsa); err != nil {
			return nil, public, err
		}
	}
	for _, log := range v.Logs {
		var more []string
		b, more, err = v.Record(ctx, b, by, q.algorithm, log)
		public = append(public, more...)
		if err != nil {
			return nil, public, err
		}
	}
	return b, public, nil
}

// check refuses what a log can not hold before anything is signed.
func (v *Evidence) check(q *Request) error {
	if v.Judge == nil || v.Now == nil {
		panic("sign: evidence without a judge or a clock")
	}
	for _, log := range v.Logs {
		if err := log.Holds(q.algorithm, q.IsEnvelope()); err != nil {
			return fmt.Errorf("%v: %w", log, err)
		}
	}
	return nil
}

// signed returns the bundle of the bare signature.
func (v *Evidence) signed(ctx context.Context, q *Request, key signer.Signer, by *Credential) (*bundle.Bundle, error) {
	input := q.ToSign()
	if d := q.Digest(); !d.IsZero() {
		input = d.Bytes()
	}
	sig, err := key.Sign(ctx, q.algorithm, input)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	b, err := build(q, sig, by)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if _, err := v.Judge(b); err != nil {
		return nil, fmt.Errorf("the new signature: %w: %w", ErrReply, err)
	}
	return b, nil
}

// clockSkew is how far from the signer's clock a new time may be: less than a
// short-lived certificate lives.
const clockSkew = 5 * time.Minute

// Timestamp returns b with a new timestamp of the authority.
func (v *Evidence) Timestamp(ctx context.Context, b *bundle.Bundle, tsa TSA) (*bundle.Bundle, error) {
	token, err := tsa.Timestamp(ctx, b.Signature())
	if err != nil {
		return nil, fmt.Errorf("timestamp of %v: %w", tsa, err)
	}
	with, err := v.AddTimestamp(b, token)
	if err == nil {
		err = v.isFresh(with, len(b.Timestamps))
	}
	if err != nil {
		return nil, fmt.Errorf("timestamp of %v: %w", tsa, err)
	}
	return with, nil
}

// isFresh holds the times in the bundle with a new timestamp to the clock.
func (v *Evidence) isFresh(b *bundle.Bundle, index int) error {
	alone := *b
	alone.Timestamps, alone.Entries = b.Timestamps[index:], nil
	proved, err := v.Judge(&alone)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReply, err)
	}
	now := v.Now()
	for _, at := range proved.Times {
		if at.Before(now.Add(-clockSkew)) || at.After(now.Add(clockSkew)) {
			return fmt.Errorf("%w: expected the present, %s, found %s", ErrReply, now.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// AddTimestamp returns b with a TimeStampResp (DER), which must verify.
func (v *Evidence) AddTimestamp(b *bundle.Bundle, token []byte) (*bundle.Bundle, error) {
	before, _ := v.Judge(b)
	with := *b
	with.Timestamps = append(slices.Clip(b.Timestamps), token)
	after, err := v.Judge(&with)
	if err == nil && after.Timestamps != before.Timestamps+1 {
		err = errors.New("it was made by no timestamp authority of the trust config")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	return &with, nil
}

// Record returns b with a new entry of the log, and what is public of it, also
// if there is an error. The log must show the same entry to everybody.
func (v *Evidence) Record(ctx context.Context, b *bundle.Bundle, by *Credential, alg trustroot.KeyDetails, log Log) (with *bundle.Bundle, public []string, err error) {
	s, err := by.submission(b, alg)
	if err != nil {
		return nil, nil, err
	}
	e, err := log.Record(ctx, s)
	if err != nil {
		if _, ok := errors.AsType[*UncertainError](err); ok {
			public = []string{fmt.Sprintf("perhaps an entry of %v: it did not say", log)}
		}
		return nil, public, fmt.Errorf("entry of %v: %w", log, err)
	}
	public = []string{fmt.Sprintf("entry %d of %v", e.LogIndex, log)}
	with, err = v.AddEntry(b, e)
	if err == nil {
		err = v.shownToAll(ctx, b, e, log)
	}
	if err != nil {
		return nil, public, fmt.Errorf("entry %d of %v: %w", e.LogIndex, log, err)
	}
	return with, public, nil
}

// shownToAll asks the log for the entry as anybody would: a log that keeps one
// tree for this signer and another for its monitors does not have it there.
func (v *Evidence) shownToAll(ctx context.Context, b *bundle.Bundle, e *bundle.LogEntry, log Log) error {
	again, err := log.Reread(ctx, e)
	if err != nil {
		return fmt.Errorf("reading it again: %w", err)
	}
	if !bytes.Equal(again.Body, e.Body) {
		return fmt.Errorf("%w: the log shows another entry in its place", ErrReply)
	}
	if _, err := v.AddEntry(b, again); err != nil {
		return fmt.Errorf("as the log shows it to everybody: %w", err)
	}
	return nil
}

// AddEntry returns b with a log entry, which must verify.
func (v *Evidence) AddEntry(b *bundle.Bundle, e *bundle.LogEntry) (*bundle.Bundle, error) {
	before, _ := v.Judge(b)
	with := *b
	with.Entries = append(slices.Clip(b.Entries), *e)
	after, err := v.Judge(&with)
	if err == nil && after.Entries != before.Entries+1 {
		err = errors.New("it is an entry of no log of the trust config")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	return &with, nil
}

func (c *Credential) submission(b *bundle.Bundle, alg trustroot.KeyDetails) (*Submission, error) {
	spki, err := x509.MarshalPKIXPublicKey(c.public)
	if err != nil {
		return nil, err
	}
	s := &Submission{Bundle: b, Algorithm: alg, PublicKey: spki}
	if c.chain != nil {
		s.Certificate = c.chain[0].Raw
	}
	return s, nil
}

// Loggable returns the algorithm to sign by so that the logs can hold an entry:
// Ed25519ph in place of Ed25519 where they hold digests alone.
func (v *Evidence) Loggable(alg trustroot.KeyDetails, envelope bool) trustroot.KeyDetails {
	if alg != keyspec.Ed25519 {
		return alg
	}
	for _, log := range v.Logs {
		if log.Holds(alg, envelope) != nil {
			return keyspec.Ed25519ph
		}
	}
	return alg
}
