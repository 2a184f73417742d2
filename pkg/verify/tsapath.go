package verify

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// A stamper is a timestamp authority made ready for judging tokens.
type stamper struct {
	*trustroot.Authority

	// checkChain holds an authority that lists its signing certificate to what
	// crypto/x509 demands of a path: name constraints, path lengths and usages
	// on the way down from the anchor. Only the links were verified when the
	// trust was loaded. It does its work once, if a token asks for it.
	checkChain func() error
}

func newStamper(tsa *trustroot.Authority) stamper {
	s := stamper{Authority: tsa}
	s.checkChain = sync.OnceValue(func() error {
		// All of the chain is valid when the window starts, unless the window
		// is empty; and then no token is.
		_, err := tsa.Chain[0].Verify(s.options(tsa.Window.Start))
		return err
	})
	return s
}

// options are those to verify a path to the authority's anchor with.
func (s stamper) options(at time.Time) x509.VerifyOptions {
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
		CurrentTime:   at,
	}
	opts.Roots.AddCert(s.Anchor())
	for _, c := range s.Chain[:len(s.Chain)-1] {
		opts.Intermediates.AddCert(c)
	}
	return opts
}

// chainTo returns the path from the token's signer to the authority's anchor,
// or nil and no error if the authority did not make the token.
func (t *timestampToken) chainTo(tsa stamper) ([]*x509.Certificate, error) {
	if leaf := tsa.Chain[0]; !leaf.IsCA {
		if !t.isSigner(leaf) {
			return nil, nil
		}
		if err := tsa.checkChain(); err != nil {
			return nil, err
		}
		return tsa.Chain, t.holdsOnly(tsa.Chain)
	}
	leaf := t.embeddedSigner()
	if leaf == nil {
		return nil, nil
	}
	if err := t.checkPathLike(); err != nil {
		return nil, err
	}
	opts := tsa.options(t.info.GenTime)
	for _, c := range t.certificates {
		if c.IsCA && !isSelfSigned(c) {
			opts.Intermediates.AddCert(c)
		}
	}
	chains, err := leaf.Verify(opts)
	if err != nil {
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
			return nil, nil
		}
		return nil, err
	}
	return chains[0], t.holdsOnly(append(chains[0][:len(chains[0]):len(chains[0])], tsa.Chain...))
}

// checkPathLike refuses certificates that can not all have a part in one path,
// as holdsOnly wants them to, and keys that no path may have. What is left
// makes building a path take one step a certificate, however they cross-sign
// each other.
func (t *timestampToken) checkPathLike() error {
	for i, c := range t.certificates {
		if err := checkCertificateKey(c); err != nil {
			return fmt.Errorf("its certificate for %w", err)
		}
		for _, other := range t.certificates[:i] {
			if bytes.Equal(c.RawSubject, other.RawSubject) {
				return fmt.Errorf("it holds two certificates for %q, expected one for each part of the path", c.Subject)
			}
		}
	}
	return nil
}

// isCrossCertificate reports whether c and p certify one CA: the same name and
// key. Public authorities send their root as an older root certified it, which
// has no part in a path to the root itself but is no stranger to it.
func isCrossCertificate(c, p *x509.Certificate) bool {
	return c.IsCA && p.IsCA && bytes.Equal(c.RawSubject, p.RawSubject) &&
		bytes.Equal(c.RawSubjectPublicKeyInfo, p.RawSubjectPublicKeyInfo)
}

// holdsOnly refuses tokens that carry certificates which have no part in the
// path: RFC 3161 section 2.4.1 has them hold the signer's certificate and those
// that help to verify it. If there are any, the signer's is among them.
func (t *timestampToken) holdsOnly(path []*x509.Certificate) error {
	for _, c := range t.certificates {
		known := false
		for _, p := range path {
			known = known || c.Equal(p) || isCrossCertificate(c, p)
		}
		if !known {
			return fmt.Errorf("it holds a certificate that has no part in the authority's path: %q", c.Subject)
		}
	}
	if len(t.certificates) > 0 && !slices.ContainsFunc(t.certificates, path[0].Equal) {
		return fmt.Errorf("expected the certificate of its signer, %q, among its certificates, or none", path[0].Subject)
	}
	return nil
}
