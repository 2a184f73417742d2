package sandbox_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// chainError is what crypto/x509 says of a leaf under its own root.
func chainError(s *sandbox.Sandbox, l *sandbox.Leaf, usage x509.ExtKeyUsage) error {
	_, err := l.Cert.Verify(x509.VerifyOptions{
		Roots: pool(l.Chain[len(l.Chain)-1]), Intermediates: pool(l.Chain...),
		CurrentTime: s.Now(), KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

// TestBentCertificates bends one thing in each row. good says whether
// crypto/x509 still builds a chain: what it does not look at must verify.
func TestBentCertificates(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	bend := func(f func(*x509.Certificate)) sandbox.Request { return sandbox.Request{Bend: f} }
	none := []asn1.ObjectIdentifier{}
	unknown := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: asn1.NullBytes}
	constrained := must(must(s.NewRoot("r", nil)).Sub("constrained", &sandbox.CAOptions{Bend: func(c *x509.Certificate) {
		c.PermittedEmailAddresses, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
	}}))
	short := must(must(s.NewRoot("short-root", &sandbox.CAOptions{Bend: func(c *x509.Certificate) {
		c.MaxPathLen, c.MaxPathLenZero = 0, true
	}})).Sub("too-deep", nil))
	for name, test := range map[string]struct {
		ca      *sandbox.CA
		request sandbox.Request
		good    bool
		want    func(*x509.Certificate) bool
	}{
		"straight":             {s.PrivateCA, sandbox.Request{}, true, func(c *x509.Certificate) bool { return !c.IsCA && len(c.ExtKeyUsage) == 1 }},
		"no-eku":               {s.PrivateCA, sandbox.Request{EKU: none}, true, func(c *x509.Certificate) bool { return len(c.ExtKeyUsage) == 0 }},
		"any-eku":              {s.PrivateCA, sandbox.Request{EKU: []asn1.ObjectIdentifier{sandbox.EKUAny}}, true, func(c *x509.Certificate) bool { return c.ExtKeyUsage[0] == x509.ExtKeyUsageAny }},
		"server-eku":           {s.PrivateCA, sandbox.Request{EKU: []asn1.ObjectIdentifier{sandbox.EKUServerAuth}}, false, nil},
		"no-digital-signature": {s.PrivateCA, bend(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), true, func(c *x509.Certificate) bool { return c.KeyUsage == x509.KeyUsageKeyAgreement }},
		"ca":                   {s.PrivateCA, bend(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), true, func(c *x509.Certificate) bool { return c.IsCA }},
		"unknown-critical":     {s.PrivateCA, bend(func(c *x509.Certificate) { sandbox.SetExtension(c, unknown) }), false, func(c *x509.Certificate) bool { return len(c.UnhandledCriticalExtensions) == 1 }},
		"path-length":          {short, sandbox.Request{}, false, nil},
		"constraint-kept":      {constrained, sandbox.Request{}, true, nil},
		"constraint-violated":  {constrained, sandbox.Request{SANs: []sandbox.SAN{sandbox.Email("a@evil.example")}}, false, nil},
		"constraint-othername": {constrained, sandbox.Request{SANs: []sandbox.SAN{sandbox.OtherName(sandbox.OIDUserName, "a!evil")}}, true, nil},
		"sha1":                 {s.PrivateCA, bend(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }), false, nil},
		"expired":              {s.PrivateCA, sandbox.Request{NotBefore: s.Now().Add(-2 * time.Hour), NotAfter: s.Now().Add(-time.Hour)}, false, nil},
		"fulcio-expired":       {s.Fulcio, sandbox.Request{NotBefore: s.Now().Add(-time.Hour)}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leaf, err := test.ca.Issue(test.request)
			if err != nil {
				t.Fatal(err)
			}
			if err := chainError(s, leaf, x509.ExtKeyUsageCodeSigning); (err == nil) != test.good {
				t.Errorf("chain: got %v, want good %v", err, test.good)
			}
			if test.want != nil && !test.want(leaf.Cert) {
				t.Errorf("the bend does not show: %+v", leaf.Cert)
			}
		})
	}
}

// TestNamesMayHoldAnything: whatever the bytes of a name, they are in the
// certificate, also where crypto/x509 does not parse it.
func TestNamesMayHoldAnything(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, text := range map[string]string{
		"nul": "good@example.com\x00.evil", "newline": "a@b\nverified: yes", "rtl": "a\u202e@b", "ansi": "\x1b[32mok@b",
	} {
		for kind, san := range map[string]sandbox.SAN{
			"email": sandbox.Email(text), "uri": sandbox.URI(text), "dns": sandbox.DNS(text), "other": sandbox.OtherName(sandbox.OIDUserName, text),
			"dir": sandbox.DirName(pkix.Name{CommonName: text}),
		} {
			leaf, err := s.PrivateCA.Issue(sandbox.Request{SANs: []sandbox.SAN{sandbox.Email("first@example.com"), san}})
			if err != nil {
				t.Errorf("%s %s: %v", name, kind, err)
				continue
			}
			if !bytes.Contains(leaf.DER, []byte(text)) {
				t.Errorf("%s %s: the certificate does not hold %q", name, kind, text)
			}
		}
	}
	leaf := must(s.PrivateCA.Issue(sandbox.Request{SANs: []sandbox.SAN{sandbox.IP("2001:db8::1"), sandbox.RegisteredID(sandbox.EKUAny)}}))
	if len(leaf.Cert.IPAddresses) != 1 {
		t.Errorf("got %v", leaf.Cert.IPAddresses)
	}
	leaf = must(s.PrivateCA.Issue(sandbox.Request{SANs: []sandbox.SAN{}}))
	if len(leaf.Cert.EmailAddresses) != 0 || leaf.Cert.Subject.CommonName == "" {
		t.Errorf("got %v %v", leaf.Cert.EmailAddresses, leaf.Cert.Subject)
	}
}

