package keyspec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math/big"
	"strings"
)

// SSHFingerprint returns the name that OpenSSH gives a key, "SHA256:" and
// unpadded base64, which DSSE implementations use as key id and npm's registry
// as hint. It is "" for keys that SSH has no format for.
// Source: RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4.
func SSHFingerprint(pub crypto.PublicKey) string {
	var wire []byte
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		curve := "nistp" + strings.TrimPrefix(pub.Curve.Params().Name, "P-")
		point, err := pub.Bytes()
		if err != nil {
			return ""
		}
		wire = appendStrings(wire, []byte("ecdsa-sha2-"+curve), []byte(curve), point)
	case *rsa.PublicKey:
		wire = appendStrings(wire, []byte("ssh-rsa"), mpint(big.NewInt(int64(pub.E))), mpint(pub.N))
	case ed25519.PublicKey:
		wire = appendStrings(wire, []byte("ssh-ed25519"), pub)
	default:
		return ""
	}
	sum := sha256.Sum256(wire)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func appendStrings(wire []byte, parts ...[]byte) []byte {
	for _, p := range parts {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(p)))
		wire = append(wire, p...)
	}
	return wire
}

// mpint encodes a positive integer, with a zero byte where the sign bit would
// be set.
func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}
