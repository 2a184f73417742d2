package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// pki is a CA with an intermediate, and a leaf that it issued.
type pki struct {
	*sandbox.Sandbox
	root, issuer *sandbox.CA
	leaf         *sandbox.Leaf
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{Sandbox: newSandbox(t)}
	p.root = newRoot(t, p.Sandbox, "root", nil)
	p.issuer = sub(t, p.root, "issuer", nil)
	var err error
	if p.leaf, err = p.issuer.Issue(sandbox.Request{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// with returns a trial with those CRLs.
func (p *pki) with(t *testing.T, lists ...*x509.RevocationList) *trial {
	t.Helper()
	c := privateLeaf(t, p.Sandbox, p.issuer, p.leaf, sandbox.SignOptions{})
	c.Require.CRLs = lists
	return c
}

// crl returns a list of ca's that is current for an hour before and after
// now, moved by shift, with bend having the last word.
func (p *pki) crl(t *testing.T, ca *sandbox.CA, shift time.Duration, bend func(*x509.RevocationList), revoked ...*big.Int) *x509.RevocationList {
	t.Helper()
	at := p.Now().Add(shift)
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: at.Add(-time.Hour), NextUpdate: at.Add(time.Hour)}
	for _, serial := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: list.ThisUpdate})
	}
	if bend != nil {
		bend(list)
	}
	der, err := x509.CreateRevocationList(nil, list, ca.Chain[0], ca.Key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// undecided fails the test unless there is no verdict for want of a CRL.
func (c *trial) undecided(t *testing.T) {
	t.Helper()
	rep, err := c.verify(t)
	if !errors.Is(err, verify.ErrRevocation) || rep.Verdict != verify.None {
		t.Fatalf("got %v, want no verdict because of revocation\n%s", err, dump(rep))
	}
	if _, ok := errors.AsType[*verify.Error](err); ok {
		t.Fatalf("got a rejection, want no verdict: %v", err)
	}
}

func extended(oid asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

var (
	deltaOf1  = []byte{2, 1, 1}               // deltaCRLIndicator: BaseCRLNumber 1
	onlyUsers = []byte{0x30, 3, 0x81, 1, 255} // issuingDistributionPoint: onlyContainsUserCerts
	oidDelta  = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIDP    = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// TestRevocation: only a current, complete list by the issuer itself, for each
// certificate below the anchor, makes "not revoked".
func TestRevocation(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	leaf, middle, other := p.leaf.Cert.SerialNumber, p.issuer.Chain[0].SerialNumber, big.NewInt(77)
	ofRoot, ofIssuer := p.crl(t, p.root, 0, nil, other), p.crl(t, p.issuer, 0, nil, other)
	p.with(t, ofRoot, ofIssuer).accepted(t)
	p.with(t, ofIssuer, ofRoot).accepted(t)
	p.with(t).accepted(t) // none asked for

	sameName := newRoot(t, p.Sandbox, "other root", func(c *x509.Certificate) { c.Subject = p.issuer.Chain[0].Subject })
	for name, lists := range map[string][]*x509.RevocationList{
		"leaf":                         {ofRoot, p.crl(t, p.issuer, 0, nil, other, leaf)},
		"intermediate":                 {p.crl(t, p.root, 0, nil, middle), ofIssuer},
		"intermediate, leaf's missing": {p.crl(t, p.root, 0, nil, middle)},
		"leaf, intermediate's missing": {p.crl(t, p.issuer, 0, nil, leaf)},
		"in the newer of two":          {ofRoot, p.crl(t, p.issuer, -30*time.Minute, nil), p.crl(t, p.issuer, 0, nil, leaf)},
		"in the newer, first":          {ofRoot, p.crl(t, p.issuer, 0, nil, leaf), p.crl(t, p.issuer, -30*time.Minute, nil)},
		"in a delta":                   {ofRoot, ofIssuer, p.crl(t, p.issuer, 0, extended(oidDelta, true, deltaOf1), leaf)},
		"in a partial list":            {ofRoot, p.crl(t, p.issuer, 0, extended(oidIDP, true, onlyUsers), leaf), ofIssuer},
	} {
		t.Run("revoked/"+name, func(t *testing.T) {
			p.with(t, lists...).rejected(t, verify.CheckRevocation, "was revoked")
		})
	}
	for name, lists := range map[string][]*x509.RevocationList{
		"none of the issuer":         {ofRoot},
		"none of the root":           {ofIssuer},
		"stale":                      {ofRoot, p.crl(t, p.issuer, -time.Hour-time.Second, nil)},
		"not yet valid":              {ofRoot, p.crl(t, p.issuer, time.Hour+time.Second, nil)},
		"stale for the intermediate": {p.crl(t, p.root, -2*time.Hour, nil), ofIssuer},
		"by another key of the name": {ofRoot, p.crl(t, sameName, 0, nil)},
		"bytes changed":              {ofRoot, damaged(t, ofIssuer)},
		"delta":                      {ofRoot, p.crl(t, p.issuer, 0, extended(oidDelta, true, deltaOf1))},
		"partial":                    {ofRoot, p.crl(t, p.issuer, 0, extended(oidIDP, true, onlyUsers))},
		"delta, not said critical":   {ofRoot, p.crl(t, p.issuer, 0, extended(oidDelta, false, deltaOf1))},
		"partial, not said critical": {ofRoot, p.crl(t, p.issuer, 0, extended(oidIDP, false, onlyUsers))},
		"unknown critical":           {ofRoot, p.crl(t, p.issuer, 0, extended(asn1.ObjectIdentifier{1, 2, 3}, true, asn1.NullBytes))},
	} {
		t.Run("no verdict/"+name, func(t *testing.T) {
			p.with(t, lists...).undecided(t)
		})
	}
	for name, lists := range map[string][]*x509.RevocationList{
		"ends now":               {ofRoot, p.crl(t, p.issuer, -time.Hour, nil)},
		"begins now":             {ofRoot, p.crl(t, p.issuer, time.Hour, nil)},
		"stale beside current":   {p.crl(t, p.issuer, -2*time.Hour, nil), ofRoot, ofIssuer},
		"unknown, not critical":  {ofRoot, p.crl(t, p.issuer, 0, extended(asn1.ObjectIdentifier{1, 2, 3}, false, asn1.NullBytes))},
		"released from a hold":   {ofRoot, p.crl(t, p.issuer, -30*time.Minute, nil, leaf), ofIssuer},
		"forged, beside genuine": {ofRoot, p.crl(t, sameName, 0, nil, leaf), ofIssuer},
	} {
		t.Run("good/"+name, func(t *testing.T) {
			p.with(t, lists...).accepted(t)
		})
	}
}

// TestRevocationWithoutVerdictNeverHidesANo: what is wrong otherwise stays a
// rejection, and an incomplete question is refused.
func TestRevocationWithoutVerdictNeverHidesANo(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	c := p.with(t, p.crl(t, p.root, 0, nil))
	c.undecided(t)
	c.Require.Identities = []verify.Identity{{Name: "mallory@example.com"}}
	c.rejected(t, verify.CheckIdentity, "")

	c = p.with(t, nil)
	c.misconfigured(t, "CRL")
}

// TestRevocationIsJudgedAtEvaluation: a later revocation counts for an earlier
// signature.
func TestRevocationIsJudgedAtEvaluation(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	const later = 30 * 24 * time.Hour
	lists := func(revoked ...*big.Int) []*x509.RevocationList {
		return []*x509.RevocationList{p.crl(t, p.root, later, nil), p.crl(t, p.issuer, later, nil, revoked...)}
	}
	c := p.with(t, lists()...)
	c.undecided(t)
	c.Require.Now = p.Now().Add(later)
	c.accepted(t)
	c.Require.CRLs = lists(p.leaf.Cert.SerialNumber)
	c.rejected(t, verify.CheckRevocation, "was revoked")
}

// damaged returns list with one bit of its signature wrong.
func damaged(t *testing.T, list *x509.RevocationList) *x509.RevocationList {
	t.Helper()
	der := append([]byte(nil), list.Raw...)
	der[len(der)-1] ^= 1
	bad, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return bad
}
