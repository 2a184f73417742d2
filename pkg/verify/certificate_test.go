package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

func bundleChain(chain *protocommon.X509CertificateChain) *protobundle.VerificationMaterial_X509CertificateChain {
	return &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: chain}
}

var (
	oidKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 15}
	noKeyUsage       = pkix.Extension{Id: oidKeyUsage, Critical: true, Value: []byte{3, 1, 0}} // present, and allows nothing
	emailsAtExample  = []string{"example.com"}
	permitExampleCom = func(c *x509.Certificate) { c.PermittedEmailAddresses = emailsAtExample }
)

// TestLeafIsForSigning holds the signer's certificate to its own contents,
// under Fulcio and under a private CA alike.
func TestLeafIsForSigning(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, row := range []struct {
		name   string
		bad    sandbox.Request
		check  verify.CheckID
		detail string
	}{
		{"C01-without-eku", sandbox.Request{EKU: []asn1.ObjectIdentifier{}}, verify.CheckUsage, "extended key usage"},
		{"C01-other-eku", sandbox.Request{EKU: []asn1.ObjectIdentifier{sandbox.EKUServerAuth}}, verify.CheckUsage, "extended key usage"},
		{"C02-any-eku", sandbox.Request{EKU: []asn1.ObjectIdentifier{sandbox.EKUAny}}, verify.CheckUsage, "extended key usage"},
		{"C03-key-usage-encipherment", sandbox.Request{Bend: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }}, verify.CheckUsage, "digital signatures"},
		{"C03-key-usage-empty", sandbox.Request{Bend: func(c *x509.Certificate) { c.KeyUsage = 0; sandbox.SetExtension(c, noKeyUsage) }}, verify.CheckUsage, "digital signatures"},
		{"C04-ca", sandbox.Request{Bend: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }}, verify.CheckUsage, "is a CA's"},
		{"C08-unknown-critical-extension", sandbox.Request{Bend: withExtension(extension(true))}, verify.CheckPath, ""},
		{"C08-precertificate", sandbox.Request{Bend: withExtension(pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, Critical: true, Value: asn1.NullBytes})}, verify.CheckPath, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			private(t, s, s.PrivateCA, sandbox.Request{}, sandbox.SignOptions{}).accepted(t)
			private(t, s, s.PrivateCA, row.bad, sandbox.SignOptions{}).rejected(t, row.check, row.detail)

			good, bad := row.bad, row.bad
			good.Bend, good.EKU = nil, nil
			bad.CT, good.CT = []*sandbox.CTLog{}, []*sandbox.CTLog{}
			fulcio := func(r sandbox.Request) *trial {
				leaf, err := s.Fulcio.Issue(r)
				if err != nil {
					t.Fatal(err)
				}
				c := honest(t, s, sandbox.SignOptions{Leaf: leaf})
				c.Require.SCTs = 0
				return c
			}
			fulcio(good).accepted(t)
			fulcio(bad).rejected(t, row.check, row.detail)
		})
	}
	t.Run("C08-unknown-extension-not-critical", func(t *testing.T) {
		private(t, s, s.PrivateCA, sandbox.Request{Bend: withExtension(extension(false))}, sandbox.SignOptions{}).accepted(t)
	})
	t.Run("without key usage", func(t *testing.T) {
		r := sandbox.Request{Bend: func(c *x509.Certificate) { c.KeyUsage = 0 }}
		private(t, s, s.PrivateCA, r, sandbox.SignOptions{}).accepted(t)
	})
}

