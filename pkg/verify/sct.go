package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

var oidSCTList = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

const maxSCTs = 32

// sct is a signed certificate timestamp: RFC 6962 section 3.2.
type sct struct {
	logID      []byte
	timestamp  uint64 // milliseconds since 1970
	extensions []byte
	hash, alg  uint8
	signature  []byte
}

// scts verifies the SCTs in the signer's certificate: a CT log's promise to
// publish it.
func (r *run) scts() {
	distinct := make(map[string]bool)
	list, err := parseSCTs(r.leaf)
	if err != nil {
		r.failf(CheckSCT, "SCTs of the signer's certificate: %v", err)
	}
	for _, s := range list {
		r.oneSCT(s, distinct)
	}
	r.threshold(CheckSCTThreshold, r.v.require.SCTs, distinct, "CT logs",
		"the certificate must be one that its CA logged, in a CT log that the trust config lists")
}

func (r *run) oneSCT(s *sct, distinct map[string]bool) {
	logs := r.ctLogsWithID(s.logID)
	if len(logs) == 0 {
		r.skipf(CheckSCT, "CT log %x is not in the trusted root", s.logID)
		return
	}
	if len(r.chain) < 2 {
		r.skipf(CheckSCT, "%s: not checked, since the certificate's issuer is not proved", logs[0].BaseURL)
		return
	}
	at := time.UnixMilli(int64(s.timestamp)).UTC()
	if s.timestamp > latest*1000 || !anyContains(logs, at) {
		r.failf(CheckSCT, "%s: logged at %s, when the log's key was not in use (%s)", logs[0].BaseURL, stamp(at), window(logs[0].ValidFor))
		return
	}
	// The certificate holds the SCT, and so is younger. Without this a log whose
	// window is open could promise anything from here to the end of time.
	if at.After(r.leaf.NotAfter) {
		r.failf(CheckSCT, "%s: logged at %s, after the certificate expired at %s", logs[0].BaseURL, stamp(at), stamp(r.leaf.NotAfter))
		return
	}
	if err := s.verify(r.leaf, r.chain[1], logs[0]); err != nil {
		r.failf(CheckSCT, "%s: %v", logs[0].BaseURL, err)
		return
	}
	distinct[logs[0].Identity()] = true
	r.rep.SCTs = append(r.rep.SCTs, SCT{LogURL: logs[0].BaseURL, Operator: logs[0].Operator, LogID: s.logID, Time: at})
	r.passf(CheckSCT, "%s logged the certificate at %s", logs[0].BaseURL, stamp(at))
}

func (r *run) ctLogsWithID(id []byte) []*trustroot.Log {
	var found []*trustroot.Log
	for _, l := range r.v.root.CTLogs {
		if string(l.ID) == string(id) {
			found = append(found, l)
		}
	}
	return found
}

// parseSCTs reads the list in the certificate; a certificate without one has
// none.
func parseSCTs(c *x509.Certificate) ([]*sct, error) {
	for _, ext := range c.Extensions {
		if ext.Id.Equal(oidSCTList) {
			return parseSCTList(ext.Value)
		}
	}
	return nil, nil
}

