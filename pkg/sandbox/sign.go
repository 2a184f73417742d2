package sandbox

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// Media types of bundles.
const (
	MediaTypeV01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	MediaTypeV02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
	MediaTypeV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// PayloadType is in-toto's, the usual one of an envelope.
const PayloadType = "application/vnd.in-toto+json"

// SignOptions say what to sign, how, and with which evidence. With nothing but
// an Artifact or a Statement they give today's usual bundle: a new leaf of
// Fulcio's, an entry in Rekor v2, and a timestamp.
type SignOptions struct {
	Artifact    []byte // signed as a message, unless there is a Statement
	Statement   []byte // signed in an envelope
	PayloadType string // of the envelope; "" means PayloadType

	// Leaf is who signs, or Key, which verifiers know by Hint ("" means
	// Key.Hint()). With neither, Fulcio issues a leaf.
	Leaf *Leaf
	Key  *Key
	Hint string
	// Algorithm is what the key signs with; zero means what its type
	// prescribes: for a leaf's Ed25519 key, Ed25519ph over a message and
	// Ed25519 over an envelope.
	Algorithm Algorithm
	// Chain puts the leaf's intermediates into the bundle.
	Chain bool

	// Logs record the signature; nil means RekorV2, and an empty slice none.
	Logs []*Log
	// Kind is that of their entries. The zero value means hashedrekord or dsse
	// in a Rekor v1, and hashedrekord in a v2.
	Kind Kind
	// NoPromise and NoProof leave the SET, or the inclusion proof, out of the
	// entries.
	NoPromise, NoProof bool
	// TSAs timestamp the signature; nil means TSA, and an empty slice none.
	TSAs []*TSA

	MediaType string // "" means MediaTypeV03
}

// Sign makes a bundle. Unless a service misbehaves, or the options ask for
// what does not go together, it verifies against TrustedRoot.
func (s *Sandbox) Sign(o SignOptions) (*protobundle.Bundle, error) {
	if err := s.complete(&o); err != nil {
		return nil, err
	}
	signed := s.signContent(&o)
	b := &protobundle.Bundle{MediaType: o.MediaType, VerificationMaterial: material(&o)}
	if signed.Envelope != nil {
		b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: signed.Envelope}
	} else {
		b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protoHash(signed.Hash), Digest: signed.Digest},
			Signature:     signed.Signature,
		}}
	}
	if err := addEntries(b.VerificationMaterial, &o, signed); err != nil {
		return nil, err
	}
	addTimestamps(b.VerificationMaterial, &o, signed)
	return b, nil
}

// complete puts the defaults in.
func (s *Sandbox) complete(o *SignOptions) error {
	if o.Artifact == nil && o.Statement == nil {
		return errors.New("sandbox: nothing to sign: expected an artifact or a statement")
	}
	if o.Leaf == nil && o.Key == nil {
		leaf, err := s.Fulcio.Issue(Request{})
		if err != nil {
			return err
		}
		o.Leaf = leaf
	}
	if o.Logs == nil {
		o.Logs = []*Log{s.RekorV2}
	}
	if o.TSAs == nil {
		o.TSAs = []*TSA{s.TSA}
	}
	if o.PayloadType == "" {
		o.PayloadType = PayloadType
	}
	if o.MediaType == "" {
		o.MediaType = MediaTypeV03
	}
	return nil
}

