package keyspec

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// ParseKey parses the DER of a public key encoded as d prescribes, and checks
// that it is a key of that type and size. It refuses every encoding of the key
// but one: keys are named by the digest of their DER, and a second encoding
// would be a second key to whoever counts them.
func ParseKey(der []byte, d Details) (crypto.PublicKey, error) {
	s, ok := specs[d]
	if !ok {
		return nil, fmt.Errorf("unknown key details %v", d)
	}
	parse := parsePKIX
	if s.pkcs1 {
		parse = parsePKCS1
	}
	pub, again, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("public key does not parse as %v: %w", d, err)
	}
	if err := Check(pub, d); err != nil {
		return nil, err
	}
	if !bytes.Equal(again, der) {
		return nil, fmt.Errorf("public key for %v: expected the canonical DER of the key, found another encoding of it", d)
	}
	return pub, nil
}

// parsePKIX returns the key in der and the key's canonical encoding.
func parsePKIX(der []byte) (pub crypto.PublicKey, again []byte, err error) {
	if pub, err = x509.ParsePKIXPublicKey(der); err == nil {
		again, err = x509.MarshalPKIXPublicKey(pub)
	}
	return pub, again, err
}

// parsePKCS1 is parsePKIX for PKCS #1.
func parsePKCS1(der []byte) (pub crypto.PublicKey, again []byte, err error) {
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, nil, err
	}
	return key, x509.MarshalPKCS1PublicKey(key), nil
}

// Check reports whether pub is a key that d describes. A nil or zero key fits
// nothing.
func Check(pub crypto.PublicKey, d Details) error {
	s, ok := specs[d]
	if !ok {
		return fmt.Errorf("unknown key details %v", d)
	}
	if !usable(pub) {
		return fmt.Errorf("expected a key for %v, found %s", d, Describe(pub))
	}
	fits := false
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		fits = s.scheme == ecdsaScheme && pub.Curve == s.curve
	case *rsa.PublicKey:
		bits := pub.N.BitLen()
		fits = (s.scheme == pkcs1v15Scheme || s.scheme == pssScheme) &&
			(bits == s.bits || s.bits == 0 && bits >= 2048 && bits <= 4096)
	case ed25519.PublicKey:
		fits = s.scheme == ed25519Scheme || s.scheme == ed25519phScheme
	case *mldsa.PublicKey:
		fits = s.scheme == mldsaScheme && pub.Parameters() == s.mldsa
	}
	if !fits {
		return fmt.Errorf("expected a key for %v, found %s", d, Describe(pub))
	}
	return nil
}

// usable reports whether pub is a whole key of a supported type: the standard
// library panics when it is asked to verify with less.
func usable(pub crypto.PublicKey) bool {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return pub != nil && pub.Curve != nil
	case *rsa.PublicKey:
		return pub != nil && pub.N != nil
	case ed25519.PublicKey:
		return len(pub) == ed25519.PublicKeySize
	case *mldsa.PublicKey:
		return pub != nil && *pub != mldsa.PublicKey{}
	}
	return false
}

// Describe names a key's type and size, for people.
func Describe(pub crypto.PublicKey) string {
	if !usable(pub) {
		return fmt.Sprintf("an unsupported or empty key of type %T", pub)
	}
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + pub.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", pub.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	case *mldsa.PublicKey:
		return pub.Parameters().String()
	}
	return fmt.Sprintf("%T", pub)
}
