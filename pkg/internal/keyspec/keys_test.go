package keyspec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"sync"
	"testing"
)

// The keys that the tests sign with, made once.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	made := make(map[string]crypto.Signer)
	var mu sync.Mutex
	var wg sync.WaitGroup
	add := func(name string, key crypto.Signer, err error) {
		if err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		made[name] = key
	}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		wg.Go(func() { key, err := ecdsa.GenerateKey(curve, rand.Reader); add(name, key, err) })
	}
	for name, bits := range map[string]int{"RSA-2048": 2048, "RSA-3072": 3072, "RSA-4096": 4096} {
		wg.Go(func() { key, err := rsa.GenerateKey(rand.Reader, bits); add(name, key, err) })
	}
	for name, params := range map[string]mldsa.Parameters{"ML-DSA-44": mldsa.MLDSA44(), "ML-DSA-65": mldsa.MLDSA65(), "ML-DSA-87": mldsa.MLDSA87()} {
		wg.Go(func() { key, err := mldsa.GenerateKey(params); add(name, key, err) })
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	add("Ed25519", key, err)
	wg.Wait()
	return made
})

// A method is one way to sign a message.
type method struct {
	hash crypto.Hash // of the message, before opts see it
	opts crypto.SignerOpts
}

var (
	sha256Method    = method{crypto.SHA256, crypto.SHA256}
	sha384Method    = method{crypto.SHA384, crypto.SHA384}
	sha512Method    = method{crypto.SHA512, crypto.SHA512}
	pssMethod       = method{crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}}
	ed25519Method   = method{0, crypto.Hash(0)}
	ed25519phMethod = method{crypto.SHA512, &ed25519.Options{Hash: crypto.SHA512}}
	mldsaMethod     = method{0, crypto.Hash(0)}
)

// algorithms says which key and method make a signature that is good under
// each Details, and under no other key or method.
var algorithms = map[Details]struct {
	keys   []string
	method method
}{
	PKCS1RSAPKCS1v5:     {[]string{"RSA-2048", "RSA-3072", "RSA-4096"}, sha256Method},
	PKCS1RSAPSS:         {[]string{"RSA-2048", "RSA-3072", "RSA-4096"}, pssMethod},
	RSAPKCS1v5:          {[]string{"RSA-2048", "RSA-3072", "RSA-4096"}, sha256Method},
	RSAPSS:              {[]string{"RSA-2048", "RSA-3072", "RSA-4096"}, pssMethod},
	RSA2048SHA256:       {[]string{"RSA-2048"}, sha256Method},
	RSA3072SHA256:       {[]string{"RSA-3072"}, sha256Method},
	RSA4096SHA256:       {[]string{"RSA-4096"}, sha256Method},
	RSAPSS2048SHA256:    {[]string{"RSA-2048"}, pssMethod},
	RSAPSS3072SHA256:    {[]string{"RSA-3072"}, pssMethod},
	RSAPSS4096SHA256:    {[]string{"RSA-4096"}, pssMethod},
	ECDSAP256SHA256:     {[]string{"P-256"}, sha256Method},
	ECDSAP256HMACSHA256: {[]string{"P-256"}, sha256Method},
	ECDSAP384SHA384:     {[]string{"P-384"}, sha384Method},
	ECDSAP384SHA256:     {[]string{"P-384"}, sha256Method},
	ECDSAP521SHA512:     {[]string{"P-521"}, sha512Method},
	ECDSAP521SHA256:     {[]string{"P-521"}, sha256Method},
	Ed25519:             {[]string{"Ed25519"}, ed25519Method},
	Ed25519ph:           {[]string{"Ed25519"}, ed25519phMethod},
	MLDSA44:             {[]string{"ML-DSA-44"}, mldsaMethod},
	MLDSA65:             {[]string{"ML-DSA-65"}, mldsaMethod},
	MLDSA87:             {[]string{"ML-DSA-87"}, mldsaMethod},
}

// methodsOf are all the ways that the tests sign with one key.
func methodsOf(key crypto.Signer) []method {
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		return []method{sha256Method, sha384Method, sha512Method}
	case *rsa.PublicKey:
		return []method{sha256Method, sha384Method, sha512Method, pssMethod}
	case ed25519.PublicKey:
		return []method{ed25519Method, ed25519phMethod}
	}
	return []method{mldsaMethod}
}

var message = []byte("hello, bundler")

func sign(t testing.TB, key crypto.Signer, m method) []byte {
	t.Helper()
	sig, err := key.Sign(rand.Reader, digest(m.hash, message), m.opts)
	if err != nil {
		t.Fatalf("signing with %s: %v", Describe(key.Public()), err)
	}
	return sig
}

// digest is the message itself for a method that does not hash first.
func digest(h crypto.Hash, message []byte) []byte {
	if h == 0 {
		return message
	}
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}

// weakRSA returns a public key of that many bits.
func weakRSA(bits int) *rsa.PublicKey {
	n := new(big.Int).SetBit(big.NewInt(12345), bits-1, 1)
	return &rsa.PublicKey{N: n, E: 65537}
}
