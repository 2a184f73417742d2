package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/rsa"
	"encoding/base64"
	"fmt"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// explain says why sig does not verify, by trying what people and tools do
// instead. Nothing that it finds is accepted.
func explain(q *Request, by *Credential, sig []byte, cause error) error {
	for _, m := range mistakes(q) {
		how := madeBy(by.public, m.content, sig)
		switch {
		case how == "":
		case m.what == "":
			return fmt.Errorf("signature: %w: it is %s, and %v was expected", cause, how, q.algorithm)
		default:
			return fmt.Errorf("signature: %w: it is %s over %s", cause, how, m.what)
		}
	}
	for _, c := range by.chain[min(1, len(by.chain)):] {
		other := &Credential{public: c.PublicKey}
		if other.Check(q.algorithm) == nil && q.verify(other, sig) == nil {
			return fmt.Errorf("signature: %w: the key of %q made it, which is a CA of the chain and not the signer", cause, c.Subject)
		}
	}
	if q.algorithm == keyspec.Ed25519ph && q.ToSign() == nil {
		return fmt.Errorf("signature: %w: another key made it, or it is over other bytes, or it is pure Ed25519, the only kind that openssl before 3.2 makes, and %v was expected", cause, q.algorithm)
	}
	return fmt.Errorf("signature: %w: another key made it, or it is over other bytes", cause)
}

// content is what a signature may be over: a message, or digests of one.
type content struct {
	message []byte // nil if not known
	digests []bundle.Digest
}

func (c *content) digest(alg bundle.Algorithm) []byte {
	if d := digestBy(c.digests, alg); !d.IsZero() {
		return d.Bytes()
	}
	if c.message == nil {
		return nil
	}
	return bundle.Sum(alg, c.message).Bytes()
}

type mistake struct {
	what string // what is signed instead, "" if it is the right content
	content
}

// mistakes returns the contents to try, the right one first.
func mistakes(q *Request) []mistake {
	list := []mistake{{"", content{q.ToSign(), q.digests}}}
	add := func(what string, message []byte) {
		list = append(list, mistake{what, content{message: message}})
	}
	if q.IsEnvelope() {
		add("the payload alone, and its PAE (the request's toSign) was expected", q.payload)
	}
	if toSign := q.ToSign(); toSign != nil {
		add("the base64 text of the request's toSign, and its bytes were expected", []byte(base64.StdEncoding.EncodeToString(toSign)))
	}
	for _, d := range append([]bundle.Digest{q.Digest()}, q.digests...) {
		if d.IsZero() {
			continue
		}
		add(fmt.Sprintf("the %v digest as if that were the message, and the message was expected (a tool that hashes needs the message itself)", d.Algorithm()), d.Bytes())
		add(fmt.Sprintf("the hexadecimal text of the %v digest, and the message was expected", d.Algorithm()), []byte(d.Hex()))
		add(fmt.Sprintf("the hexadecimal text of the %v digest and a line break, and the message was expected", d.Algorithm()), []byte(d.Hex()+"\n"))
	}
	return list
}

var hashNames = map[bundle.Algorithm]string{bundle.SHA256: "SHA-256", bundle.SHA384: "SHA-384", bundle.SHA512: "SHA-512"}

// madeBy returns the scheme and hash by which pub made sig over c, "" if by
// none.
func madeBy(pub crypto.PublicKey, c content, sig []byte) string {
	for _, alg := range []bundle.Algorithm{bundle.SHA256, bundle.SHA384, bundle.SHA512} {
		digest := c.digest(alg)
		if digest == nil {
			continue
		}
		if scheme := madeByDigest(pub, alg, digest, sig); scheme != "" {
			return scheme
		}
	}
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		if c.message != nil && ed25519.Verify(pub, c.message, sig) {
			return "pure Ed25519"
		}
	case *mldsa.PublicKey:
		if c.message != nil && mldsa.Verify(pub, c.message, sig, nil) == nil {
			return pub.Parameters().String()
		}
	}
	return ""
}

func madeByDigest(pub crypto.PublicKey, alg bundle.Algorithm, digest, sig []byte) string {
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(pub, digest, sig) {
			return "ECDSA with " + hashNames[alg]
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(pub, alg.Hash(), digest, sig) == nil {
			return "RSA PKCS #1 v1.5 with " + hashNames[alg]
		}
		if rsa.VerifyPSS(pub, alg.Hash(), digest, sig, nil) == nil {
			return "RSA PSS with " + hashNames[alg]
		}
	case ed25519.PublicKey:
		if alg == bundle.SHA512 && ed25519.VerifyWithOptions(pub, digest, sig, &ed25519.Options{Hash: crypto.SHA512}) == nil {
			return "Ed25519ph"
		}
	}
	return ""
}
