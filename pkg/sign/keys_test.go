package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
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
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(), "other": elliptic.P256()} {
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

var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

// A method is a way to sign: the hash that the message goes through first,
// zero for none, and what crypto.Signer is told.
type method struct {
	key  string
	hash crypto.Hash
	opts crypto.SignerOpts
}

// algorithms are all that may sign.
var algorithms = map[trustroot.KeyDetails]method{
	keyspec.ECDSAP256SHA256:  {"P-256", crypto.SHA256, crypto.SHA256},
	keyspec.ECDSAP384SHA384:  {"P-384", crypto.SHA384, crypto.SHA384},
	keyspec.ECDSAP521SHA512:  {"P-521", crypto.SHA512, crypto.SHA512},
	keyspec.Ed25519:          {"Ed25519", 0, crypto.Hash(0)},
	keyspec.Ed25519ph:        {"Ed25519", crypto.SHA512, &ed25519.Options{Hash: crypto.SHA512}},
	keyspec.RSA2048SHA256:    {"RSA-2048", crypto.SHA256, crypto.SHA256},
	keyspec.RSA3072SHA256:    {"RSA-3072", crypto.SHA256, crypto.SHA256},
	keyspec.RSA4096SHA256:    {"RSA-4096", crypto.SHA256, crypto.SHA256},
	keyspec.RSAPSS2048SHA256: {"RSA-2048", crypto.SHA256, pss},
	keyspec.RSAPSS3072SHA256: {"RSA-3072", crypto.SHA256, pss},
	keyspec.RSAPSS4096SHA256: {"RSA-4096", crypto.SHA256, pss},
	keyspec.MLDSA44:          {"ML-DSA-44", 0, crypto.Hash(0)},
	keyspec.MLDSA65:          {"ML-DSA-65", 0, crypto.Hash(0)},
	keyspec.MLDSA87:          {"ML-DSA-87", 0, crypto.Hash(0)},
}

// sign signs message as m says.
func (m method) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	if m.hash != 0 {
		h := m.hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	sig, err := keys()[m.key].Sign(rand.Reader, message, m.opts)
	if err != nil {
		t.Fatalf("signing with %s: %v", m.key, err)
	}
	return sig
}

func publicPEM(t testing.TB, key string) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(keys()[key].Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func keyOf(t testing.TB, key string) *Credential {
	t.Helper()
	c, err := ParsePublicKey(publicPEM(t, key), "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A pki issues certificates to the tests' keys.
type pki struct {
	root, intermediate []byte // DER
}

var caKeys = sync.OnceValue(func() [2]*ecdsa.PrivateKey {
	var list [2]*ecdsa.PrivateKey
	for i := range list {
		var err error
		if list[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			panic(err)
		}
	}
	return list
})

var testPKI = sync.OnceValue(func() pki {
	ca := caKeys()
	root := issue(caTemplate("Root"), nil, ca[0].Public(), ca[0])
	parsed, err := x509.ParseCertificate(root)
	if err != nil {
		panic(err)
	}
	return pki{root, issue(caTemplate("Intermediate"), parsed, ca[1].Public(), ca[0])}
})

func caTemplate(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
}

func leafTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Leaf"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
}

// issue makes a certificate; parent is nil for a self-signed one.
func issue(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) []byte {
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template.NotAfter = template.NotBefore.AddDate(10, 0, 0)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		panic(err)
	}
	return der
}

// leaf issues a certificate for that key under the intermediate.
func (p pki) leaf(t testing.TB, template *x509.Certificate, key string) []byte {
	t.Helper()
	parent, err := x509.ParseCertificate(p.intermediate)
	if err != nil {
		t.Fatal(err)
	}
	return issue(template, parent, keys()[key].Public(), caKeys()[1])
}

func chainPEM(certs ...[]byte) []byte {
	var b bytes.Buffer
	for _, der := range certs {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return b.Bytes()
}

func certificateOf(t testing.TB, key string) *Credential {
	t.Helper()
	p := testPKI()
	c, err := ParseCertificates(chainPEM(p.leaf(t, leafTemplate(), key), p.intermediate, p.root))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const statementText = `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"app","digest":{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}}],"predicateType":"https://example.com/p","predicate":{"n":1}}`

var artifact = []byte("test artifact\n")

func messageRequest(t testing.TB, alg trustroot.KeyDetails) *Request {
	t.Helper()
	q, err := NewMessageRequest("app.tar", bytes.NewReader(artifact), alg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func statementRequest(t testing.TB, alg trustroot.KeyDetails) *Request {
	t.Helper()
	q, err := NewStatementRequest("app.json", []byte(statementText), alg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func wantError(t testing.TB, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want one with %q", err, text)
	}
}
