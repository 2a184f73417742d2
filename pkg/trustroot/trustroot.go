// Package trustroot answers one question: whom do we believe, and when?
//
// It reads the trust documents of Sigstore (TrustedRoot, ClientTrustConfig,
// SigningConfig) and bundler's own keyring into values that cannot be wrong:
// keys parsed and matched to their declared type, log ids recomputed, chains
// linked, windows closed. It does not decide anything about a bundle; package
// verify does that with what is loaded here.
//
// A keyring is bundler's own document, since Sigstore has none for bare keys.
// Its keys are found by hint (see Keyring); a trusted root and a signing config
// may ride along, so that one file can hold all of a verifier's trust:
//
//	{
//	  "mediaType": "application/vnd.bundler.keyring.v1+json",
//	  "keys": [
//	    {
//	      "hint": "release-2026",                   (may be left out)
//	      "publicKey": {                            (a PublicKey message)
//	        "rawBytes": "MFkwEwYHKoZI…",
//	        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
//	        "validFor": {"start": "2026-01-01T00:00:00Z"}   (may be left out)
//	      }
//	    }
//	  ],
//	  "trustedRoot": {…},                           (may be left out)
//	  "signingConfig": {…}                          (may be left out)
//	}
//
// A Config is one snapshot of trust. It is immutable once loaded and safe for
// concurrent use.
//
// Source: protobuf-specs sigstore_trustroot.proto; C2SP signed-note.
package trustroot

import (
	"crypto"
	"crypto/x509"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// KeyDetails names a key's encoding and its signature algorithm, with the
// numbers and names of protobuf-specs' PublicKeyDetails.
type KeyDetails = keyspec.Details

// A Config is everything one trust document says. Root and Keyring are both
// nil only in a bare signing config, which nothing can be verified with.
type Config struct {
	Root    *Root          // nil in a bare keyring or signing config
	Signing *SigningConfig // nil unless the document has one
	Keyring *Keyring       // nil unless the document has one

	Source   string   // where it was read from: a path, or a name the caller gave
	SHA256   [32]byte // of the document's bytes
	Warnings []string // entries skipped, because this build does not know their key type

	skipped []Finding // what Warnings says, for Check
}

// Root is a TrustedRoot: who may vouch for a signer, for an entry, for a time.
type Root struct {
	MediaType string
	Logs      []*Log       // tlogs: Rekor v1 and v2
	CTLogs    []*Log       // certificate transparency logs
	CAs       []*Authority // certificate authorities
	TSAs      []*Authority // RFC 3161 timestamp authorities
}

// Validity is a closed interval: both ends belong to it. A zero End means that
// it has not ended; a zero Start means that it is not known (never so for a
// Log or an Authority).
type Validity struct {
	Start, End time.Time
}

// Contains reports whether t lies in v, ends included.
func (v Validity) Contains(t time.Time) bool {
	return !t.Before(v.Start) && (v.End.IsZero() || !t.After(v.End))
}

func (v Validity) equal(w Validity) bool { return v.Start.Equal(w.Start) && v.End.Equal(w.End) }

// A Log is a transparency log, or a CT log. NewRekorLog and NewCTLog make one.
//
// One log may be listed twice, with different windows; Identity counts it
// once. A list that names one key under two log ids or two operators is
// refused.
type Log struct {
	BaseURL string
	// Origin is what its checkpoints are called: host, port and path of
	// BaseURL, or its bare host name where that is what the log id commits to.
	Origin     string
	Operator   string // "" where none is named
	Key        crypto.PublicKey
	KeyDetails KeyDetails
	SPKI       []byte // DER of Key as SubjectPublicKeyInfo
	ValidFor   Validity
	ID         []byte // log id: SHA-256 of SPKI, or the untruncated checkpoint key id

	// CheckpointKeyID is the signed-note key id of Key under Origin, computed,
	// never copied from the file. It is zero in a CT log.
	CheckpointKeyID [4]byte

	at string // pointer to it in the document, for Check
}

// Identity returns what a threshold counts: the operator where one is named,
// else the key. Two Logs with one Identity are one witness.
func (l *Log) Identity() string { return identity(l.Operator, l.SPKI) }

// An Authority is a certificate authority or a timestamp authority. NewCA and
// NewTSA make one.
type Authority struct {
	URI      string
	Operator string
	ValidFor Validity

	// Chain is as listed: each certificate was issued by the next, and the
	// last is the anchor, self-signed or not. All links were verified when the
	// document was loaded. In a TSA's chain the first may be the signing
	// certificate itself.
	Chain []*x509.Certificate

	// Window is when all of it holds: ValidFor, and the dates of every
	// certificate in Chain. It may be empty (End before Start): then nothing
	// that this authority issued verifies.
	Window Validity

	at string // pointer to it in the document, for Check
}

// Anchor returns the last certificate of the chain, the one that is trusted.
func (a *Authority) Anchor() *x509.Certificate { return a.Chain[len(a.Chain)-1] }

// Identity returns what a threshold counts: the operator where one is named,
// else the key of the first certificate. Never the URI, which may be empty or
// shared, nor the certificate itself, of which a renewal makes a second one.
func (a *Authority) Identity() string {
	return identity(a.Operator, a.Chain[0].RawSubjectPublicKeyInfo)
}

// identity keeps names and keys apart, so that no operator can be named like
// another's key.
func identity(operator string, key []byte) string {
	if operator != "" {
		return "operator " + operator
	}
	return "key " + string(key)
}
