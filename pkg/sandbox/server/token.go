package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// token exchanges a code for an identity token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	var code string
	switch form.Get("grant_type") {
	case grantCode:
		code = form.Get("code")
	case grantDevice:
		code = form.Get("device_code")
	default:
		return &refusal{http.StatusBadRequest, "unsupported_grant_type", errors.New("expected a code or a device code")}
	}
	g, ok := s.oidc.take(code)
	if !ok {
		return invalidGrant("the code is unknown, used or expired")
	}
	if err := g.match(r, form); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	replyJSON(w, http.StatusOK, map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer",
		"expires_in": int(TokenLife.Seconds()), "id_token": s.oidc.issue(s.lieAbout(g.claims)),
	})
	return nil
}

// match holds the request for a token against the login.
func (g *grant) match(r *http.Request, form url.Values) error {
	client := form.Get("client_id")
	if name, _, ok := r.BasicAuth(); ok {
		client, _ = url.QueryUnescape(name) // RFC 6749, section 2.3.1
	}
	switch {
	case g.kind != form.Get("grant_type"):
		return invalidGrant("the code is of another grant type")
	case g.client != client:
		return invalidGrant("the code was given to another client")
	case g.redirect != form.Get("redirect_uri") && g.kind == grantCode:
		return invalidGrant("the redirect_uri is not that of the login")
	}
	if g.challenge == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if subtle.ConstantTimeCompare([]byte(encodeSegment(sum[:])), []byte(g.challenge)) != 1 {
		return invalidGrant("the code_verifier is not that of the login's challenge")
	}
	return nil
}

func invalidGrant(text string) error {
	return &refusal{http.StatusBadRequest, "invalid_grant", errors.New(text)}
}

// anyToken issues a token for the asking.
func (s *Server) anyToken(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	audience := form.Get("aud")
	if audience == "" {
		audience = Audience
	}
	if len(audience) > 100 || !utf8.ValidString(audience) {
		return badRequest("aud: expected at most 100 bytes of UTF-8, found %d", len(audience))
	}
	email, uri := form.Get("email"), form.Get("sub")
	if email == "" && uri == "" {
		email = s.options.Identity
	}
	var c claims
	switch {
	case email != "" && uri != "":
		err = errors.New("expected email or sub, found both")
	case uri != "":
		c, err = subjectClaims(uri, audience), checkURI(uri)
	default:
		c, err = emailClaims(email, audience), checkEmail(email)
	}
	if err != nil {
		return badRequest("%w", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	replyJSON(w, http.StatusOK, map[string]any{"id_token": s.oidc.issue(s.lieAbout(c)), "expires_in": int(TokenLife.Seconds())})
	return nil
}

// lieAbout returns the claims, or under OtherArtifact those of somebody else.
func (s *Server) lieAbout(c claims) claims {
	if s.faults.is(OIDC, OtherArtifact) {
		c.Subject, c.Email, c.EmailVerified = strangerEmail, strangerEmail, true
	}
	return c
}

// readForm reads a form whose members are there once.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	body, err := readBody(w, r, "application/x-www-form-urlencoded", maxForm)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, badRequest("reading the form: %w", err)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, badRequest("reading the form: %q is there %d times", clip(name), len(values))
		}
	}
	return form, nil
}
