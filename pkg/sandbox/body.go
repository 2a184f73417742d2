package sandbox

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// A Kind is a type of log entry.
type Kind struct{ Name, Version string }

// The kinds of entry that bundles have. Those of version 0.0.1 and Intoto002
// are Rekor v1's; the others are v2's.
var (
	HashedRekord001 = Kind{"hashedrekord", "0.0.1"}
	DSSE001         = Kind{"dsse", "0.0.1"}
	Intoto002       = Kind{"intoto", "0.0.2"}
	HashedRekord002 = Kind{"hashedrekord", "0.0.2"}
	DSSE002         = Kind{"dsse", "0.0.2"}
)

// Signed is what a log entry is about: one signature.
type Signed struct {
	Signature []byte
	Key       *Key      // made the signature
	Algorithm Algorithm // that it was made with; zero means the key's
	Leaf      []byte    // its certificate in DER; nil if there is none

	Hash     crypto.Hash         // of Digest
	Digest   []byte              // of the message, or of the envelope's PAE
	Envelope *protodsse.Envelope // nil for a message signature
	// EnvelopeHash is the SHA-256 that Rekor v1 keeps of the envelope as its
	// client sent it; nil means of the JSON that clients usually send.
	EnvelopeHash []byte
}

func (s *Signed) envelopeHash() []byte {
	if s.EnvelopeHash == nil {
		return sum(crypto.SHA256, envelopeJSON(s.Envelope))
	}
	return s.EnvelopeHash
}

// verifierPEM is what Rekor v1 keeps: the certificate, or the public key.
func (s *Signed) verifierPEM() []byte {
	if s.Leaf == nil {
		return s.Key.PEM()
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Leaf})
}

// Body returns the canonicalized body of an entry, byte for byte as the server
// would keep it. Whether such a server would take it is not checked.
func Body(kind Kind, s Signed) ([]byte, error) {
	if s.Envelope == nil && kind != HashedRekord001 && kind != HashedRekord002 {
		return nil, fmt.Errorf("sandbox: an entry of kind %v needs an envelope", kind)
	}
	var spec any
	switch kind {
	case HashedRekord001:
		spec = s.hashedRekord001()
	case DSSE001:
		spec = s.dsse001()
	case Intoto002:
		spec = s.intoto002()
	case HashedRekord002:
		spec = object{"hashedRekordV002": s.hashedRekord002()}
	case DSSE002:
		spec = object{"dsseV002": s.dsse002()}
	default:
		return nil, fmt.Errorf("sandbox: no body for entries of kind %v", kind)
	}
	return canonicalJSON(object{"apiVersion": kind.Version, "kind": kind.Name, "spec": spec}), nil
}

// canonicalJSON marshals by RFC 8785, with the library that Rekor uses. It
// panics if v has no such form, which is a bug here.
func canonicalJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	canonical, err := jsoncanonicalizer.Transform(text)
	if err != nil {
		panic(err)
	}
	return canonical
}

type object = map[string]any

func hashValue(h crypto.Hash, digest []byte) object {
	names := map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}
	return object{"algorithm": names[h], "value": hex.EncodeToString(digest)}
}

func (s *Signed) hashedRekord001() object {
	return object{
		"data":      object{"hash": hashValue(s.Hash, s.Digest)},
		"signature": object{"content": s.Signature, "publicKey": object{"content": s.verifierPEM()}},
	}
}

func (s *Signed) dsse001() object {
	return object{
		"envelopeHash": hashValue(crypto.SHA256, s.envelopeHash()),
		"payloadHash":  hashValue(crypto.SHA256, sum(crypto.SHA256, s.Envelope.Payload)),
		"signatures": []object{{
			"signature": base64.StdEncoding.EncodeToString(s.Signature),
			"verifier":  s.verifierPEM(),
		}},
	}
}

// intoto002 encodes the signature in base64 twice, as all clients do.
func (s *Signed) intoto002() object {
	signature := object{
		"publicKey": s.verifierPEM(),
		"sig":       []byte(base64.StdEncoding.EncodeToString(s.Signature)),
	}
	if all := s.Envelope.Signatures; len(all) > 0 && all[0].Keyid != "" {
		signature["keyid"] = all[0].Keyid
	}
	return object{"content": object{
		"envelope": object{
			"payloadType": s.Envelope.PayloadType,
			"signatures":  []object{signature},
		},
		"hash":        hashValue(crypto.SHA256, s.envelopeHash()),
		"payloadHash": hashValue(crypto.SHA256, sum(crypto.SHA256, s.Envelope.Payload)),
	}}
}

