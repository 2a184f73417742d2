package sandbox

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A SAN is one subject alternative name: a GeneralName in DER.
type SAN []byte

// Tags of GeneralName (RFC 5280, section 4.2.1.6).
const (
	tagOtherName = 0
	tagEmail     = 1
	tagDNS       = 2
	tagDirName   = 4
	tagURI       = 6
	tagIP        = 7
	tagRegID     = 8
)

// RawSAN returns a GeneralName of that context-specific tag (0 to 8) with
// whatever content.
func RawSAN(tag uint8, constructed bool, content []byte) SAN {
	t := cryptobyte_asn1.Tag(tag).ContextSpecific()
	if constructed {
		t = t.Constructed()
	}
	return wrap(t, content)
}

// Email, URI and DNS take any text, also what no such name may hold.
func Email(address string) SAN { return RawSAN(tagEmail, false, []byte(address)) }

// URI is a uniformResourceIdentifier.
func URI(uri string) SAN { return RawSAN(tagURI, false, []byte(uri)) }

// DNS is a dNSName.
func DNS(name string) SAN { return RawSAN(tagDNS, false, []byte(name)) }

// IP is an iPAddress. It panics if address is not one.
func IP(address string) SAN {
	return RawSAN(tagIP, false, netip.MustParseAddr(address).AsSlice())
}

// RegisteredID is a registeredID.
func RegisteredID(id asn1.ObjectIdentifier) SAN {
	der := marshalDER(id)
	return RawSAN(tagRegID, false, der[2:])
}

// DirName is a directoryName.
func DirName(name pkix.Name) SAN { return RawSAN(tagDirName, true, marshalDER(name.ToRDNSequence())) }

// OIDUserName is the type of otherName that Fulcio uses for user names.
var OIDUserName = fulcioOID(7)

// OtherName is an otherName of that type with a UTF8String in it.
func OtherName(id asn1.ObjectIdentifier, text string) SAN {
	value := wrap(cryptobyte_asn1.Tag(0).ContextSpecific().Constructed(), tlv(asn1.TagUTF8String, []byte(text)))
	return RawSAN(tagOtherName, true, append(marshalDER(id), value...))
}

var (
	oidSAN  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidEKU  = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSCTs = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

	// EKUCodeSigning, EKUTimeStamping, EKUServerAuth and EKUAny are extended
	// key usages.
	EKUCodeSigning  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3}
	EKUTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	EKUServerAuth   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	EKUAny          = asn1.ObjectIdentifier{2, 5, 29, 37, 0}
)

// SANExtension returns the extension that holds the names in that order.
func SANExtension(critical bool, names ...SAN) pkix.Extension {
	var all []byte
	for _, name := range names {
		all = append(all, name...)
	}
	return pkix.Extension{Id: oidSAN, Critical: critical, Value: wrap(cryptobyte_asn1.SEQUENCE, all)}
}

// EKUExtension returns the extended key usage extension with those usages.
func EKUExtension(critical bool, usages ...asn1.ObjectIdentifier) pkix.Extension {
	return pkix.Extension{Id: oidEKU, Critical: critical, Value: marshalDER(usages)}
}

// wrap puts content under a tag.
func wrap(tag cryptobyte_asn1.Tag, content []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	return b.BytesOrPanic()
}

// tlv puts content under a primitive universal tag, whatever it is.
func tlv(tag int, content []byte) []byte { return wrap(cryptobyte_asn1.Tag(tag), content) }

// marshalDER is asn1.Marshal for values that always have an encoding.
func marshalDER(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sandbox: encoding %v: %v", v, err))
	}
	return der
}
