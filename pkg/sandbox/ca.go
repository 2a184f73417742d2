package sandbox

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"sync/atomic"
	"time"
)

// serviceAge is how long the services have existed when they are made.
const serviceAge = 30 * 24 * time.Hour

const year = 365 * 24 * time.Hour

// A Profile says what an authority's leaves look like.
type Profile int

const (
	// PrivateProfile is a company's CA: leaves with a name, valid for a year,
	// never in a CT log.
	PrivateProfile Profile = iota
	// FulcioProfile is Fulcio's: leaves without a name, valid for ten minutes,
	// with the OIDC issuer and an SCT in them.
	FulcioProfile
)

// A CA is a certificate authority: one certificate and its key.
type CA struct {
	Name    string
	URI     string
	Profile Profile
	Key     *Key
	// Chain is the CA's own certificate, its issuer's, and so on up to the
	// root.
	Chain []*x509.Certificate
	// CT are the logs that a leaf of the Fulcio profile gets its SCTs from.
	CT []*CTLog

	sandbox *Sandbox
	serial  atomic.Int64
}

// CAOptions are the choices that NewCA, NewRoot and CA.Sub leave open. Nil
// means the defaults.
type CAOptions struct {
	Profile   Profile   // of its leaves; CA.Sub ignores it and takes its issuer's
	Algorithm Algorithm // of its key; zero means P256
	Key       *Key      // its key, in place of one that follows from the name
	// Bend has the last word on the template of the CA's certificate.
	Bend func(*x509.Certificate)
}

func (o *CAOptions) orDefault() *CAOptions {
	if o == nil {
		return &CAOptions{}
	}
	return o
}

func (o *CAOptions) key(s *Sandbox, label string) *Key {
	if o.Key != nil {
		return o.Key
	}
	if o.Algorithm == 0 {
		return s.Key(label, P256)
	}
	return s.Key(label, o.Algorithm)
}

// NewCA makes a root and returns the CA that it issued: an intermediate. o is
// about the intermediate; the root has the defaults. As Fulcio's, an
// intermediate of that profile is for code signing only and has path length 0,
// until Bend says otherwise.
func (s *Sandbox) NewCA(name string, o *CAOptions) (*CA, error) {
	o = o.orDefault()
	root, err := s.NewRoot(name+"-root", &CAOptions{Profile: o.Profile})
	if err != nil {
		return nil, err
	}
	if o.Profile != FulcioProfile {
		return root.Sub(name, o)
	}
	bent := *o
	bent.Bend = func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		c.MaxPathLen, c.MaxPathLenZero = 0, true
		if o.Bend != nil {
			o.Bend(c)
		}
	}
	return root.Sub(name, &bent)
}

// NewRoot makes a self-signed CA, which nobody trusts yet: see CA.Authority.
func (s *Sandbox) NewRoot(name string, o *CAOptions) (*CA, error) {
	o = o.orDefault()
	ca := &CA{Name: name, URI: serviceURL(name), Profile: o.Profile, Key: o.key(s, "ca/"+name), sandbox: s}
	if ca.Profile == FulcioProfile {
		ca.CT = []*CTLog{s.CT}
	}
	template := ca.template(ca.Key, ca.newSerial())
	if o.Bend != nil {
		o.Bend(template)
	}
	cert, err := createParsed(template, template, ca.Key, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("root %q: %w", name, err)
	}
	ca.Chain = []*x509.Certificate{cert}
	return ca, nil
}

// Sub makes a CA whose certificate ca issues.
func (ca *CA) Sub(name string, o *CAOptions) (*CA, error) {
	o = o.orDefault()
	sub := &CA{Name: name, URI: serviceURL(name), Profile: ca.Profile, CT: ca.CT, Key: o.key(ca.sandbox, "ca/"+name), sandbox: ca.sandbox}
	template := sub.template(sub.Key, ca.newSerial())
	if o.Bend != nil {
		o.Bend(template)
	}
	cert, err := createParsed(template, ca.Chain[0], sub.Key, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("intermediate %q: %w", name, err)
	}
	sub.Chain = append([]*x509.Certificate{cert}, ca.Chain...)
	return sub, nil
}

// template is the certificate of an honest CA.
func (ca *CA) template(key *Key, serial *big.Int) *x509.Certificate {
	now := ca.sandbox.Now()
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"sandbox.example"}, CommonName: ca.Name},
		NotBefore:             now.Add(-serviceAge),
		NotAfter:              now.Add(10 * year),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            -1,
		SubjectKeyId:          keyID(key),
	}
}

// newSerial returns the next serial number: 19 bytes, positive, and another
// one for each certificate of each authority.
func (ca *CA) newSerial() *big.Int {
	label := fmt.Sprintf("ca/%s/serial/%d", ca.Name, ca.serial.Add(1))
	b := derive(ca.sandbox.seed, label, "serial", 19)
	b[0] |= 1
	return new(big.Int).SetBytes(b)
}

// keyID is a subject key identifier by method 1 of RFC 7093.
func keyID(k *Key) []byte {
	sum := sha256.Sum256(k.SPKI())
	return sum[:20]
}

// create signs a certificate for the key pub.
func create(template, issuer *x509.Certificate, pub crypto.PublicKey, signer *Key) ([]byte, error) {
	return x509.CreateCertificate(signer.random(), template, issuer, pub, signer.Signer)
}

func createParsed(template, issuer *x509.Certificate, key, signer *Key) (*x509.Certificate, error) {
	der, err := create(template, issuer, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// CRL returns a certificate revocation list (DER) of the CA, by which the
// certificates of those serial numbers were revoked at thisUpdate.
func (ca *CA) CRL(thisUpdate, nextUpdate time.Time, revoked ...*big.Int) ([]byte, error) {
	list := &x509.RevocationList{
		Number:     big.NewInt(ca.serial.Add(1)),
		ThisUpdate: thisUpdate,
		NextUpdate: nextUpdate,
	}
	for _, serial := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: thisUpdate})
	}
	return x509.CreateRevocationList(ca.Key.random(), list, ca.Chain[0], ca.Key.Signer)
}

// Root returns the certificate at the end of the CA's chain.
func (ca *CA) Root() *x509.Certificate { return ca.Chain[len(ca.Chain)-1] }

// selfSigned reports whether a certificate names itself as its issuer.
func selfSigned(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// SetExtension puts ext into a template for Bend functions: in place of the
// extension of that id among ExtraExtensions, else after them.
func SetExtension(template *x509.Certificate, ext pkix.Extension) {
	for i, e := range template.ExtraExtensions {
		if e.Id.Equal(ext.Id) {
			template.ExtraExtensions = slices.Clone(template.ExtraExtensions)
			template.ExtraExtensions[i] = ext
			return
		}
	}
	template.ExtraExtensions = append(template.ExtraExtensions, ext)
}
