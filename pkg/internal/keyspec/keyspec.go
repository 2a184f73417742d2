// Package keyspec answers: which signature algorithm does a public key
// prescribe, and did that key make this signature?
//
// Algorithms are named as protobuf-specs names them (PublicKeyDetails in
// sigstore_common.proto). A key verifies under exactly one of them: the one its
// keyring entry or trusted root states, or the one that Sigstore's algorithm
// registry prescribes for its type. Nothing weaker than the registry allows
// signs or verifies.
package keyspec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rsa"
	"encoding/json/jsontext"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

// Details names a public key's encoding and its signature algorithm. The
// numbers are those of protobuf-specs' PublicKeyDetails; zero is unspecified.
type Details int32

// The values of PublicKeyDetails. Those marked old are read, because trusted
// roots in use have them, and never written.
const (
	Unspecified         Details = 0
	PKCS1RSAPKCS1v5     Details = 1 // old: PKCS#1 DER, PKCS #1 v1.5 with SHA-256
	PKCS1RSAPSS         Details = 2 // old: PKCS#1 DER, PSS with SHA-256
	RSAPKCS1v5          Details = 3 // old: any size
	RSAPSS              Details = 4 // old: any size
	ECDSAP256SHA256     Details = 5
	ECDSAP256HMACSHA256 Details = 6 // old: the same to a verifier as P256
	Ed25519             Details = 7
	Ed25519ph           Details = 8
	RSA2048SHA256       Details = 9
	RSA3072SHA256       Details = 10
	RSA4096SHA256       Details = 11
	ECDSAP384SHA384     Details = 12
	ECDSAP521SHA512     Details = 13
	RSAPSS2048SHA256    Details = 16
	RSAPSS3072SHA256    Details = 17
	RSAPSS4096SHA256    Details = 18
	ECDSAP384SHA256     Details = 19 // old: made by early clients, weaker than the curve
	ECDSAP521SHA256     Details = 20 // old: made by early clients
	MLDSA65             Details = 21
	MLDSA87             Details = 22
	MLDSA44             Details = 23
)

type scheme int

const (
	ecdsaScheme scheme = iota + 1
	pkcs1v15Scheme
	pssScheme
	ed25519Scheme
	ed25519phScheme
	mldsaScheme
)

// spec is one row of the algorithm registry.
type spec struct {
	name   string
	scheme scheme
	hash   crypto.Hash // zero: the scheme signs the message, not a digest
	bits   int         // RSA modulus; zero: 2048 or more
	curve  elliptic.Curve
	mldsa  mldsa.Parameters
	pkcs1  bool // the key is PKCS#1 DER, not SubjectPublicKeyInfo
	old    bool
}

var specs = map[Details]spec{
	PKCS1RSAPKCS1v5:     {name: "PKCS1_RSA_PKCS1V5", scheme: pkcs1v15Scheme, hash: crypto.SHA256, pkcs1: true, old: true},
	PKCS1RSAPSS:         {name: "PKCS1_RSA_PSS", scheme: pssScheme, hash: crypto.SHA256, pkcs1: true, old: true},
	RSAPKCS1v5:          {name: "PKIX_RSA_PKCS1V5", scheme: pkcs1v15Scheme, hash: crypto.SHA256, old: true},
	RSAPSS:              {name: "PKIX_RSA_PSS", scheme: pssScheme, hash: crypto.SHA256, old: true},
	ECDSAP256SHA256:     {name: "PKIX_ECDSA_P256_SHA_256", scheme: ecdsaScheme, hash: crypto.SHA256, curve: elliptic.P256()},
	ECDSAP256HMACSHA256: {name: "PKIX_ECDSA_P256_HMAC_SHA_256", scheme: ecdsaScheme, hash: crypto.SHA256, curve: elliptic.P256(), old: true},
	Ed25519:             {name: "PKIX_ED25519", scheme: ed25519Scheme},
	Ed25519ph:           {name: "PKIX_ED25519_PH", scheme: ed25519phScheme, hash: crypto.SHA512},
	RSA2048SHA256:       {name: "PKIX_RSA_PKCS1V15_2048_SHA256", scheme: pkcs1v15Scheme, hash: crypto.SHA256, bits: 2048},
	RSA3072SHA256:       {name: "PKIX_RSA_PKCS1V15_3072_SHA256", scheme: pkcs1v15Scheme, hash: crypto.SHA256, bits: 3072},
	RSA4096SHA256:       {name: "PKIX_RSA_PKCS1V15_4096_SHA256", scheme: pkcs1v15Scheme, hash: crypto.SHA256, bits: 4096},
	ECDSAP384SHA384:     {name: "PKIX_ECDSA_P384_SHA_384", scheme: ecdsaScheme, hash: crypto.SHA384, curve: elliptic.P384()},
	ECDSAP521SHA512:     {name: "PKIX_ECDSA_P521_SHA_512", scheme: ecdsaScheme, hash: crypto.SHA512, curve: elliptic.P521()},
	RSAPSS2048SHA256:    {name: "PKIX_RSA_PSS_2048_SHA256", scheme: pssScheme, hash: crypto.SHA256, bits: 2048},
	RSAPSS3072SHA256:    {name: "PKIX_RSA_PSS_3072_SHA256", scheme: pssScheme, hash: crypto.SHA256, bits: 3072},
	RSAPSS4096SHA256:    {name: "PKIX_RSA_PSS_4096_SHA256", scheme: pssScheme, hash: crypto.SHA256, bits: 4096},
	ECDSAP384SHA256:     {name: "PKIX_ECDSA_P384_SHA_256", scheme: ecdsaScheme, hash: crypto.SHA256, curve: elliptic.P384(), old: true},
	ECDSAP521SHA256:     {name: "PKIX_ECDSA_P521_SHA_256", scheme: ecdsaScheme, hash: crypto.SHA256, curve: elliptic.P521(), old: true},
	MLDSA65:             {name: "ML_DSA_65", scheme: mldsaScheme, mldsa: mldsa.MLDSA65()},
	MLDSA87:             {name: "ML_DSA_87", scheme: mldsaScheme, mldsa: mldsa.MLDSA87()},
	MLDSA44:             {name: "ML_DSA_44", scheme: mldsaScheme, mldsa: mldsa.MLDSA44()},
}

