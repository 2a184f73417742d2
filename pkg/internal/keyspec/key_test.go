package keyspec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func TestParseKeyRefusesOtherKeysAndEncodings(t *testing.T) {
	t.Parallel()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, rsa2048, ed := pkix(t, keys()["P-256"].Public()), pkix(t, keys()["RSA-2048"].Public()), pkix(t, keys()["Ed25519"].Public())
	pkcs1 := x509.MarshalPKCS1PublicKey(keys()["RSA-2048"].Public().(*rsa.PublicKey))
	for _, test := range []struct {
		name     string
		d        Details
		refused  []byte
		accepted []byte
	}{
		{"K03-RSA-1024", RSAPKCS1v5, pkix(t, weakRSA(1024)), rsa2048},
		{"K03-RSA-1024-PKCS1", PKCS1RSAPKCS1v5, x509.MarshalPKCS1PublicKey(weakRSA(1024)), pkcs1},
		{"K03-RSA-2047", RSA2048SHA256, pkix(t, weakRSA(2047)), rsa2048},
		{"K03-RSA-2047-any-size", RSAPKCS1v5, pkix(t, weakRSA(2047)), rsa2048},
		{"K03-RSA-8192", RSAPKCS1v5, pkix(t, weakRSA(8192)), rsa2048},
		{"K03-P-224", ECDSAP256SHA256, pkix(t, p224.Public()), p256},
		{"K03-explicit-curve", ECDSAP256SHA256, explicitP256, namedP256},
		{"K05-P-384-for-P-256", ECDSAP256SHA256, pkix(t, keys()["P-384"].Public()), p256},
		{"K05-RSA-for-ECDSA", ECDSAP256SHA256, rsa2048, p256},
		{"K05-RSA-3072-for-2048", RSA2048SHA256, pkix(t, keys()["RSA-3072"].Public()), rsa2048},
		{"K05-Ed25519-for-ML-DSA", MLDSA44, ed, pkix(t, keys()["ML-DSA-44"].Public())},
		{"K05-ML-DSA-65-for-44", MLDSA44, pkix(t, keys()["ML-DSA-65"].Public()), pkix(t, keys()["ML-DSA-44"].Public())},
		{"PKIX-for-PKCS1", PKCS1RSAPKCS1v5, rsa2048, pkcs1},
		{"PKCS1-for-PKIX", RSA2048SHA256, pkcs1, rsa2048},
		{"trailing-byte", ECDSAP256SHA256, append(slices.Clip(p256), 0), p256},
		{"trailing-byte-PKCS1", PKCS1RSAPSS, append(slices.Clip(pkcs1), 0), pkcs1},
		{"truncated", Ed25519, ed[:len(ed)-1], ed},
		{"second-encoding", ECDSAP256SHA256, unaligned(t, p256), p256},
		{"empty", Ed25519, nil, ed},
		{"unspecified", Unspecified, ed, nil},
		{"LMS", Details(14), ed, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if pub, err := ParseKey(test.refused, test.d); err == nil || pub != nil {
				t.Errorf("as %v: got %v, %v, want an error and no key", test.d, pub, err)
			}
			if test.accepted == nil {
				return
			}
			if _, err := ParseKey(test.accepted, test.d); err != nil {
				t.Errorf("the twin as %v: got %v, want it accepted", test.d, err)
			}
		})
	}
}

func TestEmptyKeysFitNothing(t *testing.T) {
	t.Parallel()
	empty := []crypto.PublicKey{
		nil, (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}, (*rsa.PublicKey)(nil), &rsa.PublicKey{}, ed25519.PublicKey(nil),
		make(ed25519.PublicKey, 31), (*mldsa.PublicKey)(nil), &mldsa.PublicKey{}, "key", keys()["P-256"], ecdsa.PublicKey{},
	}
	for _, pub := range empty {
		for d := range specs {
			if err := Check(pub, d); err == nil {
				t.Errorf("%T fits %v", pub, d)
			}
			if err := VerifyMessage(pub, d, message, make([]byte, 64)); err == nil || err == ErrSignature {
				t.Errorf("%T as %v: got %v, want an error about the key", pub, d, err)
			}
		}
		if d, err := ForKey(pub); err == nil || d != Unspecified {
			t.Errorf("%T prescribes %v", pub, d)
		}
	}
}

// A P-256 key by the curve's name, and the same key by the curve's parameters:
// openssl pkey -pubin -in KEY -pubout -ec_param_enc explicit -outform DER.
var (
	namedP256 = unhex(`
		3059301306072a8648ce3d020106082a8648ce3d030107034200046a5760daae7a568bfc68dafb1be8c46671fbbfe3eb
		76f221aed35b8a2cf5c1b62ac9801756b2118c9ea47cb9a9daa045f726b85ac4933af72dc547646de7b971
	`)
	explicitP256 = unhex(`
		3082014b3082010306072a8648ce3d02013081f7020101302c06072a8648ce3d0101022100ffffffff00000001000000
		000000000000000000ffffffffffffffffffffffff305b0420ffffffff00000001000000000000000000000000ffffff
		fffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b031500c49d
		360886e704936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a139
		45d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00000000
		ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101034200046a5760daae7a568bfc68dafb1be8c46671
		fbbfe3eb76f221aed35b8a2cf5c1b62ac9801756b2118c9ea47cb9a9daa045f726b85ac4933af72dc547646de7b971
	`)
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

func pkix(t testing.TB, pub crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
