package sign

import (
	"bytes"
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// CredentialIn returns who signed the bundle, by its certificates; for a bundle
// by a bare key, by the key pub that its hint stands for.
func CredentialIn(b *bundle.Bundle, pub crypto.PublicKey) (*Credential, error) {
	if !b.HasCertificate() {
		if pub == nil {
			return nil, fmt.Errorf("expected the key that the hint %q stands for, found none", b.KeyHint)
		}
		return NewKeyCredential(pub, b.KeyHint)
	}
	var text []byte
	for _, der := range b.Certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return ParseCertificates(text)
}

// WithCertificates returns b as signed by the holder of the certificates, whose
// key must have made the signature by alg; zero stands for what the key
// prescribes. A key hint and an envelope's keyid, which nothing signs, are
// dropped. That the new certificates agree with b's log entries is for a judge.
func WithCertificates(b *bundle.Bundle, by *Credential, alg trustroot.KeyDetails) (*bundle.Bundle, error) {
	if by.chain == nil {
		return nil, errors.New("expected a certificate, found a bare key")
	}
	if alg == 0 {
		var err error
		if alg, err = by.Algorithm(b.Envelope != nil); err != nil {
			return nil, err
		}
	}
	if err := CheckSignature(b, by, alg); err != nil {
		return nil, err
	}
	with := *b
	with.KeyHint, with.Certificates = "", nil
	for _, c := range by.chain {
		with.Certificates = append(with.Certificates, c.Raw)
	}
	if b.Envelope != nil {
		e := *b.Envelope
		e.KeyID = ""
		with.Envelope = &e
	}
	return &with, nil
}

// CheckSignature reports whether by's key made the bundle's signature by alg. A
// signature over an artifact that was not hashed first takes the artifact, and
// is an error here.
func CheckSignature(b *bundle.Bundle, by *Credential, alg trustroot.KeyDetails) error {
	var err error
	switch {
	case b.Envelope != nil:
		err = keyspec.VerifyMessage(by.public, alg, b.Envelope.PAE(), b.Envelope.Signature)
	case alg.Hash() == 0:
		return fmt.Errorf("%v signs the artifact itself: its digest is not enough to verify it", alg)
	case b.Message.Digest.Algorithm().Hash() != alg.Hash():
		return fmt.Errorf("%v signs a digest by %v, the bundle has %v", alg, alg.Hash(), b.Message.Digest)
	default:
		err = keyspec.VerifyDigest(by.public, alg, b.Message.Digest.Bytes(), b.Message.Signature)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReply, err)
	}
	return nil
}

// Upgrade returns b as version 0.3 has it: one certificate, or a chain without
// roots; and an inclusion proof in every log entry, fetched from the log that
// find returns where there was a promise alone.
func (v *Evidence) Upgrade(ctx context.Context, b *bundle.Bundle, find func(*bundle.LogEntry) (Log, error)) (*bundle.Bundle, error) {
	up := *b
	up.Entries = slices.Clone(b.Entries)
	for i := range up.Entries {
		e := &up.Entries[i]
		if e.Proof != nil {
			continue
		}
		log, err := find(e)
		if err != nil {
			return nil, fmt.Errorf("log entry %d has a promise and no inclusion proof, which version 0.3 requires: %w", e.LogIndex, err)
		}
		if err := addProof(ctx, e, log); err != nil {
			return nil, fmt.Errorf("inclusion proof of entry %d of %v: %w", e.LogIndex, log, err)
		}
	}
	if b.HasCertificate() && len(b.Certificates) > 1 {
		by, err := CredentialIn(b, nil)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		up.Certificates = nil
		for _, c := range by.chain {
			up.Certificates = append(up.Certificates, c.Raw)
		}
	}
	if _, err := v.Judge(&up); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	up.MediaType, up.Version = bundle.MediaTypeV03, bundle.V03
	return &up, nil
}

// addProof puts the log's proof of the same entry into e. Its promise stays.
func addProof(ctx context.Context, e *bundle.LogEntry, log Log) error {
	again, err := log.Reread(ctx, e)
	if err != nil {
		return err
	}
	if again.Proof == nil || again.LogIndex != e.LogIndex || again.IntegratedTime != e.IntegratedTime ||
		!bytes.Equal(again.Body, e.Body) || !bytes.Equal(again.LogID, e.LogID) {
		return fmt.Errorf("%w: the log shows another entry under this index", ErrReply)
	}
	e.Proof = again.Proof
	return nil
}

// Attach returns b with a new entry of the log, as Record does for what
// somebody signed before.
func (v *Evidence) Attach(ctx context.Context, b *bundle.Bundle, by *Credential, alg trustroot.KeyDetails, log Log) (with *bundle.Bundle, public []string, err error) {
	if err := log.Holds(alg, b.Envelope != nil); err != nil {
		return nil, nil, fmt.Errorf("%v: %w", log, err)
	}
	if err := CheckSignature(b, by, alg); err != nil {
		return nil, nil, err
	}
	return v.Record(ctx, b, by, alg, log)
}
