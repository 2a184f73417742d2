package verify_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// timestamping gives a certificate's template the usage of an authority.
func timestamping(c *x509.Certificate) {
	sandbox.SetExtension(c, sandbox.EKUExtension(true, sandbox.EKUTimeStamping))
}

// TestTokensAreWhatTheAuthoritySigned bends a token in every part, before it is
// signed with the authority's key or, where sent is set, after. Fault and twin
// are made by the same hand.
func TestTokensAreWhatTheAuthoritySigned(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	stranger, err := s.NewTSA("stranger", nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf := s.TSA.Chain[0]
	for name, test := range map[string]struct {
		bend   func(k *token)
		detail string
	}{
		"imprint-of-other-bytes":    {func(k *token) { k.info.Imprint.Hash = sum256(other); k.refresh(t) }, "about another signature"},
		"imprint-by-sha1":           {func(k *token) { k.imprint(t, oidSHA1, func(b []byte) []byte { s := sha1.Sum(b); return s[:] }) }, "message imprint: expected a digest by SHA-256"},
		"imprint-cut":               {func(k *token) { k.info.Imprint.Hash = k.info.Imprint.Hash[:31]; k.refresh(t) }, "about another signature"},
		"imprint-empty":             {func(k *token) { k.info.Imprint.Hash = nil; k.refresh(t) }, "about another signature"},
		"imprint-sha256-as-sha512":  {func(k *token) { k.info.Imprint.Algorithm.Algorithm = oidSHA512; k.refresh(t) }, "about another signature"},
		"imprint-unknown-algorithm": {func(k *token) { k.info.Imprint.Algorithm.Algorithm = oidData; k.refresh(t) }, "message imprint"},
		"status-granted-with-mods":  {func(k *token) { k.status = 1 }, "found status 1"},
		"status-rejected":           {func(k *token) { k.status = 2 }, "found status 2"},
		"status-negative":           {func(k *token) { k.status = -1 }, "found status -1"},
		"version-2":                 {func(k *token) { k.info.Version = 2; k.refresh(t) }, "of version 1"},
		"critical-extension":        {func(k *token) { k.extension(t, true) }, "unknown critical extension"},
		"type-of-content-is-data":   {func(k *token) { k.contentType = oidData }, "found type 1.2.840.113549.1.7.1"},
		"type-attribute-is-data":    {func(k *token) { k.set(t, oidContentType, oidData) }, "signed content type"},
		"no-type-attribute":         {func(k *token) { k.set(t, oidContentType) }, "signed content type"},
		"two-types-in-one":          {func(k *token) { k.set(t, oidContentType, oidTSTInfo, oidData) }, "signed content type"},
		"two-type-attributes":       {func(k *token) { k.attributes = append(k.attributes, attribute(t, oidContentType, oidData)) }, "signed content type"},
		"no-message-digest":         {func(k *token) { k.set(t, oidMessageDigest) }, "signed message digest"},
		"other-message-digest":      {func(k *token) { k.set(t, oidMessageDigest, sum256(other)) }, "not the content's"},
		"two-message-digests":       {func(k *token) { k.attributes = append(k.attributes, attribute(t, oidMessageDigest, sum256(other))) }, "found it 2 times"},
		"two-digests-in-one":        {func(k *token) { k.set(t, oidMessageDigest, sum256(k.content(t)), sum256(other)) }, "one value"},
		"no-signing-certificate":    {func(k *token) { k.set(t, oidSigningCertV2) }, "expected an attribute that names it"},
		"other-signing-certificate": {func(k *token) { k.set(t, oidSigningCertV2, named(stranger.Chain[0].Raw)) }, "names another signing certificate"},
		"other-certificate-first":   {func(k *token) { k.set(t, oidSigningCertV2, named(stranger.Chain[0].Raw, leaf.Raw)) }, "names another signing certificate"},
		"no-certificate-named":      {func(k *token) { k.set(t, oidSigningCertV2, signingCertificate{[]essCertID{}}) }, "none named"},
		"two-signing-certificates": {func(k *token) {
			k.attributes = append(k.attributes, attribute(t, oidSigningCertV2, named(stranger.Chain[0].Raw)))
		}, "found it 2 times"},
		"v1-names-another":           {func(k *token) { k.set(t, oidSigningCert, namedV1(stranger.Chain[0].Raw)) }, "names another signing certificate"},
		"v2-malformed-beside-v1":     {func(k *token) { k.set(t, oidSigningCert, namedV1(leaf.Raw)); k.set(t, oidSigningCertV2, 7) }, "signing certificate"},
		"v2-by-sha1":                 {func(k *token) { k.set(t, oidSigningCertV2, namedBy(oidSHA1, leaf.Raw)) }, "signing certificate: expected a digest by"},
		"signing-time-after-the-end": {func(k *token) { k.set(t, oidSigningTime, leaf.NotAfter.Add(time.Second)) }, "signing time"},
		"signing-time-before":        {func(k *token) { k.set(t, oidSigningTime, leaf.NotBefore.Add(-time.Second)) }, "signing time"},
		"two-signing-times":          {func(k *token) { k.set(t, oidSigningTime, s.Now().UTC(), leaf.NotBefore.UTC()) }, "signing time"},
		"digest-algorithm":           {func(k *token) { k.digestAlg = oidSHA512 }, "not the content's"},
		"digest-by-sha1":             {func(k *token) { k.digestAlg = oidSHA1 }, "signature: expected a digest by"},
		"signature-algorithm":        {func(k *token) { k.signatureAlg = oidECDSAWithSHA384 }, "expected a signature algorithm"},
		"signature-by-another-key":   {func(k *token) { k.key = stranger.Key }, "not made by the key of"},
		"two-signers":                {func(k *token) { k.signers = 2 }, "2 signers"},
		"no-signer":                  {func(k *token) { k.signers = 0 }, "0 signers"},
		"attributes-reordered":       {func(k *token) { k.sent = k.sorted(func(a [][]byte) [][]byte { slices.Reverse(a); return a }) }, "in the order of DER"},
		"attributes-signed-in-another-order": {func(k *token) {
			k.sent, k.asSent = k.sorted(func(a [][]byte) [][]byte { slices.Reverse(a); return a }), true
		}, "in the order of DER"},
		"attribute-repeated": {func(k *token) { k.sent = k.sorted(func(a [][]byte) [][]byte { return append(a, a[len(a)-1]) }) }, "in the order of DER"},
		"attribute-added": {func(k *token) {
			k.sent = k.sorted(func(a [][]byte) [][]byte {
				return append(a, attribute(t, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 99}, bytes.Repeat([]byte{1}, 90)))
			})
		}, "not made by the key of"},
		"attribute-removed":       {func(k *token) { k.sent = k.sorted(func(a [][]byte) [][]byte { return a[1:] }) }, ""},
		"no-attributes":           {func(k *token) { k.sent = [][]byte{} }, "expected signed attributes, found none"},
		"attributes-as-primitive": {func(k *token) { k.attributeTag = 0x80 }, "expected signed attributes, found none"},
		"attributes-as-unsigned":  {func(k *token) { k.attributeTag = 0xa1 }, ""},
		"values-in-a-sequence": {func(k *token) {
			k.attributes = append(k.attributes, tlv(t, 0x30, append(der(t, oidSigningTime), tlv(t, 0x30, der(t, s.Now().UTC()))...)))
		}, "in a set"},
		"trailing-byte":             {func(k *token) { k.wrap = func(der []byte) []byte { return append(der, 0) } }, "nothing after it"},
		"two-responses":             {func(k *token) { k.wrap = func(der []byte) []byte { return append(der, der...) } }, "nothing after it"},
		"indefinite-length":         {func(k *token) { k.wrap = indefinite }, "expected a time-stamp response"},
		"long-form-length":          {func(k *token) { k.infoDER = longForm(der(t, k.info)); k.refresh(t) }, "time-stamp information"},
		"info-and-more":             {func(k *token) { k.infoDER = append(der(t, k.info), 5, 0); k.refresh(t) }, "nothing after it"},
		"not-a-response":            {func(k *token) { k.wrap = func([]byte) []byte { return []byte("token") } }, "expected a time-stamp response"},
		"token-without-response":    {func(k *token) { k.wrap = func(der []byte) []byte { return der[4+5:] } }, "expected"},
		"certificate-of-a-stranger": {func(k *token) { k.certificates = append(k.certificates, stranger.Chain[0].Raw) }, "no part in the authority's path"},
		"certificates-but-not-its":  {func(k *token) { k.certificates = [][]byte{s.TSA.Chain[1].Raw} }, "among its certificates, or none"},
		"certificate-garbage":       {func(k *token) { k.certificates = append(k.certificates, []byte{0x30, 0}) }, "certificates of the token"},
		"nine-certificates":         {func(k *token) { k.certificates = slices.Repeat([][]byte{leaf.Raw}, 9) }, "at most 8 certificates"},
		"certificate-as-CRL":        {func(k *token) { k.certificates, k.crls = nil, [][]byte{leaf.Raw} }, "CRLs of the token"},
		"unsigned-garbage":          {func(k *token) { k.unsigned = [][]byte{{5, 0}} }, "expected signed data"},
		"certificate-shadowed":      {func(k *token) { k.certificates = [][]byte{shadow(t, s, stranger.Key), leaf.Raw} }, "no part in the authority's path"},
		"certificate-shadowing":     {func(k *token) { k.certificates, k.key = [][]byte{shadow(t, s, stranger.Key)}, stranger.Key }, "no part in the authority's path"},
		"time-in-the-year-0":        {func(k *token) { k.info.Time = generalizedTime("00000101000000Z"); k.refresh(t) }, "was not in use"},
		"time-in-the-year-9999":     {func(k *token) { k.info.Time = generalizedTime("99991231235959Z"); k.refresh(t) }, "is not valid at 9999"},
		"time-of-the-30th-February": {func(k *token) { k.info.Time = generalizedTime("20260230000000Z"); k.refresh(t) }, "time-stamp information"},
		"time-negative":             {func(k *token) { k.info.Time = generalizedTime("-0010101000000Z"); k.refresh(t) }, "time-stamp information"},
		"time-without-zone":         {func(k *token) { k.info.Time = generalizedTime("20260102030405"); k.refresh(t) }, "time-stamp information"},
		"time-with-trailing-zero":   {func(k *token) { k.info.Time = generalizedTime("20260102030405.10Z"); k.refresh(t) }, "time-stamp information"},
		"no-time":                   {func(k *token) { k.info.Time = asn1.RawValue{Tag: asn1.TagNull}; k.refresh(t) }, "time-stamp information"},
	} {
		t.Run("T09-"+name, func(t *testing.T) {
			stamped(t, s, nil).accepted(t)
			stamped(t, s, test.bend).rejected(t, verify.CheckTimestamp, test.detail)
		})
	}
}

