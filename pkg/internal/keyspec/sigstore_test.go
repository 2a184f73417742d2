package keyspec

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
)

// leftOut are the numbers of no value at all, and of hash-based signatures (LMS
// and LM-OTS, deprecated) that no client makes.
var leftOut = map[int32]bool{0: true, 14: true, 15: true}

func TestNamesAndNumbersAreThoseOfProtobufSpecs(t *testing.T) {
	t.Parallel()
	for n, name := range commonpb.PublicKeyDetails_name {
		d, ok := Parse(name)
		if leftOut[n] {
			if ok || Details(n).Known() {
				t.Errorf("%s (%d) is known", name, n)
			}
			continue
		}
		if !ok || d != Details(n) || d.String() != name {
			t.Errorf("%s: got %v (%d), %v, want %d", name, d, int32(d), ok, n)
		}
	}
	if got, want := len(specs), len(commonpb.PublicKeyDetails_name)-len(leftOut); got != want {
		t.Errorf("got %d algorithms, want the %d of protobuf-specs", got, want)
	}
}

// Sigstore's algorithm registry says which key and hash belong together, and
// which of the old names it still has.
func TestKeysAndHashesAreThoseOfTheRegistry(t *testing.T) {
	t.Parallel()
	found := 0
	for d := range specs {
		registered, err := signature.GetAlgorithmDetails(commonpb.PublicKeyDetails(d))
		if err != nil {
			if !d.Old() {
				t.Errorf("%v is not in the registry, and not old", d)
			}
			continue
		}
		found++
		if got, want := d.Hash(), registered.GetHashType(); got != want {
			t.Errorf("%v: got %v, want %v", d, got, want)
		}
		config, err := signature.NewAlgorithmRegistryConfig([]commonpb.PublicKeyDetails{commonpb.PublicKeyDetails(d)})
		if err != nil {
			t.Fatal(err)
		}
		for name, key := range keys() {
			want, err := config.IsAlgorithmPermitted(key.Public(), d.Hash())
			if got := Check(key.Public(), d) == nil; got != want || err != nil {
				t.Errorf("%s for %v: got %v, want %v, %v", name, d, got, want, err)
			}
		}
	}
	if found < 15 {
		t.Errorf("found %d algorithms in the registry: too few to tell", found)
	}
}

func TestVerdictsAreThoseOfSigstore(t *testing.T) {
	t.Parallel()
	for name, key := range keys() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, m := range methodsOf(key) {
				sig := sign(t, key, m)
				mangled := bytes.Clone(sig)
				mangled[len(sig)-1] ^= 1
				for d := range specs {
					if Check(key.Public(), d) != nil {
						continue // sigstore's verifiers do not ask whether the key is of d's size
					}
					theirs := sigstoreVerifier(t, key.Public(), d)
					for _, sig := range [][]byte{sig, mangled, nil} {
						got := VerifyMessage(key.Public(), d, message, sig)
						want := theirs.VerifySignature(bytes.NewReader(sig), bytes.NewReader(message))
						if (got == nil) != (want == nil) {
							t.Errorf("%s signed by %v, verified as %v: got %v, sigstore says %v", name, m, d, got, want)
						}
					}
				}
			}
		})
	}
}

func sigstoreVerifier(t *testing.T, pub crypto.PublicKey, d Details) (v signature.Verifier) {
	t.Helper()
	var err error
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		v, err = signature.LoadECDSAVerifier(pub, d.Hash())
	case *rsa.PublicKey:
		if specs[d].scheme == pssScheme {
			v, err = signature.LoadRSAPSSVerifier(pub, d.Hash(), nil)
		} else {
			v, err = signature.LoadRSAPKCS1v15Verifier(pub, d.Hash())
		}
	case ed25519.PublicKey:
		if d == Ed25519ph {
			v, err = signature.LoadED25519phVerifier(pub)
		} else {
			v, err = signature.LoadED25519Verifier(pub)
		}
	case *mldsa.PublicKey:
		v, err = signature.LoadMLDSAVerifier(pub)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Signers choose the length of a PSS salt: what sigstore's signer and openssl
// make by default is as long as fits, not as long as the hash.
func TestAnySaltLengthVerifies(t *testing.T) {
	t.Parallel()
	key := keys()["RSA-2048"].(*rsa.PrivateKey)
	signer, err := signature.LoadRSAPSSSigner(key, crypto.SHA256, nil)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.SignMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	hashLength := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	if rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest(crypto.SHA256, message), sig, hashLength) == nil {
		t.Error("sigstore's salt is as long as the hash: this test has lost its reason")
	}
	for name, sig := range map[string][]byte{
		"sigstore":   sig,
		"empty salt": sign(t, key, method{crypto.SHA256, &rsa.PSSOptions{SaltLength: 0, Hash: crypto.SHA256}}),
		"short salt": sign(t, key, method{crypto.SHA256, &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256}}),
	} {
		if err := VerifyMessage(key.Public(), RSAPSS2048SHA256, message, sig); err != nil {
			t.Errorf("%s: got %v, want it accepted", name, err)
		}
	}
	if err := VerifyMessage(key.Public(), RSA2048SHA256, message, sig); err != ErrSignature {
		t.Errorf("as PKCS #1 v1.5: got %v, want %v", err, ErrSignature)
	}
}