// signContent signs the statement, else the artifact.
func (s *Sandbox) signContent(o *SignOptions) Signed {
	key, signed := o.Key, Signed{}
	if o.Leaf != nil {
		key, signed.Leaf = o.Leaf.Key, o.Leaf.DER
	}
	if o.Algorithm == 0 {
		o.Algorithm = key.Algorithm
		if o.Leaf != nil && o.Algorithm == Ed25519 && o.Statement == nil {
			o.Algorithm = Ed25519ph
		}
	}
	signed.Key, signed.Algorithm = key.As(o.Algorithm), o.Algorithm
	message := o.Artifact
	if o.Statement != nil {
		message = PAE(o.PayloadType, o.Statement)
	}
	signed.Hash = keyspec.Details(o.Algorithm).Hash()
	if signed.Hash == 0 {
		signed.Hash = crypto.SHA256 // nothing signs it, and the format wants one
	}
	signed.Digest = sum(signed.Hash, message)
	signed.Signature = signed.Key.Sign(message)
	if o.Statement != nil {
		signed.Envelope = &protodsse.Envelope{
			Payload: o.Statement, PayloadType: o.PayloadType,
			Signatures: []*protodsse.Signature{{Sig: signed.Signature}},
		}
	}
	return signed
}

func material(o *SignOptions) *protobundle.VerificationMaterial {
	m := &protobundle.VerificationMaterial{}
	if o.Leaf == nil {
		hint := o.Hint
		if hint == "" {
			hint = o.Key.Hint()
		}
		m.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: hint}}
		return m
	}
	leaf := &protocommon.X509Certificate{RawBytes: o.Leaf.DER}
	if !o.Chain && o.MediaType != MediaTypeV01 && o.MediaType != MediaTypeV02 {
		m.Content = &protobundle.VerificationMaterial_Certificate{Certificate: leaf}
		return m
	}
	chain := &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{leaf}}
	if o.Chain {
		for _, der := range o.Leaf.Intermediates() {
			chain.Certificates = append(chain.Certificates, &protocommon.X509Certificate{RawBytes: der})
		}
	}
	m.Content = &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: chain}
	return m
}

func addEntries(m *protobundle.VerificationMaterial, o *SignOptions, signed Signed) error {
	for _, log := range o.Logs {
		kind := o.Kind
		if kind == (Kind{}) {
			kind = log.usualKind(signed)
		}
		entry, err := log.Record(kind, signed)
		if err != nil {
			return fmt.Errorf("sandbox: log %s: %w", log.Host, err)
		}
		if o.NoPromise {
			entry.InclusionPromise = nil
		}
		if o.NoProof {
			entry.InclusionProof = nil
		}
		m.TlogEntries = append(m.TlogEntries, entry)
	}
	return nil
}

func (l *Log) usualKind(signed Signed) Kind {
	switch {
	case l.Version != 1:
		return HashedRekord002
	case signed.Envelope != nil:
		return DSSE001
	}
	return HashedRekord001
}

func addTimestamps(m *protobundle.VerificationMaterial, o *SignOptions, signed Signed) {
	for _, tsa := range o.TSAs {
		AddTimestamp(m, tsa.Token(TokenOptions{Over: signed.Signature}))
	}
}

// AddTimestamp adds a TimeStampResp to what a bundle has.
func AddTimestamp(m *protobundle.VerificationMaterial, token []byte) {
	if m.TimestampVerificationData == nil {
		m.TimestampVerificationData = &protobundle.TimestampVerificationData{}
	}
	data := m.TimestampVerificationData
	data.Rfc3161Timestamps = append(data.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: token})
}

// PAE returns the bytes of an envelope that are signed.
//
// Source: DSSE 1.0, pre-authentication encoding.
func PAE(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// A Subject is an artifact that a statement is about.
type Subject struct {
	Name    string
	Content []byte
}

// Statement returns an in-toto statement about the SHA-256 of the subjects.
// predicate is marshalled as JSON; nil means an empty object.
//
// Source: in-toto Statement v1.
func Statement(predicateType string, predicate any, subjects ...Subject) ([]byte, error) {
	if predicate == nil {
		predicate = object{}
	}
	list := []object{}
	for _, subject := range subjects {
		list = append(list, object{"name": subject.Name, "digest": object{
			"sha256": fmt.Sprintf("%x", sum(crypto.SHA256, subject.Content)),
		}})
	}
	return json.Marshal(object{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicateType, "predicate": predicate, "subject": list,
	})
}
