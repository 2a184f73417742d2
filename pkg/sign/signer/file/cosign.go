package file

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// cosignKey is what cosign generate-key-pair encrypts a PKCS#8 key as.
// Source: go-securesystemslib, package encrypted.
type cosignKey struct {
	KDF struct {
		Name   string `json:"name"` // scrypt
		Params struct {
			N int `json:"N"`
			R int `json:"r"`
			P int `json:"p"`
		} `json:"params"`
		Salt []byte `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"` // nacl/secretbox
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

// decryptCosign returns the PKCS#8 key in the JSON text data.
func decryptCosign(data, password []byte) ([]byte, error) {
	var k cosignKey
	if err := strictjson.Unmarshal(data, &k, strictjson.Limits{Bytes: MaxKey, Depth: 4, Values: 32}); err != nil {
		return nil, fmt.Errorf("cosign's key: %w", err)
	}
	if k.KDF.Name != "scrypt" || k.Cipher.Name != "nacl/secretbox" {
		return nil, fmt.Errorf("cosign's key: expected scrypt and nacl/secretbox, found %q and %q", k.KDF.Name, k.Cipher.Name)
	}
	p := scryptParams{Salt: k.KDF.Salt, N: k.KDF.Params.N, R: k.KDF.Params.R, P: k.KDF.Params.P}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("cosign's key: %w", err)
	}
	var nonce [24]byte
	if len(k.Cipher.Nonce) != len(nonce) {
		return nil, fmt.Errorf("cosign's key: expected a nonce of %d bytes, found %d", len(nonce), len(k.Cipher.Nonce))
	}
	copy(nonce[:], k.Cipher.Nonce)
	derived, err := scrypt.Key(password, p.Salt, p.N, p.R, p.P, 32)
	if err != nil {
		return nil, fmt.Errorf("cosign's key: %w", err)
	}
	key := [32]byte(derived)
	defer clear(key[:])
	defer clear(derived)
	der, ok := secretbox.Open(nil, k.Ciphertext, &nonce, &key)
	if !ok {
		return nil, ErrPassword
	}
	if len(der) == 0 {
		return nil, errors.New("cosign's key: expected a key in the secretbox, found nothing")
	}
	return der, nil
}
