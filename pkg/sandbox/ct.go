package sandbox

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A CTLog is a certificate transparency log, as far as SCTs go.
type CTLog struct {
	URL   string
	Key   *Key
	Start time.Time // when the log's key became valid

	// Extensions go into every SCT, as tiled logs put an index there.
	Extensions []byte

	sandbox *Sandbox
}

// NewCTLog returns a CT log that nobody trusts yet: see CTLog.Instance. key is
// its ECDSA P-256 or RSA key; nil means a P-256 key that follows from the name.
func (s *Sandbox) NewCTLog(name string, key *Key) *CTLog {
	if key == nil {
		key = s.Key("ct/"+name, P256)
	}
	return &CTLog{URL: serviceURL(name), Key: key, Start: s.Now().Add(-serviceAge), sandbox: s}
}

// ID returns the log id: the SHA-256 of the key.
func (c *CTLog) ID() [32]byte { return sha256.Sum256(c.Key.SPKI()) }

// An SCT is a signed certificate timestamp of version 1.
type SCT struct {
	LogID      [32]byte
	Timestamp  uint64 // milliseconds of Unix time
	Extensions []byte
	Signature  []byte // a digitally-signed struct: algorithms, length, signature
}

// AddPreChain logs a precertificate (DER) that issuer signed.
func (c *CTLog) AddPreChain(precert []byte, issuer *x509.Certificate) (SCT, error) {
	tbs, err := tbsOf(precert)
	if err != nil {
		return SCT{}, err
	}
	tbs, found := withoutExtension(tbs, oidPoison)
	if !found {
		return SCT{}, errors.New("a CT log takes precertificates: expected the poison extension, found none")
	}
	sct := SCT{Timestamp: uint64(c.sandbox.Now().UnixMilli()), Extensions: c.Extensions}
	if c.sandbox.lies(SCTOtherCert) {
		tbs = append(bytes.Clone(tbs), 0)
	}
	sct = c.SignSCT(sct, sha256.Sum256(issuer.RawSubjectPublicKeyInfo), tbs)
	if c.sandbox.lies(SCTBadSignature) {
		sct.Signature[len(sct.Signature)-1] ^= 1
	}
	return sct, nil
}

// SignSCT returns sct with its LogID and Signature set. tbs is that of the
// certificate without poison and SCTs.
//
// Source: RFC 6962, section 3.2.
func (c *CTLog) SignSCT(sct SCT, issuerKeyHash [32]byte, tbs []byte) SCT {
	var b cryptobyte.Builder
	b.AddUint8(0) // v1
	b.AddUint8(0) // certificate_timestamp
	b.AddUint64(sct.Timestamp)
	b.AddUint16(1) // precert_entry
	b.AddBytes(issuerKeyHash[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(sct.Extensions) })
	sct.LogID = c.ID()
	sct.Signature = c.digitallySigned(b.BytesOrPanic())
	return sct
}

// digitallySigned: RFC 5246, section 4.7, with SHA-256.
func (c *CTLog) digitallySigned(message []byte) []byte {
	var b cryptobyte.Builder
	hash, signature := uint8(4), uint8(3) // SHA-256, ECDSA
	switch c.Key.Public().(type) {
	case *rsa.PublicKey:
		signature = 1
	case ed25519.PublicKey:
		hash, signature = 8, 7
	}
	b.AddUint8(hash)
	b.AddUint8(signature)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(c.Key.Sign(message)) })
	return b.BytesOrPanic()
}

// Marshal returns the SCT's TLS encoding.
func (s SCT) Marshal() []byte {
	var b cryptobyte.Builder
	b.AddUint8(0) // v1
	b.AddBytes(s.LogID[:])
	b.AddUint64(s.Timestamp)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.Extensions) })
	b.AddBytes(s.Signature)
	return b.BytesOrPanic()
}

// SCTExtension returns the extension that holds SCTs (RFC 6962, section 3.3).
func SCTExtension(scts ...SCT) pkix.Extension {
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, sct := range scts {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(sct.Marshal()) })
		}
	})
	return pkix.Extension{Id: oidSCTs, Value: tlv(asn1.TagOctetString, b.BytesOrPanic())}
}

