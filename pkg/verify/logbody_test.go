package verify_test

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

const sha256Hash = crypto.SHA256

func sum256(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// TestBodiesHaveOneReading logs bodies, each with the log's own signature, that
// another reader could take for something else.
func TestBodiesHaveOneReading(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	message1, message2 := sandbox.SignOptions{Logs: v1}, sandbox.SignOptions{Logs: v2}
	dsse1 := sandbox.SignOptions{Logs: v1, Statement: statement(t)}
	intoto := sandbox.SignOptions{Logs: v1, Statement: statement(t), Kind: sandbox.Intoto002}
	dsse2 := sandbox.SignOptions{Logs: v2, Statement: statement(t), Kind: sandbox.DSSE002}
	edit := func(old, new string) func(*testing.T, *trial) {
		return func(t *testing.T, c *trial) { c.editBody(t, old, new) }
	}
	const binding = verify.CheckLogBinding
	rejectsEach(t, s, []fault{
		{"B03-another-spec-in-another-case", message1, edit(`"spec":{`, `"Spec":{},"spec":{`), binding, `unknown member "Spec"`},
		{"B03-another-digest-in-another-case", message1, edit(`"hash":{`, `"HASH":{},"hash":{`), binding, `unknown member "HASH"`},
		{"B03-spec-twice", message1, edit(`"spec":{`, `"spec":{},"spec":{`), binding, `"spec" appears twice`},
		{"B03-digest-twice", message1, edit(`"value":"`, `"value":"00","value":"`), binding, `"value" appears twice`},
		{"B03-unknown-member", message1, edit(`"data":{`, `"url":"https://h.example/x","data":{`), binding, `unknown member "url"`},
		{"B03-null", message1, edit(`"data":{`, `"extra":null,"data":{`), binding, "found null"},
		{"B03-two-documents", message1, edit(`{"apiVersion"`, `{}{"apiVersion"`), binding, "body"},
		{"B03-digest-of-another-length", message1, edit(`"algorithm":"sha256"`, `"algorithm":"sha512"`), binding, "expected 64 bytes"},
		{"B03-digest-by-md5", message1, edit(`"algorithm":"sha256"`, `"algorithm":"md5"`), binding, "unknown digest algorithm"},
		{"B03-digest-without-algorithm", message1, edit(`"algorithm":"sha256",`, ``), binding, "unknown digest algorithm"},
		{"B03-v2-digest-without-algorithm", message2, edit(`"algorithm":"SHA2_256",`, ``), binding, "unknown algorithm"},
		{"B03-v2-digest-by-number", message2, edit(`"algorithm":"SHA2_256"`, `"algorithm":1`), binding, "expected a string"},
		{"B03-v2-alias", message2, edit(`"hashedRekordV002"`, `"hashed_rekord_v002"`), binding, `unknown member "hashed_rekord_v002"`},
		{"B03-v2-two-kinds-in-one", message2, edit(`"hashedRekordV002"`, `"dsseV002":{},"hashedRekordV002"`), binding, `unknown member "dsseV002"`},
		{"B03-v2-envelope-and-message", dsse2, edit(`"dsseV002"`, `"hashedRekordV002":{},"dsseV002"`), binding, `unknown member "hashedRekordV002"`},
		{"B03-v2-empty-spec", message2, edit(`"spec":{`, `"spec":{},"Spec":{`), binding, "Spec"},

		{"B02-key-and-certificate", message2, edit(`"x509Certificate":`, `"publicKey":{"rawBytes":"AAAA"},"x509Certificate":`), binding, "either a public key or a certificate"},
		{"B02-empty-key-and-certificate", message2, edit(`"x509Certificate":`, `"publicKey":{},"x509Certificate":`), binding, "either a public key or a certificate"},
		{"B02-no-verifier", message2, edit(`"x509Certificate":`, `"X509Certificate":`), binding, "unknown member"},
		{"B02-other-algorithm", message2, edit(`"PKIX_ECDSA_P256_SHA_256"`, `"PKIX_ECDSA_P384_SHA_384"`), binding, "misnames the signer's key"},
		{"B02-old-name-of-algorithm", message2, edit(`"PKIX_ECDSA_P256_SHA_256"`, `"PKIX_ECDSA_P256_HMAC_SHA_256"`), binding, "misnames the signer's key"},
		{"B02-no-algorithm", message2, edit(`"keyDetails":"PKIX_ECDSA_P256_SHA_256",`, ``), binding, "misnames the signer's key"},
		{"B02-two-signatures", dsse2, edit(`"signatures":[{`, `"signatures":[{"content":"AAAA"},{`), binding, "expected one signature"},
		{"B02-v1-two-signatures", dsse1, edit(`"signatures":[{`, `"signatures":[{"signature":"AAAA"},{`), binding, "expected one signature, found 2"},
		{"B02-v1-no-signature", dsse1, func(t *testing.T, c *trial) {
			body := string(c.firstEntry().CanonicalizedBody)
			at := strings.Index(body, `"signatures":[`) + len(`"signatures":[`)
			c.editBody(t, body[at:], "]}}")
		}, binding, "expected one signature, found 0"},
		{"B02-intoto-two-signatures", intoto, edit(`"signatures":[{`, `"signatures":[{"sig":"AAAA"},{`), binding, "expected one signature, found 2"},
		{"B02-intoto-signature-in-base64-once", intoto, func(t *testing.T, c *trial) {
			sig := c.Bundle.GetDsseEnvelope().Signatures[0].Sig
			once := base64.StdEncoding.EncodeToString(sig)
			c.editBody(t, base64.StdEncoding.EncodeToString([]byte(once)), once)
		}, binding, "base64"},

		{"B04-payload-hash-by-sha512", dsse1, func(t *testing.T, c *trial) { c.rehashPayload(t, "sha512") }, binding, "expected the SHA-256 of the payload"},
		{"B04-intoto-payload-hash-by-sha384", intoto, func(t *testing.T, c *trial) { c.rehashPayload(t, "sha384") }, binding, "expected the SHA-256 of the payload"},
		{"B04-intoto-holds-another-payload", intoto, edit(`"payloadType":`, `"payload":"YmFk","payloadType":`), binding, "holds another payload"},
		{"B15-intoto-payload-type", intoto, edit(`"application/vnd.in-toto+json"`, `"application/json"`), binding, "payload of type"},
	})
}

// rehashPayload logs the first entry with the digest of the right payload by
// another algorithm.
func (c *trial) rehashPayload(t *testing.T, algorithm string) {
	t.Helper()
	h := map[string]crypto.Hash{"sha384": crypto.SHA384, "sha512": crypto.SHA512}[algorithm].New()
	payload := c.Bundle.GetDsseEnvelope().Payload
	h.Write(payload)
	c.editBody(t, hashJSON("sha256", sum256(payload)), hashJSON(algorithm, h.Sum(nil)))
}

// TestIntotoEntryMayHoldThePayload, as some servers keep it: base64 of base64.
func TestIntotoEntryMayHoldThePayload(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}, Statement: statement(t), Kind: sandbox.Intoto002})
	once := base64.StdEncoding.EncodeToString(statement(t))
	c.editBody(t, `"payloadType":`, `"payload":"`+base64.StdEncoding.EncodeToString([]byte(once))+`","payloadType":`)
	c.accepted(t)
}

