package verify_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"testing"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// private returns a trial of a bundle that a new leaf of ca signs, with a
// timestamp and no log: what a company with its own CA has. It is accepted if
// ca is an honest private CA and r an honest request.
func private(t testing.TB, s *sandbox.Sandbox, ca *sandbox.CA, r sandbox.Request, o sandbox.SignOptions) *trial {
	t.Helper()
	leaf, err := ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return privateLeaf(t, s, ca, leaf, o)
}

// privateLeaf is private for a leaf that is there already.
func privateLeaf(t testing.TB, s *sandbox.Sandbox, ca *sandbox.CA, leaf *sandbox.Leaf, o sandbox.SignOptions) *trial {
	t.Helper()
	o.Leaf = leaf
	if o.Logs == nil {
		o.Logs = []*sandbox.Log{}
	}
	c := honest(t, s, o)
	c.Root = rootOf(s, ca)
	c.Require.Logs, c.Require.SCTs, c.Require.Timestamps = 0, 0, 1
	c.Require.Identities = []verify.Identity{{Name: sandbox.DefaultIdentity}}
	return c
}

// rootOf returns a trusted root that lists the CAs and the sandbox's TSA.
func rootOf(s *sandbox.Sandbox, cas ...*sandbox.CA) *prototrustroot.TrustedRoot {
	root := &prototrustroot.TrustedRoot{
		MediaType:            sandbox.TrustedRootMediaType,
		TimestampAuthorities: []*prototrustroot.CertificateAuthority{s.TSA.Authority()},
	}
	for _, ca := range cas {
		root.CertificateAuthorities = append(root.CertificateAuthorities, ca.Authority())
	}
	return root
}

// setChain puts certificates (DER) into the bundle as its chain.
func (c *trial) setChain(ders ...[]byte) {
	chain := &protocommon.X509CertificateChain{}
	for _, der := range ders {
		chain.Certificates = append(chain.Certificates, &protocommon.X509Certificate{RawBytes: der})
	}
	c.material().Content = bundleChain(chain)
}

// newRoot and sub make CAs with bent certificates.
func newRoot(t testing.TB, s *sandbox.Sandbox, name string, bend func(*x509.Certificate)) *sandbox.CA {
	t.Helper()
	ca, err := s.NewRoot(name, &sandbox.CAOptions{Bend: bend})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func sub(t testing.TB, issuer *sandbox.CA, name string, bend func(*x509.Certificate)) *sandbox.CA {
	t.Helper()
	ca, err := issuer.Sub(name, &sandbox.CAOptions{Bend: bend})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// extension returns an extension that nobody knows.
func extension(critical bool) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}, Critical: critical, Value: asn1.NullBytes}
}

// withExtension bends a template by an extension.
func withExtension(ext pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { sandbox.SetExtension(c, ext) }
}

// until ends a window.
func until(ca *prototrustroot.CertificateAuthority, end time.Time) *prototrustroot.CertificateAuthority {
	ca.ValidFor = sandbox.Window(ca.ValidFor.Start.AsTime(), end)
	return ca
}

// publicOnly is a key of which nobody has the private half.
type publicOnly struct{ pub crypto.PublicKey }

func (k publicOnly) Public() crypto.PublicKey { return k.pub }

func (k publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 64), nil
}

// weakRSA is an RSA key of 1024 bits.
func weakRSA(t testing.TB) crypto.Signer {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	return publicOnly{&rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}}
}
