// Package bundle answers one question: what is a Sigstore bundle?
//
// It is data only. It reads bundles of versions 0.1, 0.2 and 0.3 into values
// with one reading, builds version 0.3, and knows digests, DSSE envelopes and
// in-toto statements. It decides nothing: a parsed bundle is a set of claims,
// and package verify says which of them are true.
//
//	{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
//	 "verificationMaterial": {
//	   "certificate": {"rawBytes": "…"},              or publicKey, or a chain
//	   "tlogEntries": […],
//	   "timestampVerificationData": {"rfc3161Timestamps": […]}},
//	 "messageSignature": {…}}                         or dsseEnvelope
//
// Source: protobuf-specs sigstore_bundle.proto, sigstore_common.proto,
// sigstore_rekor.proto, envelope.proto.
package bundle

import (
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// Limits on a bundle. A bundle beyond one of them is refused before the work
// that it bounds.
const (
	MaxSize         = 32 << 20 // bytes of JSON
	MaxEntries      = 32       // transparency log entries
	MaxTimestamps   = 32       // RFC 3161 timestamps
	MaxCertificates = 16       // in the signer's chain, leaf included
	MaxProofHashes  = 64       // a tree of 2^64 leaves is no deeper
	maxCertificate  = 64 << 10 // bytes of DER
	maxTimestamp    = 64 << 10 // bytes of DER
	maxCheckpoint   = 64 << 10 // bytes of text
	maxSignature    = 16 << 10 // bytes; ML-DSA-87 makes 4627
	maxHint         = 1 << 10  // bytes
	maxDepth        = 16
	maxValues       = 4096
)

// Media types of bundles. MediaTypeV03 is the one that is written.
const (
	MediaTypeV01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	MediaTypeV02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
	MediaTypeV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// Version is the version of the bundle format.
type Version int

// Versions of the bundle format.
const (
	V01 Version = iota + 1
	V02
	V03
)

func (v Version) String() string {
	switch v {
	case V01:
		return "0.1"
	case V02:
		return "0.2"
	case V03:
		return "0.3"
	}
	return "unknown"
}

// versions holds every accepted media type; the two spellings are both in use.
var versions = map[string]Version{
	MediaTypeV01: V01,
	MediaTypeV02: V02,
	"application/vnd.dev.sigstore.bundle+json;version=0.3": V03,
	"application/vnd.dev.sigstore.bundle.v0.1+json":        V01,
	"application/vnd.dev.sigstore.bundle.v0.2+json":        V02,
	MediaTypeV03: V03,
}

// KeyDetails names a public key's encoding and signature algorithm, as
// protobuf-specs' PublicKeyDetails does.
type KeyDetails = keyspec.Details

// A Bundle is a signature with the material to verify it. Everything in it is
// a claim. It is not to be modified once parsed; a parsed Bundle is safe for
// concurrent use.
type Bundle struct {
	MediaType string
	Version   Version
	SHA256    Digest // of the JSON it was parsed from; zero if it was built

	// The signer: either Certificates (DER, leaf first) or a key named by
	// KeyHint, which may be empty. Never both.
	Certificates [][]byte
	KeyHint      string
	chain        bool // the certificates were given as x509CertificateChain

	Entries    []LogEntry
	Timestamps [][]byte // DER of RFC 3161 TimeStampResp

	// The content: exactly one is set.
	Message  *MessageSignature
	Envelope *Envelope
}

// HasCertificate reports whether the signer is named by a certificate, and not
// by a key hint.
func (b *Bundle) HasCertificate() bool { return len(b.Certificates) > 0 }

// HasChain reports whether the certificates were given as a chain, the form
// that version 0.3 replaced by a single certificate for Sigstore's own CA.
func (b *Bundle) HasChain() bool { return b.chain }

// Signature returns the signature over the content.
func (b *Bundle) Signature() []byte {
	if b.Envelope != nil {
		return b.Envelope.Signature
	}
	return b.Message.Signature
}

// A MessageSignature is a signature over an artifact's bytes. Digest only
// identifies the artifact: the signature is verified over what the caller has.
type MessageSignature struct {
	Digest    Digest
	Signature []byte
}

// A LogEntry is an entry of a Rekor transparency log.
type LogEntry struct {
	LogIndex       int64 // across all shards of the log; signed by the promise alone
	LogID          []byte
	Kind, Version  string
	IntegratedTime int64 // Unix seconds; zero if the log does not state one
	Promise        []byte
	Proof          *InclusionProof
	Body           []byte // the canonicalized entry, exactly as the log hashed it
}

// An InclusionProof leads from an entry to a signed checkpoint.
type InclusionProof struct {
	LogIndex   int64 // in the tree of this proof
	TreeSize   int64
	RootHash   []byte
	Hashes     [][]byte // from leaf to root
	Checkpoint string   // a signed note
}
