package tuf

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
)

func checkKeys(keys map[string]*wireKey) error {
	if len(keys) == 0 || len(keys) > maxKeys {
		return fmt.Errorf("expected 1 to %d keys, found %d", maxKeys, len(keys))
	}
	for id, key := range keys {
		if key == nil || key.Value == nil {
			return fmt.Errorf("key %q: expected an object with a keyval", id)
		}
		if err := key.check(); err != nil {
			return fmt.Errorf("key %q: %w", id, err)
		}
	}
	return nil
}

// check refuses a key that go-tuf would panic on or use by another algorithm
// than it says. Types that nobody here knows pass: they count for nothing, and
// a role that needs one can not be verified.
func (k *wireKey) check() error {
	switch k.Type {
	case "ed25519":
		raw, err := hex.DecodeString(k.Value.Public)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return fmt.Errorf("expected %d bytes of Ed25519 in hex, found %d characters", ed25519.PublicKeySize, len(k.Value.Public))
		}
		return k.expectScheme("ed25519")
	case "ecdsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384":
		pub, err := k.parsePEM()
		if err != nil {
			return err
		}
		return k.checkECDSA(pub)
	case "rsa":
		pub, err := k.parsePEM()
		if err != nil {
			return err
		}
		key, ok := pub.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 8192 {
			return errors.New("expected an RSA key of 2048 to 8192 bits")
		}
		return k.expectScheme("rsassa-pss-sha256")
	}
	return nil
}

func (k *wireKey) checkECDSA(pub any) error {
	key, ok := pub.(*ecdsa.PublicKey)
	switch {
	case ok && key.Curve == elliptic.P256():
		return k.expectScheme("ecdsa-sha2-nistp256")
	case ok && key.Curve == elliptic.P384():
		return k.expectScheme("ecdsa-sha2-nistp384")
	}
	return errors.New("expected an ECDSA key on P-256 or P-384")
}

func (k *wireKey) expectScheme(want string) error {
	if k.Scheme != want {
		return fmt.Errorf("expected scheme %q for this key, found %q", want, k.Scheme)
	}
	return nil
}

func (k *wireKey) parsePEM() (any, error) {
	block, _ := pem.Decode([]byte(k.Value.Public))
	if block == nil {
		return nil, fmt.Errorf("expected a PEM public key for key type %q", k.Type)
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("expected a PEM public key in PKIX form")
	}
	return pub, nil
}
