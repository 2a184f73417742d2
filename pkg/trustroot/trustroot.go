// Package trustroot answers one question: whom do we believe, and when?
//
// It reads the trust documents of Sigstore (TrustedRoot, ClientTrustConfig,
// SigningConfig) and bundler's own keyring into values that cannot be wrong:
// keys parsed and matched to their declared type, log ids recomputed, chains
// linked, windows closed. It does not decide anything about a bundle; package
// verify does that with what is loaded here.
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

// A Config is everything one trust document says. At least one of Root and
// Keyring is set.
type Config struct {
	Root    *Root          // nil in a bare keyring
	Signing *SigningConfig // nil unless the document has one
	Keyring *Keyring       // nil unless the document has one

	Source   string   // where it was read from: a path, or a name the caller gave
	SHA256   [32]byte // of the document's bytes
	Warnings []string // entries skipped, because this build does not know their key type
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

// A Log is a transparency log, or a CT log.
type Log struct {
	BaseURL    string
	Origin     string // host and path of BaseURL: what its checkpoints are called
	Operator   string // "" before v0.2
	Key        crypto.PublicKey
	KeyDetails KeyDetails
	SPKI       []byte // DER of Key as SubjectPublicKeyInfo
	ValidFor   Validity
	ID         []byte // log id: SHA-256 of SPKI, or the untruncated checkpoint key id

	// CheckpointKeyID is the signed-note key id of Key under Origin, computed,
	// never copied from the file.
	CheckpointKeyID [4]byte
}

// Identity returns what a threshold counts: the operator where one is named,
// else the key. Two Logs with one Identity are one witness.
func (l *Log) Identity() string { return identity(l.Operator, l.SPKI) }

// An Authority is a certificate authority or a timestamp authority.
type Authority struct {
	URI      string
	Operator string
	ValidFor Validity

	// Chain is as listed: each certificate was issued by the next, and the
	// last is the anchor, self-signed or not. All links were verified when the
	// document was loaded. In a TSA's chain the first may be the signing
	// certificate itself.
	Chain []*x509.Certificate
}

// Anchor returns the last certificate of the chain, the one that is trusted.
func (a *Authority) Anchor() *x509.Certificate { return a.Chain[len(a.Chain)-1] }

// Identity returns what a threshold counts: the operator where one is named,
// else the signing certificate (never the URI, which may be empty or shared).
func (a *Authority) Identity() string { return identity(a.Operator, a.Chain[0].Raw) }

// identity keeps names and keys apart, so that no operator can be named like
// another's key.
func identity(operator string, key []byte) string {
	if operator != "" {
		return "operator " + operator
	}
	return "key " + string(key)
}

// A Keyring holds bare public keys, chosen by hint.
type Keyring struct {
	Keys []*Key
}

// A Key is a public key that is trusted to sign artifacts.
type Key struct {
	Hint       string // as listed; a label for people, "" if only the derived hints apply
	Public     crypto.PublicKey
	KeyDetails KeyDetails
	SPKI       []byte
	ValidFor   Validity // zero: always
}
