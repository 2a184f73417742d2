package keyspec

import (
	pkixid "crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
)

// parts returns the r and s of an ECDSA signature.
func parts(t testing.TB, sig []byte) (r, s *big.Int) {
	t.Helper()
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &v); err != nil {
		t.Fatal(err)
	}
	return v.R, v.S
}

func encode(t testing.TB, r, s *big.Int) []byte {
	t.Helper()
	sig, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// unaligned re-encodes a SubjectPublicKeyInfo so that its key's bits end in the
// middle of a byte. crypto/x509 shifts them back and finds the same key.
func unaligned(t testing.TB, der []byte) []byte {
	t.Helper()
	var info struct {
		Algorithm pkixid.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		t.Fatal(err)
	}
	shifted := new(big.Int).Lsh(new(big.Int).SetBytes(info.Key.Bytes), 4).Bytes()
	info.Key = asn1.BitString{Bytes: shifted, BitLength: 8*len(shifted) - 4}
	out, err := asn1.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
