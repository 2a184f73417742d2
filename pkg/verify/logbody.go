package verify

import (
	"bytes"
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
	payload     []byte // the envelope's, in base64; nil if the entry does not hold it
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
	var head wireHead
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

// Servers write bodies themselves, in canonical form and from types that their
// version fixes. So a body has the members that are named below and no others:
// one that is passed over here, such as "Spec" beside "spec", is what a monitor
// that reads without regard to case would see in the log.
type (
	wireHead struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	wireHexDigest struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"value"`
	}
)

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

// setVerifier reads a PEM certificate or public key. It refuses text around
// the block, and what the decoder skips as malformed before it: another reader
// might find another signer there.
func (b *entryBody) setVerifier(text []byte) error {
	const begin = "-----BEGIN "
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || len(block.Headers) > 0 ||
		!bytes.HasPrefix(text, []byte(begin)) || bytes.Count(text, []byte(begin)) != 1 {
		return errors.New("expected one PEM block with the signer's certificate or public key, and nothing else")
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
		wireHead
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
	if err := strictjson.Unmarshal(text, &w, bodyLimits); err != nil {
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
		wireHead
		Spec struct {
			EnvelopeHash wireHexDigest `json:"envelopeHash"` // of no fixed encoding: not checked
			PayloadHash  wireHexDigest `json:"payloadHash"`
			Signatures   []struct {
				Signature pbjson.Bytes `json:"signature"`
				Verifier  pbjson.Bytes `json:"verifier"`
			} `json:"signatures"`
		} `json:"spec"`
	}
	if err := strictjson.Unmarshal(text, &w, bodyLimits); err != nil {
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
		wireHead
		Spec struct {
			Content struct {
				Envelope struct {
					Payload     pbjson.Bytes `json:"payload"` // base64 of it, as with the signature
					PayloadType string       `json:"payloadType"`
					Signatures  []struct {
						KeyID     string       `json:"keyid"`
						Sig       pbjson.Bytes `json:"sig"`
						PublicKey pbjson.Bytes `json:"publicKey"`
					} `json:"signatures"`
				} `json:"envelope"`
				Hash        wireHexDigest `json:"hash"` // of the envelope, in no fixed encoding: not checked
				PayloadHash wireHexDigest `json:"payloadHash"`
			} `json:"content"`
		} `json:"spec"`
	}
	if err := strictjson.Unmarshal(text, &w, bodyLimits); err != nil {
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
	b := &entryBody{overPayload: true, signature: sig, payloadType: content.Envelope.PayloadType, payload: content.Envelope.Payload}
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
		wireHead
		Spec struct {
			V002 *struct {
				Data      wireV2Digest    `json:"data"`
				Signature wireV2Signature `json:"signature"`
			} `json:"hashedRekordV002"`
		} `json:"spec"`
	}
	if err := strictjson.Unmarshal(text, &w, bodyLimits); err != nil {
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
		wireHead
		Spec struct {
			V002 *struct {
				PayloadHash wireV2Digest      `json:"payloadHash"`
				Signatures  []wireV2Signature `json:"signatures"`
			} `json:"dsseV002"`
		} `json:"spec"`
	}
	if err := strictjson.Unmarshal(text, &w, bodyLimits); err != nil {
		return nil, err
	}
	if w.Spec.V002 == nil || len(w.Spec.V002.Signatures) != 1 {
		return nil, errors.New("spec/dsseV002: expected one signature")
	}
	b := &entryBody{overPayload: true}
	return b, b.setV2(w.Spec.V002.PayloadHash, &w.Spec.V002.Signatures[0])
}
