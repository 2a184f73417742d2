package verify

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// generation tells Rekor v1 from Rekor v2. An entry is of one or the other in
// every part: the kind of its body, the name on its checkpoint, its promise.
type generation int

const (
	rekorV1 generation = 1
	rekorV2 generation = 2
)

// entryBody is what a log entry says was signed, by whom, with what.
type entryBody struct {
	generation  generation
	signature   []byte
	certificate []byte          // DER; nil if a bare key
	key         []byte          // DER of SubjectPublicKeyInfo; nil if a certificate
	keyDetails  keyspec.Details // Rekor v2 only

	overPayload bool // the digest is of the envelope's payload
	overPAE     bool // the digest is of the envelope's pre-authentication encoding
	digest      bundle.Digest
	payloadType string // "" if the entry does not say
}

// bodyLimits bound a body within the bundle's own. An intoto entry may hold
// the whole payload.
var bodyLimits = strictjson.Limits{Bytes: bundle.MaxSize, Depth: 16, Values: 1024, Number: 20}

// bodyParsers holds the kinds and versions of entries that are understood.
var bodyParsers = map[string]struct {
	generation generation
	parse      func([]byte) (*entryBody, error)
}{
	"hashedrekord/0.0.1": {rekorV1, parseHashedRekordV1},
	"dsse/0.0.1":         {rekorV1, parseDSSEV1},
	"intoto/0.0.2":       {rekorV1, parseInTotoV2},
	"hashedrekord/0.0.2": {rekorV2, parseHashedRekordV2},
	"dsse/0.0.2":         {rekorV2, parseDSSEV2},
}

// parseBody reads the body of an entry as the kind that the entry says it is.
func parseBody(e *bundle.LogEntry) (*entryBody, error) {
	name := e.Kind + "/" + e.Version
	parser, ok := bodyParsers[name]
	if !ok {
		return nil, fmt.Errorf("expected an entry of kind hashedrekord, dsse or intoto, found %q", name)
	}
	var head struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := strictjson.UnmarshalOpen(e.Body, &head, bodyLimits); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if head.Kind != e.Kind || head.Version != e.Version {
		return nil, fmt.Errorf("the entry says it is %q, its body says %q", name, head.Kind+"/"+head.Version)
	}
	body, err := parser.parse(e.Body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	body.generation = parser.generation
	return body, nil
}

type wireHexDigest struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

func (w wireHexDigest) digest() (bundle.Digest, error) {
	alg, ok := bundle.AlgorithmOf(w.Algorithm)
	if !ok {
		return bundle.Digest{}, fmt.Errorf("unknown digest algorithm %q", w.Algorithm)
	}
	sum, err := hex.DecodeString(w.Value)
	if err != nil {
		return bundle.Digest{}, errors.New("digest is not hexadecimal")
	}
	return bundle.NewDigest(alg, sum)
}

// setVerifier reads a PEM certificate or public key.
func (b *entryBody) setVerifier(text []byte) error {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("expected one PEM block with the signer's certificate or public key")
	}
	switch block.Type {
	case "CERTIFICATE":
		b.certificate = block.Bytes
	case "PUBLIC KEY":
		b.key = block.Bytes
	default:
		return fmt.Errorf("expected a PEM certificate or public key, found %q", block.Type)
	}
	return nil
}

func parseHashedRekordV1(text []byte) (*entryBody, error) {
	var w struct {
		Spec struct {
			Data struct {
				Hash wireHexDigest `json:"hash"`
			} `json:"data"`
			Signature struct {
				Content   pbjson.Bytes `json:"content"`
				PublicKey struct {
					Content pbjson.Bytes `json:"content"`
				} `json:"publicKey"`
			} `json:"signature"`
		} `json:"spec"`
	}
	if err := strictjson.UnmarshalOpen(text, &w, bodyLimits); err != nil {
		return nil, err
	}
	b := &entryBody{signature: w.Spec.Signature.Content}
	var err error
	if b.digest, err = w.Spec.Data.Hash.digest(); err != nil {
		return nil, err
	}
	return b, b.setVerifier(w.Spec.Signature.PublicKey.Content)
}

