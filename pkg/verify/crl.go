package verify

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"
)

// revocation checks the signer's certificate and every intermediate against
// the given CRLs. A revocation list that is stale, missing or not its issuer's
// says nothing, and nothing is not "good".
//
// Revocation is judged as of the time of evaluation: a certificate revoked
// since it signed is not trusted, whatever the date of the signature, because
// a key's compromise is dated by guesswork. Source: RFC 5280 section 5.
func (r *run) revocation() {
	q := &r.v.require
	if len(q.CRLs) == 0 {
		return
	}
	for i, c := range r.chain[:len(r.chain)-1] {
		list, err := findCRL(q.CRLs, r.chain[i+1], q.Now)
		if err != nil {
			r.noVerdict = fmt.Errorf("revocation of %q: %w", c.Subject, err)
			return
		}
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(c.SerialNumber) == 0 {
				r.failf(CheckRevocation, "certificate %q, serial number %v, was revoked at %s", c.Subject, c.SerialNumber, stamp(entry.RevocationTime))
				return
			}
		}
	}
	r.passf(CheckRevocation, "not revoked as of the CRLs given")
}

// findCRL returns the issuer's list that is current at now. A list that two
// keys of one name could have made is tried against the issuer's own key.
func findCRL(lists []*x509.RevocationList, issuer *x509.Certificate, now time.Time) (*x509.RevocationList, error) {
	err := fmt.Errorf("%w: no CRL of %q was given", ErrRevocation, issuer.Subject)
	for _, list := range lists {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		switch sigErr := list.CheckSignatureFrom(issuer); {
		case sigErr != nil:
			err = fmt.Errorf("%w: the CRL of %q is not signed by it: %w", ErrRevocation, issuer.Subject, sigErr)
		case now.Before(list.ThisUpdate), list.NextUpdate.IsZero(), now.After(list.NextUpdate):
			err = fmt.Errorf("%w: the CRL of %q is not current at %s (from %s to %s)", ErrRevocation, issuer.Subject, stamp(now), stamp(list.ThisUpdate), stamp(list.NextUpdate))
		case hasCriticalExtension(list):
			err = fmt.Errorf("%w: the CRL of %q is partial, expected a complete one", ErrRevocation, issuer.Subject)
		default:
			return list, nil
		}
	}
	return nil, err
}

// hasCriticalExtension reports whether the list has an extension that changes
// what it means, such as a delta list's or a partitioned one's.
func hasCriticalExtension(list *x509.RevocationList) bool {
	for _, ext := range list.Extensions {
		if ext.Critical {
			return true
		}
	}
	return false
}