func parseSCTList(der []byte) ([]*sct, error) {
	input := cryptobyte.String(der)
	var octets, list cryptobyte.String
	if !input.ReadASN1(&octets, cbasn1.OCTET_STRING) || !input.Empty() ||
		!octets.ReadUint16LengthPrefixed(&list) || !octets.Empty() {
		return nil, errors.New("expected a list of SCTs")
	}
	var out []*sct
	for !list.Empty() {
		var item cryptobyte.String
		if !list.ReadUint16LengthPrefixed(&item) || len(out) == maxSCTs {
			return nil, fmt.Errorf("expected at most %d SCTs, each with its length", maxSCTs)
		}
		s, err := parseSCT(item)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func parseSCT(in cryptobyte.String) (*sct, error) {
	var version uint8
	var extensions, signature cryptobyte.String
	s := &sct{}
	ok := in.ReadUint8(&version) && version == 0 &&
		in.ReadBytes(&s.logID, sha256.Size) &&
		in.ReadUint64(&s.timestamp) &&
		in.ReadUint16LengthPrefixed(&extensions) &&
		in.ReadUint8(&s.hash) && in.ReadUint8(&s.alg) &&
		in.ReadUint16LengthPrefixed(&signature) && in.Empty()
	if !ok {
		return nil, errors.New("expected an SCT of version 1")
	}
	s.extensions, s.signature = extensions, signature
	return s, nil
}

// verify checks the log's signature over the certificate as it was before the
// SCTs were put into it.
func (s *sct) verify(leaf, issuer *x509.Certificate, log *trustroot.Log) error {
	if err := s.checkAlgorithm(log.Key); err != nil {
		return err
	}
	tbs, err := withoutSCTs(leaf.RawTBSCertificate)
	if err != nil {
		return err
	}
	issuerKey := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(s.extensions)+64))
	b.AddUint8(0) // version 1
	b.AddUint8(0) // certificate timestamp
	b.AddUint64(s.timestamp)
	b.AddUint16(1) // a precertificate
	b.AddBytes(issuerKey[:])
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.extensions) })
	signed, err := b.Bytes()
	if err != nil {
		return err
	}
	if err := keyspec.VerifyMessage(log.Key, log.KeyDetails, signed, s.signature); err != nil {
		return fmt.Errorf("the SCT is not the log's for this certificate: %w", err)
	}
	return nil
}

// checkAlgorithm holds the SCT to the algorithms of RFC 6962 section 2.1.4.
func (s *sct) checkAlgorithm(key crypto.PublicKey) error {
	const hashSHA256, sigRSA, sigECDSA = 4, 1, 3
	ok := s.hash == hashSHA256
	switch key.(type) {
	case *ecdsa.PublicKey:
		ok = ok && s.alg == sigECDSA
	case *rsa.PublicKey:
		ok = ok && s.alg == sigRSA
	}
	if !ok {
		return fmt.Errorf("the SCT's signature algorithm (%d, %d) is not that of the log's key", s.hash, s.alg)
	}
	return nil
}

// withoutSCTs returns the certificate's signed part without the extension that
// holds the SCTs: RFC 6962 section 3.2.
func withoutSCTs(tbs []byte) ([]byte, error) {
	bad := errors.New("the certificate's signed part does not parse")
	input := cryptobyte.String(tbs)
	var fields cryptobyte.String
	if !input.ReadASN1(&fields, cbasn1.SEQUENCE) || !input.Empty() {
		return nil, bad
	}
	extensionsTag := cbasn1.Tag(3).Constructed().ContextSpecific()
	var kept []byte
	for !fields.PeekASN1Tag(extensionsTag) {
		var field cryptobyte.String
		if !fields.ReadAnyASN1Element(&field, new(cbasn1.Tag)) {
			return nil, bad
		}
		kept = append(kept, field...)
	}
	var wrapped, list cryptobyte.String
	if !fields.ReadASN1(&wrapped, extensionsTag) || !fields.Empty() || !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil, bad
	}
	extensions, ok := dropExtension(list, oidSCTList)
	if !ok {
		return nil, bad
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(kept)
		b.AddASN1(extensionsTag, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(extensions) })
		})
	})
	return b.Bytes()
}

func dropExtension(list cryptobyte.String, drop asn1.ObjectIdentifier) ([]byte, bool) {
	var kept []byte
	for !list.Empty() {
		var element, content cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return nil, false
		}
		copied := element
		if !copied.ReadASN1(&content, cbasn1.SEQUENCE) || !content.ReadASN1ObjectIdentifier(&oid) {
			return nil, false
		}
		if !oid.Equal(drop) {
			kept = append(kept, element...)
		}
	}
	return kept, true
}
