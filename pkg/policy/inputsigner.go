package policy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// The parts of an Input that say who signed.
type (
	Signer struct {
		Kind        string       `json:"kind"` // "certificate" or "publicKey"
		PublicKey   *PublicKey   `json:"publicKey"`
		Certificate *Certificate `json:"certificate"`
		Chain       []Link       `json:"chain"` // leaf first, anchor last
		Anchor      *Anchor      `json:"anchor"`
	}
	// A PublicKey is a key of the trust config's keyring.
	PublicKey struct {
		Hint       string   `json:"hint"` // the name that found it
		SPKISHA256 string   `json:"spkiSha256"`
		Type       string   `json:"type"` // "ECDSA", "RSA", "Ed25519", "ML-DSA"
		Bits       *int     `json:"bits"`
		ValidFor   Validity `json:"validFor"`
		Label      *string  `json:"label"` // as the keyring lists it
	}
	Validity struct {
		Start *time.Time `json:"start"`
		End   *time.Time `json:"end"`
	}
	Certificate struct {
		Subject     Name        `json:"subject"`
		Issuer      Name        `json:"issuer"`
		Serial      string      `json:"serial"` // decimal
		NotBefore   time.Time   `json:"notBefore"`
		NotAfter    time.Time   `json:"notAfter"`
		SHA256      string      `json:"sha256"`
		SPKISHA256  string      `json:"spkiSha256"`
		IsCA        bool        `json:"isCA"`
		SAN         SAN         `json:"san"`
		KeyUsage    []string    `json:"keyUsage"`
		ExtKeyUsage ExtKeyUsage `json:"extKeyUsage"`
		Policies    []string    `json:"policies"` // OIDs
		Extensions  []Extension `json:"extensions"`
		Fulcio      *Fulcio     `json:"fulcio"` // null unless the certificate has Fulcio's profile
	}
	// A Name is a distinguished name. Raw is its text as RFC 4514 writes it.
	Name struct {
		Raw        string      `json:"raw"`
		CN         []string    `json:"CN"`
		O          []string    `json:"O"`
		OU         []string    `json:"OU"`
		C          []string    `json:"C"`
		ST         []string    `json:"ST"`
		L          []string    `json:"L"`
		Attributes []Attribute `json:"attributes"`
	}
	Attribute struct {
		OID   string  `json:"oid"`
		Value *string `json:"value"` // null if it is not text
	}
	// A SAN holds every alternative name of the certificate, by kind.
	SAN struct {
		DNS          []string    `json:"dns"`
		Email        []string    `json:"email"`
		URI          []string    `json:"uri"`
		IP           []string    `json:"ip"`
		DirName      []string    `json:"dirName"`
		RegisteredID []string    `json:"registeredID"`
		OtherName    []OtherName `json:"otherName"`
		SPIFFE       *SPIFFE     `json:"spiffe"`
	}
	OtherName struct {
		OID   string  `json:"oid"`
		Type  string  `json:"type"`  // "utf8" or "der"
		Value *string `json:"value"` // null unless its type is utf8
		DER   string  `json:"der"`   // base64
	}
	// A SPIFFE is the identity of a certificate with exactly one URI, which is
	// a SPIFFE ID. Source: spiffe/spiffe SPIFFE-ID.md, X509-SVID.md.
	SPIFFE struct {
		ID          string `json:"id"`
		TrustDomain string `json:"trustDomain"`
		Path        string `json:"path"` // "" or with a leading slash
	}
	ExtKeyUsage struct {
		Names []string `json:"names"` // of those that have one here
		OIDs  []string `json:"oids"`  // all
	}
	Extension struct {
		OID      string  `json:"oid"`
		Critical bool    `json:"critical"`
		DER      string  `json:"der"`  // base64
		UTF8     *string `json:"utf8"` // the text, if it is a DER UTF8String
	}
	// Fulcio is what Fulcio certifies beside the name; null where it does not.
	Fulcio struct {
		Issuer                              string  `json:"issuer"`
		GithubWorkflowTrigger               *string `json:"githubWorkflowTrigger"`
		GithubWorkflowSHA                   *string `json:"githubWorkflowSHA"`
		GithubWorkflowName                  *string `json:"githubWorkflowName"`
		GithubWorkflowRepository            *string `json:"githubWorkflowRepository"`
		GithubWorkflowRef                   *string `json:"githubWorkflowRef"`
		BuildSignerURI                      *string `json:"buildSignerURI"`
		BuildSignerDigest                   *string `json:"buildSignerDigest"`
		RunnerEnvironment                   *string `json:"runnerEnvironment"`
		SourceRepositoryURI                 *string `json:"sourceRepositoryURI"`
		SourceRepositoryDigest              *string `json:"sourceRepositoryDigest"`
		SourceRepositoryRef                 *string `json:"sourceRepositoryRef"`
		SourceRepositoryIdentifier          *string `json:"sourceRepositoryIdentifier"`
		SourceRepositoryOwnerURI            *string `json:"sourceRepositoryOwnerURI"`
		SourceRepositoryOwnerIdentifier     *string `json:"sourceRepositoryOwnerIdentifier"`
		BuildConfigURI                      *string `json:"buildConfigURI"`
		BuildConfigDigest                   *string `json:"buildConfigDigest"`
		BuildTrigger                        *string `json:"buildTrigger"`
		RunInvocationURI                    *string `json:"runInvocationURI"`
		SourceRepositoryVisibilityAtSigning *string `json:"sourceRepositoryVisibilityAtSigning"`
		DeploymentEnvironment               *string `json:"deploymentEnvironment"`
	}
	Link struct {
		Subject  string `json:"subject"`
		SHA256   string `json:"sha256"`
		IsAnchor bool   `json:"isAnchor"`
		Source   string `json:"source"` // "trust" or "bundle"
	}
	Anchor struct {
		URI      string   `json:"uri"`
		Operator string   `json:"operator"`
		ValidFor Validity `json:"validFor"`
	}
)

