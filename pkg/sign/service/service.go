// Package service answers one question: how are Sigstore's services asked for
// evidence?
//
// It speaks the four HTTP APIs that signing takes, and no more of them than it
// takes: Fulcio's signingCert, Rekor's log entries in versions 1 and 2, and RFC
// 3161 over HTTP. It understands answers strictly and believes none of them:
// package sign has each one judged before it enters a bundle.
//
//	POST FULCIO/api/v2/signingCert       a certificate
//	POST REKOR/api/v1/log/entries        an entry of Rekor v1
//	GET  REKOR/api/v1/log/entries?logIndex=N
//	POST REKOR/api/v2/log/entries        an entry of Rekor v2
//	GET  REKOR/api/v2/checkpoint, /api/v2/tile/…
//	POST TSA                             a timestamp
//
// Source: fulcio.proto, rekor openapi.yaml, rekor-tiles rekor_service.proto,
// C2SP tlog-tiles, RFC 3161 section 3.4.
package service

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// Options say how servers are asked: time limits, attempts, plain HTTP.
type Options = fetch.Options

// A Client asks services. It is safe for concurrent use.
type Client struct{ fetch *fetch.Client }

// New returns a Client. Nil options are the defaults.
func New(o *Options) *Client { return &Client{fetch: fetch.New(o)} }

// Versions of the services' APIs that this package speaks.
var (
	caVersions    = []uint32{1} // of Fulcio's signing config; its path says v2
	rekorVersions = []uint32{1, 2}
	tsaVersions   = []uint32{1}
)

// A Choice says which kinds of service to select.
type Choice struct {
	Logs bool
	TSAs bool
}

// Select returns the logs and timestamp authorities that a signing config has
// for now, as its selectors say. A kind that is not chosen, or of which the
// config lists nothing, has none.
func (c *Client) Select(cfg *trustroot.SigningConfig, choice Choice, now time.Time) ([]sign.Log, []sign.TSA, error) {
	var logs []sign.Log
	var tsas []sign.TSA
	if choice.Logs && len(cfg.Rekor) > 0 {
		chosen, err := cfg.SelectRekor(rekorVersions, now)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range chosen {
			logs = append(logs, c.Log(s.URL, s.MajorAPIVersion))
		}
	}
	if choice.TSAs && len(cfg.TSAs) > 0 {
		chosen, err := cfg.SelectTSA(tsaVersions, now)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range chosen {
			tsas = append(tsas, c.TSA(s.URL))
		}
	}
	return logs, tsas, nil
}

// SelectCA returns the Fulcio that a signing config has for now.
func (c *Client) SelectCA(cfg *trustroot.SigningConfig, now time.Time) (*Fulcio, error) {
	s, err := cfg.SelectCA(caVersions, now)
	if err != nil {
		return nil, err
	}
	return &Fulcio{base: base(s.URL), client: c.fetch}, nil
}

// Log returns the Rekor of that base URL and version, 1 or else 2.
func (c *Client) Log(url string, version uint32) sign.Log {
	if version == 1 {
		return &RekorV1{base: base(url), client: c.fetch}
	}
	return &RekorV2{base: base(url), client: c.fetch}
}

// TSA returns the timestamp authority of that URL.
func (c *Client) TSA(url string) *TSA { return &TSA{url: url, client: c.fetch} }

// NamedLog returns the log of that URL, which the config must list as valid
// now.
func (c *Client) NamedLog(cfg *trustroot.SigningConfig, url string, now time.Time) (sign.Log, error) {
	s, err := named(cfg.Rekor, rekorVersions, url, now)
	if err != nil {
		return nil, fmt.Errorf("transparency log: %w", err)
	}
	return c.Log(s.URL, s.MajorAPIVersion), nil
}

// NamedTSA is NamedLog for timestamp authorities.
func (c *Client) NamedTSA(cfg *trustroot.SigningConfig, url string, now time.Time) (sign.TSA, error) {
	s, err := named(cfg.TSAs, tsaVersions, url, now)
	if err != nil {
		return nil, fmt.Errorf("timestamp authority: %w", err)
	}
	return c.TSA(s.URL), nil
}

func named(list []trustroot.Service, versions []uint32, url string, now time.Time) (trustroot.Service, error) {
	var known []string
	for _, s := range list {
		if base(s.URL) == base(url) && s.ValidFor.Contains(now) && slices.Contains(versions, s.MajorAPIVersion) {
			return s, nil
		}
		known = append(known, s.URL)
	}
	if len(known) == 0 {
		return trustroot.Service{}, errors.New("the signing config lists none")
	}
	return trustroot.Service{}, fmt.Errorf("expected one that the signing config lists as valid now, such as %s, found %q", known[0], url)
}

func base(url string) string { return strings.TrimRight(url, "/") }

// uncertain marks errors of requests that the server may have acted on: all but
// those it refused, and those that never reached it.
func uncertain(err error) error {
	if _, ok := errors.AsType[*fetch.UnsentError](err); ok {
		return err
	}
	if status, ok := errors.AsType[*fetch.StatusError](err); ok && status.Status < 500 {
		return err
	}
	return &sign.UncertainError{Err: err}
}
