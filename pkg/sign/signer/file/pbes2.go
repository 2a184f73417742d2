package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/scrypt"
)

// Limits on the work that a key file may ask for before the password is even
// tried. OpenSSL writes 2048 iterations, or scrypt with N 2^14, r 8 and p 1.
const (
	maxIterations   = 10_000_000
	maxScryptMemory = 256 << 20 // bytes: 128·N·r
	maxScryptPasses = 16        // p
	maxSalt         = 1 << 10   // bytes
)

// What is written: OWASP's advice of 2023 for PBKDF2-HMAC-SHA256. Not scrypt,
// since OpenSSL refuses parameters that are worth having.
const (
	writeIterations = 600_000
	writeSalt       = 16 // bytes
)

// The structures of RFC 5958 section 3 and RFC 8018 appendix A.
type (
	encryptedPrivateKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	scryptParams struct { // RFC 7914 section 7
		Salt      []byte
		N, R, P   int
		KeyLength int `asn1:"optional"`
	}
)

var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// prfs are the HMACs that PBKDF2 may use, by OID.
var prfs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":   sha1.New,
	oidHMACSHA256.String(): sha256.New,
	"1.2.840.113549.2.10":  sha512.New384,
	"1.2.840.113549.2.11":  sha512.New,
}

// keySizes are the sizes of AES-CBC keys in bytes, by OID.
var keySizes = map[string]int{
	"2.16.840.1.101.3.4.1.2":  16,
	"2.16.840.1.101.3.4.1.22": 24,
	oidAES256CBC.String():     32,
}

// decryptPKCS8 returns the PKCS#8 key in the EncryptedPrivateKeyInfo der. A
// wrong password is ErrPassword, or for one in 256 of them a result that is no
// key.
func decryptPKCS8(der, password []byte) ([]byte, error) {
	var info encryptedPrivateKeyInfo
	if err := unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("encrypted PKCS#8: %w", err)
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, fmt.Errorf("encrypted PKCS#8: expected PBES2, found %v: openssl pkcs8 -topk8 -v2 aes-256-cbc converts the key", info.Algorithm.Algorithm)
	}
	var params pbes2Params
	if err := unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, fmt.Errorf("encrypted PKCS#8: %w", err)
	}
	size, ok := keySizes[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("encrypted PKCS#8: expected AES-128, -192 or -256 in CBC mode, found the cipher %v", params.Cipher.Algorithm)
	}
	var iv []byte
	if err := unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != aes.BlockSize {
		return nil, fmt.Errorf("encrypted PKCS#8: expected an initialization vector of %d bytes, found something else", aes.BlockSize)
	}
	if len(info.Data) == 0 || len(info.Data)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("encrypted PKCS#8: expected whole blocks of %d bytes, found %d bytes", aes.BlockSize, len(info.Data))
	}
	key, err := deriveKey(params.KDF, password, size)
	if err != nil {
		return nil, fmt.Errorf("encrypted PKCS#8: %w", err)
	}
	defer clear(key)
	return decryptCBC(key, iv, info.Data)
}

// deriveKey runs the key derivation function that a file asks for, within the
// limits.
func deriveKey(kdf pkix.AlgorithmIdentifier, password []byte, size int) ([]byte, error) {
	switch {
	case kdf.Algorithm.Equal(oidPBKDF2):
		return derivePBKDF2(kdf.Parameters.FullBytes, password, size)
	case kdf.Algorithm.Equal(oidScrypt):
		return deriveScrypt(kdf.Parameters.FullBytes, password, size)
	}
	return nil, fmt.Errorf("expected PBKDF2 or scrypt, found the key derivation function %v", kdf.Algorithm)
}

