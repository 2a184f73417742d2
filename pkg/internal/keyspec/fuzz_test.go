package keyspec

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"testing"
)

// FuzzParseKey asserts that a key that is accepted fits, has this one encoding,
// and does not verify a signature that nobody made.
func FuzzParseKey(f *testing.F) {
	accepted := 0
	for name, key := range keys() {
		der := pkix(f, key.Public())
		d, err := ForKey(key.Public())
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		f.Add(der, int32(d))
		if _, err := ParseKey(der, d); err == nil {
			accepted++
		}
	}
	f.Add(x509.MarshalPKCS1PublicKey(keys()["RSA-2048"].Public().(*rsa.PublicKey)), int32(PKCS1RSAPSS))
	f.Add(unaligned(f, namedP256), int32(ECDSAP256SHA256))
	f.Add(explicitP256, int32(ECDSAP256SHA256))
	if accepted != len(keys()) {
		f.Fatalf("%d seeds are accepted, want %d", accepted, len(keys()))
	}
	f.Fuzz(func(t *testing.T, der []byte, n int32) {
		d := Details(n)
		pub, err := ParseKey(der, d)
		if err != nil {
			if pub != nil {
				t.Errorf("got a key beside %v", err)
			}
			return
		}
		if err := Check(pub, d); err != nil {
			t.Error(err)
		}
		if !specs[d].pkcs1 && !bytes.Equal(pkix(t, pub), der) {
			t.Errorf("%x: a second encoding of a key is accepted", der)
		}
		for _, sig := range [][]byte{nil, der, make([]byte, 64), make([]byte, 256)} {
			// A key of small order verifies the zero signature: whoever trusts
			// such a key has been given it by someone who wants that.
			if err := VerifyMessage(pub, d, der, sig); err == nil && specs[d].scheme != ed25519Scheme && specs[d].scheme != ed25519phScheme {
				t.Errorf("%v: %x verifies under %x", d, sig, der)
			}
		}
	})
}
