package server

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

const maxCertRequest = 64 << 10 // bytes

// fulcioHandler is Fulcio: the API of version 2, and what old clients call of
// version 1.
//
// Source: fulcio fulcio.proto, fulcio_legacy.proto, pkg/api.
func (s *Server) fulcioHandler() http.Handler {
	mux := http.NewServeMux()
	d := dialect(gateway)
	mux.Handle("POST /api/v2/signingCert", d.handle(s.signingCert))
	mux.Handle("GET /api/v2/trustBundle", d.handle(s.trustBundle))
	mux.Handle("GET /api/v2/configuration", d.handle(s.configuration))
	mux.Handle("POST /api/v1/signingCert", d.handle(s.signingCertV1))
	mux.Handle("GET /api/v1/rootCert", d.handle(s.rootCertV1))
	return mux
}

// signingCertRequest is CreateSigningCertificateRequest.
type signingCertRequest struct {
	Credentials struct {
		Token string `json:"oidcIdentityToken"`
	} `json:"credentials"`
	PublicKeyRequest *struct {
		PublicKey struct {
			Algorithm string `json:"algorithm"` // ignored, as Fulcio ignores it: the key tells
			Content   string `json:"content"`   // PEM
		} `json:"publicKey"`
		Proof pbjson.Bytes `json:"proofOfPossession"`
	} `json:"publicKeyRequest"`
	CSR pbjson.Bytes `json:"certificateSigningRequest"` // PEM
}

func (s *Server) signingCert(w http.ResponseWriter, r *http.Request) error {
	var request signingCertRequest
	if err := readJSON(w, r, maxCertRequest, &request); err != nil {
		return err
	}
	who, err := s.authenticate(r, request.Credentials.Token)
	if err != nil {
		return err
	}
	public, err := request.possessed(who)
	if err != nil {
		return badRequest("%w", err)
	}
	chain, err := s.certify(public, who)
	if err != nil {
		return err
	}
	replyJSON(w, http.StatusOK, map[string]any{
		"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}},
	})
	return nil
}

// authenticate returns who a request is from. The token is in the body or in
// the header.
func (s *Server) authenticate(r *http.Request, token string) (claims, error) {
	if token == "" {
		scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return claims{}, refuse(http.StatusUnauthorized, "expected an identity token in credentials.oidcIdentityToken or as a bearer token")
		}
		token = rest
	}
	c, err := s.oidc.verify(token, Audience)
	if err == nil {
		err = c.identified()
	}
	if err != nil {
		return claims{}, refuse(http.StatusUnauthorized, "there was an error processing the identity token: %w", err)
	}
	return c, nil
}

// identified accepts claims that name somebody whom a certificate can name.
func (c *claims) identified() error {
	if c.Email == "" {
		return checkURI(c.Subject)
	}
	if !c.EmailVerified {
		return errors.New("email_verified: expected true")
	}
	return checkEmail(c.Email)
}

// challenge is what the key signs to prove that the caller has it.
func (c *claims) challenge() []byte {
	if c.Email != "" {
		return []byte(c.Email)
	}
	return []byte(c.Subject)
}

func (c *claims) san() sandbox.SAN {
	if c.Email != "" {
		return sandbox.Email(c.Email)
	}
	return sandbox.URI(c.Subject)
}

// possessed returns the key that the caller has proved to have.
func (q *signingCertRequest) possessed(who claims) (crypto.PublicKey, error) {
	switch {
	case q.PublicKeyRequest != nil && q.CSR == nil:
		v, err := parsePEMVerifier([]byte(q.PublicKeyRequest.PublicKey.Content))
		if err != nil {
			return nil, err
		}
		if v.leaf != nil {
			return nil, errors.New("expected a public key in PEM, found a certificate")
		}
		return v.public, proved(v.public, who, q.PublicKeyRequest.Proof)
	case q.CSR != nil && q.PublicKeyRequest == nil:
		return parseCSR(q.CSR)
	}
	return nil, errors.New("expected one of publicKeyRequest and certificateSigningRequest")
}

func proved(public crypto.PublicKey, who claims, proof []byte) error {
	if _, err := verifyMessage(public, who.challenge(), proof); err != nil {
		return fmt.Errorf("proof of possession: expected a signature of the token's email or sub: %w", err)
	}
	return nil
}

