package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // in the first form of certificate ids
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Signed attributes: RFC 5652 section 11, RFC 5035.
var (
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCert   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
)

const maxAttributes = 32

// checkSignature verifies that leaf signed the token: the attributes name the
// content's digest and the certificate, and the signature is over them.
func (t *timestampToken) checkSignature(leaf *x509.Certificate) error {
	hash, err := hashOf(t.signer.DigestAlg.Algorithm)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	attrs, err := t.attributes()
	if err != nil {
		return err
	}
	var contentType asn1.ObjectIdentifier
	if err := attrs.single(oidContentType, &contentType); err != nil || !contentType.Equal(oidTSTInfo) {
		return errors.New("expected a signed content type of time-stamp information")
	}
	var digest []byte
	if err := attrs.single(oidMessageDigest, &digest); err != nil {
		return fmt.Errorf("signed message digest: %w", err)
	}
	h := hash.New()
	h.Write(t.content)
	if !bytes.Equal(h.Sum(nil), digest) {
		return errors.New("the signed message digest is not the content's")
	}
	if err := attrs.namesCertificate(leaf); err != nil {
		return err
	}
	if err := attrs.signedWhileValid(leaf); err != nil {
		return err
	}
	// The signature covers the attributes as a SET OF, not as they are tagged
	// in the message: RFC 5652 section 5.4.
	signed := slices.Clone(t.signer.SignedAttrs.FullBytes)
	signed[0] = asn1.TagSet | 0x20
	if alg := t.signer.SignatureAlg.Algorithm; !namesSignature(alg, leaf, hash) {
		return fmt.Errorf("expected a signature algorithm of %q's key with %v, found %v", leaf.Subject, hash, alg)
	}
	return verifyCMS(leaf, hash, signed, t.signer.Signature)
}

// Algorithm identifiers of signatures: RFC 5754, RFC 8419.
var (
	oidRSA        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEC         = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidEd25519    = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidsWithRSA   = map[crypto.Hash]asn1.ObjectIdentifier{crypto.SHA256: {1, 2, 840, 113549, 1, 1, 11}, crypto.SHA384: {1, 2, 840, 113549, 1, 1, 12}, crypto.SHA512: {1, 2, 840, 113549, 1, 1, 13}}
	oidsWithECDSA = map[crypto.Hash]asn1.ObjectIdentifier{crypto.SHA256: {1, 2, 840, 10045, 4, 3, 2}, crypto.SHA384: {1, 2, 840, 10045, 4, 3, 3}, crypto.SHA512: {1, 2, 840, 10045, 4, 3, 4}}
	oidsOfCurves  = map[string]asn1.ObjectIdentifier{"P-256": {1, 2, 840, 10045, 3, 1, 7}, "P-384": {1, 3, 132, 0, 34}, "P-521": {1, 3, 132, 0, 35}}
)

// namesSignature reports whether alg is a name of what verifyCMS verifies. Some
// signers name the key alone there, or its curve; the digest algorithm then
// says the rest.
func namesSignature(alg asn1.ObjectIdentifier, leaf *x509.Certificate, hash crypto.Hash) bool {
	switch pub := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return alg.Equal(oidsWithECDSA[hash]) || alg.Equal(oidEC) || alg.Equal(oidsOfCurves[pub.Curve.Params().Name])
	case *rsa.PublicKey:
		return alg.Equal(oidsWithRSA[hash]) || alg.Equal(oidRSA)
	case ed25519.PublicKey:
		return alg.Equal(oidEd25519)
	}
	return false
}

func verifyCMS(leaf *x509.Certificate, hash crypto.Hash, signed, sig []byte) error {
	h := hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	ok := false
	switch pub := leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		ok = pub.Curve.Params().BitSize >= 256 && ecdsa.VerifyASN1(pub, digest, sig)
	case *rsa.PublicKey:
		ok = pub.N.BitLen() >= 2048 && rsa.VerifyPKCS1v15(pub, hash, digest, sig) == nil
	case ed25519.PublicKey:
		ok = hash == crypto.SHA512 && ed25519.Verify(pub, signed, sig) // RFC 8419
	}
	if !ok {
		return fmt.Errorf("its signature was not made by the key of %q", leaf.Subject)
	}
	return nil
}

// attributes are the signed attributes, in DER's order of a SET OF.
type attributes []attribute

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue
}

