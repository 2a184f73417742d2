package server

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"net/http"

	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// readProposed reads a ProposedEntry and verifies its signature.
func readProposed(w http.ResponseWriter, r *http.Request) (sandbox.Kind, sandbox.Signed, error) {
	var proposed struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Spec       jsontext.Value `json:"spec"`
	}
	body, err := readBody(w, r, "application/json", maxEntry)
	if err != nil {
		return sandbox.Kind{}, sandbox.Signed{}, err
	}
	// go-openapi's models write null for the arrays that a server fills.
	limits := strictjson.Limits{Bytes: maxEntry, Depth: 16, Null: []string{"signatures"}}
	if err := strictjson.Unmarshal(body, &proposed, limits); err != nil {
		return sandbox.Kind{}, sandbox.Signed{}, badRequest("reading the body: %w", err)
	}
	var spec interface {
		signed() (sandbox.Signed, error)
	}
	kind := sandbox.Kind{Name: proposed.Kind, Version: proposed.APIVersion}
	switch kind {
	case sandbox.HashedRekord001:
		spec = &hashedRekordSpec{}
	case sandbox.DSSE001:
		spec = &dsseSpec{}
	case sandbox.Intoto002:
		spec = &intotoSpec{}
	default:
		return kind, sandbox.Signed{}, badRequest("expected an entry of kind hashedrekord 0.0.1, dsse 0.0.1 or intoto 0.0.2, found %q %q", clip(kind.Name), clip(kind.Version))
	}
	if err := strictjson.Unmarshal(proposed.Spec, spec, limits); err != nil {
		return kind, sandbox.Signed{}, badRequest("error processing entry: spec %w", err)
	}
	signed, err := spec.signed()
	if err != nil {
		return kind, sandbox.Signed{}, badRequest("error processing entry: %w", err)
	}
	return kind, signed, nil
}

// A hashSpec is a digest in hexadecimal.
type hashSpec struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

func (h hashSpec) digest() (crypto.Hash, []byte, error) {
	hash, ok := map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[h.Algorithm]
	if !ok {
		return 0, nil, fmt.Errorf("expected hash algorithm sha256, sha384 or sha512, found %q", clip(h.Algorithm))
	}
	digest, err := hex.DecodeString(h.Value)
	if err != nil || len(digest) != hash.Size() {
		return 0, nil, fmt.Errorf("expected a %s digest in hexadecimal, found %q", h.Algorithm, clip(h.Value))
	}
	return hash, digest, nil
}

type hashedRekordSpec struct {
	Data struct {
		Hash hashSpec `json:"hash"`
	} `json:"data"`
	Signature struct {
		Content   pbjson.Bytes `json:"content"`
		PublicKey struct {
			Content pbjson.Bytes `json:"content"`
		} `json:"publicKey"`
	} `json:"signature"`
}

func (spec *hashedRekordSpec) signed() (sandbox.Signed, error) {
	v, err := parsePEMVerifier(spec.Signature.PublicKey.Content)
	if err != nil {
		return sandbox.Signed{}, err
	}
	hash, digest, err := spec.Data.Hash.digest()
	if err != nil {
		return sandbox.Signed{}, err
	}
	d, err := verifyDigest(v.public, hash, digest, spec.Signature.Content)
	if err != nil {
		return sandbox.Signed{}, err
	}
	return sandbox.Signed{Signature: spec.Signature.Content, Key: sandboxKey(v.public, d), Leaf: v.leaf, Hash: hash, Digest: digest}, nil
}

type dsseSpec struct {
	ProposedContent struct {
		Envelope  string         `json:"envelope"`
		Verifiers []pbjson.Bytes `json:"verifiers"`
	} `json:"proposedContent"`
	Signatures []struct{} `json:"signatures"`
}

