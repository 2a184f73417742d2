//go:build cgo

package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const maxObjects = 64 // that are looked at, of one kind

const ckkECEdwards = 0x40 // CKK_EC_EDWARDS of PKCS #11 3.0

// A keyObject is a private key on a token, or its public half.
type keyObject struct {
	handle pkcs11.ObjectHandle
	kind   uint // CKK_…
	id     []byte
	label  string
}

func (k keyObject) String() string {
	return fmt.Sprintf("object=%q with id=%s", k.label, "%"+strings.ToUpper(hex.EncodeToString(k.id)))
}

// privateKey returns the one private key that u names.
func (s *session) privateKey(u *uri) (keyObject, error) {
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}
	all, err := s.find(template)
	if err != nil {
		return keyObject{}, err
	}
	if u.object != nil {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_LABEL, *u.object))
	}
	if u.id != nil {
		template = append(template, pkcs11.NewAttribute(pkcs11.CKA_ID, u.id))
	}
	found, err := s.find(template)
	if err != nil {
		return keyObject{}, err
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return keyObject{}, fmt.Errorf("token %q: expected a private key as the URI says, found %s", s.token.Label, list(all))
	}
	return keyObject{}, fmt.Errorf("token %q: expected one private key as the URI says, found %s: id=… tells them apart", s.token.Label, list(found))
}

func list(keys []keyObject) string {
	if len(keys) == 0 {
		return "no private key at all"
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// find returns the keys that match template.
func (s *session) find(template []*pkcs11.Attribute) ([]keyObject, error) {
	handles, err := s.handles(template)
	if err != nil {
		return nil, err
	}
	var keys []keyObject
	for _, h := range handles {
		k := keyObject{handle: h}
		kind, err := s.attribute(h, pkcs11.CKA_KEY_TYPE)
		if err != nil {
			return nil, err
		}
		k.kind = number(kind)
		// A key may have neither.
		k.id, _ = s.attribute(h, pkcs11.CKA_ID)
		label, _ := s.attribute(h, pkcs11.CKA_LABEL)
		k.label = string(label)
		keys = append(keys, k)
	}
	return keys, nil
}

func (s *session) handles(template []*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	ctx := s.module.ctx
	if err := ctx.FindObjectsInit(s.handle, template); err != nil {
		return nil, fmt.Errorf("token %q: looking for keys: %w", s.token.Label, err)
	}
	var handles []pkcs11.ObjectHandle
	var err error
	for err == nil && len(handles) <= maxObjects { // a module may return them one by one
		var more []pkcs11.ObjectHandle
		if more, _, err = ctx.FindObjects(s.handle, maxObjects); len(more) == 0 {
			break
		}
		handles = append(handles, more...)
	}
	err = errors.Join(err, ctx.FindObjectsFinal(s.handle))
	if err == nil && len(handles) > maxObjects {
		err = fmt.Errorf("expected at most %d keys, found more", maxObjects)
	}
	if err != nil {
		return nil, fmt.Errorf("token %q: looking for keys: %w", s.token.Label, err)
	}
	return handles, nil
}

func (s *session) attribute(h pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	got, err := s.module.ctx.GetAttributeValue(s.handle, h, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	if err != nil {
		return nil, err
	}
	if len(got) != 1 || len(got[0].Value) == 0 {
		return nil, fmt.Errorf("expected a value for the attribute %#x, found none", kind)
	}
	return got[0].Value, nil
}

// number reads a CK_ULONG, which has this machine's order and size.
func number(b []byte) uint {
	for kind := range uint(ckkECEdwards + 1) {
		if string(pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, kind).Value) == string(b) {
			return kind
		}
	}
	return ^uint(0)
}

// publicKey returns the public half of a private key: from the public key with
// its id, or else from the certificate with its id, as smart cards have it.
func (s *session) publicKey(private keyObject) (crypto.PublicKey, error) {
	if len(private.id) > 0 {
		match := func(class uint) ([]pkcs11.ObjectHandle, error) {
			return s.handles([]*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_ID, private.id)})
		}
		if keys, err := match(pkcs11.CKO_PUBLIC_KEY); err != nil {
			return nil, err
		} else if len(keys) == 1 {
			return s.readPublic(keys[0], private.kind)
		}
		if certs, err := match(pkcs11.CKO_CERTIFICATE); err != nil {
			return nil, err
		} else if len(certs) == 1 {
			return s.certified(certs[0])
		}
	}
	if private.kind == pkcs11.CKK_RSA { // whose private half has the public one's parts
		return s.readPublic(private.handle, private.kind)
	}
	return nil, fmt.Errorf("expected one public key or certificate with the id of the private key, %v, found neither", private)
}