var detailsNames = func() map[int32]string {
	names := make(map[int32]string, len(specs))
	for d, s := range specs {
		names[int32(d)] = s.name
	}
	return names
}()

// String returns the name that protobuf-specs gives d.
func (d Details) String() string {
	if s, ok := specs[d]; ok {
		return s.name
	}
	return fmt.Sprintf("PublicKeyDetails(%d)", int32(d))
}

// Parse returns the Details of that protobuf-specs name.
func Parse(name string) (Details, bool) {
	for d, s := range specs {
		if s.name == name {
			return d, true
		}
	}
	return 0, false
}

// Known reports whether this program can verify signatures of kind d.
func (d Details) Known() bool { _, ok := specs[d]; return ok }

// Old reports whether d is read for the sake of existing trusted roots only.
func (d Details) Old() bool { return specs[d].old }

// SameAlgorithm reports whether signatures of kinds d and e are made alike, by
// keys of one size: some algorithms have an old name and a new one.
func (d Details) SameAlgorithm(e Details) bool {
	a, b := specs[d], specs[e]
	return d.Known() && e.Known() && a.scheme == b.scheme && a.hash == b.hash && a.curve == b.curve && a.mldsa == b.mldsa
}

// Hash returns the digest that is signed, or zero where the scheme signs the
// message itself (Ed25519, ML-DSA).
func (d Details) Hash() crypto.Hash { return specs[d].hash }

func (d *Details) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	n, err := pbjson.ReadEnum(dec, detailsNames)
	*d = Details(n)
	return err
}

func (d Details) MarshalJSONTo(enc *jsontext.Encoder) error {
	if !d.Known() {
		return fmt.Errorf("expected known key details to write, found %v", d)
	}
	return enc.WriteToken(jsontext.String(d.String()))
}

// ForKey returns what a bare public key prescribes when nothing else is said
// about it: the registry's algorithm for its type, PKCS #1 v1.5 for RSA, and
// pure Ed25519. An unsupported or weak key is an error.
func ForKey(pub crypto.PublicKey) (Details, error) {
	if !usable(pub) {
		return 0, noAlgorithm(pub)
	}
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		switch pub.Curve {
		case elliptic.P256():
			return ECDSAP256SHA256, nil
		case elliptic.P384():
			return ECDSAP384SHA384, nil
		case elliptic.P521():
			return ECDSAP521SHA512, nil
		}
	case *rsa.PublicKey:
		switch pub.N.BitLen() {
		case 2048:
			return RSA2048SHA256, nil
		case 3072:
			return RSA3072SHA256, nil
		case 4096:
			return RSA4096SHA256, nil
		}
	case ed25519.PublicKey:
		return Ed25519, nil
	case *mldsa.PublicKey:
		switch pub.Parameters() {
		case mldsa.MLDSA44():
			return MLDSA44, nil
		case mldsa.MLDSA65():
			return MLDSA65, nil
		case mldsa.MLDSA87():
			return MLDSA87, nil
		}
	}
	return 0, noAlgorithm(pub)
}

func noAlgorithm(pub crypto.PublicKey) error {
	return fmt.Errorf("no signature algorithm is defined for %s (supported: ECDSA P-256, P-384, P-521; Ed25519; RSA 2048, 3072, 4096; ML-DSA-44, -65, -87)", Describe(pub))
}

// ForCertificate returns what a certified key prescribes. It differs from
// ForKey for Ed25519 alone: a message signature is made with Ed25519ph, the
// only form that a hashedrekord log entry can hold, and an envelope with pure
// Ed25519, as sigstore-go has it.
func ForCertificate(pub crypto.PublicKey, envelope bool) (Details, error) {
	d, err := ForKey(pub)
	if d == Ed25519 && !envelope {
		d = Ed25519ph
	}
	return d, err
}