var (
	oidPoison = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}
	poison    = pkix.Extension{Id: oidPoison, Critical: true, Value: asn1.NullBytes}
)

// createLogged issues a certificate by way of a precertificate, and puts the
// SCTs of every log where the poison was.
func (ca *CA) createLogged(template *x509.Certificate, key *Key, logs []*CTLog) ([]byte, error) {
	if len(logs) == 0 {
		return create(template, ca.Chain[0], key.Public(), ca.Key)
	}
	own := template.ExtraExtensions
	template.ExtraExtensions = append(own[:len(own):len(own)], poison)
	precert, err := create(template, ca.Chain[0], key.Public(), ca.Key)
	if err != nil {
		return nil, err
	}
	var scts []SCT
	for _, log := range logs {
		sct, err := log.AddPreChain(precert, ca.Chain[0])
		if err != nil {
			return nil, err
		}
		scts = append(scts, sct)
	}
	template.ExtraExtensions = append(own[:len(own):len(own)], SCTExtension(scts...))
	return create(template, ca.Chain[0], key.Public(), ca.Key)
}

// tbsOf returns the TBSCertificate of a certificate, in DER.
func tbsOf(cert []byte) ([]byte, error) {
	var outer, tbs cryptobyte.String
	in := cryptobyte.String(cert)
	if !in.ReadASN1(&outer, cryptobyte_asn1.SEQUENCE) || !outer.ReadASN1Element(&tbs, cryptobyte_asn1.SEQUENCE) {
		return nil, errors.New("expected a certificate in DER")
	}
	return tbs, nil
}

// withoutExtension returns a TBSCertificate without its extension of that id,
// and all else as it was.
func withoutExtension(tbs []byte, id asn1.ObjectIdentifier) (rest []byte, found bool) {
	const extensions = cryptobyte_asn1.Tag(3 | 0xa0)
	var fields, field, list, ext cryptobyte.String
	in := cryptobyte.String(tbs)
	if !in.ReadASN1(&fields, cryptobyte_asn1.SEQUENCE) {
		return nil, false
	}
	var out, kept []byte
	var tag cryptobyte_asn1.Tag
	for fields.ReadAnyASN1Element(&field, &tag) {
		if tag != extensions {
			out = append(out, field...)
			continue
		}
		if !field.ReadASN1(&list, extensions) || !list.ReadASN1(&list, cryptobyte_asn1.SEQUENCE) {
			return nil, false
		}
		for list.ReadASN1Element(&ext, cryptobyte_asn1.SEQUENCE) {
			if hasID(ext, id) {
				found = true
				continue
			}
			kept = append(kept, ext...)
		}
		out = append(out, wrap(extensions, wrap(cryptobyte_asn1.SEQUENCE, kept))...)
	}
	return wrap(cryptobyte_asn1.SEQUENCE, out), found
}

func hasID(ext cryptobyte.String, id asn1.ObjectIdentifier) bool {
	var body cryptobyte.String
	var found asn1.ObjectIdentifier
	return ext.ReadASN1(&body, cryptobyte_asn1.SEQUENCE) && body.ReadASN1ObjectIdentifier(&found) && found.Equal(id)
}

// Resign returns the certificate (DER) with its TBSCertificate edited and
// signed with key, which need not be its issuer's. The signature algorithm
// that the certificate names stays; a nil edit changes nothing.
func Resign(cert []byte, key *Key, edit func(tbs []byte) []byte) ([]byte, error) {
	var outer, tbs, algorithm cryptobyte.String
	in := cryptobyte.String(cert)
	if !in.ReadASN1(&outer, cryptobyte_asn1.SEQUENCE) || !outer.ReadASN1Element(&tbs, cryptobyte_asn1.SEQUENCE) ||
		!outer.ReadASN1Element(&algorithm, cryptobyte_asn1.SEQUENCE) {
		return nil, errors.New("sandbox: expected a certificate in DER")
	}
	if edit != nil {
		tbs = edit(bytes.Clone(tbs))
	}
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(key.Sign(tbs))
	})
	return b.BytesOrPanic(), nil
}
