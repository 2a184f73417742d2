package verify_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// A token is a time-stamp response in parts, to be bent and signed by its
// authority's key. Parts are DER.
type token struct {
	over   []byte // what is timestamped
	key    *sandbox.Key
	signer *x509.Certificate

	status       int
	contentType  asn1.ObjectIdentifier
	info         tstInfo
	infoDER      []byte // in place of info
	attributes   [][]byte
	sent         [][]byte // in place of attributes, which are signed
	asSent       bool     // sent is signed
	attributeTag byte     // of the signed attributes as sent; 0xa0
	digestAlg    asn1.ObjectIdentifier
	signatureAlg asn1.ObjectIdentifier
	certificates [][]byte
	crls         [][]byte
	unsigned     [][]byte // unsigned attributes
	signers      int
	wrap         func(der []byte) []byte
}

type tstInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint struct {
		Algorithm pkix.AlgorithmIdentifier
		Hash      []byte
	}
	Serial     *big.Int
	Time       asn1.RawValue
	Extensions []pkix.Extension `asn1:"optional,omitempty,tag:1"`
}

var (
	oidSignedData      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidData            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidTSTInfo         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCert     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertV2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidSHA1            = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA512          = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
)

// newToken returns an honest token of tsa's over the bytes.
func newToken(t *testing.T, tsa *sandbox.TSA, over []byte, at time.Time) *token {
	t.Helper()
	k := &token{
		over: over, key: tsa.Key, signer: tsa.Chain[0], contentType: oidTSTInfo, attributeTag: 0xa0,
		digestAlg: oidSHA256, signatureAlg: oidECDSAWithSHA256, certificates: [][]byte{tsa.Chain[0].Raw}, signers: 1,
	}
	k.info = tstInfo{Version: 1, Policy: asn1.ObjectIdentifier{1, 2, 3}, Serial: big.NewInt(1), Time: generalizedTime(at.UTC().Format("20060102150405Z"))}
	k.info.Imprint.Algorithm.Algorithm = oidSHA256
	k.info.Imprint.Hash = sum256(over)
	k.refresh(t)
	return k
}

// refresh sets the attributes to what an honest signer of info signs.
func (k *token) refresh(t *testing.T) {
	k.attributes = [][]byte{
		attribute(t, oidContentType, oidTSTInfo),
		attribute(t, oidMessageDigest, sum256(k.content(t))),
		attribute(t, oidSigningCertV2, signingCertificate{[]essCertID{{Hash: sum256(k.signer.Raw)}}}),
	}
}

type (
	signingCertificate struct{ Certs []essCertID }
	essCertID          struct {
		Algorithm pkix.AlgorithmIdentifier `asn1:"optional,omitempty"`
		Hash      []byte
	}
	essCertIDv1   struct{ Hash []byte }
	signingCertV1 struct{ Certs []essCertIDv1 }
)

func generalizedTime(text string) asn1.RawValue {
	return asn1.RawValue{Tag: asn1.TagGeneralizedTime, Bytes: []byte(text)}
}

func (k *token) content(t *testing.T) []byte {
	if k.infoDER != nil {
		return k.infoDER
	}
	return der(t, k.info)
}

// set replaces the attribute of that type, or adds one; no values remove it.
func (k *token) set(t *testing.T, oid asn1.ObjectIdentifier, values ...any) {
	prefix := der(t, oid)
	k.attributes = slices.DeleteFunc(k.attributes, func(a []byte) bool { return bytes.Contains(a[:len(prefix)+4], prefix) })
	if len(values) > 0 {
		k.attributes = append(k.attributes, attribute(t, oid, values...))
	}
}

// sign returns the response.
func (k *token) sign(t *testing.T) []byte {
	t.Helper()
	attributes := slices.SortedFunc(slices.Values(k.attributes), bytes.Compare)
	if k.asSent {
		attributes = k.sent
	}
	signature := k.key.SignDigest(crypto.SHA256, sum256(tlv(t, 0x31, slices.Concat(attributes...))))
	if k.sent != nil {
		attributes = k.sent
	}
	algorithm := func(oid asn1.ObjectIdentifier) []byte { return der(t, pkix.AlgorithmIdentifier{Algorithm: oid}) }
	optional := func(tag byte, parts [][]byte) []byte {
		if parts == nil {
			return nil
		}
		return tlv(t, tag, slices.Concat(parts...))
	}
	signer := tlv(t, 0x30, slices.Concat(
		der(t, 1), tlv(t, 0x30, append(slices.Clone(k.signer.RawIssuer), der(t, k.signer.SerialNumber)...)), algorithm(k.digestAlg),
		tlv(t, k.attributeTag, slices.Concat(attributes...)), algorithm(k.signatureAlg), der(t, signature), optional(0xa1, k.unsigned),
	))
	data := tlv(t, 0x30, slices.Concat(
		der(t, 3), tlv(t, 0x31, algorithm(k.digestAlg)),
		tlv(t, 0x30, append(der(t, k.contentType), tlv(t, 0xa0, der(t, k.content(t)))...)),
		optional(0xa0, k.certificates), optional(0xa1, k.crls), tlv(t, 0x31, bytes.Repeat(signer, k.signers)),
	))
	response := tlv(t, 0x30, append(tlv(t, 0x30, der(t, k.status)), tlv(t, 0x30, append(der(t, oidSignedData), tlv(t, 0xa0, data)...))...))
	if k.wrap != nil {
		return k.wrap(response)
	}
	return response
}

func attribute(t *testing.T, oid asn1.ObjectIdentifier, values ...any) []byte {
	t.Helper()
	var set []byte
	for _, v := range values {
		set = append(set, der(t, v)...)
	}
	return tlv(t, 0x30, append(der(t, oid), tlv(t, 0x31, set)...))
}

func tlv(t *testing.T, tag byte, content []byte) []byte {
	t.Helper()
	out := der(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	out[0] = tag
	return out
}

func der(t *testing.T, v any) []byte {
	t.Helper()
	out, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// stamped returns a trial of Rekor v2, whose only proof of time is a token that
// is made as bend likes.
func stamped(t *testing.T, s *sandbox.Sandbox, bend func(*token)) *trial {
	t.Helper()
	c := honest(t, s, sandbox.SignOptions{TSAs: []*sandbox.TSA{}})
	k := newToken(t, s.TSA, c.Bundle.GetMessageSignature().Signature, s.Now())
	if bend != nil {
		bend(k)
	}
	sandbox.AddTimestamp(c.material(), k.sign(t))
	return c
}
