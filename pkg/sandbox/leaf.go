package sandbox

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Leaf is a signing certificate, its key, and what it takes to trust it.
type Leaf struct {
	Key *Key
	// DER is the certificate, and Cert the same, parsed. Cert is nil if
	// crypto/x509 does not parse it, as a bent one may be.
	DER  []byte
	Cert *x509.Certificate
	// Chain is the issuer's certificate, its issuer's, and so on up to the
	// root. A bundle carries all but the root, if any.
	Chain []*x509.Certificate
}

// Who a leaf of the Fulcio profile is about, unless the Request says otherwise.
const (
	DefaultIdentity = "alice@example.com"
	DefaultIssuer   = "https://accounts.sandbox.example"
)

// A Request asks for a leaf. Its zero value is a good one.
type Request struct {
	Key       *Key      // to certify; nil means a new one
	Algorithm Algorithm // of the new key; zero means P256

	// SANs are the subject's other names. Nil means DefaultIdentity as an
	// email address; an empty slice means no such extension.
	SANs []SAN
	// Subject is the distinguished name. In the Fulcio profile it is empty; in
	// the private profile its zero value stands for a common name.
	Subject pkix.Name
	// Issuer is the OIDC issuer of the Fulcio profile; "" means DefaultIssuer.
	Issuer string
	// Extensions are Fulcio's by the last number of their id: 1.3.6.1.4.1.57264.1.N.
	// Numbers below 8 hold the text as it is, others as a DER UTF8String. 1 and
	// 8 win over Issuer, so that the two can be made to disagree.
	Extensions map[int]string
	// EKU are the extended key usages; nil means code signing, and an empty
	// slice no such extension.
	EKU []asn1.ObjectIdentifier
	// NotBefore and NotAfter are when it is valid. Zero means from now, for
	// ten minutes (Fulcio) or a year (private).
	NotBefore, NotAfter time.Time
	// CT are the logs to have SCTs from; nil means those of the CA, and an
	// empty slice none.
	CT []*CTLog
	// Bend has the last word on the template. SANs and EKU are among its
	// ExtraExtensions (see SetExtension), and so its fields for them have no
	// effect.
	Bend func(*x509.Certificate)
}

// Issue issues a leaf. It returns an error if crypto/x509 does not encode such
// a certificate; what it encodes may still be one that nobody should accept.
func (ca *CA) Issue(r Request) (*Leaf, error) {
	serial := ca.newSerial()
	key := r.Key
	if key == nil {
		algorithm := r.Algorithm
		if algorithm == 0 {
			algorithm = P256
		}
		key = ca.sandbox.Key("leaf/"+ca.Name+"/"+serial.Text(16), algorithm)
	}
	certified := key
	if ca.sandbox.lies(CertWrongKey) {
		certified = ca.sandbox.stranger()
	}
	template := ca.leafTemplate(&r, certified)
	template.SerialNumber = serial
	if r.Bend != nil {
		r.Bend(template)
	}
	logs := r.CT
	if logs == nil {
		logs = ca.CT
	}
	der, err := ca.createLogged(template, certified, logs)
	if err != nil {
		return nil, fmt.Errorf("sandbox: issuing a leaf of %q: %w", ca.Name, err)
	}
	leaf := &Leaf{Key: key, DER: der, Chain: ca.Chain}
	leaf.Cert, _ = x509.ParseCertificate(der)
	return leaf, nil
}

// stranger is a key that signs for nobody in the sandbox.
func (s *Sandbox) stranger() *Key { return s.Key("stranger", P256) }

func (ca *CA) leafTemplate(r *Request, key *Key) *x509.Certificate {
	t := &x509.Certificate{
		Subject:      r.Subject,
		NotBefore:    r.NotBefore,
		NotAfter:     r.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		SubjectKeyId: keyID(key),
	}
	ca.setDates(t)
	eku := r.EKU
	if eku == nil {
		eku = []asn1.ObjectIdentifier{EKUCodeSigning}
	}
	if len(eku) > 0 {
		SetExtension(t, EKUExtension(false, eku...))
	}
	noName := len(r.Subject.ToRDNSequence()) == 0
	if noName && ca.Profile == PrivateProfile {
		t.Subject = pkix.Name{Organization: []string{"sandbox.example"}, CommonName: "release signing"}
		noName = false
	}
	sans := r.SANs
	if sans == nil {
		sans = []SAN{Email(DefaultIdentity)}
	}
	if len(sans) > 0 {
		SetExtension(t, SANExtension(noName, sans...))
	}
	if ca.Profile == FulcioProfile {
		t.ExtraExtensions = append(t.ExtraExtensions, fulcioExtensions(r)...)
	}
	return t
}

func (ca *CA) setDates(t *x509.Certificate) {
	now := ca.sandbox.Now()
	life := year
	if ca.Profile == FulcioProfile {
		life = 10 * time.Minute
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = now
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = t.NotBefore.Add(life)
	}
	if ca.sandbox.lies(CertExpired) {
		t.NotAfter = now.Add(-time.Hour)
		t.NotBefore = t.NotAfter.Add(-life)
	}
}

// fulcioOID is the id of Fulcio's extension n.
func fulcioOID(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}
}

// FulcioExtension returns Fulcio's extension n with a text in it: as it is if
// n is below 8, else as a DER UTF8String.
//
// Source: fulcio docs/oid-info.md.
func FulcioExtension(n int, text string) pkix.Extension {
	value := []byte(text)
	if n >= 8 {
		value = tlv(asn1.TagUTF8String, []byte(text))
	}
	return pkix.Extension{Id: fulcioOID(n), Value: value}
}

func fulcioExtensions(r *Request) []pkix.Extension {
	texts := map[int]string{1: r.Issuer, 8: r.Issuer}
	if r.Issuer == "" {
		texts = map[int]string{1: DefaultIssuer, 8: DefaultIssuer}
	}
	maps.Copy(texts, r.Extensions)
	var exts []pkix.Extension
	for _, n := range slices.Sorted(maps.Keys(texts)) {
		exts = append(exts, FulcioExtension(n, texts[n]))
	}
	return exts
}

// PEM returns the certificate as a CERTIFICATE block.
func (l *Leaf) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.DER})
}

// Intermediates returns the certificates of the chain that are not
// self-signed: what a bundle may carry beside the leaf.
func (l *Leaf) Intermediates() [][]byte {
	var ders [][]byte
	for _, c := range l.Chain {
		if !selfSigned(c) {
			ders = append(ders, c.Raw)
		}
	}
	return ders
}
