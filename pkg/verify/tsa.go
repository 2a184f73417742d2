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
	for _, tsa := range v.stampers {
		chain, err := token.chainTo(tsa)
		if chain == nil && err == nil {
			continue // another authority's
		}
		if err == nil {
			err = token.verifyBy(chain, tsa.Authority)
		}
		if err == nil {
			return &provedTime{time: token.info.GenTime, authority: tsa.Authority}, nil
		}
		known = fmt.Errorf("%s: %w", authorityName(tsa.Authority), err)
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
