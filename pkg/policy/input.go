package policy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// SchemaVersion is the version of the input document.
const SchemaVersion = 1

// An Input is what a policy sees of one verified bundle. It is built from the
// report alone: but for Unverified, everything in it was proved. Lists and maps
// are always there, scalars that are absent are null, times are UTC.
type Input struct {
	SchemaVersion int               `json:"schemaVersion"`
	Artifact      *Artifact         `json:"artifact"`
	Artifacts     []Artifact        `json:"artifacts"` // all that the bundle was held against; the first is Artifact
	Bundle        Bundle            `json:"bundle"`
	Signature     Signature         `json:"signature"`
	Signer        Signer            `json:"signer"`
	Times         Times             `json:"times"`
	Evidence      Evidence          `json:"evidence"`
	Statement     *Statement        `json:"statement"`
	Model         *Model            `json:"model"`
	Trust         Trust             `json:"trust"`
	Params        map[string]string `json:"params"`
	Unverified    Unverified        `json:"unverified"`
}

// The parts of an Input.
type (
	Artifact struct {
		Name    string            `json:"name"`    // as the caller named it: proves nothing
		Digests map[string]string `json:"digests"` // hex, by algorithm
		Size    *int64            `json:"size"`    // bytes; null if only a digest was given
	}
	Bundle struct {
		MediaType string  `json:"mediaType"`
		Version   string  `json:"version"`
		Content   string  `json:"content"` // "messageSignature" or "dsse"
		SHA256    *string `json:"sha256"`
	}
	Signature struct {
		Algorithm  string  `json:"algorithm"`  // family: "ECDSA", "RSA-PKCS1v15", …
		KeyDetails string  `json:"keyDetails"` // protobuf-specs' name
		Hash       *string `json:"hash"`       // null if the scheme signs the message itself
	}
	Times struct {
		Evaluation time.Time      `json:"evaluation"`
		Verified   []VerifiedTime `json:"verified"`
		Signing    *time.Time     `json:"signing"` // the earliest verified
	}
	VerifiedTime struct {
		Type     string    `json:"type"` // "rfc3161" or "integrated"
		Time     time.Time `json:"time"`
		URI      string    `json:"uri"`
		Operator string    `json:"operator"`
	}
	Evidence struct {
		Tlog LogEvidence `json:"tlog"`
		SCT  SCTEvidence `json:"sct"`
		TSA  TSAEvidence `json:"tsa"`
	}
	LogEvidence struct {
		Required  bool       `json:"required"`
		Threshold int        `json:"threshold"`
		Verified  []LogEntry `json:"verified"`
	}
	LogEntry struct {
		Log            string     `json:"log"`
		Operator       string     `json:"operator"`
		LogID          string     `json:"logId"` // hex
		Kind           string     `json:"kind"`
		Version        string     `json:"version"`
		LogIndex       *int64     `json:"logIndex"`  // null unless a promise signs it
		TreeIndex      *int64     `json:"treeIndex"` // null without an inclusion proof
		IntegratedTime *time.Time `json:"integratedTime"`
	}
	SCTEvidence struct {
		Required  bool  `json:"required"`
		Threshold int   `json:"threshold"`
		Verified  []SCT `json:"verified"`
	}
	SCT struct {
		Log      string    `json:"log"`
		Operator string    `json:"operator"`
		LogID    string    `json:"logId"` // hex
		Time     time.Time `json:"time"`
	}
	TSAEvidence struct {
		Required  bool           `json:"required"`
		Threshold int            `json:"threshold"`
		Verified  []VerifiedTime `json:"verified"`
	}
	Statement struct {
		Type          string         `json:"_type"`
		PredicateType string         `json:"predicateType"`
		Subject       []Subject      `json:"subject"`
		Predicate     jsontext.Value `json:"predicate"` // as signed, numbers exact
	}
	Subject struct {
		Name   string            `json:"name"`
		URI    string            `json:"uri"`
		Digest map[string]string `json:"digest"` // hex, by algorithm; those that bundler knows
	}
	// A Model is a directory that was verified as one payload.
	Model struct {
		Method   string      `json:"method"`
		HashType string      `json:"hashType"`
		Files    []ModelFile `json:"files"`
		Ignored  []string    `json:"ignored"`
		Extra    []string    `json:"extra"`
		Symlinks bool        `json:"symlinks"`
	}
	ModelFile struct {
		Name   string `json:"name"`
		Digest string `json:"digest"`
	}
	Trust struct {
		Source string `json:"source"`
		SHA256 string `json:"sha256"`
		TUF    *TUF   `json:"tuf"` // null unless trust came from a TUF repository
	}
	TUF struct {
		RootVersion    int64     `json:"rootVersion"`
		TargetsVersion int64     `json:"targetsVersion"`
		Expires        time.Time `json:"expires"`
	}
	// Unverified is what the bundle claims and nobody proved.
	Unverified struct {
		KeyHint     string           `json:"keyHint"`
		TlogEntries []ClaimedEntry   `json:"tlogEntries"`
		Timestamps  []ClaimedToken   `json:"timestamps"`
		Digests     []UnknownDigests `json:"digests"`
	}
	ClaimedEntry struct {
		LogID          string `json:"logId"`
		Kind           string `json:"kind"`
		Version        string `json:"version"`
		LogIndex       int64  `json:"logIndex"`
		IntegratedTime int64  `json:"integratedTime"` // Unix seconds
	}
	ClaimedToken struct {
		SHA256 string `json:"sha256"` // of the token's DER
	}
	// UnknownDigests are a subject's digests by algorithms that are not checked.
	UnknownDigests struct {
		Subject    string   `json:"subject"`
		Algorithms []string `json:"algorithms"`
	}
)

