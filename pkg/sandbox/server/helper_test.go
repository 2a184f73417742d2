package server_test

import (
	"encoding/asn1"
	"math/big"
)

// rawSignature turns an ECDSA P-256 signature in DER into r and s.
func rawSignature(der []byte) []byte {
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		panic(err)
	}
	return append(sig.R.FillBytes(make([]byte, 32)), sig.S.FillBytes(make([]byte, 32))...)
}
