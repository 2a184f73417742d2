package file

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// ErrPassword is returned, wrapped, by Open and OpenEnv when the password does
// not open the key.
var ErrPassword = errors.New("the password is wrong, or the key is damaged")

// parse reads the one private key in PEM data.
func parse(ctx context.Context, data []byte, prompt string, password signer.PasswordFunc) (signer.Signer, error) {
	block, err := oneBlock(data)
	if err != nil {
		return nil, err
	}
	defer clear(block.Bytes)
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		key, err = openEncrypted(ctx, block.Bytes, prompt, password, decryptPKCS8)
	case "ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		key, err = openEncrypted(ctx, block.Bytes, prompt, password, decryptCosign)
	default:
		return nil, wrongBlock(block.Type)
	}
	if err != nil {
		return nil, err
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("expected a private key that signs, found a %T", key)
	}
	return signer.FromKey(s)
}

// openEncrypted asks for the password and reads the PKCS#8 key that decrypt
// finds with it.
func openEncrypted(ctx context.Context, data []byte, prompt string, ask signer.PasswordFunc, decrypt func(data, password []byte) ([]byte, error)) (any, error) {
	if ask == nil {
		return nil, errors.New("it is encrypted: expected a password, found none")
	}
	password, err := ask(ctx, prompt)
	if err != nil {
		return nil, err
	}
	defer clear(password)
	der, err := decrypt(data, password)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		// The parser's words may describe what a wrong password decrypted to.
		return nil, ErrPassword
	}
	return key, nil
}

var pemBegin = []byte("-----BEGIN ")

// oneBlock returns the one PEM block in data, after text and the parameters
// that openssl ecparam -genkey writes before a key.
func oneBlock(data []byte) (*pem.Block, error) {
	i := bytes.Index(data, pemBegin)
	if i < 0 {
		return nil, errors.New("expected a private key in PEM, found no PEM block")
	}
	block, rest := pem.Decode(data[i:])
	if block == nil || bytes.Count(data[:len(data)-len(rest)], pemBegin) != 1 {
		return nil, errors.New("expected a private key in PEM, found a block that is not well formed")
	}
	if block.Type == "EC PARAMETERS" {
		return oneBlock(rest)
	}
	if bytes.Contains(rest, pemBegin) {
		return nil, errors.New("expected one private key, found another PEM block after it")
	}
	if len(block.Headers) > 0 {
		return nil, errors.New("expected PEM without headers, found the encryption of old OpenSSL versions: openssl pkcs8 -topk8 converts the key")
	}
	return block, nil
}

// wrongBlock explains what people pass for a private key in PEM.
func wrongBlock(kind string) error {
	switch kind {
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return errors.New("expected a private key, found a public key")
	case "CERTIFICATE":
		return errors.New("expected a private key, found a certificate")
	case "OPENSSH PRIVATE KEY":
		return errors.New("expected a PEM block PRIVATE KEY, found OpenSSH's format: ssh-keygen -p -m PKCS8 converts a copy of it")
	}
	return fmt.Errorf("expected a PEM block PRIVATE KEY, found %q", kind)
}