// envelopeJSON is the envelope as clients send it.
func envelopeJSON(e *protodsse.Envelope) []byte {
	type signature struct {
		KeyID string `json:"keyid"`
		Sig   []byte `json:"sig"`
	}
	envelope := struct {
		PayloadType string      `json:"payloadType"`
		Payload     []byte      `json:"payload"`
		Signatures  []signature `json:"signatures"`
	}{PayloadType: e.PayloadType, Payload: e.Payload}
	for _, s := range e.Signatures {
		envelope.Signatures = append(envelope.Signatures, signature{s.Keyid, s.Sig})
	}
	b, err := json.Marshal(envelope)
	if err != nil {
		panic(err)
	}
	return b
}

func (s *Signed) hashedRekord002() object {
	return object{"data": hashOutput(s.Hash, s.Digest), "signature": s.signature002()}
}

func (s *Signed) dsse002() object {
	return object{
		"payloadHash": hashOutput(crypto.SHA256, sum(crypto.SHA256, s.Envelope.Payload)),
		"signatures":  []object{s.signature002()},
	}
}

func (s *Signed) signature002() object {
	algorithm := s.Algorithm
	if algorithm == 0 {
		algorithm = s.Key.Algorithm
	}
	verifier := object{"keyDetails": algorithm.String()}
	if s.Leaf == nil {
		verifier["publicKey"] = object{"rawBytes": s.Key.SPKI()}
	} else {
		verifier["x509Certificate"] = object{"rawBytes": s.Leaf}
	}
	return object{"content": s.Signature, "verifier": verifier}
}

func hashOutput(h crypto.Hash, digest []byte) object {
	return object{"algorithm": protoHash(h).String(), "digest": digest}
}

func protoHash(h crypto.Hash) protocommon.HashAlgorithm {
	switch h {
	case crypto.SHA256:
		return protocommon.HashAlgorithm_SHA2_256
	case crypto.SHA384:
		return protocommon.HashAlgorithm_SHA2_384
	case crypto.SHA512:
		return protocommon.HashAlgorithm_SHA2_512
	}
	return protocommon.HashAlgorithm_HASH_ALGORITHM_UNSPECIFIED
}

// Record logs a signature, as the server does for its clients.
func (l *Log) Record(kind Kind, signed Signed) (*rekorv1.TransparencyLogEntry, error) {
	if l.sandbox.lies(WrongBody) {
		signed = l.sandbox.strangers(signed)
	}
	body, err := Body(kind, signed)
	if err != nil {
		return nil, err
	}
	if l.sandbox.lies(ForkedLog) {
		return l.Fork().Append(kind, body), nil
	}
	entry := l.Append(kind, body)
	l.misbehave(entry)
	return entry, nil
}

// strangers returns what a stranger signed, of the same form as signed.
func (s *Sandbox) strangers(signed Signed) Signed {
	key := s.stranger()
	message := []byte("a stranger's artifact")
	other := Signed{Key: key, Hash: crypto.SHA256}
	if signed.Envelope != nil {
		other.Envelope = &protodsse.Envelope{Payload: message, PayloadType: signed.Envelope.PayloadType}
		message = PAE(other.Envelope.PayloadType, message)
	}
	other.Digest = sum(crypto.SHA256, message)
	other.Signature = key.Sign(message)
	if other.Envelope != nil {
		other.Envelope.Signatures = []*protodsse.Signature{{Sig: other.Signature}}
	}
	return other
}

// misbehave spoils an honest entry, by the fault that is on.
func (l *Log) misbehave(e *rekorv1.TransparencyLogEntry) {
	s, proof := l.sandbox, e.InclusionProof
	size := uint64(proof.TreeSize)
	checkpoint := func(origin string, size uint64, root []byte) {
		proof.Checkpoint.Envelope = l.SignCheckpoint(origin, size, root)
	}
	switch {
	case s.lies(CheckpointSize):
		checkpoint(l.Origin(), size+1, proof.RootHash)
	case s.lies(CheckpointOrigin):
		checkpoint("other."+l.Origin(), size, proof.RootHash)
	case s.lies(CheckpointRoot):
		checkpoint(l.Origin(), size, hashLeaf(proof.RootHash))
	case s.lies(OtherKind):
		e.KindVersion.Version = map[string]string{"0.0.1": "0.0.2", "0.0.2": "0.0.1"}[e.KindVersion.Version]
	case s.lies(BadSET) && e.InclusionPromise != nil:
		e.InclusionPromise.SignedEntryTimestamp = l.SignSET(e.CanonicalizedBody, e.IntegratedTime+1, e.LogIndex)
	case s.lies(BadProof) && len(proof.Hashes) > 0:
		proof.Hashes[0] = hashLeaf(proof.Hashes[0])
	}
}
