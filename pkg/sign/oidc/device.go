package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
)

// A Prompt is what a person needs to log in on another device.
type Prompt struct {
	URL      string // to visit
	Code     string // to enter there
	Complete string // a URL with the code in it; "" if there is none
}

const (
	deviceGrant     = "urn:ietf:params:oauth:grant-type:device_code"
	defaultInterval = 5 * time.Second
	maxInterval     = time.Minute
)

// Device has a person log in with a browser on any machine: show is given what
// to tell them. wait pauses between questions; nil means by the clock.
//
// Source: RFC 8628, with PKCE, which Sigstore's provider asks for.
func (p *Provider) Device(ctx context.Context, show func(Prompt) error, wait func(context.Context, time.Duration) error) (*Token, error) {
	if p.device == "" {
		return nil, fmt.Errorf("identity provider %s: it has no device flow", p.issuer)
	}
	if wait == nil {
		wait = fetch.Wait
	}
	verifier := rand.Text() + rand.Text()
	w, err := p.startDevice(ctx, verifier)
	if err != nil {
		return nil, fmt.Errorf("identity provider %s: %w", p.issuer, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.lifetime(), errors.New("nobody logged in in time"))
	defer cancel()
	if err := show(Prompt{URL: w.URL, Code: w.UserCode, Complete: w.Complete}); err != nil {
		return nil, err
	}
	t, err := p.pollDevice(ctx, w, verifier, wait)
	if err != nil {
		return nil, fmt.Errorf("identity provider %s: %w", p.issuer, err)
	}
	return t, nil
}

type deviceReply struct {
	DeviceCode string  `json:"device_code"`
	UserCode   string  `json:"user_code"`
	URL        string  `json:"verification_uri"`
	Complete   string  `json:"verification_uri_complete"`
	Expires    float64 `json:"expires_in"` // seconds
	Interval   float64 `json:"interval"`   // seconds
}

func (w *deviceReply) lifetime() time.Duration {
	if w.Expires <= 0 || w.Expires > loginTime.Seconds() {
		return loginTime
	}
	return time.Duration(w.Expires * float64(time.Second))
}

func (w *deviceReply) interval() time.Duration {
	if w.Interval <= 0 {
		return defaultInterval
	}
	return time.Duration(min(w.Interval, maxInterval.Seconds()) * float64(time.Second))
}

func (p *Provider) startDevice(ctx context.Context, verifier string) (*deviceReply, error) {
	challenge := sha256.Sum256([]byte(verifier))
	w := &deviceReply{}
	err := p.post(ctx, p.device, url.Values{
		"client_id":             {p.ClientID},
		"scope":                 {"openid email"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}, false, w)
	if err == nil && (w.DeviceCode == "" || w.UserCode == "" || w.URL == "") {
		err = errors.New("expected a code and a URL to enter it at, found none")
	}
	return w, err
}

func (p *Provider) pollDevice(ctx context.Context, w *deviceReply, verifier string, wait func(context.Context, time.Duration) error) (*Token, error) {
	for interval := w.interval(); ; {
		if err := wait(ctx, interval); err != nil {
			return nil, err
		}
		var reply tokenReply
		err := p.post(ctx, p.token, url.Values{
			"grant_type":    {deviceGrant},
			"client_id":     {p.ClientID},
			"device_code":   {w.DeviceCode},
			"code_verifier": {verifier},
		}, false, &reply)
		refused, ok := errors.AsType[*oauthError](err)
		switch {
		case err == nil:
			return p.parse(&reply)
		case ok && refused.code == "slow_down":
			interval = min(interval+5*time.Second, maxInterval)
		case !ok || refused.code != "authorization_pending":
			return nil, err
		}
	}
}
