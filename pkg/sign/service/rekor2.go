package service

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"net/http"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/fetch"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// RekorV2 is a transparency log of version 2. It holds everything as
// hashedrekord 0.0.2: the digest of an artifact, or of an envelope's PAE.
type RekorV2 struct {
	base   string
	client *fetch.Client
}

func (r *RekorV2) String() string { return r.base }

// Holds refuses what does not hash first.
func (r *RekorV2) Holds(alg trustroot.KeyDetails, _ bool) error {
	if alg.Hash() == 0 {
		return fmt.Errorf("an entry of Rekor v2 holds a digest, and %v signs none", alg)
	}
	return nil
}

type (
	wireRequestV2 struct {
		HashedRekord wireHashedRekord `json:"hashedRekordRequestV002"`
	}
	wireHashedRekord struct {
		Digest    pbjson.Bytes `json:"digest"`
		Signature struct {
			Content  pbjson.Bytes   `json:"content"`
			Verifier wireVerifierV2 `json:"verifier"`
		} `json:"signature"`
	}
	wireVerifierV2 struct {
		KeyDetails  keyspec.Details `json:"keyDetails"`
		PublicKey   *wireRaw        `json:"publicKey,omitzero"`
		Certificate *wireRaw        `json:"x509Certificate,omitzero"`
	}
	wireRaw struct {
		Raw pbjson.Bytes `json:"rawBytes"`
	}
)

// Record logs the signature.
func (r *RekorV2) Record(ctx context.Context, s *sign.Submission) (*bundle.LogEntry, error) {
	body, err := requestV2(s)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(ctx, &fetch.Request{
		Method: http.MethodPost,
		URL:    r.base + "/api/v2/log/entries",
		Header: jsonHeader(),
		Body:   body,
		Accept: []int{http.StatusCreated, http.StatusOK},
	})
	if status, ok := errors.AsType[*fetch.StatusError](err); ok && status.Status == http.StatusConflict {
		// The answer has no proof, and the entry's log id is not known here.
		return nil, &sign.UncertainError{Err: fmt.Errorf("the log has this signature already, as entry %q; sign again to get a bundle", status.Header.Get("X-Log-Index"))}
	}
	if err != nil {
		return nil, uncertain(err)
	}
	e, err := bundle.ParseLogEntry(resp.Body)
	if err == nil && e.Proof == nil {
		err = errors.New("inclusionProof: missing")
	}
	if err != nil {
		return nil, &sign.UncertainError{Err: fmt.Errorf("log entry: %w", err)}
	}
	return e, nil
}

func requestV2(s *sign.Submission) ([]byte, error) {
	var w wireRequestV2
	h := &w.HashedRekord
	h.Signature.Content = s.Bundle.Signature()
	h.Signature.Verifier.KeyDetails = s.Algorithm
	if s.Certificate != nil {
		h.Signature.Verifier.Certificate = &wireRaw{s.Certificate}
	} else {
		h.Signature.Verifier.PublicKey = &wireRaw{s.PublicKey}
	}
	if e := s.Bundle.Envelope; e != nil {
		alg, ok := bundle.AlgorithmFor(s.Algorithm.Hash())
		if !ok {
			return nil, fmt.Errorf("%v signs no digest", s.Algorithm)
		}
		h.Digest = bundle.Sum(alg, e.PAE()).Bytes()
	} else {
		h.Digest = s.Bundle.Message.Digest.Bytes()
	}
	return json.Marshal(&w)
}
