package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// checkIntermediate refuses certificates that have no place in a bundle's
// chain: roots, which the format forbids, and end entities.
func checkIntermediate(c *x509.Certificate) error {
	if isSelfSigned(c) {
		return fmt.Errorf("%q is self-signed; roots come from the trust config, never from a bundle", c.Subject)
	}
	if !c.BasicConstraintsValid || !c.IsCA {
		return fmt.Errorf("%q is not a CA", c.Subject)
	}
	return checkCertificateKey(c)
}

// checkCertificateKey refuses keys that the algorithm registry does not have.
func checkCertificateKey(c *x509.Certificate) error {
	switch pub := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if pub.Curve == elliptic.P224() {
			return fmt.Errorf("%q has a P-224 key", c.Subject)
		}
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); n < 2048 || n > 8192 {
			return fmt.Errorf("%q has an RSA key of %d bits", c.Subject, n)
		}
	}
	return nil
}

// An issuer is a certificate authority made ready for building paths.
type issuer struct {
	*trustroot.Authority

	// direct says that all above the first certificate of the chain bears no
	// restriction on what that certificate issues. Its links were verified
	// when the trust was loaded, so that a leaf it issued needs one signature
	// checked, not one for each link.
	direct bool
}

func newIssuer(ca *trustroot.Authority, q *Requirements) issuer {
	direct := !hasNameConstraints(ca.Chain[0]) && allowsUsage(ca.Chain[0], q)
	for i, c := range ca.Chain[1:] {
		pathLenOK := c.MaxPathLen < 0 || c.MaxPathLen == 0 && !c.MaxPathLenZero || c.MaxPathLen >= i+1
		direct = direct && pathLenOK && !hasNameConstraints(c) && allowsUsage(c, q) && len(c.UnhandledCriticalExtensions) == 0
	}
	direct = direct && len(ca.Chain[0].UnhandledCriticalExtensions) == 0
	return issuer{ca, direct}
}

var (
	oidEmailAddress    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1} // in a distinguished name
	oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidKeyUsage        = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN             = asn1.ObjectIdentifier{2, 5, 29, 17}
)

func hasNameConstraints(c *x509.Certificate) bool { return hasExtension(c, oidNameConstraints) }

func hasExtension(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkixExtension) bool { return e.Id.Equal(oid) })
}

// allowsUsage reports whether a CA may issue certificates for the usages in
// question: its own list, if it has one, restricts them.
func allowsUsage(c *x509.Certificate, q *Requirements) bool {
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return true
	}
	return hasUsage(c, q)
}

// paths returns the paths from leaf to the authority's anchor that are valid
// at every one of the times. others are those of the bundle's certificates
// that the leaf is linked to, and not trusted.
func (ca *issuer) paths(leaf *x509.Certificate, others []*x509.Certificate, times []time.Time, q *Requirements) ([][]*x509.Certificate, error) {
	for _, at := range times {
		if !ca.ValidFor.Contains(at) {
			return nil, fmt.Errorf("not in use at %s (%s)", stamp(at), window(ca.ValidFor))
		}
	}
	var chains [][]*x509.Certificate
	var err error
	direct := ca.direct && bytes.Equal(leaf.RawIssuer, ca.Chain[0].RawSubject)
	if direct {
		chains, err = ca.directPath(leaf)
	}
	switch {
	case direct && (err == nil || len(others) == 0):
		// With others, another CA of that name may be in the bundle.
	case len(others) > 0 && !ca.issued(leaf, others):
		err = errors.New("it issued none of the bundle's certificates")
	default:
		chains, err = ca.builtPaths(leaf, others, times[0])
	}
	if err != nil {
		return nil, err
	}
	valid := chains[:0]
	for _, chain := range chains {
		if err = checkPath(chain, times, q); err == nil {
			valid = append(valid, chain)
		}
	}
	if len(valid) == 0 {
		return nil, err
	}
	return valid, nil
}

// directPath is the path of a leaf that the first certificate of the chain
// issued.
func (ca *issuer) directPath(leaf *x509.Certificate) ([][]*x509.Certificate, error) {
	if len(leaf.UnhandledCriticalExtensions) > 0 {
		return nil, fmt.Errorf("the signer's certificate has an unknown critical extension %v", leaf.UnhandledCriticalExtensions[0])
	}
	if err := leaf.CheckSignatureFrom(ca.Chain[0]); err != nil {
		return nil, fmt.Errorf("not issued by %q: %w", ca.Chain[0].Subject, err)
	}
	return [][]*x509.Certificate{append([]*x509.Certificate{leaf}, ca.Chain...)}, nil
}

