package server

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

const (
	maxChainBody = 256 << 10 // bytes
	maxChain     = 8         // certificates
)

// ctHandler is a CT log, as far as a CA needs one.
//
// Source: RFC 6962, section 4.
func (s *Server) ctHandler() http.Handler {
	mux := http.NewServeMux()
	d := dialect(plain)
	mux.Handle("POST /ct/v1/add-pre-chain", d.handle(s.addPreChain))
	mux.Handle("GET /ct/v1/get-roots", d.handle(s.getRoots))
	return mux
}

func (s *Server) addPreChain(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		Chain []pbjson.Bytes `json:"chain"`
	}
	if err := readJSON(w, r, maxChainBody, &request); err != nil {
		return err
	}
	if len(request.Chain) < 2 || len(request.Chain) > maxChain {
		return badRequest("expected a chain of 2 to %d certificates, found %d", maxChain, len(request.Chain))
	}
	var chain []*x509.Certificate
	for i, der := range request.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return badRequest("certificate %d: %w", i, err)
		}
		chain = append(chain, c)
	}
	if err := s.acceptable(chain); err != nil {
		return badRequest("%w", err)
	}
	sct, err := s.sandbox.CT.AddPreChain(chain[0].Raw, chain[1])
	if err != nil {
		return badRequest("%w", err)
	}
	replyJSON(w, http.StatusOK, map[string]any{
		"sct_version": 0, "id": sct.LogID[:], "timestamp": sct.Timestamp,
		"extensions": append([]byte{}, sct.Extensions...), "signature": sct.Signature,
	})
	return nil
}

// acceptable reports whether each certificate is issued by the next, and the
// last by the log's one root, or is that root.
func (s *Server) acceptable(chain []*x509.Certificate) error {
	root := s.sandbox.Fulcio.Root()
	if last := chain[len(chain)-1]; !bytes.Equal(last.Raw, root.Raw) {
		chain = append(chain, root)
	}
	for i, c := range chain[:len(chain)-1] {
		if !bytes.Equal(c.RawIssuer, chain[i+1].RawSubject) {
			return errors.New("expected a chain that leads to a root of get-roots, found another issuer")
		}
		if err := c.CheckSignatureFrom(chain[i+1]); err != nil {
			return fmt.Errorf("certificate %d: %w", i, err)
		}
	}
	return nil
}

func (s *Server) getRoots(w http.ResponseWriter, _ *http.Request) error {
	replyJSON(w, http.StatusOK, map[string]any{"certificates": [][]byte{s.sandbox.Fulcio.Root().Raw}})
	return nil
}
