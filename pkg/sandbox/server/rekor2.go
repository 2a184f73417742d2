package server

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// rekor2Handler is Rekor v2.
//
// Source: rekor-tiles api/proto/rekor/v2/rekor_service.proto.
func (s *Server) rekor2Handler() http.Handler {
	mux := http.NewServeMux()
	d := dialect(gateway)
	mux.Handle("POST /api/v2/log/entries", d.handle(s.rekor2Create))
	mux.Handle("GET /api/v2/checkpoint", d.handle(s.checkpoint))
	mux.Handle("GET /api/v2/tile/{path...}", d.handle(s.tile))
	return mux
}

func (s *Server) rekor2Create(w http.ResponseWriter, r *http.Request) error {
	var request createEntryRequest
	if err := readJSON(w, r, maxEntry, &request); err != nil {
		return err
	}
	kind, signed, err := request.signed()
	if err != nil {
		return badRequest("invalid entry: %w", err)
	}
	entry, err := s.rekor2.record(kind, signed)
	if dup, ok := errors.AsType[*duplicate](err); ok {
		w.Header().Set("X-Log-Index", strconv.FormatInt(dup.index, 10))
		return refuse(http.StatusConflict, "%w", err)
	}
	if err != nil {
		return err
	}
	reply(w, http.StatusCreated, "application/json", sandbox.JSON(entry))
	return nil
}

// createEntryRequest is a CreateEntryRequest: one of the two is set. Today's
// servers take the first alone; the second is what earlier ones took too.
type createEntryRequest struct {
	HashedRekord *hashedRekordRequest `json:"hashedRekordRequestV002"`
	DSSE         *dsseRequest         `json:"dsseRequestV002"`
}

func (c *createEntryRequest) signed() (sandbox.Kind, sandbox.Signed, error) {
	switch {
	case c.HashedRekord != nil && c.DSSE == nil:
		signed, err := c.HashedRekord.signed()
		return sandbox.HashedRekord002, signed, err
	case c.DSSE != nil && c.HashedRekord == nil:
		signed, err := c.DSSE.signed()
		return sandbox.DSSE002, signed, err
	}
	return sandbox.Kind{}, sandbox.Signed{}, errors.New("expected one of hashedRekordRequestV002 and dsseRequestV002")
}

// rawBytes is a key or a certificate in DER.
type rawBytes struct {
	RawBytes pbjson.Bytes `json:"rawBytes"`
}

// verifierRequest is a Verifier: a key or a certificate, and the algorithm.
type verifierRequest struct {
	PublicKey       *rawBytes       `json:"publicKey"`
	X509Certificate *rawBytes       `json:"x509Certificate"`
	KeyDetails      keyspec.Details `json:"keyDetails"`
}

func (v *verifierRequest) verifier() (verifier, error) {
	var parsed verifier
	var err error
	switch {
	case v.PublicKey != nil && v.X509Certificate == nil:
		parsed, err = parsePublicKey(v.PublicKey.RawBytes)
	case v.X509Certificate != nil && v.PublicKey == nil:
		parsed, err = parseCertificate(v.X509Certificate.RawBytes)
	default:
		return verifier{}, errors.New("verifier: expected one of publicKey and x509Certificate")
	}
	if err != nil {
		return verifier{}, err
	}
	if v.KeyDetails.Old() {
		return verifier{}, fmt.Errorf("verifier: key details %v are not taken any more", v.KeyDetails)
	}
	if err := keyspec.Check(parsed.public, v.KeyDetails); err != nil {
		return verifier{}, fmt.Errorf("verifier: %w", err)
	}
	return parsed, nil
}

type hashedRekordRequest struct {
	Digest    pbjson.Bytes `json:"digest"`
	Signature struct {
		Content  pbjson.Bytes    `json:"content"`
		Verifier verifierRequest `json:"verifier"`
	} `json:"signature"`
}

func (h *hashedRekordRequest) signed() (sandbox.Signed, error) {
	v, err := h.Signature.Verifier.verifier()
	if err != nil {
		return sandbox.Signed{}, err
	}
	d := h.Signature.Verifier.KeyDetails
	if d.Hash() == 0 {
		return sandbox.Signed{}, fmt.Errorf("%v signs no digest, which a hashedrekord entry needs", d)
	}
	if err := keyspec.VerifyDigest(v.public, d, h.Digest, h.Signature.Content); err != nil {
		return sandbox.Signed{}, err
	}
	return sandbox.Signed{Signature: h.Signature.Content, Key: sandboxKey(v.public, d), Leaf: v.leaf, Hash: d.Hash(), Digest: h.Digest}, nil
}

type dsseRequest struct {
	Envelope struct {
		Payload     pbjson.Bytes `json:"payload"`
		PayloadType string       `json:"payloadType"`
		Signatures  []struct {
			Sig   pbjson.Bytes `json:"sig"`
			Keyid string       `json:"keyid"`
		} `json:"signatures"`
	} `json:"envelope"`
	Verifiers []verifierRequest `json:"verifiers"`
}

func (q *dsseRequest) signed() (sandbox.Signed, error) {
	if len(q.Envelope.Signatures) != 1 || len(q.Verifiers) != 1 {
		return sandbox.Signed{}, errors.New("expected an envelope with one signature, and one verifier")
	}
	v, err := q.Verifiers[0].verifier()
	if err != nil {
		return sandbox.Signed{}, err
	}
	d, sig := q.Verifiers[0].KeyDetails, q.Envelope.Signatures[0].Sig
	pae := sandbox.PAE(q.Envelope.PayloadType, q.Envelope.Payload)
	if err := keyspec.VerifyMessage(v.public, d, pae, sig); err != nil {
		return sandbox.Signed{}, err
	}
	sum := sha256.Sum256(pae)
	return sandbox.Signed{
		Signature: sig, Key: sandboxKey(v.public, d), Leaf: v.leaf, Hash: crypto.SHA256, Digest: sum[:],
		Envelope: &protodsse.Envelope{
			Payload: q.Envelope.Payload, PayloadType: q.Envelope.PayloadType, Signatures: []*protodsse.Signature{{Sig: sig}},
		},
	}, nil
}
