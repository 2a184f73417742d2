// Package fetch answers: how is a server asked over HTTP so that it can
// neither hang nor flood who asks?
//
// A Client has its own connections. Every attempt has a deadline, and so have
// all attempts together; answers have a size limit; transient failures are
// retried a few times. Plain http: is for loopback addresses, or by explicit
// option; redirects never lead to it from https:, never carry credentials and
// never repeat a request that has a body.
package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options are the choices that New leaves open. Nil and zero fields mean the
// defaults.
type Options struct {
	Timeout  time.Duration // of one attempt; default 20 s
	Total    time.Duration // of all attempts of one request, pauses included; default 60 s
	Attempts int           // at most; default 4

	// PlainHTTP allows http: URLs beyond loopback.
	PlainHTTP bool

	UserAgent string            // default "bundler"
	Transport http.RoundTripper // default: connections of its own, by the environment's proxy

	// Wait pauses between attempts, until d is over or ctx is done. The default
	// is the function Wait.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the clock that dates in Retry-After are held against. Default
	// time.Now.
	Now func() time.Time
}

// Defaults of Options, and limits that are not to be chosen.
const (
	defaultTimeout  = 20 * time.Second
	defaultTotal    = 60 * time.Second
	defaultAttempts = 4
	maxRedirects    = 5
	maxHeader       = 64 << 10 // bytes of an answer's header
	maxExcerpt      = 200      // bytes of an answer that an error shows
)

// MaxBody bounds an answer unless its Request says otherwise, in bytes.
const MaxBody = 1 << 20

// A Client asks servers. It is safe for concurrent use.
type Client struct {
	o    Options
	http *http.Client
}

// New returns a Client.
func New(o *Options) *Client {
	c := &Client{}
	if o != nil {
		c.o = *o
	}
	if c.o.Timeout <= 0 {
		c.o.Timeout = defaultTimeout
	}
	if c.o.Total <= 0 {
		c.o.Total = defaultTotal
	}
	if c.o.Attempts <= 0 {
		c.o.Attempts = defaultAttempts
	}
	if c.o.UserAgent == "" {
		c.o.UserAgent = "bundler"
	}
	if c.o.Transport == nil {
		c.o.Transport = newTransport()
	}
	if c.o.Wait == nil {
		c.o.Wait = Wait
	}
	if c.o.Now == nil {
		c.o.Now = time.Now
	}
	c.http = &http.Client{Transport: c.o.Transport, CheckRedirect: c.checkRedirect}
	return c
}

// newTransport does not ask for compression: what a small answer unpacks to is
// then bounded as well.
func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
	}
}

// A Request is what a server is asked. A body is sent again with each attempt:
// who sets one knows that asking twice does no harm, or sets Once.
type Request struct {
	Method  string // "" means GET
	URL     string
	Header  http.Header
	Body    []byte
	MaxBody int64 // of the answer, in bytes; 0 means MaxBody
	Once    bool  // never ask twice

	// Private keeps the answer out of errors. Secret keeps it out if it repeats
	// the beginning of this text, which the request holds.
	Private bool
	Secret  string

	// Accept lists the statuses that are answers; empty means 200. Others are a
	// *StatusError.
	Accept []int
}

// A Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// A StatusError is an answer with a status that was not expected.
type StatusError struct {
	Status  int
	Header  http.Header
	Excerpt string // of the body, its first bytes
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("status %d %s", e.Status, http.StatusText(e.Status))
	if e.Excerpt != "" {
		text += fmt.Sprintf(": %q", e.Excerpt)
	}
	return text
}

// An UnsentError is wrapped by errors about a request that no server has acted
// on: it was never sent, or answered with a redirect that is not followed.
type UnsentError struct{ err error }

func (e *UnsentError) Error() string { return e.err.Error() }
func (e *UnsentError) Unwrap() error { return e.err }

// Do asks, again after transient failures, and returns the answer. Errors name
// the host asked, never the query or the header, which may hold secrets.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	u, err := c.parse(r.URL)
	if err != nil {
		return nil, &UnsentError{err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Total, fmt.Errorf("no answer within %v", c.o.Total))
	defer cancel()
	for attempt := 1; ; attempt++ {
		resp, err := c.once(ctx, r, u)
		if err == nil {
			return resp, nil
		}
		pause, again := c.pause(err, attempt)
		if again && !r.Once && attempt < c.o.Attempts {
			if c.o.Wait(ctx, pause) == nil {
				continue
			}
		}
		return nil, fmt.Errorf("%s: %w%s", u.Host, withoutURL(err), tries(attempt))
	}
}

func tries(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" (asked %d times)", n)
}

// withoutURL takes the URL out of an error of net/http.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func (c *Client) once(ctx context.Context, r *Request, u *url.URL) (*Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, fmt.Errorf("no answer within %v", c.o.Timeout))
	defer cancel()
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, &UnsentError{err}
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	req.Header.Set("User-Agent", c.o.UserAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, sendError(ctx, err)
	}
	defer resp.Body.Close()
	return read(ctx, r, resp)
}

// sendError says why there is no answer: the deadline, if that was it. A
// connection that was never made has sent nothing.
func sendError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &UnsentError{err}
	}
	return err
}

func read(ctx context.Context, r *Request, resp *http.Response) (*Response, error) {
	most := r.MaxBody
	if most == 0 {
		most = MaxBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, sendError(ctx, fmt.Errorf("reading the answer: %w", err))
	}
	if int64(len(body)) > most {
		return nil, &permanentError{fmt.Errorf("expected an answer of at most %d bytes, found more", most)}
	}
	accepted := resp.StatusCode == http.StatusOK && len(r.Accept) == 0
	for _, status := range r.Accept {
		accepted = accepted || status == resp.StatusCode
	}
	if !accepted {
		return nil, &StatusError{Status: resp.StatusCode, Header: resp.Header, Excerpt: r.excerpt(body)}
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// excerpt returns what may be shown of an answer.
func (r *Request) excerpt(body []byte) string {
	const telling = 16 // bytes of a secret
	shown := string(body[:min(len(body), maxExcerpt)])
	if r.Private || r.Secret != "" && strings.Contains(string(body), r.Secret[:min(len(r.Secret), telling)]) {
		return ""
	}
	return shown
}

// permanentError is one that asking again does not mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
