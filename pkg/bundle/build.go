package bundle

import (
	"encoding/json/v2"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

// Marshal returns b as a bundle of version 0.3, the version that is written,
// followed by a line break. The text is the same for the same bundle. Whatever
// Parse would refuse, Marshal refuses to write; so an entry without an
// inclusion proof can not be written, since version 0.3 requires one.
//
// A chain of one certificate is written as a single certificate.
func (b *Bundle) Marshal() ([]byte, error) {
	w, err := toWire(b)
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if _, err := Parse(out); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return append(out, '\n'), nil
}

func toWire(b *Bundle) (*wireBundle, error) {
	if b.HasCertificate() && b.KeyHint != "" {
		return nil, errors.New("bundle: a signer is either a certificate or a key hint, not both")
	}
	w := &wireBundle{MediaType: MediaTypeV03, Material: &wireMaterial{}}
	m := w.Material
	switch len(b.Certificates) {
	case 0:
		m.PublicKey = &wireKeyID{Hint: b.KeyHint}
	case 1:
		m.Certificate = &wireCertificate{Raw: b.Certificates[0]}
	default:
		m.Chain = &wireChain{}
		for _, c := range b.Certificates {
			m.Chain.Certificates = append(m.Chain.Certificates, wireCertificate{Raw: c})
		}
	}
	for i := range b.Entries {
		m.Entries = append(m.Entries, entryToWire(&b.Entries[i]))
	}
	if len(b.Timestamps) > 0 {
		m.Timestamps = &wireTimestamps{}
		for _, t := range b.Timestamps {
			m.Timestamps.RFC3161 = append(m.Timestamps.RFC3161, wireTimestamp{Token: t})
		}
	}
	if b.Message != nil {
		w.Message = &wireMessage{
			Digest:    &wireDigest{Algorithm: wireAlgorithm(b.Message.Digest.Algorithm()), Digest: b.Message.Digest.Bytes()},
			Signature: b.Message.Signature,
		}
	}
	if e := b.Envelope; e != nil {
		w.Envelope = &wireEnvelope{
			Payload:     e.Payload,
			PayloadType: e.PayloadType,
			Signatures:  []wireDSSESignature{{Sig: e.Signature, KeyID: e.KeyID}},
		}
	}
	return w, nil
}

func entryToWire(e *LogEntry) wireEntry {
	w := wireEntry{
		LogIndex:       pbjson.Int64(e.LogIndex),
		LogID:          &wireLogID{KeyID: e.LogID},
		KindVersion:    &wireKind{Kind: e.Kind, Version: e.Version},
		IntegratedTime: pbjson.Int64(e.IntegratedTime),
		Body:           e.Body,
	}
	if e.Promise != nil {
		w.Promise = &wirePromise{SET: e.Promise}
	}
	if p := e.Proof; p != nil {
		w.Proof = &wireProof{
			LogIndex:   pbjson.Int64(p.LogIndex),
			RootHash:   p.RootHash,
			TreeSize:   pbjson.Int64(p.TreeSize),
			Hashes:     make([]pbjson.Bytes, len(p.Hashes)),
			Checkpoint: &wireCheckpoint{Envelope: p.Checkpoint},
		}
		for i, h := range p.Hashes {
			w.Proof.Hashes[i] = h
		}
	}
	return w
}
