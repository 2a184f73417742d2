package verify

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// bends are what may be odd about a certificate of a path: most are faults, a
// few are not.
var bends = []func(c *x509.Certificate, now time.Time){
	func(c *x509.Certificate, _ time.Time) { c.MaxPathLen, c.MaxPathLenZero = 0, true },
	func(c *x509.Certificate, _ time.Time) { c.MaxPathLen = 1 },
	func(c *x509.Certificate, _ time.Time) { c.MaxPathLen = 2 },
	func(c *x509.Certificate, _ time.Time) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	},
	func(c *x509.Certificate, _ time.Time) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
	func(c *x509.Certificate, _ time.Time) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
	func(c *x509.Certificate, _ time.Time) { c.PermittedEmailAddresses = []string{"example.com"} },
	func(c *x509.Certificate, _ time.Time) { c.ExcludedEmailAddresses = []string{"example.com"} },
	func(c *x509.Certificate, _ time.Time) { c.PermittedDNSDomains = []string{"example.com"} },
	func(c *x509.Certificate, now time.Time) { c.NotAfter = now.Add(-time.Second) },
	func(c *x509.Certificate, now time.Time) { c.NotBefore = now.Add(time.Second) },
	func(c *x509.Certificate, now time.Time) { c.NotAfter = now.Add(time.Minute) },
	func(c *x509.Certificate, _ time.Time) {
		sandbox.SetExtension(c, pkixExtension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
	},
	func(c *x509.Certificate, _ time.Time) {
		sandbox.SetExtension(c, pkixExtension{Id: []int{1, 2, 3}, Value: []byte{5, 0}})
	},
	func(c *x509.Certificate, _ time.Time) { c.KeyUsage = x509.KeyUsageCRLSign },
	func(c *x509.Certificate, _ time.Time) { c.KeyUsage = 0 },
}

// hierarchy is a leaf, the chain of its CA, and a stranger to both.
type hierarchy struct {
	leaf  *x509.Certificate
	chain []*x509.Certificate
}

// generate makes a chain of one to four CAs, each of them bent with
// probability 1/3, and a leaf, bent with 1/8.
func generate(t *testing.T, s *sandbox.Sandbox, rng *rand.Rand, n int) (hierarchy, bool) {
	t.Helper()
	bend := func(odds int) func(*x509.Certificate) {
		if rng.IntN(odds) > 0 {
			return nil
		}
		b := bends[rng.IntN(len(bends))]
		return func(c *x509.Certificate) { b(c, s.Now()) }
	}
	ca, err := s.NewRoot(fmt.Sprintf("root %d", n), &sandbox.CAOptions{Bend: bend(3)})
	for depth := rng.IntN(4); err == nil && depth > 0; depth-- {
		ca, err = ca.Sub(fmt.Sprintf("sub %d of %d", depth, n), &sandbox.CAOptions{Bend: bend(3)})
	}
	if err != nil {
		return hierarchy{}, false
	}
	request := sandbox.Request{Bend: bend(8)}
	if rng.IntN(4) == 0 {
		request.SANs = []sandbox.SAN{sandbox.DNS("host.example.org")}
	}
	leaf, err := ca.Issue(request)
	if err != nil || leaf.Cert == nil {
		return hierarchy{}, false
	}
	return hierarchy{leaf.Cert, ca.Chain}, true
}

// TestDirectPathIsNoLaxerThanX509 holds the fast path to crypto/x509: what it
// accepts, crypto/x509 accepts at every one of the times, for the usage in
// question, from the anchor alone. It also holds the whole to it in the other
// direction, but for what is stricter on purpose: the key usage of CAs.
func TestDirectPathIsNoLaxerThanX509(t *testing.T) {
	t.Parallel()
	s, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	times := []time.Time{s.Now(), s.Now().Add(30 * time.Second), s.Now().Add(2 * time.Minute)}
	q := &Requirements{}
	counts := map[string]int{}
	for n := range 400 {
		h, ok := generate(t, s, rng, n)
		if !ok {
			continue
		}
		ca, err := trustroot.NewCA(h.chain, trustroot.Validity{Start: s.Now().Add(-time.Hour)})
		if err != nil {
			counts["refused as trust"]++
			continue
		}
		is := newIssuer(ca, q)
		at := times[:1+rng.IntN(len(times))]
		paths, err := is.paths(h.leaf, nil, at, q)
		ours := err == nil && hasUsage(h.leaf, q) && allowsKeyUsage(h.leaf, x509.KeyUsageDigitalSignature)
		theirs, why := verifiedByX509(h, at)
		counts[fmt.Sprintf("direct %v, ours %v, theirs %v", is.direct, ours, theirs)]++
		if ours && !theirs {
			t.Errorf("hierarchy %d: accepted, direct %v, and crypto/x509 says %v", n, is.direct, why)
		}
		if !ours && theirs && mayBeSigner(h) {
			t.Errorf("hierarchy %d: crypto/x509 accepts it; direct %v: %v", n, is.direct, err)
		}
		if is.direct && err == nil {
			built, err := is.builtPaths(h.leaf, nil, at[0])
			if err != nil || len(paths) != 1 || len(built) != 1 || len(built[0]) != len(paths[0]) {
				t.Errorf("hierarchy %d: the direct path is not the one that crypto/x509 builds: %v", n, err)
			}
		}
	}
	t.Logf("%v", counts)
	for _, must := range []string{"direct true, ours true, theirs true", "direct false, ours false, theirs false", "direct false, ours true, theirs true", "direct true, ours false, theirs false"} {
		if counts[must] == 0 {
			t.Errorf("no hierarchy with %s: the generator shows nothing", must)
		}
	}
}

func verifiedByX509(h hierarchy, times []time.Time) (bool, error) {
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(h.chain[len(h.chain)-1])
	for _, c := range h.chain[:len(h.chain)-1] {
		middle.AddCert(c)
	}
	for _, at := range times {
		_, err := h.leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: middle, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}})
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// mayBeSigner reports whether the leaf may sign, which crypto/x509 does
// not look at, and is for code signing explicitly.
func mayBeSigner(h hierarchy) bool {
	return allowsKeyUsage(h.leaf, x509.KeyUsageDigitalSignature) && hasUsage(h.leaf, &Requirements{}) && !h.leaf.IsCA
}