// attributes parses the signed attributes. What is signed is their DER, which
// is sorted; sent in another order they would be signed as sent, or not, as
// each reader likes.
func (t *timestampToken) attributes() (attributes, error) {
	if len(t.signer.SignedAttrs.Bytes) == 0 || !t.signer.SignedAttrs.IsCompound {
		return nil, errors.New("expected signed attributes, found none")
	}
	var attrs attributes
	var last []byte
	for rest := t.signer.SignedAttrs.Bytes; len(rest) > 0; {
		var a attribute
		after, err := asn1.Unmarshal(rest, &a)
		if err != nil {
			return nil, fmt.Errorf("signed attributes: %w", err)
		}
		this := rest[:len(rest)-len(after)]
		switch {
		case len(attrs) == maxAttributes:
			return nil, fmt.Errorf("expected at most %d signed attributes, found more", maxAttributes)
		case bytes.Compare(last, this) >= 0:
			return nil, errors.New("expected signed attributes in the order of DER, each once")
		case a.Values.Class != asn1.ClassUniversal || a.Values.Tag != asn1.TagSet || !a.Values.IsCompound:
			return nil, fmt.Errorf("expected the values of signed attribute %v in a set", a.Type)
		}
		attrs, last, rest = append(attrs, a), this, after
	}
	return attrs, nil
}

// has reports whether there is an attribute of that type.
func (as attributes) has(oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(as, func(a attribute) bool { return a.Type.Equal(oid) })
}

// single parses the only value of the only attribute of that type.
func (as attributes) single(oid asn1.ObjectIdentifier, v any) error {
	var value []byte
	found := 0
	for _, a := range as {
		if a.Type.Equal(oid) {
			value = a.Values.Bytes
			found++
		}
	}
	if found != 1 {
		return fmt.Errorf("expected attribute %v once, found it %d times", oid, found)
	}
	return unmarshalAll(value, v, "one value")
}

// signedWhileValid holds the signer's own idea of the time, if it states one,
// to its certificate, as other verifiers do. It proves nothing: what counts is
// the time that was asked for.
func (as attributes) signedWhileValid(leaf *x509.Certificate) error {
	if !as.has(oidSigningTime) {
		return nil
	}
	var at time.Time
	if err := as.single(oidSigningTime, &at); err != nil {
		return fmt.Errorf("signing time: %w", err)
	}
	if err := validAt([]*x509.Certificate{leaf}, at); err != nil {
		return fmt.Errorf("signing time: %w", err)
	}
	return nil
}

// A signing certificate attribute names the signer's certificate, and perhaps
// those above it: RFC 5035 sections 3 and 4.
type (
	signingCertificate struct {
		Certs    []asn1.RawValue
		Policies asn1.RawValue `asn1:"optional"`
	}
	essCertID struct {
		Hash []byte
		Rest asn1.RawValue `asn1:"optional"`
	}
	essCertIDv2 struct {
		Algorithm pkix.AlgorithmIdentifier `asn1:"optional"`
		Hash      []byte
		Rest      asn1.RawValue `asn1:"optional"`
	}
)

// namesCertificate checks the signing certificate attributes, which tie the
// signature to one certificate: one of them must be there, and what is there
// must be right.
func (as attributes) namesCertificate(leaf *x509.Certificate) error {
	named := false
	for _, version := range []struct {
		oid  asn1.ObjectIdentifier
		hash func(der []byte) (crypto.Hash, []byte, error)
	}{
		{oidSigningCert, parseCertID},
		{oidSigningCertV2, parseCertIDv2},
	} {
		if !as.has(version.oid) {
			continue
		}
		var list signingCertificate
		if err := as.single(version.oid, &list); err != nil {
			return fmt.Errorf("signing certificate: %w", err)
		}
		if len(list.Certs) == 0 {
			return errors.New("signing certificate: none named")
		}
		hash, got, err := version.hash(list.Certs[0].FullBytes)
		if err != nil {
			return fmt.Errorf("signing certificate: %w", err)
		}
		h := hash.New()
		h.Write(leaf.Raw)
		if !bytes.Equal(h.Sum(nil), got) {
			return fmt.Errorf("it names another signing certificate than %q", leaf.Subject)
		}
		named = true
	}
	if !named {
		return errors.New("signing certificate: expected an attribute that names it, found none")
	}
	return nil
}

// parseCertID parses the first form of a certificate id, which is a SHA-1. It
// is only an identifier here: the certificate is known, and its key verified.
func parseCertID(der []byte) (crypto.Hash, []byte, error) {
	var id essCertID
	err := unmarshalAll(der, &id, "a certificate id")
	return crypto.SHA1, id.Hash, err
}

// parseCertIDv2 parses the second form, by SHA-256 unless it says otherwise.
func parseCertIDv2(der []byte) (crypto.Hash, []byte, error) {
	id := essCertIDv2{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidSHA256}}
	if err := unmarshalAll(der, &id, "a certificate id"); err != nil {
		return 0, nil, err
	}
	hash, err := hashOf(id.Algorithm.Algorithm)
	return hash, id.Hash, err
}
