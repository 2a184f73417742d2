package bundle

import (
	"strconv"
)

// PayloadTypeInToto is the payload type of an envelope that holds an in-toto
// statement.
const PayloadTypeInToto = "application/vnd.in-toto+json"

// An Envelope is a DSSE envelope with its single signature.
type Envelope struct {
	PayloadType string
	Payload     []byte
	KeyID       string // a hint, "" if absent
	Signature   []byte
}

// PAE returns the bytes that the envelope's signature is made over.
func (e *Envelope) PAE() []byte { return PAE(e.PayloadType, e.Payload) }

// PAE is the pre-authentication encoding of DSSE:
//
//	"DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload
//
// Source: secure-systems-lab/dsse protocol.md.
func PAE(payloadType string, payload []byte) []byte {
	pae := make([]byte, 0, len("DSSEv1")+len(payloadType)+len(payload)+44)
	pae = append(pae, "DSSEv1 "...)
	pae = strconv.AppendInt(pae, int64(len(payloadType)), 10)
	pae = append(pae, ' ')
	pae = append(pae, payloadType...)
	pae = append(pae, ' ')
	pae = strconv.AppendInt(pae, int64(len(payload)), 10)
	pae = append(pae, ' ')
	return append(pae, payload...)
}