// TestTokensOfEveryHonestForm: what the standards let an authority choose.
func TestTokensOfEveryHonestForm(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, bend := range honestForms(t, s) {
		t.Run(name, func(t *testing.T) { stamped(t, s, bend).accepted(t) })
	}
}

func honestForms(t *testing.T, s *sandbox.Sandbox) map[string]func(*token) {
	leaf := s.TSA.Chain[0]
	return map[string]func(k *token){
		"signing-time":          func(k *token) { k.set(t, oidSigningTime, s.Now().UTC()) },
		"signing-time-at-end":   func(k *token) { k.set(t, oidSigningTime, leaf.NotAfter.UTC()) },
		"signing-certificate-1": func(k *token) { k.set(t, oidSigningCertV2); k.set(t, oidSigningCert, namedV1(leaf.Raw)) },
		"both-forms":            func(k *token) { k.set(t, oidSigningCert, namedV1(leaf.Raw)) },
		"path-named-too":        func(k *token) { k.set(t, oidSigningCertV2, named(leaf.Raw, s.TSA.Chain[1].Raw)) },
		"sha512-imprint": func(k *token) {
			k.imprint(t, oidSHA512, func(b []byte) []byte { s := sha512.Sum512(b); return s[:] })
		},
		"extension":            func(k *token) { k.extension(t, false) },
		"unsigned-attribute":   func(k *token) { k.unsigned = [][]byte{attribute(t, asn1.ObjectIdentifier{1, 2, 3}, 1)} },
		"CRL":                  func(k *token) { k.crls = [][]byte{must(s.TSA.Issuer.CRL(s.Now(), s.Now().Add(time.Hour)))} },
		"no-certificates":      func(k *token) { k.certificates = nil },
		"all-certificates":     func(k *token) { k.certificates = [][]byte{s.TSA.Chain[2].Raw, s.TSA.Chain[1].Raw, leaf.Raw} },
		"key-as-its-algorithm": func(k *token) { k.signatureAlg = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1} },
	}
}