func (s *session) certified(h pkcs11.ObjectHandle) (crypto.PublicKey, error) {
	der, err := s.attribute(h, pkcs11.CKA_VALUE)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return cert.PublicKey, nil
}

// readPublic builds a public key from the attributes of an object.
func (s *session) readPublic(h pkcs11.ObjectHandle, kind uint) (crypto.PublicKey, error) {
	first, second := uint(pkcs11.CKA_EC_PARAMS), uint(pkcs11.CKA_EC_POINT)
	if kind == pkcs11.CKK_RSA {
		first, second = pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT
	}
	a, err := s.attribute(h, first)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	b, err := s.attribute(h, second)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	switch kind {
	case pkcs11.CKK_RSA:
		e := new(big.Int).SetBytes(b)
		if e.BitLen() > 31 {
			return nil, fmt.Errorf("expected an RSA exponent of at most 31 bits, found %d", e.BitLen())
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(a), E: int(e.Int64())}, nil
	case pkcs11.CKK_EC:
		return ecPublic(a, b)
	case ckkECEdwards:
		return edwardsPublic(a, b)
	}
	return nil, errors.New("expected an ECDSA, RSA or Ed25519 key on the token, found another")
}

// The curves that PKCS#11 names by OID, and Ed25519, which some modules name
// by its name.
var curves = map[string]elliptic.Curve{
	"1.2.840.10045.3.1.7": elliptic.P256(),
	"1.3.132.0.34":        elliptic.P384(),
	"1.3.132.0.35":        elliptic.P521(),
}

func ecPublic(params, point []byte) (crypto.PublicKey, error) {
	var oid asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(params, &oid); err != nil || len(rest) > 0 {
		return nil, errors.New("expected the curve of an ECDSA key by its OID, found something else")
	}
	curve := curves[oid.String()]
	if curve == nil {
		return nil, fmt.Errorf("expected an ECDSA key on P-256, P-384 or P-521, found curve %v", oid)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(curve, unwrap(point))
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return pub, nil
}

func edwardsPublic(params, point []byte) (crypto.PublicKey, error) {
	name := cryptobyte.String(params)
	var text cryptobyte.String
	var oid asn1.ObjectIdentifier
	byName := name.ReadASN1(&text, casn1.PrintableString) && string(text) == "edwards25519"
	if _, err := asn1.Unmarshal(params, &oid); !byName && (err != nil || !oid.Equal(asn1.ObjectIdentifier{1, 3, 101, 112})) {
		return nil, errors.New("expected an Ed25519 key, found one on another Edwards curve")
	}
	point = unwrap(point)
	if len(point) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("expected an Ed25519 key of %d bytes, found %d", ed25519.PublicKeySize, len(point))
	}
	return ed25519.PublicKey(point), nil
}

// unwrap takes the OCTET STRING off a point. Modules older than PKCS #11 2.40
// leave it out.
func unwrap(point []byte) []byte {
	s := cryptobyte.String(point)
	var inner cryptobyte.String
	if s.ReadASN1(&inner, casn1.OCTET_STRING) && s.Empty() {
		return inner
	}
	return point
}
