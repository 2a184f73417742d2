package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

var (
	ekuA = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	ekuB = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 2}
)

// TestCustomUsages: a company's own usages stand in for code signing, never
// "any", and a CA that is for one of them issues for no other.
func TestCustomUsages(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	type oids = []asn1.ObjectIdentifier
	for _, row := range []struct {
		name           string
		ca, leaf, want oids
		ok             bool
	}{
		{"own usage", nil, oids{ekuA}, oids{ekuA}, true},
		{"own usage, CA for it", oids{ekuA}, oids{ekuA}, oids{ekuA}, true},
		{"own usage, CA for any", oids{sandbox.EKUAny}, oids{ekuA}, oids{ekuA}, true},
		{"either, CA for both", oids{ekuA, ekuB}, oids{ekuB}, oids{ekuA, ekuB}, true},
		{"code signing among own", oids{sandbox.EKUCodeSigning}, oids{sandbox.EKUCodeSigning}, oids{ekuA, sandbox.EKUCodeSigning}, true},
		{"two, one of them the CA's", oids{ekuA}, oids{ekuA, ekuB}, oids{ekuA, ekuB}, true},
		{"code signing where another is required", nil, oids{sandbox.EKUCodeSigning}, oids{ekuA}, false},
		{"another where code signing is required", nil, oids{ekuA}, nil, false},
		{"any", nil, oids{sandbox.EKUAny}, oids{ekuA}, false},
		{"CA for another", oids{ekuB}, oids{ekuA}, oids{ekuA}, false},
		{"CA for code signing alone", oids{sandbox.EKUCodeSigning}, oids{ekuA}, oids{ekuA}, false},
		{"either, but the CA is for the other", oids{ekuA}, oids{ekuB}, oids{ekuA, ekuB}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca := sub(t, newRoot(t, s, "r"+row.name, nil), "i"+row.name, func(c *x509.Certificate) {
				if row.ca != nil {
					sandbox.SetExtension(c, sandbox.EKUExtension(false, row.ca...))
				}
			})
			c := private(t, s, ca, sandbox.Request{EKU: row.leaf}, sandbox.SignOptions{})
			c.Require.EKUs = row.want
			rep, err := c.verify(t)
			if (err == nil) != row.ok {
				t.Fatalf("got %v, want accepted %v\n%s", err, row.ok, dump(rep))
			}
		})
	}
	for _, bad := range []oids{{sandbox.EKUAny}, {ekuA, sandbox.EKUAny}, {{1}}, {nil}} {
		c := private(t, s, s.PrivateCA, sandbox.Request{EKU: oids{ekuA}}, sandbox.SignOptions{})
		c.Require.EKUs = oids{ekuA}
		c.accepted(t)
		c.Require.EKUs = bad
		c.misconfigured(t, "usage")
	}
}

