package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// stampedBy returns a trial whose time an authority of the test's own proves.
// The trusted root lists it from the certificate in chain, leaf first.
func stampedBy(t *testing.T, s *sandbox.Sandbox, tsa *sandbox.TSA, o sandbox.TokenOptions, listed []*x509.Certificate) *trial {
	t.Helper()
	c := honest(t, s, sandbox.SignOptions{TSAs: []*sandbox.TSA{}})
	o.Over = c.Bundle.GetMessageSignature().Signature
	sandbox.AddTimestamp(c.material(), tsa.Token(o))
	authority := (&sandbox.TSA{Name: tsa.Name, URI: tsa.URI, Chain: listed}).Authority()
	c.Root.TimestampAuthorities = []*prototrustroot.CertificateAuthority{authority}
	return c
}

// must panics where a sandbox does not make what it is asked for, which is a
// bug of the test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestAuthoritiesCertifySigners bends one certificate between an authority's
// anchor and its token. Each fault is met in both ways in which a trusted root
// lists an authority: with the signing certificate, and without, in which case
// the token brings it.
func TestAuthoritiesCertifySigners(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	leaf := func(bend func(*x509.Certificate)) *sandbox.TSAOptions { return &sandbox.TSAOptions{Bend: bend} }
	// under has another CA between the root and the signing certificate.
	under := func(bend func(*x509.Certificate)) func() *sandbox.TSAOptions {
		return func() *sandbox.TSAOptions {
			return &sandbox.TSAOptions{Issuer: must(s.NewCA("stamps", &sandbox.CAOptions{Bend: bend}))}
		}
	}
	is := func(o *sandbox.TSAOptions) func() *sandbox.TSAOptions {
		return func() *sandbox.TSAOptions { return o }
	}
	for name, options := range map[string]func() *sandbox.TSAOptions{
		"signer-is-a-CA": is(leaf(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })),
		"signer-has-another-usage": is(leaf(func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(true, sandbox.EKUTimeStamping, sandbox.EKUCodeSigning))
		})),
		"signer-has-an-unknown-usage": is(leaf(func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(true, sandbox.EKUTimeStamping, []int{1, 2, 3, 4}))
		})),
		"signer-has-the-usage-twice": is(leaf(func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(true, sandbox.EKUTimeStamping, sandbox.EKUTimeStamping))
		})),
		"signer-has-any-usage-too": is(leaf(func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(true, sandbox.EKUTimeStamping, sandbox.EKUAny))
		})),
		"usage-is-not-critical": is(leaf(func(c *x509.Certificate) {
			sandbox.SetExtension(c, sandbox.EKUExtension(false, sandbox.EKUTimeStamping))
		})),
		"signer-may-not-sign":        is(leaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })),
		"unknown-critical-extension": is(leaf(func(c *x509.Certificate) { sandbox.SetExtension(c, unknownCritical) })),
		"signer-has-expired":         is(leaf(func(c *x509.Certificate) { c.NotAfter = s.Now().Add(-time.Second) })),
		"signer-is-not-valid-yet":    is(leaf(func(c *x509.Certificate) { c.NotBefore = s.Now().Add(time.Second) })),
		"issuer-is-for-code":         under(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }),
		"issuer-has-expired":         under(func(c *x509.Certificate) { c.NotAfter = s.Now().Add(-time.Second) }),
		"issuer-excludes-its-name": under(func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
		}),
		"issuer-has-unknown-critical-extension": under(func(c *x509.Certificate) { sandbox.SetExtension(c, unknownCritical) }),
	} {
		t.Run("T08-"+name, func(t *testing.T) {
			t.Parallel()
			o := options()
			twin := must(s.NewTSA("tsa", &sandbox.TSAOptions{Issuer: must(s.NewCA("stamps", nil)), Bend: dnsName}))
			bend := o.Bend
			o.Bend = func(c *x509.Certificate) {
				dnsName(c)
				if bend != nil {
					bend(c)
				}
			}
			tsa := must(s.NewTSA("tsa", o))
			for listed, from := range map[string]int{"with-its-certificate": 0, "without": 1} {
				t.Run(listed, func(t *testing.T) {
					bag := sandbox.TokenOptions{}
					stampedBy(t, s, twin, bag, twin.Chain[from:]).accepted(t)
					c := stampedBy(t, s, tsa, bag, tsa.Chain[from:])
					rep, err := c.verify(t)
					if rep == nil && err != nil && from == 0 {
						return // the trusted root is refused for it
					}
					if err == nil || rep.Verdict != verify.Failed {
						t.Fatalf("got %v, %v, want a rejection\n%s", rep.Verdict, err, dump(rep))
					}
				})
			}
		})
	}
}

