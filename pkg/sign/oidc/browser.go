package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	callbackPath = "/auth/callback"
	loginTime    = 5 * time.Minute // for a person to log in
)

// Browser has a person log in with a browser on this machine: open is given the
// URL to show. The answer comes to a server on loopback that takes one.
func (p *Provider) Browser(ctx context.Context, open func(url string) error) (*Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, loginTime, fmt.Errorf("nobody logged in within %v", loginTime))
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("waiting for the browser: %w", err)
	}
	l := &login{
		state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text(),
		redirect: fmt.Sprintf("http://localhost:%d%s", listener.Addr().(*net.TCPAddr).Port, callbackPath),
		codes:    make(chan callback, 1),
	}
	server := &http.Server{Handler: l, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 32 << 10}
	go server.Serve(listener)
	defer server.Close()
	if err := open(l.authorizeURL(p)); err != nil {
		return nil, fmt.Errorf("opening a browser: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case c := <-l.codes:
		if c.err != nil {
			return nil, fmt.Errorf("identity provider %s: %w", p.issuer, c.err)
		}
		return p.exchange(ctx, l, c.code)
	}
}

// A login is one that is under way.
type login struct {
	state, nonce, verifier string // secrets of this login
	redirect               string
	codes                  chan callback
}

type callback struct {
	code string
	err  error
}

func (l *login) authorizeURL(p *Provider) string {
	challenge := sha256.Sum256([]byte(l.verifier))
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {p.ClientID},
		"redirect_uri":          {l.redirect},
		"scope":                 {"openid email"},
		"state":                 {l.state},
		"nonce":                 {l.nonce},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	u, err := url.Parse(p.authorize)
	if err != nil {
		return "" // Discover has parsed it
	}
	for name, values := range u.Query() {
		if !query.Has(name) {
			query[name] = values
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// ServeHTTP takes the browser's one visit with the right state, and turns away
// all others.
func (l *login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if r.URL.Path != callbackPath || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.state)) != 1 {
		http.NotFound(w, r)
		return
	}
	c := callback{code: query.Get("code")}
	switch {
	case query.Get("error") != "":
		description := query.Get("error_description")
		c.err = &oauthError{query.Get("error"), description[:min(len(description), 200)]}
	case c.code == "":
		c.err = errors.New("expected a code in its redirect, found none")
	}
	select {
	case l.codes <- c:
	default: // one has come already
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if c.err != nil {
		fmt.Fprintln(w, "The login failed: see the terminal.")
		return
	}
	fmt.Fprintln(w, "Logged in. You may close this page and go back to the terminal.")
}

func (p *Provider) exchange(ctx context.Context, l *login, code string) (*Token, error) {
	var w tokenReply
	err := p.post(ctx, p.token, url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {p.ClientID},
		"code":          {code},
		"redirect_uri":  {l.redirect},
		"code_verifier": {l.verifier},
	}, true, &w)
	if err != nil {
		return nil, fmt.Errorf("identity provider %s: %w", p.issuer, err)
	}
	t, err := p.parse(&w)
	if err == nil && t.nonce != l.nonce {
		err = errors.New("expected a token of this login, found one of another (its nonce differs)")
	}
	if err != nil {
		return nil, fmt.Errorf("identity provider %s: %w", p.issuer, err)
	}
	return t, nil
}
