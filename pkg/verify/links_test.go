package verify_test

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// TestManyAuthoritiesDoNotMultiplyTheSearch: R09 for a trusted root with many
// CAs, each of which crypto/x509 would search a path to anew.
func TestManyAuthoritiesDoNotMultiplyTheSearch(t *testing.T) {
	s := newSandbox(t)
	root := newRoot(t, s, "root", nil)
	cas := []*sandbox.CA{root}
	for i := range 40 {
		cas = append(cas, newRoot(t, s, fmt.Sprint("other-", i), nil))
	}
	limbo := func(n int) *trial {
		ca, ders := root, [][]byte{nil}
		for i := range n {
			var err error
			ca, err = ca.Sub("limbo", &sandbox.CAOptions{Key: s.Key(fmt.Sprint("limbo", i), sandbox.P521), Bend: func(c *x509.Certificate) {
				c.Subject = root.Chain[0].Subject // the name of an anchor, too
			}})
			if err != nil {
				t.Fatal(err)
			}
			ders = append(ders, ca.Chain[0].Raw)
		}
		leaf, err := ca.Issue(sandbox.Request{})
		if err != nil {
			t.Fatal(err)
		}
		c := privateLeaf(t, s, root, leaf, sandbox.SignOptions{Chain: true})
		ders[0] = leaf.DER
		c.setChain(ders...)
		c.Root = rootOf(s, cas...)
		return c
	}
	limbo(3).accepted(t)
	for name, c := range map[string]*trial{"R09-limbo-many-authorities": limbo(15), "R09-limbo-of-strangers": limbo(8)} {
		t.Run(name, func(t *testing.T) {
			chain := c.material().GetX509CertificateChain()
			chain.Certificates = append(chain.Certificates[:1], chain.Certificates[2:]...) // without its first link
			within(t, time.Second, 32<<20, func() { c.rejected(t, verify.CheckPath, "no path") })
		})
	}
}
