package verify

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
)

type pkixExtension = pkix.Extension

// certificate proves a path from the signer's certificate to a trusted anchor,
// valid at every established time, and that it is a certificate for signing.
func (r *run) certificate() {
	if err := r.checkUsage(); err != nil {
		r.failf(CheckUsage, "%v", err)
	} else {
		r.passf(CheckUsage, "the certificate is for signing")
	}
	if err := r.findPath(); err != nil {
		r.failf(CheckPath, "%v", err)
		return
	}
	anchor := r.chain[len(r.chain)-1]
	r.passf(CheckPath, "issued under %q and valid at %s", anchor.Subject, r.atTimes())
	r.revocation()
}

// findPath tries every authority. Where none convinces, the error is that of
// the authority that comes nearest: one whose name is on the certificate.
func (r *run) findPath() error {
	if len(r.v.issuers) == 0 {
		return errors.New("the trust config has no certificate authority")
	}
	leaf, times := withoutHandledSAN(r.leaf, r.sans), r.establishedTimes()
	others, err := linked(leaf, r.others)
	if err != nil {
		return fmt.Errorf("no path from the signer's certificate to a trusted anchor: %w", err)
	}
	var near, far []string
	for i := range r.v.issuers {
		ca := &r.v.issuers[i]
		chains, err := ca.paths(leaf, others, times, &r.v.require)
		if err == nil {
			r.chain = chains[0]
			r.rep.Signer.Chain, r.rep.Signer.Anchor = chains[0], ca.Authority
			return nil
		}
		reason := fmt.Sprintf("%s: %v", authorityName(ca.Authority), err)
		if bytes.Equal(leaf.RawIssuer, ca.Chain[0].RawSubject) {
			near = append(near, reason)
		} else {
			far = append(far, reason)
		}
	}
	if len(near) == 0 {
		near = far
	}
	const most = 3
	if len(near) > most {
		near = append(near[:most], fmt.Sprintf("and %d more", len(near)-most))
	}
	return fmt.Errorf("no path from the signer's certificate, issued by %q, to a trusted anchor: %s", r.leaf.Issuer, strings.Join(near, "; "))
}

// withoutHandledSAN returns leaf as crypto/x509 should judge it: names of
// kinds that crypto/x509 does not know are read here, so a critical extension
// that holds only such is handled all the same. One that holds names that
// nobody reads is not.
func withoutHandledSAN(leaf *x509.Certificate, sans *SubjectAltNames) *x509.Certificate {
	i := slices.IndexFunc(leaf.UnhandledCriticalExtensions, oidSAN.Equal)
	if i < 0 || len(sans.unknown) > 0 {
		return leaf
	}
	judged := *leaf
	judged.UnhandledCriticalExtensions = slices.Delete(slices.Clone(leaf.UnhandledCriticalExtensions), i, i+1)
	return &judged
}

// checkUsage holds the leaf to what a signing certificate must be.
func (r *run) checkUsage() error {
	c := r.leaf
	if c.IsCA {
		return errors.New("the signer's certificate is a CA's, expected an end entity's")
	}
	if !allowsKeyUsage(c, x509.KeyUsageDigitalSignature) {
		return errors.New("the certificate's key usage does not allow digital signatures")
	}
	if !hasUsage(c, &r.v.require) {
		return fmt.Errorf("expected the extended key usage %s, found %s", usageNames(r.v.require.EKUs), certUsages(c))
	}
	return checkCertificateKey(c)
}

// allowsKeyUsage reports whether c has no key usage extension, or one that
// lists usage. An extension without any bit that crypto/x509 knows leaves
// c.KeyUsage zero as its absence does, and allows nothing.
func allowsKeyUsage(c *x509.Certificate, usage x509.KeyUsage) bool {
	if c.KeyUsage != 0 {
		return c.KeyUsage&usage != 0
	}
	return !hasExtension(c, oidKeyUsage)
}

// hasUsage reports whether c is explicitly for code signing, or for one of the
// usages that the requirements name instead. "Any usage" is not explicit.
func hasUsage(c *x509.Certificate, q *Requirements) bool {
	if len(q.EKUs) == 0 {
		return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
	}
	for _, have := range extKeyUsages(c) {
		if slices.ContainsFunc(q.EKUs, have.Equal) {
			return true
		}
	}
	return false
}

var (
	oidCodeSigning = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	oidAnyUsage    = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
)

// extKeyUsages returns the OIDs of c's extended key usages, as they are in c.
func extKeyUsages(c *x509.Certificate) []asn1.ObjectIdentifier {
	var oids []asn1.ObjectIdentifier
	for _, ext := range c.Extensions {
		if ext.Id.Equal(oidExtKeyUsage) && unmarshalAll(ext.Value, &oids, "extended key usages") != nil {
			return nil
		}
	}
	return oids
}

func usageNames(oids []asn1.ObjectIdentifier) string {
	if len(oids) == 0 {
		return "code signing (" + oidCodeSigning.String() + ")"
	}
	var names []string
	for _, oid := range oids {
		names = append(names, oid.String())
	}
	return strings.Join(names, " or ")
}

func certUsages(c *x509.Certificate) string {
	if oids := extKeyUsages(c); len(oids) > 0 {
		return usageNames(oids)
	}
	return "none"
}
