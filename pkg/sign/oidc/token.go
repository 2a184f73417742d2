// Package oidc answers one question: where does an identity token come from?
//
// From whoever has one already, from the CI system that runs the job, from a
// person with a browser here, or with a browser elsewhere. A token is a secret:
// who has it can sign as whom it names until it ends. It is kept out of errors,
// and its String is not it.
//
// What a token says is read, and not verified: that is Fulcio's business.
//
// Source: OpenID Connect Core 1.0, RFC 7519, RFC 7636 (PKCE), RFC 8252
// (loopback redirects), RFC 8628 (device flow).
package oidc

import (
	"bytes"
	"encoding/base64"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// MaxToken bounds an identity token, in bytes.
const MaxToken = 64 << 10

// A Token is an identity token, and what it says.
type Token struct {
	Issuer  string
	Subject string    // whom a certificate will be for: the email address if it is verified, else sub
	Email   bool      // Subject is an email address
	Expires time.Time // zero if it does not say

	raw   string
	nonce string
}

// Secret returns the token itself.
func (t *Token) Secret() string { return t.raw }

// String says whose token it is, without being it.
func (t *Token) String() string {
	return fmt.Sprintf("identity token of %q by %q", t.Subject, t.Issuer)
}

// GoString is String: %#v shows no secret either.
func (t *Token) GoString() string { return t.String() }

// CheckFresh refuses a token that has ended.
func (t *Token) CheckFresh(now time.Time) error {
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return fmt.Errorf("%v: it ended at %s, and now is %s", t, t.Expires.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// Parse reads a compact JWT, as far as issuer, subject and expiry go. Errors
// never show any of it.
func Parse(text string) (*Token, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("expected an identity token, found none")
	}
	if len(text) > MaxToken {
		return nil, fmt.Errorf("expected an identity token of at most %d bytes, found more", MaxToken)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("expected an identity token of three parts (a JWT), found %d", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errors.New("expected an identity token with a payload in base64url, found something else")
	}
	var claims struct {
		Issuer        string         `json:"iss"`
		Subject       string         `json:"sub"`
		Email         string         `json:"email"`
		EmailVerified jsontext.Value `json:"email_verified"` // some issuers quote it
		Expires       jsontext.Value `json:"exp"`            // NumericDate, possibly a fraction
		Nonce         string         `json:"nonce"`
	}
	if err := strictjson.UnmarshalOpen(payload, &claims, strictjson.Limits{Bytes: MaxToken, AnyNull: true}); err != nil {
		return nil, errors.New("expected an identity token with claims in JSON, found something else")
	}
	t := &Token{Issuer: claims.Issuer, Subject: claims.Subject, raw: text, nonce: claims.Nonce}
	if claims.Email != "" {
		if v := string(bytes.Trim(claims.EmailVerified, `"`)); v != "true" {
			return nil, errors.New("the identity token's email address is not verified by its issuer")
		}
		t.Subject, t.Email = claims.Email, true
	}
	if t.Issuer == "" || t.Subject == "" {
		return nil, errors.New("expected an identity token with an issuer and a subject, found one without")
	}
	t.Expires, err = numericDate(claims.Expires)
	return t, err
}

// numericDate reads seconds since 1970, cutting off a fraction.
func numericDate(v jsontext.Value) (time.Time, error) {
	if v == nil {
		return time.Time{}, nil
	}
	text, _, _ := strings.Cut(string(v), ".")
	var seconds int64
	if _, err := fmt.Sscanf(text, "%d", &seconds); err != nil || seconds <= 0 || seconds > 253402300799 {
		return time.Time{}, errors.New("expected an identity token with a time of expiry, found something else")
	}
	return time.Unix(seconds, 0).UTC(), nil
}