// TestAnchors: the last certificate of a chain is trusted, whatever it is.
func TestAnchors(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	root := newRoot(t, s, "root", nil)
	middle := sub(t, root, "middle", nil)
	issuer := sub(t, middle, "issuer", nil)

	t.Run("intermediate as anchor", func(t *testing.T) {
		c := private(t, s, issuer, sandbox.Request{}, sandbox.SignOptions{})
		certs := c.Root.CertificateAuthorities[0].CertChain
		for n := len(certs.Certificates); n > 0; n-- {
			certs.Certificates = certs.Certificates[:n]
			if rep := c.accepted(t); len(rep.Signer.Chain) != 1+n {
				t.Errorf("got a path of %d certificates, want %d", len(rep.Signer.Chain), 1+n)
			}
		}
		other := newRoot(t, s, "other", func(c *x509.Certificate) { c.Subject = issuer.Chain[0].Subject })
		certs.Certificates[0].RawBytes = other.Chain[0].Raw
		c.rejected(t, verify.CheckPath, "not issued by")
	})
	t.Run("intermediate as anchor, the issuer in the bundle", func(t *testing.T) {
		c := private(t, s, issuer, sandbox.Request{}, sandbox.SignOptions{Chain: true})
		c.Root = rootOf(s, middle)
		certs := c.Root.CertificateAuthorities[0].CertChain
		certs.Certificates = certs.Certificates[:1]
		c.accepted(t)
		c.Root = rootOf(s, sub(t, root, "middle", func(*x509.Certificate) {}))
		c.accepted(t) // the same key certified again
		c.Root = rootOf(s, newRoot(t, s, "stranger", nil))
		c.rejected(t, verify.CheckPath, "")
	})
	t.Run("cross-signed", func(t *testing.T) {
		second := newRoot(t, s, "second root", nil)
		crossed, err := second.Sub("issuer", &sandbox.CAOptions{Key: issuer.Key})
		if err != nil {
			t.Fatal(err)
		}
		c := private(t, s, issuer, sandbox.Request{}, sandbox.SignOptions{})
		for _, cas := range [][]*sandbox.CA{{issuer}, {crossed}, {issuer, crossed}, {newRoot(t, s, "stranger", nil), crossed}} {
			c.Root = rootOf(s, cas...)
			c.accepted(t)
		}
		c.setChain(c.material().GetCertificate().RawBytes, crossed.Chain[0].Raw)
		c.Root = rootOf(s, second)
		c.accepted(t)
		c.Root = rootOf(s, root)
		c.rejected(t, verify.CheckPath, "")
	})
	t.Run("two authorities of one name", func(t *testing.T) {
		twin := newRoot(t, s, "twin root", nil)
		same := sub(t, twin, "issuer of another", func(c *x509.Certificate) { c.Subject = issuer.Chain[0].Subject })
		c := private(t, s, issuer, sandbox.Request{}, sandbox.SignOptions{})
		c.Root = rootOf(s, same, issuer)
		c.accepted(t)
		c.Root = rootOf(s, issuer, same)
		c.accepted(t)
		c.Root = rootOf(s, same)
		c.rejected(t, verify.CheckPath, "not issued by")
	})
	t.Run("the issuer's name with a new key, in the bundle", func(t *testing.T) {
		renewed := sub(t, root, "renewed", func(c *x509.Certificate) { c.Subject = issuer.Chain[0].Subject })
		direct := sub(t, root, "old", func(c *x509.Certificate) { c.Subject = issuer.Chain[0].Subject })
		c := private(t, s, renewed, sandbox.Request{}, sandbox.SignOptions{Chain: true})
		c.Root = rootOf(s, root)
		c.accepted(t)
		c.Root = rootOf(s, direct)
		c.accepted(t)
		c.Root = rootOf(s, sub(t, newRoot(t, s, "stranger", nil), "old", func(c *x509.Certificate) { c.Subject = issuer.Chain[0].Subject }))
		c.rejected(t, verify.CheckPath, "")
	})
}

// TestEveryCertificateIsValidAtEveryTime: with several times established, each
// certificate of the path must have been valid at each.
func TestEveryCertificateIsValidAtEveryTime(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, n := range []time.Duration{0, 90 * time.Second} {
		root := newRoot(t, s, "root", nil)
		issuer := sub(t, root, "issuer", func(c *x509.Certificate) { c.NotAfter = s.Now().Add(n + 30*time.Second) })
		for _, inBundle := range []bool{false, true} {
			c := private(t, s, issuer, sandbox.Request{}, sandbox.SignOptions{Chain: inBundle})
			if inBundle {
				c.Root = rootOf(s, root)
			}
			c.accepted(t)
			sig := c.Bundle.GetMessageSignature().Signature
			sandbox.AddTimestamp(c.material(), s.TSA.Token(sandbox.TokenOptions{Over: sig, Time: s.Now().Add(time.Minute)}))
			if n > 0 {
				c.accepted(t)
			} else {
				c.rejected(t, verify.CheckPath, "is not valid at 2026-01-02T03:05:05Z")
			}
		}
	}
}

