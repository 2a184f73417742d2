package server

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

const (
	timestampPath = "/api/v1/timestamp"

	maxQuery = 4 << 10 // bytes
	maxNonce = 256     // bits
)

// policyOID is the policy that tokens are issued under.
var policyOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}

// tsaHandler is a timestamp authority.
//
// Source: RFC 3161, section 3.4; timestamp-authority openapi.yaml.
func (s *Server) tsaHandler() http.Handler {
	mux := http.NewServeMux()
	d := dialect(swagger)
	mux.Handle("POST "+timestampPath, d.handle(s.timestamp))
	mux.Handle("GET "+timestampPath+"/certchain", d.handle(s.certChain))
	return mux
}

func (s *Server) timestamp(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, "application/timestamp-query", maxQuery)
	if err != nil {
		return err
	}
	o, err := parseQuery(body)
	if err != nil {
		return badRequest("timestamp query: %w", err)
	}
	o.Serial = s.tokenSerial()
	reply(w, http.StatusOK, "application/timestamp-reply", s.sandbox.TSA.Token(o))
	return nil
}

// tokenSerial is a serial number that no other token has, also after a restart.
func (s *Server) tokenSerial() *big.Int {
	n := big.NewInt(s.sandbox.Now().UnixNano())
	n.Lsh(n, 32)
	return n.Add(n, big.NewInt(s.requests[TSA].Load()&(1<<32-1)))
}

func (s *Server) certChain(w http.ResponseWriter, _ *http.Request) error {
	chain := strings.Join(pemChain(s.sandbox.TSA.Chain), "")
	reply(w, http.StatusOK, "application/pem-certificate-chain", []byte(chain))
	return nil
}

// imprintHashes are the hashes that a token may be about.
var imprintHashes = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// parseQuery parses a TimeStampReq (RFC 3161, section 2.4.1) in DER.
func parseQuery(der []byte) (sandbox.TokenOptions, error) {
	var o sandbox.TokenOptions
	var q, imprint cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&q, cryptobyte_asn1.SEQUENCE) || !in.Empty() {
		return o, errors.New("expected one TimeStampReq in DER and nothing after it")
	}
	var version int
	if !q.ReadASN1Integer(&version) || version != 1 {
		return o, errors.New("expected version 1")
	}
	if !q.ReadASN1(&imprint, cryptobyte_asn1.SEQUENCE) {
		return o, errors.New("expected a message imprint")
	}
	var err error
	if o.Hash, o.Imprint, err = parseImprint(imprint); err != nil {
		return o, fmt.Errorf("message imprint: %w", err)
	}
	err = parseQueryOptions(q, &o)
	return o, err
}

func parseImprint(in cryptobyte.String) (crypto.Hash, []byte, error) {
	var algorithm, digest, null cryptobyte.String
	var id asn1.ObjectIdentifier
	if !in.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&id) {
		return 0, nil, errors.New("expected a hash algorithm")
	}
	if !algorithm.Empty() && (!algorithm.ReadASN1(&null, cryptobyte_asn1.NULL) || !null.Empty() || !algorithm.Empty()) {
		return 0, nil, errors.New("expected a hash algorithm without parameters")
	}
	hash, ok := imprintHashes[id.String()]
	if !ok {
		return 0, nil, fmt.Errorf("expected SHA-256, SHA-384 or SHA-512, found algorithm %v", id)
	}
	if !in.ReadASN1(&digest, cryptobyte_asn1.OCTET_STRING) || !in.Empty() || len(digest) != hash.Size() {
		return 0, nil, fmt.Errorf("expected a digest of %d bytes", hash.Size())
	}
	return hash, digest, nil
}

// parseQueryOptions parses what may follow the imprint: policy, nonce, and
// whether to send the certificate. No extension is known.
func parseQueryOptions(q cryptobyte.String, o *sandbox.TokenOptions) error {
	if q.PeekASN1Tag(cryptobyte_asn1.OBJECT_IDENTIFIER) {
		var policy asn1.ObjectIdentifier
		if !q.ReadASN1ObjectIdentifier(&policy) || !policy.Equal(policyOID) {
			return fmt.Errorf("policy: expected %v or none", policyOID)
		}
	}
	if q.PeekASN1Tag(cryptobyte_asn1.INTEGER) {
		o.Nonce = new(big.Int)
		if !q.ReadASN1Integer(o.Nonce) || o.Nonce.BitLen() > maxNonce {
			return fmt.Errorf("nonce: expected an integer of at most %d bits", maxNonce)
		}
	}
	certReq := false
	if q.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) && !q.ReadASN1Boolean(&certReq) {
		return errors.New("certReq: expected TRUE or FALSE")
	}
	o.NoCertificates = !certReq
	if !q.Empty() {
		return errors.New("expected no extensions and nothing after them")
	}
	return nil
}