func TestFulcioExtensionsAreRead(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	leaf := must(s.Fulcio.Issue(sandbox.Request{
		SANs: []sandbox.SAN{sandbox.URI("https://example.com/workflow")}, Issuer: "https://issuer.example",
		Extensions: map[int]string{1: "https://other.example", 9: "https://example.com/builder", 11: "self-hosted"},
	}))
	got, err := certificate.SummarizeCertificate(leaf.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if got.SubjectAlternativeName != "https://example.com/workflow" || got.Issuer != "https://issuer.example" ||
		got.BuildSignerURI != "https://example.com/builder" || got.RunnerEnvironment != "self-hosted" {
		t.Errorf("got %+v", got)
	}
	if !bytes.Contains(leaf.DER, []byte("https://other.example")) {
		t.Error("the issuer of .1 is not in the certificate")
	}
}

// TestResign forges: the certificate keeps its text, and its issuer did not
// sign it.
func TestResign(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	leaf := must(s.PrivateCA.Issue(sandbox.Request{}))
	issuer := s.PrivateCA.Chain[0]
	forged := must(x509.ParseCertificate(must(sandbox.Resign(leaf.DER, s.Key("attacker", sandbox.P256), nil))))
	if forged.CheckSignatureFrom(issuer) == nil || !bytes.Equal(forged.RawTBSCertificate, leaf.Cert.RawTBSCertificate) {
		t.Error("the forgery is none")
	}
	edited := must(x509.ParseCertificate(must(sandbox.Resign(leaf.DER, s.PrivateCA.Key, func(tbs []byte) []byte {
		return bytes.Replace(tbs, []byte("alice@"), []byte("mallo@"), 1)
	}))))
	if err := edited.CheckSignatureFrom(issuer); err != nil || edited.EmailAddresses[0] != "mallo@example.com" {
		t.Errorf("got %v, %v", edited.EmailAddresses, err)
	}
}

// TestCrossSignedChains: one CA key certified by two roots, and an
// intermediate that is its own root.
func TestCrossSignedChains(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	other := must(s.NewRoot("other", nil))
	cross := must(other.Sub(s.PrivateCA.Name, &sandbox.CAOptions{Key: s.PrivateCA.Key}))
	leaf := must(s.PrivateCA.Issue(sandbox.Request{}))
	if err := leaf.Cert.CheckSignatureFrom(cross.Chain[0]); err != nil {
		t.Error(err)
	}
	if n := len(leaf.Intermediates()); n != 1 {
		t.Errorf("got %d intermediates, want 1", n)
	}
	twin := must(s.NewRoot(s.PrivateCA.Name, &sandbox.CAOptions{Key: s.PrivateCA.Key}))
	if err := leaf.Cert.CheckSignatureFrom(twin.Chain[0]); err != nil {
		t.Error(err)
	}
}

func TestKeysMadeElsewhereAreCertified(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	weak := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	leaf := must(s.PrivateCA.Issue(sandbox.Request{Key: sandbox.NewKey(weak, sandbox.P256)}))
	if leaf.Cert.PublicKey.(*ecdsa.PublicKey).Curve != elliptic.P224() {
		t.Errorf("got %v", leaf.Cert.PublicKey)
	}
	if _, err := s.Sign(sandbox.SignOptions{Artifact: artifact, Leaf: leaf}); err != nil {
		t.Error(err)
	}
}

func TestCRL(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	leaf := must(s.PrivateCA.Issue(sandbox.Request{}))
	der := must(s.PrivateCA.CRL(s.Now(), s.Now().Add(time.Hour), leaf.Cert.SerialNumber, big.NewInt(7)))
	crl := must(x509.ParseRevocationList(der))
	if err := crl.CheckSignatureFrom(s.PrivateCA.Chain[0]); err != nil {
		t.Error(err)
	}
	if len(crl.RevokedCertificateEntries) != 2 || crl.RevokedCertificateEntries[0].SerialNumber.Cmp(leaf.Cert.SerialNumber) != 0 ||
		!crl.NextUpdate.Equal(s.Now().Add(time.Hour)) {
		t.Errorf("got %+v", crl)
	}
}
