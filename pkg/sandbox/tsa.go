package sandbox

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

// A TSA is an RFC 3161 timestamp authority.
type TSA struct {
	Name string
	URI  string
	Key  *Key
	// Chain is the signing certificate, its issuer's, and so on up to the root.
	Chain []*x509.Certificate
	// Issuer issued the signing certificate, and may issue more.
	Issuer *CA

	sandbox *Sandbox
	serial  atomic.Int64
}

// TSAOptions are the choices that NewTSA leaves open. Nil means the defaults.
type TSAOptions struct {
	Algorithm Algorithm // of the signing key; zero means P256
	Key       *Key      // the signing key, in place of one that follows from the name
	Issuer    *CA       // who issues its certificate; nil means a CA of its own
	// Bend has the last word on the template of the signing certificate. Its
	// extended key usage is among ExtraExtensions: see SetExtension.
	Bend func(*x509.Certificate)
}

// NewTSA makes a timestamp authority that nobody trusts yet: see
// TSA.Authority.
func (s *Sandbox) NewTSA(name string, o *TSAOptions) (*TSA, error) {
	if o == nil {
		o = &TSAOptions{}
	}
	t := &TSA{Name: name, URI: serviceURL(name) + "/api/v1/timestamp", Issuer: o.Issuer, sandbox: s}
	t.Key = (&CAOptions{Key: o.Key, Algorithm: o.Algorithm}).key(s, "tsa/"+name)
	if t.Issuer == nil {
		var err error
		t.Issuer, err = s.NewCA(name+"-ca", &CAOptions{Bend: func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}
		}})
		if err != nil {
			return nil, err
		}
	}
	leaf, err := t.Issuer.Issue(t.request(o))
	if err != nil {
		return nil, err
	}
	if leaf.Cert == nil {
		return nil, fmt.Errorf("sandbox: crypto/x509 does not parse the certificate of TSA %q", name)
	}
	t.Chain = append([]*x509.Certificate{leaf.Cert}, t.Issuer.Chain...)
	return t, nil
}

func (t *TSA) request(o *TSAOptions) Request {
	now := t.sandbox.Now()
	return Request{
		Key: t.Key, SANs: []SAN{}, CT: []*CTLog{}, EKU: []asn1.ObjectIdentifier{},
		NotBefore: now.Add(-serviceAge), NotAfter: now.Add(9 * year),
		Bend: func(c *x509.Certificate) {
			c.Subject.CommonName = t.Name
			SetExtension(c, EKUExtension(true, EKUTimeStamping))
			if o.Bend != nil {
				o.Bend(c)
			}
		},
	}
}

// TokenOptions say what to put into a timestamp. The zero value with Over set
// is a good one.
type TokenOptions struct {
	Over    []byte      // what is timestamped: the bytes of a signature
	Hash    crypto.Hash // of the imprint; zero means SHA-256
	Imprint []byte      // in place of the hash of Over

	Time     time.Time // zero means now; fractions of a second are kept
	Serial   *big.Int  // nil means the next one
	Nonce    *big.Int  // nil means none
	Policy   asn1.ObjectIdentifier
	Accuracy time.Duration // in whole milliseconds; zero means none

	// Status is the response's PKIStatus: 0 granted, 1 granted with changes, 2
	// rejection. The token is there whatever it is, unless NoToken.
	Status  int
	NoToken bool

	// NoCertificates leaves the signing certificate out; Certificates (DER) are
	// added to the bag.
	NoCertificates bool
	Certificates   [][]byte

	SignerHash crypto.Hash // that the token is signed with; zero means SHA-256
	NoESS      bool        // leave out the reference to the signing certificate
	Key        *Key        // signs in place of the TSA's own key
	// SigningTime is the CMS attribute; zero means Time.
	SigningTime time.Time
}

// Token returns a TimeStampResp in DER, which is what a bundle carries. It
// panics if a hash is not one of SHA-1 and the SHA-2 family.
//
// Source: RFC 3161, section 2.4.2.
func (t *TSA) Token(o TokenOptions) []byte {
	t.misbehave(&o)
	if o.Hash == 0 {
		o.Hash = crypto.SHA256
	}
	if o.SignerHash == 0 {
		o.SignerHash = crypto.SHA256
	}
	if o.Time.IsZero() {
		o.Time = t.sandbox.Now()
	}
	if o.SigningTime.IsZero() {
		o.SigningTime = o.Time
	}
	if o.Imprint == nil {
		o.Imprint = sum(o.Hash, o.Over)
	}
	if o.Policy == nil {
		o.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}
	}
	if o.Serial == nil {
		o.Serial = big.NewInt(t.serial.Add(1))
	}
	if o.Key == nil {
		o.Key = t.Key
	}
	return t.response(&o)
}

// misbehave changes what the token says, by the fault that is on.
func (t *TSA) misbehave(o *TokenOptions) {
	s := t.sandbox
	switch {
	case s.lies(BackdatedToken):
		o.Time = s.Now().Add(-year)
	case s.lies(TokenOtherBytes):
		o.Over, o.Imprint = append([]byte("other "), o.Over...), nil
	case s.lies(TokenSHA1):
		o.Hash, o.Imprint = crypto.SHA1, nil
	case s.lies(TokenRejected):
		o.Status = 2
	}
}
