package verify

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
)

// maxLinkChecks bounds the signatures checked to tell which of a bundle's
// certificates issued one another. An honest chain needs one for each.
const maxLinkChecks = 64

// linked returns those of the bundle's certificates that the leaf was issued
// under, by name and signature, each once. It is done once for all authorities:
// crypto/x509 tries a hundred signatures for each of them, on a chain whose
// certificates all have one name, before it gives up.
func linked(leaf *x509.Certificate, others []*x509.Certificate) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	checks := 0
	for next := []*x509.Certificate{leaf}; len(next) > 0; next = next[1:] {
		for _, c := range others {
			if slices.Contains(found, c) || !bytes.Equal(next[0].RawIssuer, c.RawSubject) {
				continue
			}
			if checks++; checks > maxLinkChecks {
				return nil, fmt.Errorf("expected a chain of certificates that name their issuers, found more than %d pairs to try", maxLinkChecks)
			}
			if next[0].CheckSignatureFrom(c) == nil {
				found, next = append(found, c), append(next, c)
			}
		}
	}
	return found, nil
}

// issued reports whether a certificate of the authority issued one of those
// given, so that it is worth to look for paths.
func (ca *issuer) issued(leaf *x509.Certificate, others []*x509.Certificate) bool {
	return slices.ContainsFunc(ca.Chain, func(parent *x509.Certificate) bool {
		isChild := func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, parent.RawSubject) && c.CheckSignatureFrom(parent) == nil
		}
		return isChild(leaf) || slices.ContainsFunc(others, isChild)
	})
}
