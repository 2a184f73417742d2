package server_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/digitorus/timestamp"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

func (w world) stamp(t *testing.T, query []byte) (status int, text string) {
	t.Helper()
	response, text := w.request(t, server.TSA, http.MethodPost, "/api/v1/timestamp", "application/timestamp-query", query)
	if got := response.Header.Get("Content-Type"); response.StatusCode == 200 && got != "application/timestamp-reply" {
		t.Errorf("got content type %q", got)
	}
	return response.StatusCode, text
}

func TestTimestampsAnswerTheQuery(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	serials := map[string]bool{}
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for _, certificates := range []bool{false, true} {
			digest := hash.New()
			digest.Write(artifact)
			request := timestamp.Request{
				HashAlgorithm: hash, HashedMessage: digest.Sum(nil), Certificates: certificates,
				Nonce: big.NewInt(42), TSAPolicyOID: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
			}
			status, text := w.stamp(t, must(request.Marshal()))
			if status != 200 {
				t.Fatalf("got %d %s", status, text)
			}
			token := must(timestamp.ParseResponse([]byte(text)))
			if !bytes.Equal(token.HashedMessage, request.HashedMessage) || token.HashAlgorithm != hash || token.Nonce.Int64() != 42 {
				t.Errorf("%v: got a token over %x with nonce %v", hash, token.HashedMessage, token.Nonce)
			}
			if (len(token.Certificates) > 0) != certificates {
				t.Errorf("certificates %v: got %d", certificates, len(token.Certificates))
			}
			if !token.Time.Equal(w.box.Now()) {
				t.Errorf("got time %v, want %v", token.Time, w.box.Now())
			}
			serials[token.SerialNumber.String()] = true
		}
	}
	if len(serials) != 6 {
		t.Errorf("got %d serial numbers, want 6", len(serials))
	}
	if status, text := w.get(t, server.TSA, "/api/v1/timestamp/certchain"); status != 200 || strings.Count(text, "BEGIN CERTIFICATE") != 3 {
		t.Errorf("certchain: got %d %s", status, text)
	}
}

// A query as RFC 3161 has it, to bend.
type query struct {
	Version int
	Imprint imprint
	Policy  asn1.ObjectIdentifier `asn1:"optional"`
	Nonce   *big.Int              `asn1:"optional"`
	CertReq bool                  `asn1:"optional"`
	Ext     asn1.RawValue         `asn1:"optional"`
}

type imprint struct {
	Algorithm algorithm
	Digest    []byte
}

type algorithm struct {
	ID     asn1.ObjectIdentifier
	Params asn1.RawValue `asn1:"optional"`
}

func honestQuery() query {
	sum := sha256.Sum256(artifact)
	return query{Version: 1, Imprint: imprint{algorithm{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.NullRawValue}, sum[:]}}
}

func TestTSARefusesHostileQueries(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	extension := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: []byte{0x30, 0}}
	for name, test := range map[string]struct {
		bend func(*query)
		want int
	}{
		"honest":        {func(*query) {}, 200},
		"no-parameters": {func(q *query) { q.Imprint.Algorithm.Params = asn1.RawValue{} }, 200},
		"nonce-256":     {func(q *query) { q.Nonce = new(big.Int).Lsh(big.NewInt(1), 255) }, 200},
		"version-2":     {func(q *query) { q.Version = 2 }, 400},
		"sha1": {func(q *query) {
			q.Imprint = imprint{algorithm{ID: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}}, make([]byte, 20)}
		}, 400},
		"short-digest":     {func(q *query) { q.Imprint.Digest = q.Imprint.Digest[1:] }, 400},
		"long-digest":      {func(q *query) { q.Imprint.Digest = append(q.Imprint.Digest, 0) }, 400},
		"no-digest":        {func(q *query) { q.Imprint.Digest = nil }, 400},
		"nonce-257":        {func(q *query) { q.Nonce = new(big.Int).Lsh(big.NewInt(1), 256) }, 400},
		"other-policy":     {func(q *query) { q.Policy = asn1.ObjectIdentifier{1, 2, 3} }, 400},
		"extension":        {func(q *query) { q.Ext = extension }, 400},
		"other-parameters": {func(q *query) { q.Imprint.Algorithm.Params = asn1.RawValue{Tag: asn1.TagInteger, Bytes: []byte{1}} }, 400},
	} {
		q := honestQuery()
		test.bend(&q)
		if status, text := w.stamp(t, must(asn1.Marshal(q))); status != test.want {
			t.Errorf("%s: got %d %q, want %d", name, status, text, test.want)
		}
	}
	whole := must(asn1.Marshal(honestQuery()))
	for n := range whole {
		if status, _ := w.stamp(t, whole[:n]); status != 400 {
			t.Errorf("the first %d bytes: got %d, want 400", n, status)
		}
	}
	if status, _ := w.stamp(t, append(whole, 0)); status != 400 {
		t.Errorf("a byte after it: got %d, want 400", status)
	}
}

// precert is what a CA of that name sends a CT log.
func precert(t *testing.T, ca *sandbox.CA) []byte {
	t.Helper()
	leaf, err := ca.Issue(sandbox.Request{CT: []*sandbox.CTLog{}, Bend: func(c *x509.Certificate) {
		poison := c.ExtraExtensions[0]
		poison.Id, poison.Critical, poison.Value = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, true, asn1.NullBytes
		sandbox.SetExtension(c, poison)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return leaf.DER
}

func TestCTLogTakesItsOwnCAsPrecertificates(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	ca, other := w.box.Fulcio, w.box.PrivateCA
	intermediate, top := ca.Chain[0].Raw, ca.Chain[1].Raw
	good := precert(t, ca)
	plain := must(ca.Issue(sandbox.Request{CT: []*sandbox.CTLog{}})).DER
	spoilt := bytes.Clone(good)
	spoilt[len(spoilt)-1] ^= 1
	for name, test := range map[string]struct {
		chain [][]byte
		want  int
	}{
		"with-root":      {[][]byte{good, intermediate, top}, 200},
		"without-root":   {[][]byte{good, intermediate}, 200},
		"alone":          {[][]byte{good}, 400},
		"empty":          {nil, 400},
		"no-poison":      {[][]byte{plain, intermediate, top}, 400},
		"spoilt":         {[][]byte{spoilt, intermediate, top}, 400},
		"other-ca":       {[][]byte{precert(t, other), other.Chain[0].Raw, other.Chain[1].Raw}, 400},
		"other-issuer":   {[][]byte{good, other.Chain[0].Raw}, 400},
		"wrong-order":    {[][]byte{good, top, intermediate}, 400},
		"no-certificate": {[][]byte{good, []byte("x")}, 400},
		"nine":           {append([][]byte{good, intermediate}, bytes.Split(bytes.Repeat([]byte("x,"), 6), []byte(","))...), 400},
	} {
		status, text := w.post(t, server.CT, "/ct/v1/add-pre-chain", must(json.Marshal(map[string]any{"chain": test.chain})))
		if status != test.want {
			t.Errorf("%s: got %d %s, want %d", name, status, text, test.want)
		}
		if status == 200 && !strings.Contains(text, base64of(idOf(w))) {
			t.Errorf("%s: got %s, want the log's id", name, text)
		}
	}
	if status, text := w.get(t, server.CT, "/ct/v1/get-roots"); status != 200 || !strings.Contains(text, base64of(top)) {
		t.Errorf("get-roots: got %d %s", status, text)
	}
}

func idOf(w world) []byte {
	id := w.box.CT.ID()
	return id[:]
}
