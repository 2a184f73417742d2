package bundle

import (
	"bytes"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// Types of in-toto statements that are accepted.
const (
	StatementV1  = "https://in-toto.io/Statement/v1"
	StatementV01 = "https://in-toto.io/Statement/v0.1"
)

// Limits on a statement.
const (
	MaxSubjects       = 1024
	MaxSubjectDigests = 32 // in one subject
)

// statementLimits allow null and deep nesting, which predicates may have. An
// SBOM of 10 MiB has a few hundred thousand values.
var statementLimits = strictjson.Limits{
	Bytes:   MaxSize,
	Depth:   256,
	Values:  1 << 20,
	Number:  1 << 10,
	AnyNull: true,
}

// A Statement is an in-toto statement: these subjects have this predicate.
// Source: in-toto/attestation spec/v1/statement.md, spec/v0.1.0.
type Statement struct {
	Type          string
	Subjects      []Subject
	PredicateType string
	Predicate     jsontext.Value // as signed, numbers exact; nil if absent
}

// A Subject is an artifact that a statement is about. Digests holds those with
// a known algorithm; names are never compared.
type Subject struct {
	Name    string
	URI     string
	Digests []Digest
	Other   []string // names of the digest algorithms that are not known here
}

// wireSubject is in-toto's ResourceDescriptor.
type wireSubject struct {
	Name             string            `json:"name"`
	URI              string            `json:"uri"`
	Digest           map[string]string `json:"digest"`
	Content          jsontext.Value    `json:"content"`
	DownloadLocation string            `json:"downloadLocation"`
	MediaType        string            `json:"mediaType"`
	Annotations      jsontext.Value    `json:"annotations"`
}

// ParseStatement parses an in-toto statement strictly: no duplicate members
// anywhere, no member that the specification does not name (so none that
// differs from one by case or spelling), no null outside the predicate, and a
// known _type. The predicate, if there is one, is checked to be a strict JSON
// object but not interpreted.
func ParseStatement(payload []byte) (*Statement, error) {
	if err := strictjson.Check(payload, statementLimits); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	var members struct {
		Type          jsontext.Value `json:"_type"`
		Subjects      jsontext.Value `json:"subject"`
		PredicateType jsontext.Value `json:"predicateType"`
		Predicate     jsontext.Value `json:"predicate"`
	}
	if err := strictjson.Unmarshal(payload, &members, statementLimits); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	s := &Statement{Predicate: members.Predicate}
	var err error
	if s.Type, err = requiredString(members.Type, "_type"); err != nil {
		return nil, err
	}
	if s.Type != StatementV1 && s.Type != StatementV01 {
		return nil, fmt.Errorf("statement: at /_type: expected %q, found %q", StatementV1, s.Type)
	}
	if s.PredicateType, err = requiredString(members.PredicateType, "predicateType"); err != nil {
		return nil, err
	}
	if kind := s.Predicate.Kind(); s.Predicate != nil && kind != '{' {
		return nil, fmt.Errorf("statement: at /predicate: expected an object, found %s", kind)
	}
	if s.Subjects, err = parseSubjects(members.Subjects); err != nil {
		return nil, err
	}
	return s, nil
}

func requiredString(v jsontext.Value, name string) (string, error) {
	if v.Kind() != '"' {
		return "", fmt.Errorf("statement: at /%s: expected a string, found %s", name, kindOf(v))
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil || len(s) == 0 {
		return "", fmt.Errorf("statement: at /%s: expected a string that is not empty", name)
	}
	return string(s), nil
}

func kindOf(v jsontext.Value) string {
	if v == nil {
		return "nothing"
	}
	return v.Kind().String()
}

func parseSubjects(v jsontext.Value) ([]Subject, error) {
	if v.Kind() != '[' {
		return nil, fmt.Errorf("statement: at /subject: expected an array, found %s", kindOf(v))
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := dec.ReadToken(); err != nil {
		return nil, fmt.Errorf("statement: at /subject: %w", err)
	}
	var subjects []Subject
	for dec.PeekKind() != ']' {
		if len(subjects) == MaxSubjects {
			return nil, fmt.Errorf("statement: at /subject: more than the limit of %d subjects", MaxSubjects)
		}
		item, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("statement: at /subject: %w", err)
		}
		s, err := parseSubject(item)
		if err != nil {
			return nil, fmt.Errorf("statement: at /subject/%d: %w", len(subjects), err)
		}
		subjects = append(subjects, s)
	}
	if len(subjects) == 0 {
		return nil, fmt.Errorf("statement: at /subject: expected at least one subject, found none")
	}
	return subjects, nil
}

func parseSubject(item jsontext.Value) (Subject, error) {
	var w wireSubject
	if err := strictjson.Unmarshal(item, &w, strictjson.Limits{Bytes: MaxSize}); err != nil {
		return Subject{}, err
	}
	if len(w.Digest) > MaxSubjectDigests {
		return Subject{}, fmt.Errorf("digest: more than the limit of %d digests", MaxSubjectDigests)
	}
	s := Subject{Name: w.Name, URI: w.URI}
	for name, digits := range w.Digest {
		alg, ok := AlgorithmOf(name)
		if !ok {
			s.Other = append(s.Other, name)
			continue
		}
		sum, err := hex.DecodeString(digits)
		if err != nil {
			return Subject{}, fmt.Errorf("digest/%s: expected hexadecimal digits, found %q", name, digits)
		}
		d, err := NewDigest(alg, sum)
		if err != nil {
			return Subject{}, fmt.Errorf("digest: %w", err)
		}
		s.Digests = append(s.Digests, d)
	}
	return s, nil
}

// NewStatement returns the JSON of a statement of type StatementV1. The
// predicate is kept as given, in compact form; it must be one strict JSON
// object.
func NewStatement(subjects []Subject, predicateType string, predicate []byte) ([]byte, error) {
	type wireOut struct {
		Name   string            `json:"name,omitzero"`
		Digest map[string]string `json:"digest"`
	}
	doc := struct {
		Type          string         `json:"_type"`
		Subject       []wireOut      `json:"subject"`
		PredicateType string         `json:"predicateType"`
		Predicate     jsontext.Value `json:"predicate"`
	}{Type: StatementV1, PredicateType: predicateType, Predicate: predicate}
	for _, s := range subjects {
		out := wireOut{Name: s.Name, Digest: map[string]string{}}
		for _, d := range s.Digests {
			out.Digest[d.Algorithm().String()] = d.Hex()
		}
		doc.Subject = append(doc.Subject, out)
	}
	if err := strictjson.Valid(predicate, statementLimits); err != nil {
		return nil, fmt.Errorf("predicate: %w", err)
	}
	out, err := json.Marshal(doc, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if _, err := ParseStatement(out); err != nil {
		return nil, err
	}
	return out, nil
}
