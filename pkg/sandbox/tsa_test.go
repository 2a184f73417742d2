package sandbox_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// authority is the TSA as sigstore-go trusts it.
func authority(t *sandbox.TSA) *root.SigstoreTimestampingAuthority {
	a := &root.SigstoreTimestampingAuthority{Root: t.Chain[len(t.Chain)-1], Intermediates: t.Chain[1 : len(t.Chain)-1]}
	if !t.Chain[0].IsCA {
		a.Leaf = t.Chain[0]
	}
	return a
}

// TestTokens has sigstore-go judge tokens that differ in one thing each.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	signature := []byte("a signature")
	later := s.Now().Add(90*time.Minute + 250*time.Millisecond)
	stranger := must(s.NewTSA("stranger", nil))
	for name, test := range map[string]struct {
		o    sandbox.TokenOptions
		good bool
		want func(*timestamp.Timestamp) bool // nil: not looked at
	}{
		"plain":           {sandbox.TokenOptions{}, true, func(ts *timestamp.Timestamp) bool { return ts.Time.Equal(s.Now()) && len(ts.Certificates) == 1 }},
		"fraction":        {sandbox.TokenOptions{Time: later}, true, func(ts *timestamp.Timestamp) bool { return ts.Time.Equal(later) }},
		"sha384":          {sandbox.TokenOptions{Hash: crypto.SHA384, SignerHash: crypto.SHA384}, true, func(ts *timestamp.Timestamp) bool { return ts.HashAlgorithm == crypto.SHA384 }},
		"sha512":          {sandbox.TokenOptions{Hash: crypto.SHA512, SignerHash: crypto.SHA512}, true, nil},
		"sha1":            {sandbox.TokenOptions{Hash: crypto.SHA1}, false, nil},
		"no-certificates": {sandbox.TokenOptions{NoCertificates: true}, true, func(ts *timestamp.Timestamp) bool { return len(ts.Certificates) == 0 }},
		"more-certificates": {sandbox.TokenOptions{Certificates: [][]byte{s.TSA.Chain[1].Raw}}, true,
			func(ts *timestamp.Timestamp) bool { return len(ts.Certificates) == 2 }},
		"serial": {sandbox.TokenOptions{Serial: big.NewInt(77), Nonce: big.NewInt(5), Accuracy: 1500 * time.Millisecond}, true,
			func(ts *timestamp.Timestamp) bool {
				return ts.SerialNumber.Int64() == 77 && ts.Nonce.Int64() == 5 && ts.Accuracy == 1500*time.Millisecond
			}},
		"no-ess":             {sandbox.TokenOptions{NoESS: true}, true, nil},
		"other-bytes":        {sandbox.TokenOptions{Over: []byte("others")}, false, nil},
		"other-imprint":      {sandbox.TokenOptions{Imprint: bytes.Repeat([]byte{1}, 32)}, false, nil},
		"granted-with-mods":  {sandbox.TokenOptions{Status: 1}, false, nil}, // digitorus/timestamp takes 0 only
		"rejected":           {sandbox.TokenOptions{Status: 2}, false, nil},
		"no-token":           {sandbox.TokenOptions{NoToken: true}, false, nil},
		"other-key":          {sandbox.TokenOptions{Key: stranger.Key}, false, nil},
		"before-certificate": {sandbox.TokenOptions{Time: s.Now().AddDate(-1, 0, 0)}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.o.Over == nil {
				test.o.Over = signature
			}
			token := s.TSA.Token(test.o)
			_, err := authority(s.TSA).Verify(token, signature)
			if (err == nil) != test.good {
				t.Fatalf("got %v, want good %v", err, test.good)
			}
			if test.want != nil && !test.want(must(timestamp.ParseResponse(token))) {
				t.Errorf("got %+v", must(timestamp.ParseResponse(token)))
			}
			if _, err := authority(stranger).Verify(token, signature); err == nil {
				t.Error("another authority's token")
			}
		})
	}
}

// TestTSACertificates bends the signing certificate.
func TestTSACertificates(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, test := range map[string]struct {
		o    sandbox.TSAOptions
		good bool
	}{
		"plain":        {sandbox.TSAOptions{}, true},
		"p384":         {sandbox.TSAOptions{Algorithm: sandbox.P384}, true},
		"p521":         {sandbox.TSAOptions{Algorithm: sandbox.P521}, true},
		"rsa":          {sandbox.TSAOptions{Algorithm: sandbox.RSA2048}, true},
		"given-issuer": {sandbox.TSAOptions{Issuer: s.TSA.Issuer}, true},
		"ca": {sandbox.TSAOptions{Bend: func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid = true, true
		}}, false},
		"two-usages": {sandbox.TSAOptions{Bend: func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(true, sandbox.EKUTimeStamping, sandbox.EKUCodeSigning))
		}}, false},
		"not-critical": {sandbox.TSAOptions{Bend: func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(false, sandbox.EKUTimeStamping))
		}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tsa, err := s.NewTSA("tsa-"+name, &test.o)
			if err != nil {
				t.Fatal(err)
			}
			signature := []byte("a signature")
			if _, err := authority(tsa).Verify(tsa.Token(sandbox.TokenOptions{Over: signature}), signature); (err == nil) != test.good {
				t.Errorf("got %v, want good %v", err, test.good)
			}
		})
	}
}