// TestAnySAN: C07. Names of every kind can be asked for, in their own place.
func TestAnySAN(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	dir := pkix.Name{CommonName: "robot", Organization: []string{"Acme"}}
	own := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	for _, row := range []struct {
		name  string
		san   sandbox.SAN
		text  string
		types []verify.NameType
	}{
		{"C07-dns", sandbox.DNS("build.acme.example"), "build.acme.example", nil},
		{"C07-ip", sandbox.IP("192.0.2.7"), "192.0.2.7", nil},
		{"C07-ip6", sandbox.IP("2001:db8::7"), "2001:db8::7", nil},
		{"C07-uri", sandbox.URI("spiffe://acme/build"), "spiffe://acme/build", []verify.NameType{verify.URI}},
		{"C07-email", sandbox.Email("build@acme.example"), "build@acme.example", []verify.NameType{verify.Email}},
		{"C07-othername-of-fulcio", sandbox.OtherName(sandbox.OIDUserName, "build!acme"), "build!acme", []verify.NameType{verify.OtherKind}},
		{"C07-othername", sandbox.OtherName(own, "build@ACME"), "build@ACME", nil},
		{"C07-directory-name", sandbox.DirName(dir), "CN=robot,O=Acme", nil},
		{"C07-registered-id", sandbox.RegisteredID(own), own.String(), nil},
	} {
		for _, critical := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				r := sandbox.Request{Bend: func(c *x509.Certificate) { sandbox.SetExtension(c, sandbox.SANExtension(critical, row.san)) }}
				c := private(t, s, s.PrivateCA, r, sandbox.SignOptions{})
				for _, kind := range []verify.NameType{verify.AnyName, verify.Email, verify.URI, verify.OtherKind} {
					c.Require.Identities = []verify.Identity{{Name: row.text, NameType: kind}}
					if kind == verify.AnyName || slices.Contains(row.types, kind) {
						c.accepted(t)
					} else {
						c.rejected(t, verify.CheckIdentity, row.text)
					}
				}
				c.Require.Identities = []verify.Identity{{Name: row.text + "x"}}
				c.rejected(t, verify.CheckIdentity, row.text)
			})
		}
	}
	t.Run("C07-names-inside-other-names", func(t *testing.T) {
		// An otherName that holds an email address, or text that is not a
		// UTF8String, is not that address.
		email := sandbox.Email(sandbox.DefaultIdentity)
		ia5 := append([]byte{0x16, byte(len(sandbox.DefaultIdentity))}, sandbox.DefaultIdentity...)
		for _, inner := range [][]byte{email, ia5} {
			plain := sandbox.OtherName(own, sandbox.DefaultIdentity)
			private(t, s, s.PrivateCA, sandbox.Request{SANs: []sandbox.SAN{plain}}, sandbox.SignOptions{}).accepted(t)
			oid := plain[2 : len(plain)-len(inner)-2]
			nested := sandbox.RawSAN(0, true, append(append(oid[:len(oid):len(oid)], 0xa0, byte(len(inner))), inner...))
			private(t, s, s.PrivateCA, sandbox.Request{SANs: []sandbox.SAN{nested}}, sandbox.SignOptions{}).rejected(t, verify.CheckIdentity, "no name")
		}
	})
	t.Run("C07-kind-nobody-reads-critical", func(t *testing.T) {
		x400 := sandbox.RawSAN(3, true, nil)
		for _, critical := range []bool{false, true} {
			r := sandbox.Request{Bend: func(c *x509.Certificate) { sandbox.SetExtension(c, sandbox.SANExtension(critical, x400)) }}
			c := private(t, s, s.PrivateCA, r, sandbox.SignOptions{})
			c.Require.Identities = []verify.Identity{{Subject: "CN=release signing,O=sandbox.example"}}
			if critical {
				c.rejected(t, verify.CheckPath, "")
			} else {
				c.accepted(t)
			}
		}
	})
}

// TestEveryCAOfOneKeyIsAnAuthority keeps trust files of cross-signed CAs
// loadable.
func TestEveryCAOfOneKeyIsAnAuthority(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	a := newRoot(t, s, "a", nil)
	again, err := s.NewRoot("a", &sandbox.CAOptions{Key: a.Key, Bend: func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trustroot.Parse(sandbox.JSON(rootOf(s, a, again)), "two"); err != nil {
		t.Fatal(err)
	}
}