// TestPathObeysItsCertificates bends one CA of a path; the twin has the same
// path without the fault. Where the CA of the trusted root issues the leaf
// itself, the fast path is under test, and crypto/x509's with the issuer in
// the bundle.
func TestPathObeysItsCertificates(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	evil := sandbox.Request{SANs: []sandbox.SAN{sandbox.Email("alice@evil.example")}}
	for _, row := range []struct {
		name          string
		root, middle  func(*x509.Certificate)
		request, twin sandbox.Request
	}{
		{name: "C08-critical-extension-in-root", root: withExtension(extension(true))},
		{name: "C08-critical-extension-in-intermediate", middle: withExtension(extension(true))},
		{name: "C08-path-length", root: func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }},
		{name: "C08-intermediate-for-servers", middle: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{name: "C08-root-for-servers", root: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
		{name: "C08-names-of-intermediate", middle: func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"other.example"} }},
		{name: "C08-names-of-root", root: func(c *x509.Certificate) { c.ExcludedEmailAddresses = emailsAtExample }},
		{name: "C08-name-not-permitted", root: permitExampleCom, request: evil, twin: evil},
		{name: "C08-weak-key", request: sandbox.Request{Key: sandbox.NewKey(weakRSA(t), sandbox.RSA2048)}},
		{name: "C08-intermediate-expired", middle: func(c *x509.Certificate) { c.NotAfter = s.Now().Add(-time.Second) }},
		{name: "C08-root-not-yet-valid", root: func(c *x509.Certificate) { c.NotBefore = s.Now().Add(time.Second) }},
		{name: "C09-othername-under-constraints", root: permitExampleCom,
			request: sandbox.Request{SANs: []sandbox.SAN{sandbox.Email(sandbox.DefaultIdentity), sandbox.OtherName(sandbox.OIDUserName, "root!evil.example")}},
			twin:    sandbox.Request{SANs: []sandbox.SAN{sandbox.Email(sandbox.DefaultIdentity), sandbox.OtherName(sandbox.OIDUserName, "root!evil.example")}}},
		{name: "C09-constructed-email-under-constraints", root: permitExampleCom,
			request: sandbox.Request{SANs: []sandbox.SAN{sandbox.Email(sandbox.DefaultIdentity), sandbox.RawSAN(1, true, []byte("root@evil.example"))}}},
		{name: "C09-email-in-subject-under-constraints", root: permitExampleCom,
			request: sandbox.Request{SANs: []sandbox.SAN{}, Subject: emailSubject("root@evil.example")},
			twin:    sandbox.Request{SANs: []sandbox.SAN{}, Subject: emailSubject("root@evil.example")}},
		{name: "C09-directory-constraints", root: withExtension(directoryConstraint())},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, inBundle := range []bool{false, true} {
				attempt := func(rootBend, middleBend func(*x509.Certificate), r sandbox.Request) *trial {
					root := newRoot(t, s, "root "+row.name, rootBend)
					issuer := sub(t, root, "issuer "+row.name, middleBend)
					c := private(t, s, issuer, r, sandbox.SignOptions{Chain: inBundle})
					if inBundle {
						c.Root = rootOf(s, root)
					}
					c.Require.Identities = nil
					c.Require.AnyIdentity = true
					return c
				}
				attempt(nil, nil, row.twin).accepted(t)
				rep, err := attempt(row.root, row.middle, row.request).verify(t)
				if err == nil || rep == nil || rep.Verdict != verify.Failed {
					t.Fatalf("issuer in the bundle %v: got %v, want a rejection\n%s", inBundle, err, dump(rep))
				}
				if id := rep.FirstFailure().ID; id != verify.CheckPath && id != verify.CheckUsage && id != verify.CheckSigner {
					t.Fatalf("issuer in the bundle %v: got failed check %s, want one of the certificate\n%s", inBundle, id, dump(rep))
				}
			}
		})
	}
	t.Run("names under constraints that they obey", func(t *testing.T) {
		root := newRoot(t, s, "constrained", permitExampleCom)
		private(t, s, sub(t, root, "below", nil), sandbox.Request{}, sandbox.SignOptions{}).accepted(t)
	})
}

// emailSubject is a distinguished name that holds an email address.
func emailSubject(address string) pkix.Name {
	return pkix.Name{CommonName: "signer", ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(address)}},
	}}
}

// directoryConstraint permits one subtree of directory names.
func directoryConstraint() pkix.Extension {
	name, err := asn1.Marshal(pkix.Name{Organization: []string{"sandbox.example"}}.ToRDNSequence())
	if err != nil {
		panic(err)
	}
	type subtree struct {
		Base asn1.RawValue
	}
	value, err := asn1.Marshal(struct {
		Permitted []subtree `asn1:"optional,tag:0"`
	}{[]subtree{{asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name}}}})
	if err != nil {
		panic(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 30}, Critical: false, Value: value}
}

