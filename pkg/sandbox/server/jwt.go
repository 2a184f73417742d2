package server

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// maxToken is the largest identity token that Fulcio reads.
const maxToken = 8 << 10

// claims are what an identity token says.
type claims struct {
	Issuer        string         `json:"iss"`
	Subject       string         `json:"sub"`
	Audience      jsontext.Value `json:"aud"` // a string, or an array of them
	Expiry        int64          `json:"exp"` // seconds of Unix time, as all times
	IssuedAt      int64          `json:"iat"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitempty"`
	Nonce         string         `json:"nonce,omitempty"`
}

// emailClaims are about a person.
func emailClaims(email, audience string) claims {
	return claims{Subject: email, Email: email, EmailVerified: true, Audience: quoted(audience)}
}

// subjectClaims are about a workload, by its URI.
func subjectClaims(uri, audience string) claims {
	return claims{Subject: uri, Audience: quoted(audience)}
}

func quoted(text string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic(err) // the callers refuse what is not UTF-8
	}
	return b
}

// issue signs a token: iss, iat and exp are the provider's to say.
//
// Source: RFC 7515, compact serialization; RFC 7518, ES256.
func (p *provider) issue(c claims) string {
	now := p.sandbox.Now()
	c.Issuer, c.IssuedAt, c.Expiry = p.issuer, now.Unix(), now.Add(TokenLife).Unix()
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // the claims are ours
	}
	header := fmt.Sprintf(`{"alg":"ES256","kid":"%s","typ":"JWT"}`, p.keyID)
	signed := encodeSegment([]byte(header)) + "." + encodeSegment(payload)
	return signed + "." + encodeSegment(rawSignature(p.key, []byte(signed)))
}

func encodeSegment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decodeSegment(text string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

// rawSignature is r and s, 32 bytes each.
func rawSignature(key *sandbox.Key, message []byte) []byte {
	in := cryptobyte.String(key.Sign(message))
	var body cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !in.ReadASN1(&body, cryptobyte_asn1.SEQUENCE) || !body.ReadASN1Integer(r) || !body.ReadASN1Integer(s) {
		panic("sandbox: an ECDSA signature that is not in DER")
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// verify returns what a token says, if the provider issued it to that audience
// and it is valid now.
func (p *provider) verify(token, audience string) (claims, error) {
	if len(token) > maxToken {
		return claims{}, fmt.Errorf("expected at most %d bytes, found %d", maxToken, len(token))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, fmt.Errorf("expected three parts with dots between, found %d", len(parts))
	}
	if err := p.verifyHeader(parts[0]); err != nil {
		return claims{}, err
	}
	sig, err := decodeSegment(parts[2])
	if err != nil || len(sig) != 64 {
		return claims{}, errors.New("signature: expected 64 bytes in base64url")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	if !ecdsa.Verify(p.key.Public().(*ecdsa.PublicKey), digest[:], r, s) {
		return claims{}, errors.New("signature: not made by the provider's key")
	}
	var c claims
	payload, err := decodeSegment(parts[1])
	if err == nil {
		err = strictjson.UnmarshalOpen(payload, &c, strictjson.Limits{Bytes: maxToken, Depth: 8})
	}
	if err != nil {
		return claims{}, fmt.Errorf("claims: %w", err)
	}
	return c, c.check(p.issuer, audience, p.sandbox.Now())
}

// verifyHeader accepts the one algorithm and the one key that there is.
func (p *provider) verifyHeader(segment string) error {
	var header struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}
	text, err := decodeSegment(segment)
	if err == nil {
		err = strictjson.Unmarshal(text, &header, strictjson.Limits{Bytes: maxToken, Depth: 4})
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if header.Algorithm != "ES256" {
		return fmt.Errorf("header: expected algorithm ES256, found %q", clip(header.Algorithm))
	}
	if header.KeyID != p.keyID {
		return fmt.Errorf("header: expected key id %s, found %q", p.keyID, clip(header.KeyID))
	}
	return nil
}

func (c *claims) check(issuer, audience string, now time.Time) error {
	if c.Issuer != issuer {
		return fmt.Errorf("iss: expected %s, found %q", issuer, clip(c.Issuer))
	}
	if !c.isFor(audience) {
		return fmt.Errorf("aud: expected %s, found %q", audience, clip(string(c.Audience)))
	}
	if exp := time.Unix(c.Expiry, 0); !now.Before(exp) {
		return fmt.Errorf("exp: the token expired at %s", exp.UTC().Format(time.RFC3339))
	}
	if iat := time.Unix(c.IssuedAt, 0); now.Before(iat) {
		return fmt.Errorf("iat: the token is of the future: issued at %s", iat.UTC().Format(time.RFC3339))
	}
	return nil
}

func (c *claims) isFor(audience string) bool {
	var one string
	if json.Unmarshal(c.Audience, &one) == nil {
		return one == audience
	}
	var all []string
	if json.Unmarshal(c.Audience, &all) != nil {
		return false
	}
	for _, a := range all {
		if a == audience {
			return true
		}
	}
	return false
}
