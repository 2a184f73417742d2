package trustroot

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// A logKind says what a log's id is made from.
type logKind int

const (
	rekorLog logKind = iota // SHA-256(SPKI), or the checkpoint key id
	ctLog                   // SHA-256(SPKI)
)

// NewRekorLog returns a transparency log. version is the major version of
// Rekor, 1 or 2, and decides what its log id is: the hash of its key, or the
// checkpoint key id. The caller may set Operator.
func NewRekorLog(baseURL string, key crypto.PublicKey, details KeyDetails, valid Validity, version int) (*Log, error) {
	l, err := newLog(baseURL, key, details, valid)
	if err != nil {
		return nil, err
	}
	origins, err := originsOf(baseURL)
	if err != nil {
		return nil, err
	}
	l.Origin = origins[0]
	id, err := checkpointKeyID(l.Origin, key)
	if err != nil {
		return nil, err
	}
	l.CheckpointKeyID = [4]byte(id[:4])
	switch version {
	case 1:
	case 2:
		l.ID = id[:]
	default:
		return nil, fmt.Errorf("expected version 1 or 2 of Rekor, found %d", version)
	}
	return l, nil
}

// NewCTLog returns a certificate transparency log. The caller may set Operator.
func NewCTLog(baseURL string, key crypto.PublicKey, details KeyDetails, valid Validity) (*Log, error) {
	l, err := newLog(baseURL, key, details, valid)
	if err != nil {
		return nil, err
	}
	origins, err := originsOf(baseURL)
	if err != nil {
		return nil, err
	}
	l.Origin = origins[0]
	return l, nil
}

// newLog leaves Origin and CheckpointKeyID to its callers, and takes the hash
// of the key as the log id.
func newLog(baseURL string, key crypto.PublicKey, details KeyDetails, valid Validity) (*Log, error) {
	if err := keyspec.Check(key, details); err != nil {
		return nil, err
	}
	if valid.Start.IsZero() {
		return nil, errors.New("expected the time from which the log is trusted, found none")
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the log's key: %w", err)
	}
	id := sha256.Sum256(spki)
	return &Log{BaseURL: baseURL, Key: key, KeyDetails: details, SPKI: spki, ValidFor: valid, ID: id[:]}, nil
}

