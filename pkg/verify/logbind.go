package verify

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

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
	if alg := body.digest.Algorithm(); body.overPayload && alg != bundle.SHA256 {
		return fmt.Errorf("expected the SHA-256 of the payload in the entry, as every log has it, found a %v digest", alg)
	}
	if got := bundle.Sum(body.digest.Algorithm(), covered); got != body.digest {
		return fmt.Errorf("the entry is about a payload with digest %v, the bundle's has %v", body.digest, got)
	}
	if body.payloadType != "" && body.payloadType != env.PayloadType {
		return fmt.Errorf("the entry is about a payload of type %q, the bundle's is %q", body.payloadType, env.PayloadType)
	}
	if body.payload != nil && string(body.payload) != base64.StdEncoding.EncodeToString(env.Payload) {
		return errors.New("the entry holds another payload than the bundle")
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
	if err := r.checkKeyDetails(body.keyDetails); err != nil {
		return fmt.Errorf("the entry misnames the signer's key: %w", err)
	}
	if h := body.keyDetails.Hash(); body.overPAE && h != body.digest.Algorithm().Hash() {
		return fmt.Errorf("the entry has a %v digest, which a key of %v does not sign", body.digest.Algorithm(), body.keyDetails)
	}
	return nil
}

// checkKeyDetails holds what an entry says of the signer's key to the algorithm
// that the signature is verified with. Logs use today's names; a keyring may
// have an old one for the same algorithm.
func (r *run) checkKeyDetails(d keyspec.Details) error {
	if err := keyspec.Check(r.publicKey(), d); err != nil {
		return err
	}
	algs, err := r.algorithms()
	if err != nil {
		return err
	}
	for _, alg := range algs {
		if d == alg || alg.Old() && d.Hash() == alg.Hash() && isPSS(d) == isPSS(alg) {
			return nil
		}
	}
	return fmt.Errorf("expected %s, found %v", names(algs), d)
}

func isPSS(d keyspec.Details) bool {
	switch d {
	case keyspec.PKCS1RSAPSS, keyspec.RSAPSS, keyspec.RSAPSS2048SHA256, keyspec.RSAPSS3072SHA256, keyspec.RSAPSS4096SHA256:
		return true
	}
	return false
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
