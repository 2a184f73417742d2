package main

import (
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/bundler-sign/bundler/pkg/verify"
)

// An in-toto Verification Summary Attestation: slsa.dev/spec/v1.0/verification_summary.
type (
	vsaStatement struct {
		Type          string       `json:"_type"`
		Subject       []vsaSubject `json:"subject"`
		PredicateType string       `json:"predicateType"`
		Predicate     vsaPredicate `json:"predicate"`
	}
	vsaSubject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	vsaPredicate struct {
		Verifier     vsaVerifier     `json:"verifier"`
		TimeVerified time.Time       `json:"timeVerified"`
		ResourceURI  string          `json:"resourceUri"`
		Policy       vsaDescriptor   `json:"policy"`
		Inputs       []vsaDescriptor `json:"inputAttestations"`
		Result       string          `json:"verificationResult"` // PASSED or FAILED
		Levels       []string        `json:"verifiedLevels"`
		SLSAVersion  string          `json:"slsaVersion"`
	}
	vsaVerifier struct {
		ID      string            `json:"id"`
		Version map[string]string `json:"version"`
	}
	vsaDescriptor struct {
		URI    string            `json:"uri"`
		Digest map[string]string `json:"digest"`
	}
)

const (
	vsaType       = "https://slsa.dev/verification_summary/v1"
	statementType = "https://in-toto.io/Statement/v1"
)

// renderVSA writes one summary about the artifacts of the results, which must
// be the same. It passes only if every result does. Without a verdict there is
// no summary: it could only say what was not found out.
func renderVSA(out io.Writer, results []result) error {
	s, err := newVSA(results)
	if err != nil {
		return noVerdictf("-o vsa: %w", err)
	}
	return writeJSON(out, s)
}

func newVSA(results []result) (*vsaStatement, error) {
	if len(results) == 0 {
		return nil, errors.New("there was nothing to verify")
	}
	first := &results[0]
	p := vsaPredicate{
		Verifier: vsaVerifier{ID: homepage, Version: map[string]string{"bundler": version}},
		Result:   "PASSED", Levels: []string{"SLSA_BUILD_LEVEL_UNEVALUATED"}, SLSAVersion: "1.0",
	}
	for i := range results {
		r := &results[i]
		switch {
		case r.err != nil:
			return nil, errors.New("there is no verdict to summarise")
		case r.name != first.name:
			return nil, errors.New("a summary is about one artifact: verify each by itself")
		case !r.passed():
			p.Result, p.Levels = "FAILED", []string{"FAILED"}
		}
		p.TimeVerified = r.report.Evaluated.UTC()
		if b := r.report.Bundle; b != nil {
			p.Inputs = append(p.Inputs, vsaDescriptor{printable(r.bundle), map[string]string{"sha256": b.SHA256.Hex()}})
		}
	}
	p.ResourceURI = printable(first.name)
	p.Policy = vsaPolicy(first.report)
	subject := vsaSubjects(first.report)
	if len(subject) == 0 {
		return nil, errors.New("the artifact was not read, so that there is no digest to name it by")
	}
	return &vsaStatement{Type: statementType, Subject: subject, PredicateType: vsaType, Predicate: p}, nil
}

// vsaPolicy names what decided: the policy, or the trust config where the
// checks alone did.
func vsaPolicy(r *verify.Report) vsaDescriptor {
	if len(r.Policies) > 0 {
		j := r.Policies[len(r.Policies)-1]
		return vsaDescriptor{printable(j.Policy), map[string]string{"sha256": j.SHA256}}
	}
	return vsaDescriptor{printable(r.Trust.Source), map[string]string{"sha256": hex.EncodeToString(r.Trust.SHA256[:])}}
}

func vsaSubjects(r *verify.Report) []vsaSubject {
	var out []vsaSubject
	for _, a := range r.Artifacts {
		digest := make(map[string]string)
		for _, d := range a.Digests {
			digest[d.Algorithm().String()] = d.Hex()
		}
		if len(digest) == 0 {
			return nil
		}
		out = append(out, vsaSubject{printable(a.Name), digest})
	}
	return out
}