func parseDSSEV1(text []byte) (*entryBody, error) {
	var w struct {
		Spec struct {
			PayloadHash wireHexDigest `json:"payloadHash"`
			Signatures  []struct {
				Signature pbjson.Bytes `json:"signature"`
				Verifier  pbjson.Bytes `json:"verifier"`
			} `json:"signatures"`
		} `json:"spec"`
	}
	if err := strictjson.UnmarshalOpen(text, &w, bodyLimits); err != nil {
		return nil, err
	}
	if n := len(w.Spec.Signatures); n != 1 {
		return nil, fmt.Errorf("expected one signature, found %d", n)
	}
	b := &entryBody{overPayload: true, signature: w.Spec.Signatures[0].Signature}
	var err error
	if b.digest, err = w.Spec.PayloadHash.digest(); err != nil {
		return nil, err
	}
	return b, b.setVerifier(w.Spec.Signatures[0].Verifier)
}

// parseInTotoV2 reads intoto 0.0.2, which holds the base64 of the base64 of
// the signature.
func parseInTotoV2(text []byte) (*entryBody, error) {
	var w struct {
		Spec struct {
			Content struct {
				Envelope struct {
					PayloadType string `json:"payloadType"`
					Signatures  []struct {
						Sig       pbjson.Bytes `json:"sig"`
						PublicKey pbjson.Bytes `json:"publicKey"`
					} `json:"signatures"`
				} `json:"envelope"`
				PayloadHash wireHexDigest `json:"payloadHash"`
			} `json:"content"`
		} `json:"spec"`
	}
	if err := strictjson.UnmarshalOpen(text, &w, bodyLimits); err != nil {
		return nil, err
	}
	content := &w.Spec.Content
	if n := len(content.Envelope.Signatures); n != 1 {
		return nil, fmt.Errorf("expected one signature, found %d", n)
	}
	sig, err := base64.StdEncoding.DecodeString(string(content.Envelope.Signatures[0].Sig))
	if err != nil {
		return nil, errors.New("signature is not base64 in base64")
	}
	b := &entryBody{overPayload: true, signature: sig, payloadType: content.Envelope.PayloadType}
	if b.digest, err = content.PayloadHash.digest(); err != nil {
		return nil, err
	}
	return b, b.setVerifier(content.Envelope.Signatures[0].PublicKey)
}

// The parts of Rekor v2's bodies. Source: rekor-tiles api/proto/rekor/v2.
type (
	wireV2Digest struct {
		Algorithm string       `json:"algorithm"`
		Digest    pbjson.Bytes `json:"digest"`
	}
	wireV2Signature struct {
		Content  pbjson.Bytes `json:"content"`
		Verifier struct {
			KeyDetails keyspec.Details `json:"keyDetails"`
			PublicKey  *struct {
				Raw pbjson.Bytes `json:"rawBytes"`
			} `json:"publicKey"`
			Certificate *struct {
				Raw pbjson.Bytes `json:"rawBytes"`
			} `json:"x509Certificate"`
		} `json:"verifier"`
	}
)

func (b *entryBody) setV2(d wireV2Digest, s *wireV2Signature) error {
	names := map[string]bundle.Algorithm{"SHA2_256": bundle.SHA256, "SHA2_384": bundle.SHA384, "SHA2_512": bundle.SHA512}
	var err error
	if b.digest, err = bundle.NewDigest(names[d.Algorithm], d.Digest); err != nil {
		return err
	}
	v := &s.Verifier
	if (v.PublicKey == nil) == (v.Certificate == nil) {
		return errors.New("expected either a public key or a certificate as verifier")
	}
	if v.Certificate != nil {
		b.certificate = v.Certificate.Raw
	} else {
		b.key = v.PublicKey.Raw
	}
	b.signature, b.keyDetails = s.Content, v.KeyDetails
	return nil
}