// parseCSR returns the key of a request that the key signed. What else it says
// is ignored, as Fulcio ignores it.
func parseCSR(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("certificateSigningRequest: expected a PEM block CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificateSigningRequest: %w", err)
	}
	if _, err := keyspec.ForKey(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("certificateSigningRequest: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificateSigningRequest: proof of possession: %w", err)
	}
	return csr.PublicKey, nil
}

// certify issues a certificate and returns its chain, up to the root, in PEM.
func (s *Server) certify(public crypto.PublicKey, who claims) ([]string, error) {
	d, err := keyspec.ForKey(public)
	if err != nil {
		return nil, badRequest("%w", err)
	}
	key := sandboxKey(public, d)
	leaf, err := s.sandbox.Fulcio.Issue(sandbox.Request{
		Key: key, SANs: []sandbox.SAN{who.san()}, Issuer: who.Issuer,
		Bend: func(c *x509.Certificate) { c.SerialNumber = s.serial(key) },
	})
	if err != nil {
		return nil, err
	}
	return append([]string{string(leaf.PEM())}, s.fulcioChain()...), nil
}

// serial is a serial number that no other certificate has, also after a
// restart, when the sandbox counts from one again.
func (s *Server) serial(key *sandbox.Key) *big.Int {
	text := binary.BigEndian.AppendUint64(key.SPKI(), uint64(s.sandbox.Now().UnixNano()))
	text = binary.BigEndian.AppendUint64(text, uint64(s.requests[Fulcio].Load()))
	sum := sha256.Sum256(text)
	sum[0] |= 1
	return new(big.Int).SetBytes(sum[:19])
}

func (s *Server) fulcioChain() []string { return pemChain(s.sandbox.Fulcio.Chain) }

func pemChain(certs []*x509.Certificate) []string {
	var chain []string
	for _, c := range certs {
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	return chain
}

func (s *Server) trustBundle(w http.ResponseWriter, _ *http.Request) error {
	replyJSON(w, http.StatusOK, map[string]any{"chains": []any{map[string]any{"certificates": s.fulcioChain()}}})
	return nil
}

func (s *Server) configuration(w http.ResponseWriter, _ *http.Request) error {
	replyJSON(w, http.StatusOK, map[string]any{"issuers": []any{map[string]any{
		"issuerUrl": s.oidc.issuer, "audience": Audience, "challengeClaim": "email", "spiffeTrustDomain": "",
	}}})
	return nil
}

// signingCertRequestV1 is what pkg/api of Fulcio sends.
type signingCertRequestV1 struct {
	PublicKey struct {
		Content   pbjson.Bytes `json:"content"` // DER or PEM
		Algorithm string       `json:"algorithm"`
	} `json:"publicKey"`
	Proof pbjson.Bytes `json:"signedEmailAddress"`
	CSR   pbjson.Bytes `json:"certificateSigningRequest"`
}

func (s *Server) signingCertV1(w http.ResponseWriter, r *http.Request) error {
	var request signingCertRequestV1
	if err := readJSON(w, r, maxCertRequest, &request); err != nil {
		return err
	}
	who, err := s.authenticate(r, "")
	if err != nil {
		return err
	}
	public, err := request.possessed(who)
	if err != nil {
		return badRequest("%w", err)
	}
	chain, err := s.certify(public, who)
	if err != nil {
		return err
	}
	reply(w, http.StatusCreated, "application/pem-certificate-chain", []byte(strings.Join(chain, "")))
	return nil
}

func (q *signingCertRequestV1) possessed(who claims) (crypto.PublicKey, error) {
	if len(q.CSR) > 0 && len(q.PublicKey.Content) == 0 {
		return parseCSR(q.CSR)
	}
	v, err := parsePublicKey(q.PublicKey.Content)
	if block, _ := pem.Decode(q.PublicKey.Content); block != nil {
		v, err = parsePublicKey(block.Bytes)
	}
	if err != nil {
		return nil, err
	}
	return v.public, proved(v.public, who, q.Proof)
}

func (s *Server) rootCertV1(w http.ResponseWriter, _ *http.Request) error {
	reply(w, http.StatusOK, "application/pem-certificate-chain", []byte(strings.Join(s.fulcioChain(), "")))
	return nil
}