func newSigner(r *verify.Report) Signer {
	s := &r.Signer
	if s.Key != nil {
		return Signer{Kind: "publicKey", PublicKey: newPublicKey(s.Key)}
	}
	d := Signer{Kind: "certificate", Certificate: newCertificate(s)}
	for i, c := range s.Chain {
		source := "bundle"
		if s.Anchor != nil && listed(c, s.Anchor.Chain) {
			source = "trust"
		}
		d.Chain = append(d.Chain, Link{c.Subject.String(), sha256Hex(c.Raw), i == len(s.Chain)-1, source})
	}
	if s.Anchor != nil {
		d.Anchor = &Anchor{s.Anchor.URI, s.Anchor.Operator, newValidity(s.Anchor.ValidFor)}
	}
	return d
}

func listed(c *x509.Certificate, chain []*x509.Certificate) bool {
	for _, other := range chain {
		if bytes.Equal(c.Raw, other.Raw) {
			return true
		}
	}
	return false
}

func newPublicKey(k *trustroot.Key) *PublicKey {
	d := &PublicKey{Hint: k.Hints()[0], SPKISHA256: sha256Hex(k.SPKI), ValidFor: newValidity(k.ValidFor)}
	bits := 0
	switch pub := k.Public.(type) {
	case *ecdsa.PublicKey:
		d.Type, bits = "ECDSA", pub.Curve.Params().BitSize
	case *rsa.PublicKey:
		d.Type, bits = "RSA", pub.N.BitLen()
	case ed25519.PublicKey:
		d.Type, bits = "Ed25519", 256
	default:
		d.Type = family(k.KeyDetails)
	}
	if bits > 0 {
		d.Bits = &bits
	}
	if k.Hint != "" {
		d.Label = &k.Hint
	}
	return d
}

func newValidity(v trustroot.Validity) Validity {
	var d Validity
	if !v.Start.IsZero() {
		at := v.Start.UTC()
		d.Start = &at
	}
	if !v.End.IsZero() {
		at := v.End.UTC()
		d.End = &at
	}
	return d
}

func newCertificate(s *verify.Signer) *Certificate {
	c := s.Certificate
	d := &Certificate{
		Subject: newName(c.Subject), Issuer: newName(c.Issuer), Serial: c.SerialNumber.String(),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
		SHA256: sha256Hex(c.Raw), SPKISHA256: sha256Hex(c.RawSubjectPublicKeyInfo), IsCA: c.IsCA,
		SAN: newSAN(s.Names), KeyUsage: keyUsages(c.KeyUsage), ExtKeyUsage: newExtKeyUsage(c),
	}
	for _, oid := range c.Policies {
		d.Policies = append(d.Policies, oid.String())
	}
	for _, ext := range c.Extensions {
		d.Extensions = append(d.Extensions, Extension{ext.Id.String(), ext.Critical, base64Of(ext.Value), utf8Of(ext.Value)})
	}
	if s.Fulcio != nil {
		d.Fulcio = newFulcio(s.Fulcio)
	}
	return d
}

func newName(n pkix.Name) Name {
	d := Name{Raw: n.String()}
	for _, a := range n.Names {
		text, ok := a.Value.(string)
		attribute := Attribute{OID: a.Type.String()}
		if ok {
			attribute.Value = &text
		}
		d.Attributes = append(d.Attributes, attribute)
		if list := d.list(attribute.OID); ok && list != nil {
			*list = append(*list, text)
		}
	}
	return d
}

