package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// An Algorithm names a type of key and how it signs.
type Algorithm = protocommon.PublicKeyDetails

// The algorithms that a Key may have. Those with a hash that does not belong
// to the curve are what early clients made; honest services do not use them.
const (
	P256       = protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
	P384       = protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384
	P521       = protocommon.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512
	P384SHA256 = Algorithm(keyspec.ECDSAP384SHA256)
	P521SHA256 = Algorithm(keyspec.ECDSAP521SHA256)
	Ed25519    = protocommon.PublicKeyDetails_PKIX_ED25519
	Ed25519ph  = protocommon.PublicKeyDetails_PKIX_ED25519_PH
	RSA2048    = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256
	RSA3072    = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256
	RSA4096    = protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256
	RSAPSS2048 = protocommon.PublicKeyDetails_PKIX_RSA_PSS_2048_SHA256
	RSAPSS3072 = protocommon.PublicKeyDetails_PKIX_RSA_PSS_3072_SHA256
	RSAPSS4096 = protocommon.PublicKeyDetails_PKIX_RSA_PSS_4096_SHA256
	MLDSA44    = Algorithm(keyspec.MLDSA44)
	MLDSA65    = Algorithm(keyspec.MLDSA65)
	MLDSA87    = Algorithm(keyspec.MLDSA87)
)

// A Key is a private key and the algorithm that it signs with.
type Key struct {
	Algorithm Algorithm
	Signer    crypto.Signer
}

// Key derives the key of that label from the sandbox's seed; the same label
// and type of key give the same key (a new one each time for RSA). It panics
// if a is not one of the constants of this package.
func (s *Sandbox) Key(label string, a Algorithm) *Key {
	signer, err := deriveKey(s.seed, label, a)
	if err != nil {
		panic(fmt.Sprintf("sandbox: key %q: %v", label, err))
	}
	return &Key{Algorithm: a, Signer: signer}
}

// NewKey wraps a key made elsewhere, an RSA key of 1024 bits or a curve that
// nobody supports included. Only Sign needs a known a.
func NewKey(signer crypto.Signer, a Algorithm) *Key { return &Key{Algorithm: a, Signer: signer} }

func deriveKey(seed, label string, a Algorithm) (crypto.Signer, error) {
	switch a {
	case P256:
		return deriveECDSA(seed, label, elliptic.P256())
	case P384, P384SHA256:
		return deriveECDSA(seed, label, elliptic.P384())
	case P521, P521SHA256:
		return deriveECDSA(seed, label, elliptic.P521())
	case Ed25519, Ed25519ph:
		return ed25519.NewKeyFromSeed(derive(seed, label, "ed25519", ed25519.SeedSize)), nil
	case RSA2048, RSAPSS2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072, RSAPSS3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096, RSAPSS4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case MLDSA44:
		return mldsa.NewPrivateKey(mldsa.MLDSA44(), derive(seed, label, "mldsa44", mldsa.PrivateKeySize))
	case MLDSA65:
		return mldsa.NewPrivateKey(mldsa.MLDSA65(), derive(seed, label, "mldsa65", mldsa.PrivateKeySize))
	case MLDSA87:
		return mldsa.NewPrivateKey(mldsa.MLDSA87(), derive(seed, label, "mldsa87", mldsa.PrivateKeySize))
	}
	return nil, fmt.Errorf("no such algorithm here: %v", a)
}

// derive returns n bytes that depend on every argument. It panics if n is more
// than HKDF can give, which is a bug here.
func derive(seed, label, use string, n int) []byte {
	b, err := hkdf.Key(sha256.New, []byte(seed), []byte("bundler sandbox"), label+"\x00"+use, n)
	if err != nil {
		panic(err)
	}
	return b
}

// deriveECDSA takes 16 bytes more than the order has, so that the bias of the
// reduction is negligible.
func deriveECDSA(seed, label string, curve elliptic.Curve) (*ecdsa.PrivateKey, error) {
	order := curve.Params().N
	size := (order.BitLen() + 7) / 8
	k := new(big.Int).SetBytes(derive(seed, label, curve.Params().Name, size+16))
	k.Mod(k, new(big.Int).Sub(order, big.NewInt(1)))
	k.Add(k, big.NewInt(1))
	return ecdsa.ParseRawPrivateKey(curve, k.FillBytes(make([]byte, size)))
}

// As returns the same private key under another algorithm. Nothing checks that
// they fit.
func (k *Key) As(a Algorithm) *Key { return &Key{Algorithm: a, Signer: k.Signer} }

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.Signer.Public() }

// SPKI returns the public key as DER SubjectPublicKeyInfo.
func (k *Key) SPKI() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		panic(fmt.Sprintf("sandbox: public key: %v", err))
	}
	return der
}

// PEM returns the public key as a PUBLIC KEY block.
func (k *Key) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.SPKI()})
}

// Hint returns what a bundle calls the key: base64 of the SHA-256 of SPKI.
func (k *Key) Hint() string {
	sum := sha256.Sum256(k.SPKI())
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Sign signs message as the key's algorithm prescribes: its hash, or itself.
func (k *Key) Sign(message []byte) []byte {
	h := keyspec.Details(k.Algorithm).Hash()
	if h == 0 {
		return k.sign(message, crypto.Hash(0))
	}
	return k.SignDigest(h, sum(h, message))
}

// SignDigest signs a digest, which is said to be h of something. h need not be
// the hash that the algorithm prescribes; the digest must have its length.
func (k *Key) SignDigest(h crypto.Hash, digest []byte) []byte {
	switch k.Algorithm {
	case RSAPSS2048, RSAPSS3072, RSAPSS4096:
		return k.sign(digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h})
	}
	return k.sign(digest, h)
}

// sign panics if the key refuses, which is a bug of the caller: the keys of
// this package live in memory and always sign what they can.
func (k *Key) sign(b []byte, opts crypto.SignerOpts) []byte {
	sig, err := k.Signer.Sign(k.random(), b, opts)
	if err != nil {
		panic(fmt.Sprintf("sandbox: signing as %v: %v", k.Algorithm, err))
	}
	return sig
}

// random is nil for ECDSA, which asks for RFC 6979: the same signature each
// time.
func (k *Key) random() io.Reader {
	if _, ok := k.Signer.(*ecdsa.PrivateKey); ok {
		return nil
	}
	return rand.Reader
}

func sum(h crypto.Hash, message []byte) []byte {
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}