func (spec *dsseSpec) signed() (sandbox.Signed, error) {
	if len(spec.Signatures) > 0 || len(spec.ProposedContent.Verifiers) != 1 {
		return sandbox.Signed{}, errors.New("expected proposed content with one verifier, and no signatures beside it")
	}
	var envelope struct {
		Payload     pbjson.Bytes `json:"payload"`
		PayloadType string       `json:"payloadType"`
		Signatures  []struct {
			Keyid string       `json:"keyid"`
			Sig   pbjson.Bytes `json:"sig"`
		} `json:"signatures"`
	}
	text := []byte(spec.ProposedContent.Envelope)
	if err := strictjson.UnmarshalOpen(text, &envelope, strictjson.Limits{Bytes: maxEntry, Depth: 16}); err != nil {
		return sandbox.Signed{}, fmt.Errorf("envelope: %w", err)
	}
	if len(envelope.Signatures) != 1 {
		return sandbox.Signed{}, fmt.Errorf("expected an envelope with one signature, found %d", len(envelope.Signatures))
	}
	signed, err := signedEnvelope(&protodsse.Envelope{
		Payload: envelope.Payload, PayloadType: envelope.PayloadType,
		Signatures: []*protodsse.Signature{{Keyid: envelope.Signatures[0].Keyid, Sig: envelope.Signatures[0].Sig}},
	}, spec.ProposedContent.Verifiers[0])
	sum := sha256.Sum256(text)
	signed.EnvelopeHash = sum[:]
	return signed, err
}

// signedEnvelope verifies an envelope that has one signature.
func signedEnvelope(e *protodsse.Envelope, verifierPEM []byte) (sandbox.Signed, error) {
	v, err := parsePEMVerifier(verifierPEM)
	if err != nil {
		return sandbox.Signed{}, err
	}
	sig := e.Signatures[0].Sig
	d, err := verifyMessage(v.public, sandbox.PAE(e.PayloadType, e.Payload), sig)
	if err != nil {
		return sandbox.Signed{}, err
	}
	return sandbox.Signed{Signature: sig, Key: sandboxKey(v.public, d), Leaf: v.leaf, Envelope: e}, nil
}

// An intotoSpec has payload and signature in base64 twice.
type intotoSpec struct {
	Content struct {
		Envelope struct {
			Payload     pbjson.Bytes `json:"payload"`
			PayloadType string       `json:"payloadType"`
			Signatures  []struct {
				Keyid     string       `json:"keyid"`
				PublicKey pbjson.Bytes `json:"publicKey"`
				Sig       pbjson.Bytes `json:"sig"`
			} `json:"signatures"`
		} `json:"envelope"`
		Hash        hashSpec  `json:"hash"`
		PayloadHash *hashSpec `json:"payloadHash"`
	} `json:"content"`
}

func (spec *intotoSpec) signed() (sandbox.Signed, error) {
	envelope := &spec.Content.Envelope
	if len(envelope.Signatures) != 1 {
		return sandbox.Signed{}, fmt.Errorf("expected an envelope with one signature, found %d", len(envelope.Signatures))
	}
	payload, err := pbjson.DecodeBase64(envelope.Payload)
	if err != nil {
		return sandbox.Signed{}, fmt.Errorf("payload: %w", err)
	}
	sig, err := pbjson.DecodeBase64(envelope.Signatures[0].Sig)
	if err != nil {
		return sandbox.Signed{}, fmt.Errorf("signature: %w", err)
	}
	hash, digest, err := spec.Content.Hash.digest()
	if err != nil {
		return sandbox.Signed{}, fmt.Errorf("hash: %w", err)
	}
	if hash != crypto.SHA256 {
		return sandbox.Signed{}, errors.New("hash: expected the SHA-256 of the envelope")
	}
	if h := spec.Content.PayloadHash; h != nil {
		sum := sha256.Sum256(payload)
		if _, claimed, err := h.digest(); err != nil || !bytes.Equal(claimed, sum[:]) {
			return sandbox.Signed{}, errors.New("payloadHash: expected the SHA-256 of the payload")
		}
	}
	signed, err := signedEnvelope(&protodsse.Envelope{
		Payload: payload, PayloadType: envelope.PayloadType,
		Signatures: []*protodsse.Signature{{Keyid: envelope.Signatures[0].Keyid, Sig: sig}},
	}, envelope.Signatures[0].PublicKey)
	signed.EnvelopeHash = digest
	return signed, err
}