// list returns the list of the attributes of that type: RFC 4519 section 2.
func (n *Name) list(oid string) *[]string {
	switch oid {
	case "2.5.4.3":
		return &n.CN
	case "2.5.4.10":
		return &n.O
	case "2.5.4.11":
		return &n.OU
	case "2.5.4.6":
		return &n.C
	case "2.5.4.8":
		return &n.ST
	case "2.5.4.7":
		return &n.L
	}
	return nil
}

func newSAN(s *verify.SubjectAltNames) SAN {
	d := SAN{DNS: s.DNS, Email: s.Emails, URI: s.URIs, SPIFFE: newSPIFFE(s.URIs)}
	for _, ip := range s.IPs {
		d.IP = append(d.IP, ip.String())
	}
	for _, n := range s.DirNames {
		d.DirName = append(d.DirName, n.String())
	}
	for _, oid := range s.RegisteredIDs {
		d.RegisteredID = append(d.RegisteredID, oid.String())
	}
	for _, n := range s.OtherNames {
		other := OtherName{OID: n.Type.String(), Type: "der", DER: base64Of(n.DER)}
		if n.Value != "" {
			value := n.Value
			other.Type, other.Value = "utf8", &value
		}
		d.OtherName = append(d.OtherName, other)
	}
	return d
}

// newSPIFFE returns nil unless there is one URI and it is a SPIFFE ID in its
// only spelling: lower case, no port, no query, no empty or dotted segment.
func newSPIFFE(uris []string) *SPIFFE {
	if len(uris) != 1 || !strings.HasPrefix(uris[0], "spiffe://") || len(uris[0]) > 2048 {
		return nil
	}
	u, err := url.Parse(uris[0])
	if err != nil || u.String() != uris[0] || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host == "" {
		return nil
	}
	if len(u.Host) > 255 || strings.Trim(u.Host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return nil
	}
	rest := strings.TrimPrefix(uris[0], "spiffe://"+u.Host)
	if rest != "" {
		for segment := range strings.SplitSeq(rest[1:], "/") {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, notInSPIFFEPath) {
				return nil
			}
		}
	}
	return &SPIFFE{ID: uris[0], TrustDomain: u.Host, Path: rest}
}

func notInSPIFFEPath(c rune) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(".-_", c))
}

var keyUsageNames = []string{
	"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment",
	"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
}

func keyUsages(u x509.KeyUsage) []string {
	var names []string
	for i, name := range keyUsageNames {
		if u&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

var extKeyUsageNames = map[string]string{
	"2.5.29.37.0": "any", "1.3.6.1.5.5.7.3.1": "serverAuth", "1.3.6.1.5.5.7.3.2": "clientAuth",
	"1.3.6.1.5.5.7.3.3": "codeSigning", "1.3.6.1.5.5.7.3.4": "emailProtection",
	"1.3.6.1.5.5.7.3.8": "timeStamping", "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

func newExtKeyUsage(c *x509.Certificate) ExtKeyUsage {
	var d ExtKeyUsage
	for _, ext := range c.Extensions {
		var oids []asn1.ObjectIdentifier
		if !ext.Id.Equal(oidExtKeyUsage) {
			continue
		}
		if rest, err := asn1.Unmarshal(ext.Value, &oids); err != nil || len(rest) > 0 {
			continue
		}
		for _, oid := range oids {
			d.OIDs = append(d.OIDs, oid.String())
			if name := extKeyUsageNames[oid.String()]; name != "" {
				d.Names = append(d.Names, name)
			}
		}
	}
	return d
}

// utf8Of returns the text of a DER UTF8String, or nil.
func utf8Of(der []byte) *string {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(der, &raw)
	if err != nil || len(rest) > 0 || raw.Class != asn1.ClassUniversal || raw.Tag != asn1.TagUTF8String || !utf8.Valid(raw.Bytes) {
		return nil
	}
	text := string(raw.Bytes)
	return &text
}

// fulcioFields are the indexes of Fulcio's fields by name.
var fulcioFields = func() map[string]int {
	t, m := reflect.TypeFor[Fulcio](), make(map[string]int)
	for i := 1; i < t.NumField(); i++ { // the first is the issuer
		m[t.Field(i).Tag.Get("json")] = i
	}
	return m
}()

func newFulcio(f *verify.FulcioExtensions) *Fulcio {
	d := &Fulcio{Issuer: f.Issuer}
	v := reflect.ValueOf(d).Elem()
	for _, field := range f.Fields {
		if i, ok := fulcioFields[field.Name]; ok {
			value := field.Value
			v.Field(i).Set(reflect.ValueOf(&value))
		}
	}
	return d
}
