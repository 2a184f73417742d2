package verify

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
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
		entry, err := revokedBy(q.CRLs, c, r.chain[i+1], q.Now)
		if entry != nil {
			r.failf(CheckRevocation, "certificate %q, serial number %v, was revoked at %s", c.Subject, c.SerialNumber, stamp(entry.RevocationTime))
			return
		}
		if err != nil && r.noVerdict == nil {
			r.noVerdict = fmt.Errorf("revocation of %q: %w", c.Subject, err)
		}
	}
	if r.noVerdict == nil {
		r.passf(CheckRevocation, "not revoked as of the CRLs given")
	}
}

// revokedBy returns the entry by which issuer revoked c, or nil if it did not.
// An error means that it can not be told: issuer's lists have to be signed by
// its own key, which another of the same name may not have, and be current.
//
// The newest of several complete lists decides, since an older one may lack the
// entry, or have one that was lifted. A partial list that is no older can only
// revoke.
func revokedBy(lists []*x509.RevocationList, c, issuer *x509.Certificate, now time.Time) (*x509.RevocationListEntry, error) {
	err := fmt.Errorf("%w: no CRL of %q was given", ErrRevocation, issuer.Subject)
	var current []*x509.RevocationList
	var newest time.Time // of the complete ones
	for _, list := range lists {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		if sigErr := list.CheckSignatureFrom(issuer); sigErr != nil {
			err = fmt.Errorf("%w: the CRL of %q is not signed by it: %w", ErrRevocation, issuer.Subject, sigErr)
			continue
		}
		if now.Before(list.ThisUpdate) || list.NextUpdate.IsZero() || now.After(list.NextUpdate) {
			err = fmt.Errorf("%w: the CRL of %q is not current at %s (from %s to %s)", ErrRevocation, issuer.Subject, stamp(now), stamp(list.ThisUpdate), stamp(list.NextUpdate))
			continue
		}
		current = append(current, list)
		if isPartial(list) {
			err = fmt.Errorf("%w: the CRL of %q is partial, expected a complete one", ErrRevocation, issuer.Subject)
		} else if list.ThisUpdate.After(newest) {
			newest = list.ThisUpdate
		}
	}
	for _, list := range current {
		if entry := entryOf(list, c); entry != nil && !list.ThisUpdate.Before(newest) {
			return entry, nil
		}
	}
	if newest.IsZero() {
		return nil, err
	}
	return nil, nil
}

func entryOf(list *x509.RevocationList, c *x509.Certificate) *x509.RevocationListEntry {
	const removeFromCRL = 8 // of a delta list: no longer revoked
	for i := range list.RevokedCertificateEntries {
		entry := &list.RevokedCertificateEntries[i]
		if entry.SerialNumber.Cmp(c.SerialNumber) == 0 && entry.ReasonCode != removeFromCRL {
			return entry
		}
	}
	return nil
}

var (
	oidDeltaCRL          = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// isPartial reports whether the list has an extension that may restrict what it
// is about: a delta list's, a partitioned one's, or a critical one that is not
// known.
func isPartial(list *x509.RevocationList) bool {
	return slices.ContainsFunc(list.Extensions, func(e pkixExtension) bool {
		return e.Critical || e.Id.Equal(oidDeltaCRL) || e.Id.Equal(oidDistributionPoint)
	})
}