func (l *loader) logs(wires []wireLog, path string, kind logKind) ([]*Log, error) {
	if err := checkCount(len(wires), path); err != nil {
		return nil, err
	}
	var logs []*Log
	for i := range wires {
		p := fmt.Sprintf("%s/%d", path, i)
		log, err := loadLog(&wires[i], p, kind)
		if l.skip(p, err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := sameWitness(logs, log, p); err != nil {
			return nil, err
		}
		logs = append(logs, log)
	}
	return logs, nil
}

// sameWitness refuses a key that earlier entries list under another log id or
// another operator: counted apart, one log would meet a threshold of two.
func sameWitness(logs []*Log, log *Log, path string) error {
	for _, other := range logs {
		if !bytes.Equal(other.SPKI, log.SPKI) {
			continue
		}
		if !bytes.Equal(other.ID, log.ID) {
			return fail(path+"/logId", "expected one log id for one key, found the key of log %x again under log id %x", other.ID, log.ID)
		}
		if other.Operator != log.Operator {
			return fail(path+"/operator", "expected one operator for one key, found operators %q and %q for log %x", other.Operator, log.Operator, log.ID)
		}
	}
	return nil
}

func loadLog(w *wireLog, path string, kind logKind) (*Log, error) {
	for name, text := range map[string]string{"/baseUrl": w.BaseURL, "/operator": w.Operator} {
		if err := checkText(text, path+name); err != nil {
			return nil, err
		}
	}
	key, err := loadPublicKey(w.PublicKey, path+"/publicKey")
	if err != nil {
		return nil, err
	}
	if err := checkTreeHash(w.HashAlgorithm, path+"/hashAlgorithm"); err != nil {
		return nil, err
	}
	valid, err := w.PublicKey.ValidFor.started(path + "/publicKey/validFor")
	if err != nil {
		return nil, err
	}
	log := &Log{
		BaseURL: w.BaseURL, Operator: w.Operator,
		Key: key.Public, KeyDetails: key.KeyDetails, SPKI: key.SPKI, ValidFor: valid,
		at: path,
	}
	origins, err := originsOf(w.BaseURL)
	if err != nil {
		return nil, fail(path+"/baseUrl", "%w", err)
	}
	if kind == ctLog {
		return log, log.identifyCT(w, origins[0], path)
	}
	return log, log.identify(w, origins, path)
}

// checkTreeHash accepts SHA-256, the only hash that the trees of Rekor and CT
// are built with.
func checkTreeHash(e enum, path string) error {
	if e != "SHA2_256" && e != "1" {
		return fail(path, "expected SHA2_256, found %q", string(e))
	}
	return nil
}

// identifyCT sets the id of a CT log, which the document must state as it is.
func (l *Log) identifyCT(w *wireLog, origin, path string) error {
	if w.CheckpointKeyID != nil {
		return fail(path+"/checkpointKeyId", "expected none for a CT log, found %x", []byte(w.CheckpointKeyID.KeyID))
	}
	spkiHash := sha256.Sum256(l.SPKI)
	if found := w.LogID.bytes(); !bytes.Equal(found, spkiHash[:]) {
		return fail(path+"/logId/keyId", "expected the SHA-256 of the log's key, %x, found %x", spkiHash, clip(found))
	}
	l.ID, l.Origin = spkiHash[:], origin
	return nil
}

// identify computes the ids of a Rekor log and sets those that the document
// states. A name-dependent id also tells under which of its origins the log
// signs.
func (l *Log) identify(w *wireLog, origins []string, path string) error {
	spkiHash := sha256.Sum256(l.SPKI)
	logID, keyID := w.LogID.bytes(), w.CheckpointKeyID.bytes()
	if w.LogID == nil && w.CheckpointKeyID == nil {
		return fail(path+"/logId", "expected the log's id, found none")
	}
	var expected [32]byte
	for i, origin := range origins {
		full, err := checkpointKeyID(origin, l.Key)
		if err != nil {
			return err
		}
		if i == 0 {
			expected = full
		}
		if w.CheckpointKeyID != nil && !bytes.Equal(keyID, full[:]) && !bytes.Equal(keyID, full[:4]) {
			continue
		}
		switch {
		case bytes.Equal(logID, spkiHash[:]) && (w.LogID != nil):
			l.ID = spkiHash[:]
		case w.LogID == nil || bytes.Equal(logID, full[:]):
			l.ID = full[:]
		default:
			continue
		}
		l.Origin, l.CheckpointKeyID = origin, [4]byte(full[:4])
		return nil
	}
	if w.LogID != nil && !bytes.Equal(logID, spkiHash[:]) && !bytes.Equal(logID, expected[:]) {
		return fail(path+"/logId/keyId", "expected the SHA-256 of the log's key, %x, or its checkpoint key id under %q, %x, found %x",
			spkiHash, origins[0], expected, clip(logID))
	}
	return fail(path+"/checkpointKeyId/keyId", "expected the checkpoint key id under %q, %x, found %x", origins[0], expected[:4], clip(keyID))
}

func (id *wireLogID) bytes() []byte {
	if id == nil {
		return nil
	}
	return id.KeyID
}

// clip keeps outside bytes short in messages.
func clip(b []byte) []byte { return b[:min(len(b), 40)] }

// originsOf returns the names under which a log at baseURL may sign its
// checkpoints, likeliest first: host, port and path without scheme and trailing
// slash, as C2SP tlog-checkpoint has it; and the bare host name, which is what
// sigstore-go and rekor-tiles use. An empty baseURL has the empty name, which
// no checkpoint bears.
func originsOf(baseURL string) ([]string, error) {
	if baseURL == "" {
		return []string{""}, nil
	}
	text := baseURL
	if !strings.Contains(text, "://") {
		text = "https://" + text // scheme-less, as the specification allows
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("expected a URL: %w", err)
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, fmt.Errorf("expected a URL of a host and a path, found %q", baseURL)
	}
	_, origin, _ := strings.Cut(text, "://")
	origin = strings.TrimRight(origin, "/")
	if !isNoteName(origin) {
		return nil, fmt.Errorf("expected a URL without spaces, plus signs and invisible characters, since checkpoints are named after it, found %q", baseURL)
	}
	if host := u.Hostname(); host != origin {
		return []string{origin, host}, nil
	}
	return []string{origin}, nil
}

// isNoteName follows C2SP signed-note: a key name is not empty and has neither
// spaces nor plus signs. Nor may it have what would not show on a terminal.
func isNoteName(name string) bool {
	return name != "" && !strings.Contains(name, "+") && isPrintable(name) &&
		strings.IndexFunc(name, unicode.IsSpace) < 0
}

func isPrintable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Signature types of C2SP signed-note. Rekor names RSA's itself, under 0xff.
const (
	noteEd25519 = "\x01"
	noteMLDSA44 = "\x06"
	noteRSA     = "\xffPKIX-RSA-PKCS#1v1.5"
)

// checkpointKeyID returns the untruncated signed-note key id of pub under the
// name origin; its first 4 bytes stand in checkpoints. A key for which no
// checkpoint signature is defined is an *unknownKeyError.
//
// Source: C2SP signed-note, as protobuf-specs and rekor-tiles apply it.
func checkpointKeyID(origin string, pub crypto.PublicKey) ([32]byte, error) {
	var key []byte
	var kind string
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		// ECDSA ids came before the name was hashed too.
		spki, err := x509.MarshalPKIXPublicKey(pub)
		return sha256.Sum256(spki), err
	case *rsa.PublicKey:
		spki, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return [32]byte{}, err
		}
		kind, key = noteRSA, spki
	case ed25519.PublicKey:
		kind, key = noteEd25519, pub
	case *mldsa.PublicKey:
		if pub.Parameters() == mldsa.MLDSA44() {
			kind, key = noteMLDSA44, pub.Bytes()
		}
	}
	if kind == "" {
		return [32]byte{}, &unknownKeyError{name: keyspec.Describe(pub) + " for checkpoints"}
	}
	return sha256.Sum256(append([]byte(origin+"\n"+kind), key...)), nil
}
