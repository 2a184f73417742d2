package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// What is read here is shown and nothing more: package verify has its own,
// strict reading of the same bytes.

// A nameClaim is a subject alternative name.
type nameClaim struct {
	Type  string `json:"type"` // "email", "dns", "uri", "ip", "dirName", "registeredID", an otherName's OID or a tag
	Value string `json:"value"`
}

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidFulcioIssuers  = []asn1.ObjectIdentifier{
		{1, 3, 6, 1, 4, 1, 57264, 1, 1}, // bare text
		{1, 3, 6, 1, 4, 1, 57264, 1, 8}, // a UTF8String
	}
)

// alternativeNames returns the names of every kind, in the certificate's order.
func alternativeNames(c *x509.Certificate) []nameClaim {
	list := []nameClaim{}
	for _, ext := range c.Extensions {
		var names []asn1.RawValue
		if !ext.Id.Equal(oidSubjectAltName) {
			continue
		}
		if _, err := asn1.Unmarshal(ext.Value, &names); err != nil {
			return append(list, nameClaim{"unreadable", hex.EncodeToString(ext.Value)})
		}
		for _, n := range names {
			list = append(list, alternativeName(n))
		}
	}
	return list
}

// alternativeName reads a GeneralName: RFC 5280 section 4.2.1.6.
func alternativeName(n asn1.RawValue) nameClaim {
	switch n.Tag {
	case 0:
		return otherName(n)
	case 1:
		return nameClaim{"email", string(n.Bytes)}
	case 2:
		return nameClaim{"dns", string(n.Bytes)}
	case 4:
		var name pkix.RDNSequence
		if _, err := asn1.Unmarshal(n.Bytes, &name); err == nil {
			return nameClaim{"dirName", name.String()}
		}
	case 6:
		return nameClaim{"uri", string(n.Bytes)}
	case 7:
		return nameClaim{"ip", net.IP(n.Bytes).String()}
	case 8:
		var oid asn1.ObjectIdentifier
		if _, err := asn1.UnmarshalWithParams(n.FullBytes, &oid, "tag:8"); err == nil {
			return nameClaim{"registeredID", oid.String()}
		}
	}
	return nameClaim{"tag " + strconv.Itoa(n.Tag), hex.EncodeToString(n.Bytes)}
}

// otherName shows the value as text if it is a string, else as its DER.
func otherName(n asn1.RawValue) nameClaim {
	var other struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.UnmarshalWithParams(n.FullBytes, &other, "tag:0"); err != nil {
		return nameClaim{"otherName", hex.EncodeToString(n.Bytes)}
	}
	var text string
	if _, err := asn1.Unmarshal(other.Value.Bytes, &text); err != nil {
		text = hex.EncodeToString(other.Value.Bytes)
	}
	return nameClaim{"otherName " + other.Type.String(), text}
}

// oidcIssuers returns who vouched for the name in one of Fulcio's
// certificates: one issuer, or what the two extensions for it disagree on.
func oidcIssuers(c *x509.Certificate) []string {
	var list []string
	for _, ext := range c.Extensions {
		i := slices.IndexFunc(oidFulcioIssuers, ext.Id.Equal)
		if i < 0 {
			continue
		}
		issuer := string(ext.Value)
		if i == 1 {
			if _, err := asn1.Unmarshal(ext.Value, &issuer); err != nil {
				issuer = hex.EncodeToString(ext.Value)
			}
		}
		if !slices.Contains(list, issuer) {
			list = append(list, issuer)
		}
	}
	return list
}

// A checkpointClaim is what a checkpoint says.
type checkpointClaim struct {
	Origin    string   `json:"origin"`
	Witnesses []string `json:"witnesses"` // names that signed it, beside the origin's
}

