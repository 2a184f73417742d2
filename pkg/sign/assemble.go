package sign

import (
	"fmt"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// Assemble returns the bundle of version 0.3 that holds the signature and its
// signer. It verifies that the signer's key made the signature over what the
// request says, by the request's algorithm, and no other; if not, the error
// says why as precisely as trying can tell. signature is as the signer's tool
// wrote it: binary, base64 or hexadecimal, and for ECDSA ASN.1 DER or r‖s.
//
// The envelope's keyid is the bundle's key hint, since sigstore_bundle.proto
// wants them to be the same where both are there; with a certificate it is
// left out.
func Assemble(q *Request, signature []byte, by *Credential) (*bundle.Bundle, error) {
	if err := by.Check(q.algorithm); err != nil {
		return nil, fmt.Errorf("the request is for another kind of key: %w", err)
	}
	sig, err := decodeSignature(signature, by.public)
	if err != nil {
		return nil, err
	}
	return build(q, sig, by)
}

// build is Assemble for a signature as a bundle has it.
func build(q *Request, sig []byte, by *Credential) (*bundle.Bundle, error) {
	if err := by.Check(q.algorithm); err != nil {
		return nil, err
	}
	if err := q.verify(by, sig); err != nil {
		return nil, explain(q, by, sig, err)
	}
	b := &bundle.Bundle{MediaType: bundle.MediaTypeV03, Version: bundle.V03, KeyHint: by.hint}
	for _, c := range by.chain {
		b.Certificates = append(b.Certificates, c.Raw)
	}
	if q.IsEnvelope() {
		b.Envelope = &bundle.Envelope{PayloadType: bundle.PayloadTypeInToto, Payload: q.payload, KeyID: by.hint, Signature: sig}
	} else {
		b.Message = &bundle.MessageSignature{Digest: q.identifying(), Signature: sig}
	}
	return b, nil
}

// identifying returns the digest by which a bundle names the artifact: the one
// that is signed, or SHA-256 where none is.
func (q *Request) identifying() bundle.Digest {
	if d := q.Digest(); !d.IsZero() {
		return d
	}
	return bundle.Sum(bundle.SHA256, q.message)
}

// verify reports whether by's key made sig, a signature as a bundle has it.
func (q *Request) verify(by *Credential, sig []byte) error {
	if d := q.Digest(); !d.IsZero() {
		return keyspec.VerifyDigest(by.public, q.algorithm, d.Bytes(), sig)
	}
	return keyspec.VerifyMessage(by.public, q.algorithm, q.ToSign(), sig)
}
