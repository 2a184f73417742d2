package bundle

import (
	"encoding/json/jsontext"

	"github.com/bundler-sign/bundler/pkg/internal/pbjson"
)

// The JSON of a bundle, member by member. Pointers are message fields, which
// are present or absent; scalars absent from the text have their zero value,
// as Protocol Buffers' JSON mapping has it.
type (
	wireBundle struct {
		MediaType string        `json:"mediaType"`
		Material  *wireMaterial `json:"verificationMaterial"`
		Message   *wireMessage  `json:"messageSignature,omitzero"`
		Envelope  *wireEnvelope `json:"dsseEnvelope,omitzero"`
	}
	wireMaterial struct {
		PublicKey   *wireKeyID       `json:"publicKey,omitzero"`
		Chain       *wireChain       `json:"x509CertificateChain,omitzero"`
		Certificate *wireCertificate `json:"certificate,omitzero"`
		Entries     []wireEntry      `json:"tlogEntries,omitzero"`
		Timestamps  *wireTimestamps  `json:"timestampVerificationData,omitzero"`
	}
	wireKeyID struct {
		Hint string `json:"hint,omitzero"`
	}
	wireChain struct {
		Certificates []wireCertificate `json:"certificates"`
	}
	wireCertificate struct {
		Raw pbjson.Bytes `json:"rawBytes"`
	}
	wireTimestamps struct {
		RFC3161 []wireTimestamp `json:"rfc3161Timestamps,omitzero"`
	}
	wireTimestamp struct {
		Token pbjson.Bytes `json:"signedTimestamp"`
	}
	wireEntry struct {
		LogIndex       pbjson.Int64 `json:"logIndex"`
		LogID          *wireLogID   `json:"logId"`
		KindVersion    *wireKind    `json:"kindVersion"`
		IntegratedTime pbjson.Int64 `json:"integratedTime,omitzero"`
		Promise        *wirePromise `json:"inclusionPromise,omitzero"`
		Proof          *wireProof   `json:"inclusionProof,omitzero"`
		Body           pbjson.Bytes `json:"canonicalizedBody"`
	}
	wireLogID struct {
		KeyID pbjson.Bytes `json:"keyId"`
	}
	wireKind struct {
		Kind    string `json:"kind"`
		Version string `json:"version"`
	}
	wirePromise struct {
		SET pbjson.Bytes `json:"signedEntryTimestamp"`
	}
	wireProof struct {
		LogIndex   pbjson.Int64    `json:"logIndex"`
		RootHash   pbjson.Bytes    `json:"rootHash"`
		TreeSize   pbjson.Int64    `json:"treeSize"`
		Hashes     []pbjson.Bytes  `json:"hashes"`
		Checkpoint *wireCheckpoint `json:"checkpoint"`
	}
	wireCheckpoint struct {
		Envelope string `json:"envelope"`
	}
	wireMessage struct {
		Digest    *wireDigest  `json:"messageDigest"`
		Signature pbjson.Bytes `json:"signature"`
	}
	wireDigest struct {
		Algorithm wireAlgorithm `json:"algorithm"`
		Digest    pbjson.Bytes  `json:"digest"`
	}
	wireEnvelope struct {
		Payload     pbjson.Bytes        `json:"payload"`
		PayloadType string              `json:"payloadType"`
		Signatures  []wireDSSESignature `json:"signatures"`
	}
	wireDSSESignature struct {
		Sig   pbjson.Bytes `json:"sig"`
		KeyID string       `json:"keyid,omitzero"`
	}
)

// wireAlgorithm is protobuf-specs' HashAlgorithm.
type wireAlgorithm Algorithm

var algorithmNames = map[int32]string{
	int32(SHA256): "SHA2_256",
	int32(SHA384): "SHA2_384",
	int32(SHA512): "SHA2_512",
}

func (a *wireAlgorithm) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	n, err := pbjson.ReadEnum(dec, algorithmNames)
	*a = wireAlgorithm(n)
	return err
}

func (a wireAlgorithm) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(algorithmNames[int32(a)]))
}