var unknownCritical = pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: asn1.NullBytes}

// dnsName gives a signing certificate a name that name constraints are about.
func dnsName(c *x509.Certificate) {
	sandbox.SetExtension(c, sandbox.SANExtension(false, sandbox.DNS("tsa.sandbox.example")))
}

// TestAuthorityWithoutItsSigner: where the trusted root lists a CA, the token
// brings its signer, and the CA must have issued it.
func TestAuthorityWithoutItsSigner(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	stranger := must(s.NewTSA("stranger", nil))
	tsa := s.TSA
	ca := tsa.Chain[1:]
	second := must(tsa.Issuer.Sub("second", nil))
	deep := must(s.NewTSA("deep", &sandbox.TSAOptions{Issuer: second}))
	twin := func(t *testing.T) { stampedBy(t, s, tsa, sandbox.TokenOptions{}, ca).accepted(t) }

	for name, test := range map[string]struct {
		tsa    *sandbox.TSA
		o      sandbox.TokenOptions
		detail string
	}{
		"no-certificate":               {tsa, sandbox.TokenOptions{NoCertificates: true}, ""},
		"issuer-alone":                 {tsa, sandbox.TokenOptions{NoCertificates: true, Certificates: [][]byte{tsa.Chain[1].Raw}}, ""},
		"of-a-stranger":                {stranger, sandbox.TokenOptions{}, ""},
		"of-a-stranger-with-its-path":  {stranger, sandbox.TokenOptions{Certificates: [][]byte{stranger.Chain[1].Raw, stranger.Chain[2].Raw}}, ""},
		"signed-by-another-key":        {tsa, sandbox.TokenOptions{Key: stranger.Key}, "not made by the key of"},
		"shadow-issued-by-a-stranger":  {tsa, sandbox.TokenOptions{Key: stranger.Key, NoCertificates: true, Certificates: [][]byte{forgedShadow(t, s, stranger.Key)}}, ""},
		"shadow-before-the-signer":     {tsa, sandbox.TokenOptions{NoCertificates: true, Certificates: [][]byte{forgedShadow(t, s, stranger.Key), tsa.Chain[0].Raw}}, ""},
		"shadow-after-the-signer":      {tsa, sandbox.TokenOptions{Certificates: [][]byte{forgedShadow(t, s, stranger.Key)}}, ""},
		"certificate-of-another-path":  {tsa, sandbox.TokenOptions{Certificates: [][]byte{stranger.Chain[1].Raw}}, "no part in the authority's path"},
		"leaf-of-the-code-signing-PKI": {tsa, sandbox.TokenOptions{Certificates: [][]byte{s.Fulcio.Chain[0].Raw}}, "no part in the authority's path"},
	} {
		t.Run("T08-"+name, func(t *testing.T) {
			twin(t)
			c := stampedBy(t, s, test.tsa, test.o, ca)
			if test.detail != "" {
				c.rejected(t, verify.CheckTimestamp, test.detail)
				return
			}
			rep, err := c.verify(t)
			if err == nil || rep.Verdict != verify.Failed {
				t.Fatalf("got %v, %v, want a rejection\n%s", rep.Verdict, err, dump(rep))
			}
			if len(rep.Times) != 0 {
				t.Errorf("got times %v from a token that proves none", rep.Times)
			}
		})
	}
	t.Run("path-in-the-token", func(t *testing.T) {
		stampedBy(t, s, deep, sandbox.TokenOptions{Certificates: [][]byte{second.Chain[0].Raw}}, ca).accepted(t)
	})
	t.Run("T08-path-in-the-token-not-of-a-CA", func(t *testing.T) {
		notCA := must(tsa.Issuer.Sub("second", &sandbox.CAOptions{Bend: func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = false, 0 }}))
		bent := must(s.NewTSA("bent", &sandbox.TSAOptions{Issuer: notCA}))
		c := stampedBy(t, s, bent, sandbox.TokenOptions{Certificates: [][]byte{bent.Chain[1].Raw}}, ca)
		if rep, err := c.verify(t); err == nil || rep.Verdict != verify.Failed || len(rep.Times) != 0 {
			t.Fatalf("got %v, %v, want a rejection\n%s", rep.Verdict, err, dump(rep))
		}
	})
}

// forgedShadow names the issuer and the serial number of the authority's
// certificate; a stranger's key signed it.
func forgedShadow(t *testing.T, s *sandbox.Sandbox, key *sandbox.Key) []byte {
	t.Helper()
	return must(sandbox.Resign(shadow(t, s, key), key, nil))
}