// TestExpiredAuthorityBesideGoodOne: C12.
func TestExpiredAuthorityBesideGoodOne(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	fresh := newRoot(t, s, "fresh", nil)
	for _, row := range []struct {
		name string
		old  func(end time.Time) *prototrustroot.CertificateAuthority
	}{
		{"C12-window-ended", func(end time.Time) *prototrustroot.CertificateAuthority {
			return until(newRoot(t, s, "old", nil).Authority(), end)
		}},
		{"C12-certificate-ended", func(end time.Time) *prototrustroot.CertificateAuthority {
			return newRoot(t, s, "old", func(c *x509.Certificate) { c.NotAfter = end }).Authority()
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			attempt := func(issuer string, end time.Time) *trial {
				ca := fresh
				if issuer == "old" {
					ca = newRoot(t, s, "old", nil)
				}
				c := private(t, s, ca, sandbox.Request{}, sandbox.SignOptions{})
				c.Root = rootOf(s, fresh)
				c.Root.CertificateAuthorities = append(c.Root.CertificateAuthorities, row.old(end))
				return c
			}
			attempt("old", s.Now()).accepted(t)
			attempt("fresh", s.Now().Add(-time.Second)).accepted(t)
			attempt("old", s.Now().Add(-time.Second)).rejected(t, verify.CheckPath, "old.sandbox.example")
		})
	}
}

// TestChainInBundle: the certificates of a bundle may help to build a path and
// have no authority: C13.
func TestChainInBundle(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	root := newRoot(t, s, "anchor", nil)
	issuer := sub(t, root, "issuer", nil)
	attacker := newRoot(t, s, "attacker", nil)
	endEntity, err := root.Issue(sandbox.Request{})
	if err != nil {
		t.Fatal(err)
	}
	selfMade := newRoot(t, s, "end entity", func(c *x509.Certificate) { c.IsCA, c.MaxPathLen, c.KeyUsage = false, 0, x509.KeyUsageDigitalSignature })
	leaf, err := issuer.Issue(sandbox.Request{})
	if err != nil {
		t.Fatal(err)
	}
	middle := issuer.Chain[0].Raw
	attempt := func(chain ...[]byte) *trial {
		c := privateLeaf(t, s, root, leaf, sandbox.SignOptions{Chain: true})
		c.setChain(append([][]byte{leaf.DER}, chain...)...)
		return c
	}
	for _, row := range []struct {
		name  string
		chain [][]byte
		check verify.CheckID
	}{
		{"C13-root", [][]byte{middle, root.Chain[0].Raw}, verify.CheckSigner},
		{"C13-attackers-root", [][]byte{middle, attacker.Chain[0].Raw}, verify.CheckSigner},
		{"C13-self-signed-end-entity", [][]byte{middle, selfMade.Chain[0].Raw}, verify.CheckSigner},
		{"C13-end-entity", [][]byte{middle, endEntity.DER}, verify.CheckSigner},
		{"C13-not-a-certificate", [][]byte{middle, []byte("garbage")}, verify.CheckSigner},
		{"C13-none", nil, verify.CheckPath},
		{"C13-of-another-ca", [][]byte{sub(t, attacker, "issuer", nil).Chain[0].Raw}, verify.CheckPath},
	} {
		t.Run(row.name, func(t *testing.T) {
			attempt(middle).accepted(t)
			attempt(row.chain...).rejected(t, row.check, "")
		})
	}
	t.Run("C13-leaf-of-attackers-ca", func(t *testing.T) {
		fake := sub(t, attacker, "issuer", nil)
		c := private(t, s, fake, sandbox.Request{}, sandbox.SignOptions{Chain: true})
		c.accepted(t)
		c.Root = rootOf(s, root)
		c.rejected(t, verify.CheckPath, "")
	})
	t.Run("C13-end-entity-as-issuer", func(t *testing.T) {
		below := func(bend func(*x509.Certificate)) *trial {
			c := private(t, s, sub(t, root, "end entity", bend), sandbox.Request{}, sandbox.SignOptions{Chain: true})
			c.Root = rootOf(s, root)
			return c
		}
		below(nil).accepted(t)
		below(func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = false, 0 }).rejected(t, verify.CheckSigner, "not a CA")
		below(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }).rejected(t, verify.CheckPath, "")
		below(func(c *x509.Certificate) { c.KeyUsage = 0; sandbox.SetExtension(c, noKeyUsage) }).rejected(t, verify.CheckPath, "")
	})
}