// Made by OpenSSL 3.0 over "hello, bundler" with the key's private half:
//
//	openssl dgst -sha256 -sign KEY
//	openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sign KEY
//	openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -sign KEY
const (
	opensslKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAx7lmOTzqFiYLTIb9J6sn
6clxk9t2guoiTtqsO/hb9yqzTl+mDvySHpN5es1xQfAI+nhnc2UOLmzSOjNyIhd7
tUDy9Ae9z13xSvqJJaVpft2DYBl6cCrp4+cpr7E/iSzn0jCHW/sAmr4Otc7nmmGk
eitVD9w2Yo8+xgaHYIKDy5WNzrS32+rn07Ev8m9lPbipKnjzd0I67UR+EZ26eWC0
c8sPIULlpp3Vl3Y0HeaH39vR5mOWw7jvsLzKhPIDLhwa8axpOONVyB+5sFgwWGgx
2+EtmTAhhROYcD+AMtt+uk9lVZGZw0hv43EfFJS7EYEVvFYnqihGJ3jnh2DvkyLi
fwIDAQAB
-----END PUBLIC KEY-----`
	opensslPKCS1     = "IC3maeDTb/DMbM5QalTOlet5pnGyBL3S1GHDPkBB1tZWkr2eZc/FJewkQNxnzT+lZNT95dul3azFb/VtqPOltXbcUIGFAVHPpYHqZ/m2CCaKQiUrfJxXRrxknCZ0VtBFmo8KlJU4gcIr7e+uN7t/6W2V6EbO9oY3WOBg0/GQ+uSc0HvUUbc/LQAun+NPnDq9Czq0hZnJ8WaTUxvWxHhyL/QOq+KRWK7zuJz5aAsl2DBzLs8wOgQW1NAhzCKKrbPqtHnTq9qL8MJAm2vPnCkOsV6nSn4+DKhdmX+cd51SRB4txNzMv2lk2XwNQUugPdJh0eHmIyUjY43D/iUhNLaBxg=="
	opensslPSS       = "Nr6JBAmCl4wTbgAgBW0LAM5rYKPoiIqtTqONM8qo56NPHMpzKzOOBCJ+W4PuH9qLuxuwZuFKNrs9SUHVTMFD9Musf6AbeOuiD5N+tF1RA8kNdQePKbGJuHUAo4AfYbWAco8OCSqXHnMJB8BFjkt3vloI8/miBn5oyI7yY/UO8TQPb2LoQSBQYWP84LSRpPFEY9rauLOcu+s6gTWr1oRHCpKkgW9QVKO9gvKse6/kpexnVqD06cjguuY8nu4MW3O16/d5eI2+aC8Tgzgqn7i096ZkcDduJ79aI9cBuZBZObnBNl3Vc5KxGSOLzTotHKN/70vsEGN57/oNTD0k9K2RmA=="
	opensslPSSDigest = "FovT+B70B+ozBtQuL55XX/Duz1akZPpZJ+3MAsS4qYmfcZ1R1P+nYsxMEEmdgnQM+3+5eVDoW+koZPMJx/x8e2xwE6h+ZEul4b3aqX9GfvW1mda1w+NBHYeyQQoSIiEGuwkp1WO2qDesl5vD3YqXPYCmC0fJ+BHxu/yBaxaSxjT/Ruph1DC96l7U+FyEUNug5dGYkpEsSlRP3BESMi+Jc8YfBFKUKy5c2d6s+IMeaQNHRI0a2YUP23nkUF4HUC8LgtQyd2C6N0YPTg0cUSmlc3sDmhGcz4CkEu4RIeOuV7vaks6257GpKOmkF8bSodbTL7FN2NrAVAea2jFQs/yMmA=="
)

func TestSignaturesOfOpenSSLVerify(t *testing.T) {
	t.Parallel()
	block, _ := pem.Decode([]byte(opensslKey))
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, sig    string
		right, wrong Details
	}{
		{"K03-pkcs1", opensslPKCS1, RSA2048SHA256, RSAPSS2048SHA256},
		{"K03-pss-longest-salt", opensslPSS, RSAPSS2048SHA256, RSA2048SHA256},
		{"K03-pss-salt-of-the-hash", opensslPSSDigest, RSAPSS2048SHA256, RSA2048SHA256},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sig, err := base64.StdEncoding.DecodeString(test.sig)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyMessage(pub, test.right, message, sig); err != nil {
				t.Errorf("as %v: got %v, want it accepted", test.right, err)
			}
			if err := VerifyMessage(pub, test.wrong, message, sig); err != ErrSignature {
				t.Errorf("as %v: got %v, want %v", test.wrong, err, ErrSignature)
			}
		})
	}
}