// readCheckpoint reads a signed note: the origin in its first line, signatures
// after its last empty line. Source: C2SP tlog-checkpoint, signed-note.
func readCheckpoint(text string) checkpointClaim {
	origin, _, _ := strings.Cut(text, "\n")
	log, _, _ := strings.Cut(origin, " - ") // Rekor v1 puts a tree's number after its name
	c := checkpointClaim{Origin: origin, Witnesses: []string{}}
	i := strings.LastIndex(text, "\n\n")
	if i < 0 {
		return c
	}
	for line := range strings.Lines(text[i+2:]) {
		signer, ok := strings.CutPrefix(line, "— ")
		if name, _, _ := strings.Cut(signer, " "); ok && name != log {
			c.Witnesses = append(c.Witnesses, name)
		}
	}
	return c
}

// A timestampClaim is what an RFC 3161 response says.
type timestampClaim struct {
	Time   *time.Time `json:"time"`
	Signer string     `json:"signer"` // subject of the certificate in it, "" if it has none
	Error  string     `json:"error,omitzero"`
}

// readTimestamp reads a TimeStampResp down to its time: RFC 3161 section 2.4.2.
func readTimestamp(der []byte) timestampClaim {
	signed, err := signedDataOf(der)
	if err != nil {
		return timestampClaim{Error: err.Error()}
	}
	at, err := genTime(&signed)
	if err != nil {
		return timestampClaim{Error: err.Error()}
	}
	return timestampClaim{Time: &at, Signer: embeddedSigner(&signed)}
}

var (
	errNoToken = errors.New("expected a time-stamp response with a token, found something else")
	context0   = cbasn1.Tag(0).Constructed().ContextSpecific()
)

// signedDataOf returns the contents of the SignedData from its third field on.
func signedDataOf(der []byte) (cryptobyte.String, error) {
	var response, token, explicit, signed cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&response, cbasn1.SEQUENCE) ||
		!response.SkipASN1(cbasn1.SEQUENCE) || // status
		!response.ReadASN1(&token, cbasn1.SEQUENCE) ||
		!token.SkipASN1(cbasn1.OBJECT_IDENTIFIER) ||
		!token.ReadASN1(&explicit, context0) ||
		!explicit.ReadASN1(&signed, cbasn1.SEQUENCE) ||
		!signed.SkipASN1(cbasn1.INTEGER) || // version
		!signed.SkipASN1(cbasn1.SET) { // digest algorithms
		return nil, errNoToken
	}
	return signed, nil
}

// genTime reads the encapsulated TSTInfo's time.
func genTime(signed *cryptobyte.String) (time.Time, error) {
	var content, explicit, octets, info, text cryptobyte.String
	if !signed.ReadASN1(&content, cbasn1.SEQUENCE) ||
		!content.SkipASN1(cbasn1.OBJECT_IDENTIFIER) ||
		!content.ReadASN1(&explicit, context0) ||
		!explicit.ReadASN1(&octets, cbasn1.OCTET_STRING) ||
		!octets.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.SkipASN1(cbasn1.INTEGER) || // version
		!info.SkipASN1(cbasn1.OBJECT_IDENTIFIER) || // policy
		!info.SkipASN1(cbasn1.SEQUENCE) || // message imprint
		!info.SkipASN1(cbasn1.INTEGER) || // serial number
		!info.ReadASN1(&text, cbasn1.GeneralizedTime) {
		return time.Time{}, errNoToken
	}
	at, err := time.Parse("20060102150405Z", string(text)) // a fraction is read too
	if err != nil {
		return time.Time{}, fmt.Errorf("expected a time in UTC in the time-stamp token, found %q", text)
	}
	return at, nil
}

// embeddedSigner returns the subject of the end entity among the token's
// certificates.
func embeddedSigner(signed *cryptobyte.String) string {
	var set cryptobyte.String
	if !signed.ReadASN1(&set, context0) {
		return ""
	}
	certs, err := x509.ParseCertificates(set)
	if err != nil {
		return ""
	}
	for _, c := range certs {
		if !c.IsCA {
			return c.Subject.String()
		}
	}
	return ""
}
