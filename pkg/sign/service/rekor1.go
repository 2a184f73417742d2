package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/fetch"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// RekorV1 is a transparency log of version 1. It holds artifacts as
// hashedrekord 0.0.1 and envelopes as dsse 0.0.1.
type RekorV1 struct {
	base   string
	client *fetch.Client
}

func (r *RekorV1) String() string { return r.base }

// Holds refuses what hashes nothing over an artifact, and ML-DSA, which no
// Rekor v1 verifies.
func (r *RekorV1) Holds(alg trustroot.KeyDetails, envelope bool) error {
	switch {
	case isMLDSA(alg):
		return fmt.Errorf("a log of version 1 holds no signatures by %v", alg)
	case !envelope && alg.Hash() == 0:
		return fmt.Errorf("an entry of Rekor v1 about an artifact holds its digest, and %v signs none", alg)
	}
	return nil
}

func isMLDSA(alg trustroot.KeyDetails) bool {
	return alg == keyspec.MLDSA44 || alg == keyspec.MLDSA65 || alg == keyspec.MLDSA87
}

const (
	entriesV1 = "/api/v1/log/entries"
	maxEntry  = 48 << 20 // bytes of an answer: an entry may repeat an envelope
)

// Record logs the signature. An entry that is there already, from an attempt
// whose answer was lost, is fetched.
func (r *RekorV1) Record(ctx context.Context, s *sign.Submission) (*bundle.LogEntry, error) {
	body, err := proposedEntry(s)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(ctx, &fetch.Request{
		Method:  http.MethodPost,
		URL:     r.base + entriesV1,
		Header:  jsonHeader(),
		Body:    body,
		MaxBody: maxEntry,
		Accept:  []int{http.StatusCreated, http.StatusOK},
	})
	if status, ok := errors.AsType[*fetch.StatusError](err); ok && status.Status == http.StatusConflict {
		return r.get(ctx, "/"+path.Base(status.Header.Get("Location")))
	}
	if err != nil {
		return nil, uncertain(err)
	}
	e, err := parseEntryV1(resp.Body)
	if err != nil {
		return nil, &sign.UncertainError{Err: err}
	}
	return e, nil
}

func jsonHeader() http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
}

// Reread fetches an entry by its index.
func (r *RekorV1) Reread(ctx context.Context, e *bundle.LogEntry) (*bundle.LogEntry, error) {
	return r.get(ctx, "?logIndex="+strconv.FormatInt(e.LogIndex, 10))
}

func (r *RekorV1) get(ctx context.Context, which string) (*bundle.LogEntry, error) {
	resp, err := r.client.Do(ctx, &fetch.Request{URL: r.base + entriesV1 + which, Header: http.Header{"Accept": {"application/json"}}, MaxBody: maxEntry})
	if err != nil {
		return nil, err
	}
	return parseEntryV1(resp.Body)
}

type object = map[string]any

// proposedEntry is the model ProposedEntry.
func proposedEntry(s *sign.Submission) ([]byte, error) {
	verifier := &pem.Block{Type: "PUBLIC KEY", Bytes: s.PublicKey}
	if s.Certificate != nil {
		verifier = &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate}
	}
	signer := pbjson.Bytes(pem.EncodeToMemory(verifier))
	if e := s.Bundle.Envelope; e != nil {
		envelope, err := json.Marshal(object{
			"payloadType": e.PayloadType,
			"payload":     pbjson.Bytes(e.Payload),
			"signatures":  []object{{"keyid": e.KeyID, "sig": pbjson.Bytes(e.Signature)}},
		}, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		return json.Marshal(object{"apiVersion": "0.0.1", "kind": "dsse", "spec": object{
			"proposedContent": object{"envelope": string(envelope), "verifiers": []pbjson.Bytes{signer}},
		}}, json.Deterministic(true))
	}
	d := s.Bundle.Message.Digest
	return json.Marshal(object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
		"data":      object{"hash": object{"algorithm": d.Algorithm().String(), "value": d.Hex()}},
		"signature": object{"content": pbjson.Bytes(s.Bundle.Message.Signature), "publicKey": object{"content": signer}},
	}}, json.Deterministic(true))
}

// The model LogEntryAnon, as far as it is needed.
type wireEntryV1 struct {
	Body           pbjson.Bytes `json:"body"`
	IntegratedTime int64        `json:"integratedTime"`
	LogID          string       `json:"logID"` // hexadecimal
	LogIndex       int64        `json:"logIndex"`
	Verification   struct {
		Proof *struct {
			Checkpoint string   `json:"checkpoint"`
			Hashes     []string `json:"hashes"`
			LogIndex   int64    `json:"logIndex"`
			RootHash   string   `json:"rootHash"`
			TreeSize   int64    `json:"treeSize"`
		} `json:"inclusionProof"`
		SET pbjson.Bytes `json:"signedEntryTimestamp"`
	} `json:"verification"`
}

// parseEntryV1 reads the one entry in an answer.
func parseEntryV1(body []byte) (*bundle.LogEntry, error) {
	var entries map[string]wireEntryV1
	limits := strictjson.Limits{Bytes: maxEntry, Depth: 16, Values: 4096, Number: 20, AnyNull: true}
	if err := strictjson.UnmarshalOpen(body, &entries, limits); err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	if len(entries) != 1 {
		return nil, fmt.Errorf("log entry: expected one, found %d", len(entries))
	}
	for _, w := range entries {
		return w.entry()
	}
	return nil, nil // not reached
}

func (w *wireEntryV1) entry() (*bundle.LogEntry, error) {
	var head struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := strictjson.UnmarshalOpen(w.Body, &head, strictjson.Limits{Bytes: maxEntry, Depth: 16, Values: 4096}); err != nil {
		return nil, fmt.Errorf("log entry: body: %w", err)
	}
	id, err := hex.DecodeString(w.LogID)
	if err != nil || len(id) != sha256.Size {
		return nil, fmt.Errorf("log entry: logID: expected %d bytes in hexadecimal, found %q", sha256.Size, w.LogID[:min(len(w.LogID), 80)])
	}
	e := &bundle.LogEntry{
		LogIndex: w.LogIndex, LogID: id, Kind: head.Kind, Version: head.Version,
		IntegratedTime: w.IntegratedTime, Promise: w.Verification.SET, Body: w.Body,
	}
	p := w.Verification.Proof
	if p == nil {
		return nil, errors.New("log entry: inclusionProof: missing")
	}
	e.Proof = &bundle.InclusionProof{LogIndex: p.LogIndex, TreeSize: p.TreeSize, Checkpoint: p.Checkpoint, Hashes: [][]byte{}}
	if len(p.Hashes) > bundle.MaxProofHashes {
		return nil, fmt.Errorf("log entry: expected at most %d hashes in the proof, found %d", bundle.MaxProofHashes, len(p.Hashes))
	}
	for _, text := range append(p.Hashes, p.RootHash) {
		h, err := hex.DecodeString(text)
		if err != nil || len(h) != sha256.Size {
			return nil, fmt.Errorf("log entry: inclusionProof: expected hashes of %d bytes in hexadecimal, found %q", sha256.Size, text[:min(len(text), 80)])
		}
		e.Proof.Hashes = append(e.Proof.Hashes, h)
	}
	last := len(p.Hashes)
	e.Proof.Hashes, e.Proof.RootHash = e.Proof.Hashes[:last], e.Proof.Hashes[last]
	return e, nil
}