// TestVerifierOfAnEntryIsOnePEMBlock: text around the block, which some
// decoders skip, is where others might find another signer.
func TestVerifierOfAnEntryIsOnePEMBlock(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	stranger := s.Key("stranger", sandbox.P256)
	block := func(c *trial) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chainLeaf(c.Bundle)}))
	}
	for name, around := range map[string]func(string) string{
		"key-before":         func(b string) string { return string(stranger.PEM()) + b },
		"key-after":          func(b string) string { return b + string(stranger.PEM()) },
		"twice":              func(b string) string { return b + b },
		"text-before":        func(b string) string { return "signer: alice\n" + b },
		"text-after":         func(b string) string { return b + "signer: alice\n" },
		"malformed-before":   func(b string) string { return "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n" + b },
		"unfinished-before":  func(b string) string { return "-----BEGIN PUBLIC KEY-----\n" + b },
		"headers":            func(b string) string { return strings.Replace(b, "-----\n", "-----\nProc-Type: 4\n\n", 1) },
		"of-another-type":    func(b string) string { return strings.ReplaceAll(b, "CERTIFICATE", "TRUSTED CERTIFICATE") },
		"certificate-as-key": func(b string) string { return strings.ReplaceAll(b, "CERTIFICATE", "PUBLIC KEY") },
		"no-PEM":             func(string) string { return "alice" },
		"nothing":            func(string) string { return "" },
	} {
		for kind, o := range map[string]sandbox.SignOptions{
			"hashedrekord": {Logs: []*sandbox.Log{s.RekorV1}},
			"dsse":         {Logs: []*sandbox.Log{s.RekorV1}, Statement: statement(t)},
			"intoto":       {Logs: []*sandbox.Log{s.RekorV1}, Statement: statement(t), Kind: sandbox.Intoto002},
		} {
			t.Run("B02-PEM-"+name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
				c := honest(t, s, o)
				c.editBody(t, encode(block(c)), encode(block(c)))
				c.accepted(t)
				c.editBody(t, encode(block(c)), encode(around(block(c))))
				c.rejected(t, verify.CheckLogBinding, "")
			})
		}
	}
}

func hashJSON(algorithm string, sum []byte) string {
	return `"payloadHash":{"algorithm":"` + algorithm + `","value":"` + hex.EncodeToString(sum) + `"}`
}