// NewInput returns the input document of a report, with params as its
// parameters. The report must be one whose checks all passed.
func NewInput(r *verify.Report, params map[string]string) (*Input, error) {
	if r == nil || !r.Proved() || r.Bundle == nil {
		return nil, errors.New("expected a report whose checks all passed: a policy judges nothing else")
	}
	in := &Input{
		SchemaVersion: SchemaVersion,
		Bundle:        newBundle(r.Bundle),
		Signature:     Signature{Algorithm: family(r.Algorithm), KeyDetails: r.Algorithm.String(), Hash: hashName(r.Algorithm)},
		Signer:        newSigner(r),
		Times:         newTimes(r),
		Evidence:      newEvidence(r),
		Params:        params,
		Unverified:    newUnverified(r),
	}
	for _, a := range r.Artifacts {
		if a != nil {
			in.Artifacts = append(in.Artifacts, newArtifact(a))
		}
	}
	if len(in.Artifacts) > 0 {
		in.Artifact = &in.Artifacts[0]
	}
	if s := r.Statement; s != nil {
		in.Statement = newStatement(s)
	}
	if r.Trust != nil {
		in.Trust = Trust{Source: r.Trust.Source, SHA256: hex.EncodeToString(r.Trust.SHA256[:])}
	}
	return in, nil
}

// JSON returns the document as policies see it, indented.
func (in *Input) JSON() ([]byte, error) {
	return json.Marshal(in, json.Deterministic(true), jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true))
}

func newArtifact(a *verify.Artifact) Artifact {
	d := Artifact{Name: a.Name, Digests: hexDigests(a.Digests)}
	if n, ok := a.Size(); ok {
		d.Size = &n
	}
	return d
}

func hexDigests(ds []bundle.Digest) map[string]string {
	m := make(map[string]string, len(ds))
	for _, d := range ds {
		m[d.Algorithm().String()] = d.Hex()
	}
	return m
}

func newBundle(b *bundle.Bundle) Bundle {
	d := Bundle{MediaType: b.MediaType, Version: b.Version.String(), Content: "messageSignature"}
	if b.Envelope != nil {
		d.Content = "dsse"
	}
	if !b.SHA256.IsZero() {
		sum := b.SHA256.Hex()
		d.SHA256 = &sum
	}
	return d
}

