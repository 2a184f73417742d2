package verify

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// A provedTime is what one timestamp proves.
type provedTime struct {
	time      time.Time
	authority *trustroot.Authority
}

// unknownAuthorityError reports a timestamp that nobody trusted signed. It may
// be right; there is no telling.
type unknownAuthorityError struct{ signer string }

func (e *unknownAuthorityError) Error() string {
	return fmt.Sprintf("it was made by %s, which is not a timestamp authority of the trusted root", e.signer)
}

// verifyTimestamp verifies an RFC 3161 response over message.
func (v *Verifier) verifyTimestamp(der, message []byte) (*provedTime, error) {
	token, err := parseTimestamp(der)
	if err != nil {
		return nil, err
	}
	if err := token.isOver(message); err != nil {
		return nil, err
	}
	var known error // why a trusted authority that made it did not convince
	for _, tsa := range v.root.TSAs {
		chain, err := token.chainTo(tsa)
		if chain == nil && err == nil {
			continue // another authority's
		}
		if err == nil {
			err = token.verifyBy(chain, tsa)
		}
		if err == nil {
			return &provedTime{time: token.info.GenTime, authority: tsa}, nil
		}
		known = fmt.Errorf("%s: %w", authorityName(tsa), err)
	}
	if known != nil {
		return nil, known
	}
	return nil, &unknownAuthorityError{signer: token.signerName()}
}

// isOver checks the message imprint.
func (t *timestampToken) isOver(message []byte) error {
	h := t.imprintHash.New()
	h.Write(message)
	if !bytes.Equal(h.Sum(nil), t.info.MessageImprint.HashedMessage) {
		return errors.New("it is about another signature: its message imprint is not this signature's digest")
	}
	return nil
}

// chainTo returns the path from the token's signer to the authority's anchor,
// or nil and no error if the authority did not make the token.
func (t *timestampToken) chainTo(tsa *trustroot.Authority) ([]*x509.Certificate, error) {
	if leaf := tsa.Chain[0]; !leaf.IsCA {
		if !t.isSigner(leaf) {
			return nil, nil
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
	opts := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
		CurrentTime:   t.info.GenTime,
	}
	opts.Roots.AddCert(tsa.Anchor())
	for _, c := range tsa.Chain[:len(tsa.Chain)-1] {
		opts.Intermediates.AddCert(c)
	}
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

// holdsOnly refuses tokens that carry certificates which have no part in the
// path: RFC 3161 section 2.4.1 has them hold the signer's certificate and those
// that help to verify it.
func (t *timestampToken) holdsOnly(path []*x509.Certificate) error {
	for _, c := range t.certificates {
		known := false
		for _, p := range path {
			known = known || c.Equal(p)
		}
		if !known {
			return fmt.Errorf("it holds a certificate that has no part in the authority's path: %q", c.Subject)
		}
	}
	return nil
}

// verifyBy checks that the chain's leaf signed the token, may do so, and that
// it and all above it were valid at that time.
func (t *timestampToken) verifyBy(chain []*x509.Certificate, tsa *trustroot.Authority) error {
	leaf, at := chain[0], t.info.GenTime
	if err := checkTimestampUsage(leaf); err != nil {
		return err
	}
	if err := t.checkSignature(leaf); err != nil {
		return err
	}
	if !tsa.ValidFor.Contains(at) {
		return fmt.Errorf("made at %s, when the authority was not in use (%s)", stamp(at), window(tsa.ValidFor))
	}
	return validAt(chain, at)
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// checkTimestampUsage holds the signer to RFC 3161 section 2.3: an end entity
// with time stamping as its only extended key usage, and that critical.
func checkTimestampUsage(leaf *x509.Certificate) error {
	if leaf.IsCA {
		return errors.New("its signer is a CA, expected an end entity")
	}
	if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping || len(leaf.UnknownExtKeyUsage) > 0 {
		return errors.New("expected time stamping as the only extended key usage of its signer")
	}
	for _, ext := range leaf.Extensions {
		if ext.Id.Equal(oidExtKeyUsage) && !ext.Critical {
			return errors.New("the extended key usage of its signer is not critical")
		}
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return errors.New("the key usage of its signer does not allow signatures")
	}
	if len(leaf.UnhandledCriticalExtensions) > 0 {
		return fmt.Errorf("its signer has an unknown critical extension %v", leaf.UnhandledCriticalExtensions[0])
	}
	return nil
}

// validAt reports the first certificate that is not valid at that time.
func validAt(chain []*x509.Certificate, at time.Time) error {
	for _, c := range chain {
		if at.Before(c.NotBefore) || at.After(c.NotAfter) {
			return fmt.Errorf("certificate %q is not valid at %s (from %s to %s)", c.Subject, stamp(at), stamp(c.NotBefore), stamp(c.NotAfter))
		}
	}
	return nil
}

// isSelfSigned reports whether c's own key signed it. A key that no path may
// have is not tried: an RSA key of a quarter of a million bits, which fits into
// a certificate, would take seconds.
func isSelfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && checkCertificateKey(c) == nil && c.CheckSignatureFrom(c) == nil
}

func authorityName(a *trustroot.Authority) string {
	if a.URI != "" {
		return a.URI
	}
	return fmt.Sprintf("%q", a.Chain[0].Subject)
}

// hashOf returns the hash with that algorithm identifier; SHA-1 and MD5 are
// not among those that are known.
func hashOf(oid asn1.ObjectIdentifier) (crypto.Hash, error) {
	switch {
	case oid.Equal(oidSHA256):
		return crypto.SHA256, nil
	case oid.Equal(oidSHA384):
		return crypto.SHA384, nil
	case oid.Equal(oidSHA512):
		return crypto.SHA512, nil
	}
	return 0, fmt.Errorf("expected a digest by SHA-256, SHA-384 or SHA-512, found algorithm %v", oid)
}

var (
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
)
