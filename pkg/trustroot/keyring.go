package trustroot

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// ErrNoKey is returned by Keyring.Find when no key goes by that hint.
var ErrNoKey = errors.New("no key in the keyring goes by this hint")

// A Keyring holds bare public keys, chosen by hint. NewKeyring and KeyringOf
// make one; the zero value finds nothing.
//
// Every key goes by the hint listed with it, if any, and by those that clients
// derive from its SubjectPublicKeyInfo:
//
//   - base64 of SHA-256(DER): sigstore-go, cosign, sigstore-python
//   - hex SHA-256(DER)
//   - hex SHA-256(PEM text), 64 columns, with final newline: model-signing
//   - the SSH fingerprint, "SHA256:" and unpadded base64: npm, DSSE key ids
//
// A hint is never authority: it says which key to try.
type Keyring struct {
	Keys []*Key

	byHint map[string]*Key
	sole   bool // made by KeyringOf
}

// A Key is a public key that is trusted to sign artifacts.
type Key struct {
	Hint       string // as listed; a label for people, "" if only the derived hints apply
	Public     crypto.PublicKey
	KeyDetails KeyDetails
	SPKI       []byte
	ValidFor   Validity // zero: always

	at string // pointer to it in the document, for Check
}

// NewKey returns the key pub for use by the algorithm details; zero stands for
// the one that Sigstore's registry prescribes for its type. The caller may set
// ValidFor.
func NewKey(pub crypto.PublicKey, details KeyDetails, hint string) (*Key, error) {
	var err error
	if details == 0 {
		if details, err = keyspec.ForKey(pub); err != nil {
			return nil, err
		}
	}
	if err := keyspec.Check(pub, details); err != nil {
		return nil, err
	}
	if err := checkHint(hint); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	return &Key{Hint: hint, Public: pub, KeyDetails: details, SPKI: spki}, nil
}

// Hints returns every hint that k goes by, the listed one first if there is
// one. It is the list that Find knows k by.
func (k *Key) Hints() []string {
	sum := sha256.Sum256(k.SPKI)
	text := sha256.Sum256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.SPKI}))
	hints := []string{
		base64.StdEncoding.EncodeToString(sum[:]),
		hex.EncodeToString(sum[:]),
		hex.EncodeToString(text[:]),
	}
	if name := keyspec.SSHFingerprint(k.Public); name != "" {
		hints = append(hints, name)
	}
	if k.Hint != "" {
		hints = append([]string{k.Hint}, hints...)
	}
	return hints
}

// NewKeyring returns a keyring of keys. Two keys that go by one hint, listed or
// derived, are an error, and so is one key listed twice.
func NewKeyring(keys []*Key) (*Keyring, error) {
	if len(keys) > maxEntries {
		return nil, fmt.Errorf("expected at most %d keys, found %d", maxEntries, len(keys))
	}
	ring := &Keyring{byHint: make(map[string]*Key, 4*len(keys))}
	for _, key := range keys {
		if err := ring.add(key); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

func (r *Keyring) add(key *Key) error {
	for _, hint := range key.Hints() {
		other := r.byHint[hint]
		switch {
		case other == nil:
			r.byHint[hint] = key
		case other == key: // listed under a hint that is also derived
		case bytes.Equal(other.SPKI, key.SPKI):
			return fmt.Errorf("expected every key once, found the key with hint %q again", other.label())
		default:
			return fmt.Errorf("expected one key for one hint, found two keys with hint %q", hint)
		}
	}
	r.Keys = append(r.Keys, key)
	return nil
}

// label names a key for people.
func (k *Key) label() string { return k.Hints()[0] }

// Find returns the key that goes by hint, or ErrNoKey. The empty hint finds
// nothing.
func (r *Keyring) Find(hint string) (*Key, error) {
	if key := r.byHint[hint]; key != nil {
		return key, nil
	}
	return nil, ErrNoKey
}

// Sole returns the key of a keyring made by KeyringOf, which a person chose by
// hand for this verification; otherwise nil. Bundles by some clients carry a
// hint of the signer's own making, or none, which no verifier can know; with
// one key chosen by hand there is nothing to look up. Whether to try Sole after
// Find failed is the caller's decision. A hint for which IsFingerprint is true
// most likely names another key.
func (r *Keyring) Sole() *Key {
	if r.sole && len(r.Keys) == 1 {
		return r.Keys[0]
	}
	return nil
}

// IsFingerprint reports whether hint has the form of a derived one: a SHA-256
// digest in hex or padded base64. It cannot tell whether the digest is of a
// key, nor over which of a key's encodings: some clients derive hints in ways
// of their own.
func IsFingerprint(hint string) bool {
	if len(hint) == hex.EncodedLen(sha256.Size) {
		_, err := hex.DecodeString(hint)
		return err == nil
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(hint)
	return err == nil && len(sum) == sha256.Size
}

func checkHint(hint string) error {
	if len(hint) > maxText {
		return fmt.Errorf("expected a hint of at most %d bytes, found %d", maxText, len(hint))
	}
	if !isPrintable(hint) {
		return fmt.Errorf("expected a hint of printable text, found %q", hint)
	}
	return nil
}

func (l *loader) keyring(wires []wireKey, path string) (*Keyring, error) {
	if err := checkCount(len(wires), path); err != nil {
		return nil, err
	}
	if len(wires) == 0 {
		return nil, fail(path, "expected at least one key, found none")
	}
	ring, _ := NewKeyring(nil)
	for i, w := range wires {
		p := fmt.Sprintf("%s/%d", path, i)
		key, err := loadKey(&w, p)
		if l.skip(p, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := ring.add(key); err != nil {
			return nil, fail(p, "%w", err)
		}
	}
	return ring, nil
}

func loadKey(w *wireKey, path string) (*Key, error) {
	if err := checkHint(w.Hint); err != nil {
		return nil, fail(path+"/hint", "%w", err)
	}
	key, err := loadPublicKey(w.PublicKey, path+"/publicKey")
	if err != nil {
		return nil, err
	}
	key.Hint, key.at = w.Hint, path
	key.ValidFor, err = w.PublicKey.ValidFor.validity(path + "/publicKey/validFor")
	return key, err
}

// loadPublicKey reads the key of a PublicKey message, and leaves its window to
// the caller.
func loadPublicKey(w *wirePublicKey, path string) (*Key, error) {
	if w == nil {
		return nil, fail(path, "expected a public key, found none")
	}
	details, err := w.KeyDetails.details()
	if err != nil {
		return nil, fail(path+"/keyDetails", "%w", err)
	}
	pub, err := keyspec.ParseKey(w.RawBytes, details)
	if err != nil {
		return nil, fail(path+"/rawBytes", "%w", err)
	}
	key := &Key{Public: pub, KeyDetails: details}
	if key.SPKI, err = x509.MarshalPKIXPublicKey(pub); err != nil {
		return nil, fail(path+"/rawBytes", "%w", err)
	}
	return key, nil
}
