package bundle

import (
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

var limits = strictjson.Limits{
	Bytes:  MaxSize,
	Depth:  maxDepth,
	Values: maxValues,
	Number: 20,
	// Writers in the field spell an absent optional field as null, npm's
	// registry and model_signing among them.
	Null: []string{"inclusionPromise", "inclusionProof", "timestampVerificationData", "keyid"},
}

// Parse parses one bundle. It refuses whatever could be read in two ways:
// duplicate or unknown members, null where a value belongs, more than one
// signer or content, more than one signature. Every error is about the text,
// and says where in it.
func Parse(data []byte) (*Bundle, error) {
	var w wireBundle
	if err := strictjson.Unmarshal(data, &w, limits); err != nil {
		return nil, err
	}
	b, err := fromWire(&w)
	if err != nil {
		return nil, err
	}
	b.SHA256 = Sum(SHA256, data)
	return b, nil
}

// ParseLogEntry parses one transparency log entry in protobuf-specs' JSON, as
// a log or another tool writes it to a file of its own.
func ParseLogEntry(data []byte) (*LogEntry, error) {
	var w wireEntry
	if err := strictjson.Unmarshal(data, &w, limits); err != nil {
		return nil, err
	}
	e, err := entryFromWire(&w)
	if err != nil {
		return nil, err
	}
	return &e, nil
}

func fromWire(w *wireBundle) (*Bundle, error) {
	version, ok := versions[w.MediaType]
	if !ok {
		return nil, fmt.Errorf("at /mediaType: expected a bundle of version 0.1, 0.2 or 0.3 (such as %q), found %q", MediaTypeV03, w.MediaType)
	}
	b := &Bundle{MediaType: w.MediaType, Version: version}
	if w.Material == nil {
		return nil, errors.New("at /verificationMaterial: missing")
	}
	for _, step := range []func(*Bundle, *wireBundle) error{
		parseSigner, parseEntries, parseTimestamps, parseContent,
	} {
		if err := step(b, w); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func parseSigner(b *Bundle, w *wireBundle) error {
	const at = "at /verificationMaterial"
	m := w.Material
	given := 0
	for _, is := range []bool{m.PublicKey != nil, m.Chain != nil, m.Certificate != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return fmt.Errorf("%s: expected exactly one of publicKey, certificate and x509CertificateChain, found %d", at, given)
	}
	switch {
	case m.PublicKey != nil:
		if len(m.PublicKey.Hint) > maxHint {
			return fmt.Errorf("%s/publicKey/hint: longer than the limit of %d bytes", at, maxHint)
		}
		b.KeyHint = m.PublicKey.Hint
		return nil
	case m.Certificate != nil:
		b.Certificates = [][]byte{m.Certificate.Raw}
	default:
		b.chain = true
		if n := len(m.Chain.Certificates); n == 0 || n > MaxCertificates {
			return fmt.Errorf("%s/x509CertificateChain: expected 1 to %d certificates, found %d", at, MaxCertificates, n)
		}
		for _, c := range m.Chain.Certificates {
			b.Certificates = append(b.Certificates, c.Raw)
		}
	}
	for i, der := range b.Certificates {
		if len(der) == 0 || len(der) > maxCertificate {
			return fmt.Errorf("%s: expected certificate %d to have 1 to %d bytes, found %d", at, i, maxCertificate, len(der))
		}
	}
	return nil
}

func parseEntries(b *Bundle, w *wireBundle) error {
	const at = "at /verificationMaterial/tlogEntries"
	if n := len(w.Material.Entries); n > MaxEntries {
		return fmt.Errorf("%s: expected at most %d entries, found %d", at, MaxEntries, n)
	}
	for i := range w.Material.Entries {
		e, err := entryFromWire(&w.Material.Entries[i])
		if err == nil {
			err = e.checkVersion(b.Version)
		}
		if err != nil {
			return fmt.Errorf("%s/%d: %w", at, i, err)
		}
		b.Entries = append(b.Entries, e)
	}
	return nil
}

// checkVersion holds an entry to what its bundle's version requires: a promise
// in 0.1, a proof since.
func (e *LogEntry) checkVersion(v Version) error {
	if v == V01 && e.Promise == nil {
		return errors.New("inclusionPromise: missing, and required in a bundle of version 0.1")
	}
	if v != V01 && e.Proof == nil {
		return fmt.Errorf("inclusionProof: missing, and required in a bundle of version %v", v)
	}
	return nil
}

func entryFromWire(w *wireEntry) (LogEntry, error) {
	switch {
	case w.LogIndex < 0:
		return LogEntry{}, fmt.Errorf("logIndex: expected 0 or more, found %d", w.LogIndex)
	case w.LogID == nil || len(w.LogID.KeyID) == 0:
		return LogEntry{}, errors.New("logId/keyId: missing")
	case len(w.LogID.KeyID) > 64:
		return LogEntry{}, fmt.Errorf("logId/keyId: expected a digest, found %d bytes", len(w.LogID.KeyID))
	case w.KindVersion == nil || w.KindVersion.Kind == "" || w.KindVersion.Version == "":
		return LogEntry{}, errors.New("kindVersion: missing")
	case len(w.Body) == 0:
		return LogEntry{}, errors.New("canonicalizedBody: missing")
	case w.Promise == nil && w.Proof == nil:
		return LogEntry{}, errors.New("expected an inclusionPromise or an inclusionProof, found neither")
	}
	e := LogEntry{
		LogIndex:       int64(w.LogIndex),
		LogID:          w.LogID.KeyID,
		Kind:           w.KindVersion.Kind,
		Version:        w.KindVersion.Version,
		IntegratedTime: int64(w.IntegratedTime),
		Body:           w.Body,
	}
	if w.Promise != nil {
		if n := len(w.Promise.SET); n == 0 || n > maxSignature {
			return LogEntry{}, fmt.Errorf("inclusionPromise: expected a signature of 1 to %d bytes, found %d", maxSignature, n)
		}
		e.Promise = w.Promise.SET
	}
	if w.Proof != nil {
		proof, err := proofFromWire(w.Proof)
		if err != nil {
			return LogEntry{}, fmt.Errorf("inclusionProof: %w", err)
		}
		e.Proof = proof
	}
	return e, nil
}

func proofFromWire(w *wireProof) (*InclusionProof, error) {
	switch {
	case w.LogIndex < 0 || w.TreeSize <= 0 || w.LogIndex >= w.TreeSize:
		return nil, fmt.Errorf("expected 0 <= logIndex < treeSize, found %d and %d", w.LogIndex, w.TreeSize)
	case len(w.RootHash) != 32:
		return nil, fmt.Errorf("rootHash: expected 32 bytes, found %d", len(w.RootHash))
	case len(w.Hashes) > MaxProofHashes:
		return nil, fmt.Errorf("hashes: expected at most %d, found %d", MaxProofHashes, len(w.Hashes))
	case w.Checkpoint == nil || w.Checkpoint.Envelope == "":
		return nil, errors.New("checkpoint: missing")
	case len(w.Checkpoint.Envelope) > maxCheckpoint:
		return nil, fmt.Errorf("checkpoint: larger than the limit of %d bytes", maxCheckpoint)
	}
	p := &InclusionProof{
		LogIndex:   int64(w.LogIndex),
		TreeSize:   int64(w.TreeSize),
		RootHash:   w.RootHash,
		Hashes:     make([][]byte, len(w.Hashes)),
		Checkpoint: w.Checkpoint.Envelope,
	}
	for i, h := range w.Hashes {
		if len(h) != 32 {
			return nil, fmt.Errorf("hashes/%d: expected 32 bytes, found %d", i, len(h))
		}
		p.Hashes[i] = h
	}
	return p, nil
}

func parseTimestamps(b *Bundle, w *wireBundle) error {
	const at = "at /verificationMaterial/timestampVerificationData/rfc3161Timestamps"
	if w.Material.Timestamps == nil {
		return nil
	}
	if n := len(w.Material.Timestamps.RFC3161); n > MaxTimestamps {
		return fmt.Errorf("%s: expected at most %d timestamps, found %d", at, MaxTimestamps, n)
	}
	for i, t := range w.Material.Timestamps.RFC3161 {
		if n := len(t.Token); n == 0 || n > maxTimestamp {
			return fmt.Errorf("%s/%d: expected 1 to %d bytes, found %d", at, i, maxTimestamp, n)
		}
		b.Timestamps = append(b.Timestamps, t.Token)
	}
	return nil
}

func parseContent(b *Bundle, w *wireBundle) (err error) {
	switch {
	case (w.Message == nil) == (w.Envelope == nil):
		return errors.New("expected exactly one of messageSignature and dsseEnvelope")
	case w.Message != nil:
		b.Message, err = messageFromWire(w.Message)
	default:
		b.Envelope, err = envelopeFromWire(w.Envelope)
	}
	return err
}

func messageFromWire(w *wireMessage) (*MessageSignature, error) {
	if w.Digest == nil {
		return nil, errors.New("at /messageSignature/messageDigest: missing")
	}
	d, err := NewDigest(Algorithm(w.Digest.Algorithm), w.Digest.Digest)
	if err != nil {
		return nil, fmt.Errorf("at /messageSignature/messageDigest: %w", err)
	}
	if err := checkSignature(w.Signature); err != nil {
		return nil, fmt.Errorf("at /messageSignature/signature: %w", err)
	}
	return &MessageSignature{Digest: d, Signature: w.Signature}, nil
}

func envelopeFromWire(w *wireEnvelope) (*Envelope, error) {
	switch {
	case len(w.Payload) == 0:
		return nil, errors.New("at /dsseEnvelope/payload: missing")
	case w.PayloadType == "":
		return nil, errors.New("at /dsseEnvelope/payloadType: missing")
	case len(w.Signatures) != 1:
		return nil, fmt.Errorf("at /dsseEnvelope/signatures: expected exactly one signature, found %d", len(w.Signatures))
	}
	sig := w.Signatures[0]
	if err := checkSignature(sig.Sig); err != nil {
		return nil, fmt.Errorf("at /dsseEnvelope/signatures/0/sig: %w", err)
	}
	return &Envelope{PayloadType: w.PayloadType, Payload: w.Payload, KeyID: sig.KeyID, Signature: sig.Sig}, nil
}

func checkSignature(sig pbjson.Bytes) error {
	if n := len(sig); n == 0 || n > maxSignature {
		return fmt.Errorf("expected 1 to %d bytes, found %d", maxSignature, n)
	}
	return nil
}
