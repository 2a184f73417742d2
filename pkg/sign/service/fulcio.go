package service

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json/v2"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sign/oidc"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// Fulcio is a certificate authority that certifies a key for whoever an
// identity token names.
type Fulcio struct {
	base   string
	client *fetch.Client
}

func (f *Fulcio) String() string { return f.base }

type (
	wireCertRequest struct {
		PublicKeyRequest struct {
			PublicKey struct {
				Algorithm string `json:"algorithm"`
				Content   string `json:"content"` // PEM
			} `json:"publicKey"`
			Proof pbjson.Bytes `json:"proofOfPossession"`
		} `json:"publicKeyRequest"`
	}
	wireCertReply struct {
		Embedded *wireCertChain `json:"signedCertificateEmbeddedSct"`
		Detached *wireCertChain `json:"signedCertificateDetachedSct"`
	}
	wireCertChain struct {
		Chain struct {
			Certificates []string `json:"certificates"`
		} `json:"chain"`
	}
)

// Certify returns a certificate for the key, which signs the token's subject to
// prove that it is there. The token is sent to Fulcio and nowhere else, and
// stands in no error.
func (f *Fulcio) Certify(ctx context.Context, key signer.Signer, token string) ([]byte, error) {
	body, err := certRequest(ctx, key, token)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(ctx, &fetch.Request{
		Method: http.MethodPost,
		URL:    f.base + "/api/v2/signingCert",
		Header: http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}},
		Body:   body,
		Accept: []int{http.StatusOK, http.StatusCreated},
		Secret: token,
	})
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	chain, err := certReply(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", f.base, err)
	}
	return chain, nil
}

func certRequest(ctx context.Context, key signer.Signer, token string) ([]byte, error) {
	parsed, err := oidc.Parse(token)
	if err != nil {
		return nil, err
	}
	proof, err := prove(ctx, key, []byte(parsed.Subject))
	if err != nil {
		return nil, fmt.Errorf("proving possession of the key: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	var w wireCertRequest
	w.PublicKeyRequest.PublicKey.Algorithm = fulcioAlgorithm(key.Public())
	w.PublicKeyRequest.PublicKey.Content = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	w.PublicKeyRequest.Proof = proof
	return json.Marshal(&w)
}

// prove signs the subject by the algorithm that the key's type prescribes.
func prove(ctx context.Context, key signer.Signer, subject []byte) ([]byte, error) {
	alg, err := keyspec.ForKey(key.Public())
	if err != nil {
		return nil, err
	}
	if h := alg.Hash(); h != 0 {
		w := h.New()
		w.Write(subject)
		subject = w.Sum(nil)
	}
	return key.Sign(ctx, alg, subject)
}

// fulcioAlgorithm names a key's type as fulcio.proto's PublicKeyAlgorithm does.
func fulcioAlgorithm(pub crypto.PublicKey) string {
	switch pub.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA"
	case *rsa.PublicKey:
		return "RSA_PSS"
	case ed25519.PublicKey:
		return "ED25519"
	}
	return "PUBLIC_KEY_ALGORITHM_UNSPECIFIED"
}

// certReply returns the chain in PEM, leaf first.
func certReply(body []byte) ([]byte, error) {
	var w wireCertReply
	limits := strictjson.Limits{Bytes: fetch.MaxBody, Depth: 8, Values: 64, Null: []string{"signedCertificateEmbeddedSct", "signedCertificateDetachedSct"}}
	if err := strictjson.UnmarshalOpen(body, &w, limits); err != nil {
		return nil, err
	}
	if w.Embedded == nil && w.Detached != nil {
		return nil, errors.New("expected a certificate with its SCT in it, found one with a detached SCT, which bundles have no place for")
	}
	if w.Embedded == nil || len(w.Embedded.Chain.Certificates) == 0 {
		return nil, errors.New("expected a certificate chain, found none")
	}
	return []byte(strings.Join(w.Embedded.Chain.Certificates, "\n")), nil
}
