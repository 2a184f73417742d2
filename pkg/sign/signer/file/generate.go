package file

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/internal/secretfile"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// Generate returns a new private key that signs by alg, which must be current.
func Generate(alg signer.KeyDetails) (crypto.Signer, error) {
	switch alg {
	case keyspec.ECDSAP256SHA256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keyspec.ECDSAP384SHA384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case keyspec.ECDSAP521SHA512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case keyspec.Ed25519, keyspec.Ed25519ph:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case keyspec.RSA2048SHA256, keyspec.RSAPSS2048SHA256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case keyspec.RSA3072SHA256, keyspec.RSAPSS3072SHA256:
		return rsa.GenerateKey(rand.Reader, 3072)
	case keyspec.RSA4096SHA256, keyspec.RSAPSS4096SHA256:
		return rsa.GenerateKey(rand.Reader, 4096)
	case keyspec.MLDSA44:
		return mldsa.GenerateKey(mldsa.MLDSA44())
	case keyspec.MLDSA65:
		return mldsa.GenerateKey(mldsa.MLDSA65())
	case keyspec.MLDSA87:
		return mldsa.GenerateKey(mldsa.MLDSA87())
	}
	return nil, fmt.Errorf("expected a current signature algorithm, found %v", alg)
}

// Create writes key to a new file at path that its owner alone may read: mode
// 0600 whatever the umask. What is there already, a symbolic link included, is
// an error and stays. The key is in PKCS#8, encrypted unless password is nil;
// an empty password is an error. The password stays the caller's to wipe.
func Create(path string, key crypto.Signer, password []byte) error {
	if password != nil && len(password) == 0 {
		return errors.New("expected a password for the private key, found an empty one")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(der)
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	if password != nil {
		data, err := encryptPKCS8(der, password)
		if err != nil {
			return err
		}
		block = &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: data}
	}
	text := pem.EncodeToMemory(block)
	defer clear(text)
	if err := secretfile.Create(path, text); err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	return nil
}
