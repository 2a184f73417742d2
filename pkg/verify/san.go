package verify

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SubjectAltNames are all the names of a certificate's subject alternative
// name extension, by kind, in the order they have there.
type SubjectAltNames struct {
	DNS, Emails, URIs []string
	IPs               []net.IP
	DirNames          []pkix.RDNSequence
	RegisteredIDs     []asn1.ObjectIdentifier
	OtherNames        []OtherName

	unknown []int // tags of kinds that have no place above
}

// An OtherName is a name of a type of its own. Value is its text if it is a
// UTF8String, as Fulcio's are; otherwise it is "" and DER has it.
type OtherName struct {
	Type  asn1.ObjectIdentifier
	Value string
	DER   []byte
}

// Tags of GeneralName: RFC 5280 section 4.2.1.6.
const (
	tagOtherName    = 0
	tagEmail        = 1
	tagDNS          = 2
	tagDirName      = 4
	tagURI          = 6
	tagIP           = 7
	tagRegisteredID = 8
)

// oidFulcioOtherName is the type of Fulcio's own otherName.
var oidFulcioOtherName = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7}

const maxNames = 1024

// parseSANs reads names of every kind, not only those of crypto/x509.
func parseSANs(c *x509.Certificate) (*SubjectAltNames, error) {
	s := &SubjectAltNames{}
	for _, ext := range c.Extensions {
		if !ext.Id.Equal(oidSAN) {
			continue
		}
		var names []asn1.RawValue
		if err := unmarshalAll(ext.Value, &names, "subject alternative names"); err != nil {
			return nil, err
		}
		if len(names) == 0 || len(names) > maxNames {
			return nil, fmt.Errorf("expected 1 to %d subject alternative names, found %d", maxNames, len(names))
		}
		for _, n := range names {
			if err := s.add(n); err != nil {
				return nil, fmt.Errorf("subject alternative name: %w", err)
			}
		}
	}
	return s, nil
}

func (s *SubjectAltNames) add(n asn1.RawValue) error {
	if n.Class != asn1.ClassContextSpecific {
		return errors.New("not a general name")
	}
	// crypto/x509 passes over a name in the other form, and so do its name
	// constraints: such a name must not be read here either.
	if n.IsCompound != isConstructed(n.Tag) {
		return fmt.Errorf("the name with tag %d is not in DER: constructed is %v, expected %v", n.Tag, n.IsCompound, isConstructed(n.Tag))
	}
	switch n.Tag {
	case tagEmail, tagDNS, tagURI:
		for _, c := range n.Bytes {
			if c > 0x7f {
				return fmt.Errorf("expected ASCII, found %q", n.Bytes)
			}
		}
		list := map[int]*[]string{tagEmail: &s.Emails, tagDNS: &s.DNS, tagURI: &s.URIs}[n.Tag]
		*list = append(*list, string(n.Bytes))
	case tagIP:
		if len(n.Bytes) != net.IPv4len && len(n.Bytes) != net.IPv6len {
			return fmt.Errorf("expected an IP address of 4 or 16 bytes, found %d", len(n.Bytes))
		}
		s.IPs = append(s.IPs, net.IP(n.Bytes))
	case tagDirName:
		var name pkix.RDNSequence
		if err := unmarshalAll(n.Bytes, &name, "a directory name"); err != nil {
			return err
		}
		s.DirNames = append(s.DirNames, name)
	case tagRegisteredID:
		var oid asn1.ObjectIdentifier
		if _, err := asn1.UnmarshalWithParams(n.FullBytes, &oid, fmt.Sprintf("tag:%d", tagRegisteredID)); err != nil {
			return err
		}
		s.RegisteredIDs = append(s.RegisteredIDs, oid)
	case tagOtherName:
		return s.addOther(n)
	default:
		s.unknown = append(s.unknown, n.Tag)
	}
	return nil
}

// isConstructed reports whether DER encodes the kind of name with that tag as
// other values, rather than as bytes.
func isConstructed(tag int) bool {
	switch tag {
	case tagEmail, tagDNS, tagURI, tagIP, tagRegisteredID:
		return false
	}
	return true
}

func (s *SubjectAltNames) addOther(n asn1.RawValue) error {
	in := cryptobyte.String(n.Bytes)
	var name OtherName
	var value, text cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadASN1ObjectIdentifier(&name.Type) ||
		!in.ReadASN1(&value, cbasn1.Tag(0).ContextSpecific().Constructed()) || !in.Empty() {
		return errors.New("expected an otherName: a type and a value, and nothing after them")
	}
	name.DER = value
	if !value.ReadAnyASN1(&text, &tag) || !value.Empty() {
		return fmt.Errorf("expected one value in the otherName of type %v", name.Type)
	}
	if tag == cbasn1.UTF8String && utf8.Valid(text) {
		name.Value = string(text)
	}
	s.OtherNames = append(s.OtherNames, name)
	return nil
}

// Texts returns every name that has a text, of whatever kind, in the order of
// the fields.
func (s *SubjectAltNames) Texts() []string {
	if s == nil {
		return nil
	}
	var out []string
	out = append(out, s.Emails...)
	out = append(out, s.URIs...)
	out = append(out, s.DNS...)
	for _, ip := range s.IPs {
		out = append(out, ip.String())
	}
	for _, n := range s.OtherNames {
		if n.Value != "" {
			out = append(out, n.Value)
		}
	}
	for _, n := range s.DirNames {
		out = append(out, n.String())
	}
	for _, oid := range s.RegisteredIDs {
		out = append(out, oid.String())
	}
	return out
}

// Len returns the number of names of every kind.
func (s *SubjectAltNames) Len() int {
	return len(s.DNS) + len(s.Emails) + len(s.URIs) + len(s.IPs) + len(s.DirNames) +
		len(s.RegisteredIDs) + len(s.OtherNames) + len(s.unknown)
}