func parseHashedRekordV2(text []byte) (*entryBody, error) {
	var w struct {
		Spec struct {
			V002 *struct {
				Data      wireV2Digest    `json:"data"`
				Signature wireV2Signature `json:"signature"`
			} `json:"hashedRekordV002"`
		} `json:"spec"`
	}
	if err := strictjson.UnmarshalOpen(text, &w, bodyLimits); err != nil {
		return nil, err
	}
	if w.Spec.V002 == nil {
		return nil, errors.New("spec/hashedRekordV002: missing")
	}
	b := &entryBody{overPAE: true}
	return b, b.setV2(w.Spec.V002.Data, &w.Spec.V002.Signature)
}

func parseDSSEV2(text []byte) (*entryBody, error) {
	var w struct {
		Spec struct {
			V002 *struct {
				PayloadHash wireV2Digest      `json:"payloadHash"`
				Signatures  []wireV2Signature `json:"signatures"`
			} `json:"dsseV002"`
		} `json:"spec"`
	}
	if err := strictjson.UnmarshalOpen(text, &w, bodyLimits); err != nil {
		return nil, err
	}
	if w.Spec.V002 == nil || len(w.Spec.V002.Signatures) != 1 {
		return nil, errors.New("spec/dsseV002: expected one signature")
	}
	b := &entryBody{overPayload: true}
	return b, b.setV2(w.Spec.V002.PayloadHash, &w.Spec.V002.Signatures[0])
}

// bind reports whether the entry is about the bundle's signature, signer and
// content, and about no other.
func (r *run) bind(body *entryBody) error {
	if !bytes.Equal(body.signature, r.b.Signature()) {
		return errors.New("the entry is about another signature")
	}
	if err := r.bindSigner(body); err != nil {
		return err
	}
	if r.b.Envelope == nil {
		if body.overPayload {
			return errors.New("the entry is about an attestation, the bundle is a message signature")
		}
		if body.digest != r.b.Message.Digest {
			return fmt.Errorf("the entry is about %v, the bundle about %v", body.digest, r.b.Message.Digest)
		}
		return nil
	}
	return r.bindEnvelope(body)
}

func (r *run) bindEnvelope(body *entryBody) error {
	env := r.b.Envelope
	var covered []byte
	switch {
	case body.overPayload:
		covered = env.Payload
	case body.overPAE:
		covered = env.PAE()
	default:
		return errors.New("the entry is about a message signature, the bundle is an attestation")
	}
	if got := bundle.Sum(body.digest.Algorithm(), covered); got != body.digest {
		return fmt.Errorf("the entry is about a payload with digest %v, the bundle's has %v", body.digest, got)
	}
	if body.payloadType != "" && body.payloadType != env.PayloadType {
		return fmt.Errorf("the entry is about a payload of type %q, the bundle's is %q", body.payloadType, env.PayloadType)
	}
	return nil
}

func (r *run) bindSigner(body *entryBody) error {
	switch {
	case r.leaf != nil && !bytes.Equal(body.certificate, r.leaf.Raw):
		return fmt.Errorf("the entry is about another signer: expected the certificate with SHA-256 %s, found %s", fingerprint(r.leaf.Raw), describeVerifier(body))
	case r.key != nil && !bytes.Equal(body.key, r.key.SPKI):
		return fmt.Errorf("the entry is about another signer: expected the key with SHA-256 %s, found %s", fingerprint(r.key.SPKI), describeVerifier(body))
	}
	if body.generation != rekorV2 {
		return nil
	}
	if err := keyspec.Check(r.publicKey(), body.keyDetails); err != nil {
		return fmt.Errorf("the entry misnames the signer's key: %w", err)
	}
	if h := body.keyDetails.Hash(); body.overPAE && h != body.digest.Algorithm().Hash() {
		return fmt.Errorf("the entry has a %v digest, which a key of %v does not sign", body.digest.Algorithm(), body.keyDetails)
	}
	return nil
}

func describeVerifier(b *entryBody) string {
	if b.certificate != nil {
		return "the certificate " + fingerprint(b.certificate)
	}
	return "the key " + fingerprint(b.key)
}

// publicKey returns the signer's key.
func (r *run) publicKey() crypto.PublicKey {
	if r.key != nil {
		return r.key.Public
	}
	return r.leaf.PublicKey
}

// leafHash is the Merkle tree's hash of an entry: RFC 6962 section 2.1.
func leafHash(body []byte) []byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)
}
