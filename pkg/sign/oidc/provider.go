package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// A Provider is an OpenID provider that people log in to.
type Provider struct {
	ClientID string // "" means "sigstore"

	issuer    string
	client    *fetch.Client
	authorize string
	token     string
	device    string // "" if it has no device flow
}

// Discover asks the issuer at that URL where it does what. Every endpoint is
// held to the same rules as the issuer's URL.
//
// Source: OpenID Connect Discovery 1.0, section 4.
func Discover(ctx context.Context, issuer string, o *Options) (*Provider, error) {
	p := &Provider{ClientID: "sigstore", issuer: strings.TrimRight(issuer, "/"), client: fetch.New(o)}
	resp, err := p.client.Do(ctx, &fetch.Request{URL: p.issuer + "/.well-known/openid-configuration"})
	if err != nil {
		return nil, fmt.Errorf("identity provider: %w", err)
	}
	var w struct {
		Issuer    string   `json:"issuer"`
		Authorize string   `json:"authorization_endpoint"`
		Token     string   `json:"token_endpoint"`
		Device    string   `json:"device_authorization_endpoint"`
		PKCE      []string `json:"code_challenge_methods_supported"`
	}
	if err := strictjson.UnmarshalOpen(resp.Body, &w, replyLimits); err != nil {
		return nil, fmt.Errorf("identity provider %s: configuration: %w", p.issuer, err)
	}
	if strings.TrimRight(w.Issuer, "/") != p.issuer {
		return nil, fmt.Errorf("identity provider: expected the configuration of %q, found that of %q", p.issuer, w.Issuer)
	}
	if len(w.PKCE) > 0 && !slices.Contains(w.PKCE, "S256") {
		return nil, fmt.Errorf("identity provider %s: expected PKCE with S256, found %q", p.issuer, w.PKCE)
	}
	p.authorize, p.token, p.device = w.Authorize, w.Token, w.Device
	for _, endpoint := range p.endpoints() {
		u, err := url.Parse(endpoint)
		if err == nil {
			err = p.client.CheckURL(u)
		}
		if err != nil {
			return nil, fmt.Errorf("identity provider %s: endpoint %q: %w", p.issuer, endpoint, err)
		}
	}
	return p, nil
}

// endpoints returns those that are there and those that must be.
func (p *Provider) endpoints() []string {
	if p.device == "" {
		return []string{p.authorize, p.token}
	}
	return []string{p.authorize, p.token, p.device}
}

// oauthError is an answer by RFC 6749 section 5.2.
type oauthError struct{ code, description string }

func (e *oauthError) Error() string {
	if e.description == "" {
		return fmt.Sprintf("it answered %q", e.code)
	}
	return fmt.Sprintf("it answered %q: %q", e.code, e.description)
}

// post sends a form and reads the JSON of the answer into v, or an *oauthError.
// once is for codes that work one time.
func (p *Provider) post(ctx context.Context, endpoint string, form url.Values, once bool, v any) error {
	resp, err := p.client.Do(ctx, &fetch.Request{
		Method: http.MethodPost,
		URL:    endpoint,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
		Body:   []byte(form.Encode()),
		Accept: []int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden},
		Once:   once,

		Private: true,
	})
	if err != nil {
		return err
	}
	if resp.Status != http.StatusOK {
		var w struct {
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := strictjson.UnmarshalOpen(resp.Body, &w, replyLimits); err != nil || w.Code == "" {
			return fmt.Errorf("status %d", resp.Status)
		}
		return &oauthError{w.Code, w.Description[:min(len(w.Description), 200)]}
	}
	if err := strictjson.UnmarshalOpen(resp.Body, v, replyLimits); err != nil {
		return errors.New("expected an answer in JSON, found something else")
	}
	return nil
}

// tokenReply is the answer of the token endpoint.
type tokenReply struct {
	IDToken string `json:"id_token"`
}

func (p *Provider) parse(w *tokenReply) (*Token, error) {
	t, err := Parse(w.IDToken)
	if err != nil {
		return nil, err
	}
	if strings.TrimRight(t.Issuer, "/") != p.issuer {
		return nil, fmt.Errorf("expected a token issued by %q, found one by %q", p.issuer, t.Issuer)
	}
	return t, nil
}