// family names the kind of signature, without its parameters.
func family(d trustroot.KeyDetails) string {
	name := d.String()
	for _, f := range []struct{ part, name string }{
		{"RSA_PSS", "RSA-PSS"}, {"RSA_PKCS1V15", "RSA-PKCS1v15"}, {"ECDSA", "ECDSA"},
		{"ED25519_PH", "Ed25519ph"}, {"ED25519", "Ed25519"}, {"ML_DSA", "ML-DSA"},
	} {
		if strings.Contains(name, f.part) {
			return f.name
		}
	}
	return name
}

func hashName(d trustroot.KeyDetails) *string {
	alg, ok := bundle.AlgorithmFor(d.Hash())
	if !ok {
		return nil
	}
	name := alg.String()
	return &name
}

func newTimes(r *verify.Report) Times {
	t := Times{Evaluation: r.Evaluated.UTC()}
	for _, v := range r.Times {
		at := v.Time.UTC()
		t.Verified = append(t.Verified, VerifiedTime{v.Type, at, v.URI, v.Operator})
		if t.Signing == nil || at.Before(*t.Signing) {
			t.Signing = &at
		}
	}
	return t
}

func newEvidence(r *verify.Report) Evidence {
	th := r.Thresholds
	e := Evidence{
		Tlog: LogEvidence{Required: th.Logs > 0, Threshold: th.Logs},
		SCT:  SCTEvidence{Required: th.SCTs > 0, Threshold: th.SCTs},
		TSA:  TSAEvidence{Required: th.Timestamps > 0, Threshold: th.Timestamps},
	}
	for i := range r.Entries {
		e.Tlog.Verified = append(e.Tlog.Verified, newLogEntry(&r.Entries[i]))
	}
	for _, s := range r.SCTs {
		e.SCT.Verified = append(e.SCT.Verified, SCT{s.LogURL, s.Operator, hex.EncodeToString(s.LogID), s.Time.UTC()})
	}
	for _, t := range r.Times {
		if t.Type == "rfc3161" {
			e.TSA.Verified = append(e.TSA.Verified, VerifiedTime{t.Type, t.Time.UTC(), t.URI, t.Operator})
		}
	}
	return e
}

func newLogEntry(e *verify.Entry) LogEntry {
	d := LogEntry{Log: e.LogURL, Operator: e.Operator, LogID: hex.EncodeToString(e.LogID), Kind: e.Kind, Version: e.Version}
	if e.LogIndex >= 0 {
		d.LogIndex = &e.LogIndex
	}
	if e.TreeIndex >= 0 {
		d.TreeIndex = &e.TreeIndex
	}
	if !e.IntegratedTime.IsZero() {
		at := e.IntegratedTime.UTC()
		d.IntegratedTime = &at
	}
	return d
}

func newStatement(s *bundle.Statement) *Statement {
	d := &Statement{Type: s.Type, PredicateType: s.PredicateType, Predicate: s.Predicate}
	if len(d.Predicate) == 0 {
		d.Predicate = jsontext.Value("null")
	}
	for _, sub := range s.Subjects {
		d.Subject = append(d.Subject, Subject{sub.Name, sub.URI, hexDigests(sub.Digests)})
	}
	return d
}

func newUnverified(r *verify.Report) Unverified {
	u := Unverified{KeyHint: r.Bundle.KeyHint}
	for i := range r.Bundle.Entries {
		e := &r.Bundle.Entries[i]
		u.TlogEntries = append(u.TlogEntries, ClaimedEntry{hex.EncodeToString(e.LogID), e.Kind, e.Version, e.LogIndex, e.IntegratedTime})
	}
	for _, token := range r.Bundle.Timestamps {
		u.Timestamps = append(u.Timestamps, ClaimedToken{sha256Hex(token)})
	}
	if r.Statement != nil {
		for _, sub := range r.Statement.Subjects {
			if len(sub.Other) > 0 {
				u.Digests = append(u.Digests, UnknownDigests{sub.Name, sub.Other})
			}
		}
	}
	return u
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