func derivePBKDF2(der, password []byte, size int) ([]byte, error) {
	var p pbkdf2Params
	if err := unmarshal(der, &p); err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	prf := sha1.New // the default
	if p.PRF.Algorithm != nil {
		if prf = prfs[p.PRF.Algorithm.String()]; prf == nil {
			return nil, fmt.Errorf("PBKDF2: expected HMAC with SHA-1, -256, -384 or -512, found %v", p.PRF.Algorithm)
		}
	}
	if p.Iterations < 1 || p.Iterations > maxIterations {
		return nil, fmt.Errorf("PBKDF2: expected 1 to %d iterations, found %d", maxIterations, p.Iterations)
	}
	if err := checkDerived(p.Salt, p.KeyLength, size); err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	return pbkdf2.Key(prf, string(password), p.Salt, p.Iterations, size)
}

func deriveScrypt(der, password []byte, size int) ([]byte, error) {
	var p scryptParams
	if err := unmarshal(der, &p); err != nil {
		return nil, fmt.Errorf("scrypt: %w", err)
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := checkDerived(p.Salt, p.KeyLength, size); err != nil {
		return nil, fmt.Errorf("scrypt: %w", err)
	}
	return scrypt.Key(password, p.Salt, p.N, p.R, p.P, size)
}

// check holds the parameters to the limits; scrypt.Key checks the rest.
func (p *scryptParams) check() error {
	const most = maxScryptMemory / 128
	if p.N < 2 || p.R < 1 || p.P < 1 || p.N > most || p.R > most/p.N || p.P > maxScryptPasses {
		return fmt.Errorf("scrypt: expected parameters that need at most %d MiB and %d passes, found N %d, r %d, p %d",
			maxScryptMemory>>20, maxScryptPasses, p.N, p.R, p.P)
	}
	return nil
}

func checkDerived(salt []byte, length, size int) error {
	if len(salt) > maxSalt {
		return fmt.Errorf("expected a salt of at most %d bytes, found %d", maxSalt, len(salt))
	}
	if length != 0 && length != size {
		return fmt.Errorf("expected a key of %d bytes for the cipher, found %d", size, length)
	}
	return nil
}

// decryptCBC decrypts data, whole blocks, and takes the padding off (RFC 8018
// section 6.1.1).
func decryptCBC(key, iv, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	pad := int(plain[len(plain)-1])
	good := pad >= 1 && pad <= aes.BlockSize
	for i := 1; good && i <= pad; i++ {
		good = subtle.ConstantTimeByteEq(plain[len(plain)-i], byte(pad)) == 1
	}
	if !good {
		clear(plain)
		return nil, ErrPassword
	}
	return plain[:len(plain)-pad], nil
}

// encryptPKCS8 returns the EncryptedPrivateKeyInfo of a PKCS#8 key: PBES2 with
// PBKDF2-HMAC-SHA256 and AES-256-CBC, which OpenSSL 1.1 and later read.
func encryptPKCS8(der, password []byte) ([]byte, error) {
	salt := make([]byte, writeSalt)
	rand.Read(salt) // never fails
	params, err := asn1.Marshal(pbkdf2Params{Salt: salt, Iterations: writeIterations,
		PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue}})
	if err != nil {
		return nil, err
	}
	return seal(der, password, pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: asn1.RawValue{FullBytes: params}})
}

// seal encrypts der by AES-256-CBC under what kdf makes of the password.
func seal(der, password []byte, kdf pkix.AlgorithmIdentifier) ([]byte, error) {
	key, err := deriveKey(kdf, password, 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, aes.BlockSize)
	rand.Read(iv)
	pad := aes.BlockSize - len(der)%aes.BlockSize
	data := make([]byte, len(der)+pad)
	copy(data, der)
	for i := range pad {
		data[len(der)+i] = byte(pad)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	ivDER, err := asn1.Marshal(iv)
	if err != nil {
		return nil, err
	}
	params, err := asn1.Marshal(pbes2Params{
		KDF:    kdf,
		Cipher: pkix.AlgorithmIdentifier{Algorithm: oidAES256CBC, Parameters: asn1.RawValue{FullBytes: ivDER}},
	})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(encryptedPrivateKeyInfo{
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidPBES2, Parameters: asn1.RawValue{FullBytes: params}},
		Data:      data,
	})
}

// unmarshal reads der whole into v.
func unmarshal(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = errors.New("expected the end, found more bytes")
	}
	return err
}