// imprint is of the same bytes, by another algorithm.
func (k *token) imprint(t *testing.T, oid asn1.ObjectIdentifier, hash func([]byte) []byte) {
	k.info.Imprint.Algorithm.Algorithm, k.info.Imprint.Hash = oid, hash(k.over)
	k.refresh(t)
}

func (k *token) extension(t *testing.T, critical bool) {
	k.info.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: critical, Value: []byte{5, 0}}}
	k.refresh(t)
}

// sorted returns the attributes as they should be sent, changed.
func (k *token) sorted(change func([][]byte) [][]byte) [][]byte {
	return change(slices.SortedFunc(slices.Values(k.attributes), bytes.Compare))
}

func named(certs ...[]byte) signingCertificate {
	var list signingCertificate
	for _, c := range certs {
		list.Certs = append(list.Certs, essCertID{Hash: sum256(c)})
	}
	return list
}

func namedBy(oid asn1.ObjectIdentifier, cert []byte) signingCertificate {
	sum := sha1.Sum(cert)
	return signingCertificate{[]essCertID{{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oid}, Hash: sum[:]}}}
}

func namedV1(cert []byte) signingCertV1 {
	sum := sha1.Sum(cert)
	return signingCertV1{[]essCertIDv1{{Hash: sum[:]}}}
}

// indefinite is the response in BER: its length is given by an end.
func indefinite(der []byte) []byte { return append(append([]byte{0x30, 0x80}, der[4:]...), 0, 0) }

// longForm writes a length below 128 or 256 with one byte too many.
func longForm(der []byte) []byte {
	if der[1] == 0x81 {
		return append([]byte{der[0], 0x82, 0}, der[2:]...)
	}
	return append([]byte{der[0], 0x81}, der[1:]...)
}

// shadow is a certificate for another key, of the same issuer and with the same
// serial number as the authority's.
func shadow(t *testing.T, s *sandbox.Sandbox, key *sandbox.Key) []byte {
	t.Helper()
	leaf, err := s.TSA.Issuer.Issue(sandbox.Request{Key: key, SANs: []sandbox.SAN{}, EKU: []asn1.ObjectIdentifier{}, Bend: func(c *x509.Certificate) {
		timestamping(c)
		c.SerialNumber = s.TSA.Chain[0].SerialNumber
	}})
	if err != nil {
		t.Fatal(err)
	}
	return leaf.DER
}
