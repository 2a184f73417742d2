package verify

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// The ASN.1 of a time-stamp response. Source: RFC 3161 section 2.4.2, RFC 5652
// section 5, RFC 5816, RFC 5035.
type (
	tsResponse struct {
		Status struct {
			Status int
			Text   []string       `asn1:"optional"`
			Fail   asn1.BitString `asn1:"optional"`
		}
		Token contentInfo `asn1:"optional"`
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version      int
		DigestAlgs   []pkix.AlgorithmIdentifier `asn1:"set"`
		Encapsulated struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
		}
		Certificates asn1.RawValue `asn1:"optional,tag:0"`
		CRLs         asn1.RawValue `asn1:"optional,tag:1"`
		Signers      []signerInfo  `asn1:"set"`
	}
	signerInfo struct {
		Version       int
		ID            asn1.RawValue
		DigestAlg     pkix.AlgorithmIdentifier
		SignedAttrs   asn1.RawValue `asn1:"optional,tag:0"`
		SignatureAlg  pkix.AlgorithmIdentifier
		Signature     []byte
		UnsignedAttrs []attribute `asn1:"optional,tag:1,set"`
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	tstInfo struct {
		Version        int
		Policy         asn1.ObjectIdentifier
		MessageImprint struct {
			Algorithm     pkix.AlgorithmIdentifier
			HashedMessage []byte
		}
		Serial     *big.Int
		GenTime    time.Time        `asn1:"generalized"`
		Accuracy   accuracy         `asn1:"optional"`
		Ordering   bool             `asn1:"optional"`
		Nonce      *big.Int         `asn1:"optional"`
		TSA        asn1.RawValue    `asn1:"optional,explicit,tag:0"`
		Extensions []pkix.Extension `asn1:"optional,tag:1"`
	}
	accuracy struct {
		Seconds int `asn1:"optional"`
		Millis  int `asn1:"optional,tag:0"`
		Micros  int `asn1:"optional,tag:1"`
	}
)

var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
)

const maxTokenCertificates = 8

// A timestampToken is a parsed response. Nothing in it is proved.
type timestampToken struct {
	info         tstInfo
	imprintHash  crypto.Hash
	content      []byte // DER of info, what the signature covers by way of its digest
	signer       signerInfo
	certificates []*x509.Certificate
}

func parseTimestamp(der []byte) (*timestampToken, error) {
	var resp tsResponse
	if err := unmarshalAll(der, &resp, "a time-stamp response"); err != nil {
		return nil, err
	}
	if s := resp.Status.Status; s != 0 {
		return nil, fmt.Errorf("expected a request that was granted (status 0), found status %d", s)
	}
	if !resp.Token.Type.Equal(oidSignedData) {
		return nil, errors.New("expected signed data in the time-stamp response")
	}
	var sd signedData
	if err := unmarshalAll(resp.Token.Content.Bytes, &sd, "signed data"); err != nil {
		return nil, err
	}
	if !sd.Encapsulated.Type.Equal(oidTSTInfo) || len(sd.Signers) != 1 {
		return nil, fmt.Errorf("expected time-stamp information signed by one signer, found type %v and %d signers", sd.Encapsulated.Type, len(sd.Signers))
	}
	t := &timestampToken{signer: sd.Signers[0]}
	if err := unmarshalAll(sd.Encapsulated.Content.Bytes, &t.content, "an octet string"); err != nil {
		return nil, err
	}
	if err := unmarshalAll(t.content, &t.info, "time-stamp information"); err != nil {
		return nil, err
	}
	if t.info.Version != 1 {
		return nil, fmt.Errorf("expected time-stamp information of version 1, found version %d", t.info.Version)
	}
	var err error
	if t.imprintHash, err = hashOf(t.info.MessageImprint.Algorithm.Algorithm); err != nil {
		return nil, fmt.Errorf("message imprint: %w", err)
	}
	for _, ext := range t.info.Extensions {
		if ext.Critical {
			return nil, fmt.Errorf("it has an unknown critical extension %v", ext.Id)
		}
	}
	if t.certificates, err = parseCertificateSet(sd.Certificates.Bytes); err != nil {
		return nil, err
	}
	if err := checkCRLs(sd.CRLs.Bytes); err != nil {
		return nil, err
	}
	return t, nil
}

// unmarshalAll parses DER that must be one value and nothing after it.
func unmarshalAll(der []byte, v any, what string) error {
	rest, err := asn1.Unmarshal(der, v)
	if err != nil {
		return fmt.Errorf("expected %s: %w", what, err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("expected %s and nothing after it, found %d more bytes", what, len(rest))
	}
	return nil
}

func parseCertificateSet(der []byte) ([]*x509.Certificate, error) {
	certs, err := x509.ParseCertificates(der)
	if err != nil {
		return nil, fmt.Errorf("certificates of the token: %w", err)
	}
	if len(certs) > maxTokenCertificates {
		return nil, fmt.Errorf("expected at most %d certificates in the token, found %d", maxTokenCertificates, len(certs))
	}
	return certs, nil
}

// checkCRLs refuses what stands in the place of a token's CRLs and is none.
// They are not used: which CRLs count is for the verifier's owner to say.
func checkCRLs(der []byte) error {
	for rest := der; len(rest) > 0; {
		var raw asn1.RawValue
		after, err := asn1.Unmarshal(rest, &raw)
		if err == nil {
			_, err = x509.ParseRevocationList(raw.FullBytes)
		}
		if err != nil {
			return fmt.Errorf("CRLs of the token: %w", err)
		}
		rest = after
	}
	return nil
}

// isSigner reports whether the token says that c signed it.
func (t *timestampToken) isSigner(c *x509.Certificate) bool {
	if t.signer.ID.Class == asn1.ClassContextSpecific && t.signer.ID.Tag == 0 {
		return len(c.SubjectKeyId) > 0 && bytes.Equal(t.signer.ID.Bytes, c.SubjectKeyId)
	}
	var id issuerAndSerial
	if unmarshalAll(t.signer.ID.FullBytes, &id, "issuer and serial number") != nil {
		return false
	}
	return bytes.Equal(id.Issuer.FullBytes, c.RawIssuer) && id.Serial.Cmp(c.SerialNumber) == 0
}

func (t *timestampToken) embeddedSigner() *x509.Certificate {
	for _, c := range t.certificates {
		if t.isSigner(c) {
			return c
		}
	}
	return nil
}

func (t *timestampToken) signerName() string {
	if c := t.embeddedSigner(); c != nil {
		return fmt.Sprintf("%q", c.Subject)
	}
	var id issuerAndSerial
	var issuer pkix.RDNSequence
	if unmarshalAll(t.signer.ID.FullBytes, &id, "") == nil && unmarshalAll(id.Issuer.FullBytes, &issuer, "") == nil {
		return fmt.Sprintf("serial number %v of %q", id.Serial, issuer)
	}
	return "an unnamed signer"
}