// builtPaths leaves it to crypto/x509 to find paths, with name constraints and
// path lengths: RFC 5280 section 6. Usages and times are checked on the result.
func (ca *issuer) builtPaths(leaf *x509.Certificate, others []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CurrentTime:   at,
	}
	opts.Roots.AddCert(ca.Anchor())
	for _, c := range ca.Chain[:len(ca.Chain)-1] {
		opts.Intermediates.AddCert(c)
	}
	for _, c := range others {
		opts.Intermediates.AddCert(c)
	}
	return leaf.Verify(opts)
}

// checkPath holds a path to what crypto/x509 does not check, or checks at one
// time only.
func checkPath(chain []*x509.Certificate, times []time.Time, q *Requirements) error {
	if len(q.EKUs) > 1 {
		if err := checkUsagesNest(chain, q); err != nil {
			return err
		}
	}
	constrained := false
	for _, c := range chain[1:] {
		if err := checkCertificateKey(c); err != nil {
			return err
		}
		if !allowsKeyUsage(c, x509.KeyUsageCertSign) {
			return fmt.Errorf("the key usage of %q does not allow it to issue certificates", c.Subject)
		}
		if !allowsUsage(c, q) {
			return fmt.Errorf("%q may not issue certificates for signing code", c.Subject)
		}
		constrained = constrained || hasNameConstraints(c)
	}
	if constrained {
		if err := checkConstrainable(chain); err != nil {
			return err
		}
	}
	for _, at := range times {
		if err := validAt(chain, at); err != nil {
			return err
		}
	}
	return nil
}

// checkUsagesNest reports whether one of the usages that q names is the leaf's
// and that of every CA which restricts what it issues for. Each of them having
// one of the list is not enough if the list is longer than one.
func checkUsagesNest(chain []*x509.Certificate, q *Requirements) error {
	for _, usage := range q.EKUs {
		only := &Requirements{EKUs: []asn1.ObjectIdentifier{usage}}
		refuses := func(c *x509.Certificate) bool { return !allowsUsage(c, only) }
		if hasUsage(chain[0], only) && !slices.ContainsFunc(chain[1:], refuses) {
			return nil
		}
	}
	return fmt.Errorf("the CAs of the path may not issue certificates for what the signer's is for (%s)", certUsages(chain[0]))
}

// checkConstrainable refuses, under name constraints, names and constraints of
// kinds that crypto/x509 passes over.
func checkConstrainable(chain []*x509.Certificate) error {
	sans, err := parseSANs(chain[0])
	if err != nil {
		return err
	}
	if len(sans.OtherNames)+len(sans.DirNames)+len(sans.RegisteredIDs)+len(sans.unknown) > 0 {
		return errors.New("the signer's certificate has a name of a kind that its CA's name constraints can not be checked for")
	}
	for _, c := range chain[1:] {
		for _, ext := range c.Extensions {
			if ext.Id.Equal(oidNameConstraints) && !onlyKnownConstraints(ext.Value) {
				return fmt.Errorf("%q has name constraints of a kind that can not be checked", c.Subject)
			}
		}
		// crypto/x509 does not look for email addresses in the subject, which
		// RFC 5280 section 4.2.1.10 constrains where there are no other names.
		if len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses) > 0 && sans.Len() == 0 && hasEmailInSubject(chain[0]) {
			return fmt.Errorf("%q constrains email addresses, and the signer's certificate has one in its subject alone, where it can not be checked: expected it among the subject alternative names", c.Subject)
		}
	}
	return nil
}

func hasEmailInSubject(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.Subject.Names, func(a pkix.AttributeTypeAndValue) bool { return a.Type.Equal(oidEmailAddress) })
}

// onlyKnownConstraints reports whether all subtrees are of the kinds that
// crypto/x509 checks: email, DNS, URI, IP address.
func onlyKnownConstraints(der []byte) bool {
	var nc struct {
		Permitted []generalSubtree `asn1:"optional,tag:0"`
		Excluded  []generalSubtree `asn1:"optional,tag:1"`
	}
	if unmarshalAll(der, &nc, "name constraints") != nil {
		return false
	}
	for _, s := range append(nc.Permitted, nc.Excluded...) {
		if s.Base.Class != asn1.ClassContextSpecific || !slices.Contains([]int{tagEmail, tagDNS, tagURI, tagIP}, s.Base.Tag) {
			return false
		}
	}
	return true
}

type generalSubtree struct {
	Base asn1.RawValue
	Min  int `asn1:"optional,tag:0"`
	Max  int `asn1:"optional,tag:1"`
}
