package tuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Fetcher gets the file at a URL, whole and of at most limit bytes. It returns
// ErrNotFound, possibly wrapped, where there is no such file. It must honour
// ctx.
type Fetcher interface {
	Fetch(ctx context.Context, url string, limit int64) ([]byte, error)
}

// Bounds on one request; the refresh as a whole has a deadline of its own.
const (
	requestTimeout = 20 * time.Second
	headerTimeout  = 10 * time.Second
	maxRedirects   = 3
)

// httpFetcher is the Fetcher for repositories on the web. It shares nothing with
// http.DefaultClient, keeps no cookies and knows no credentials.
type httpFetcher struct {
	client    *http.Client
	allowHTTP bool
}

// NewFetcher returns the fetcher that a Source uses: over HTTPS, and over HTTP on
// this machine, or anywhere if allowHTTP is set. A nil transport stands for one
// of its own.
func NewFetcher(transport http.RoundTripper, allowHTTP bool) Fetcher {
	return newHTTPFetcher(transport, allowHTTP)
}

// newHTTPFetcher returns a fetcher that goes through transport, or through one
// of its own that asks the environment for a proxy, as clients do.
func newHTTPFetcher(transport http.RoundTripper, allowHTTP bool) *httpFetcher {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: headerTimeout}).DialContext,
			TLSHandshakeTimeout:    headerTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			IdleConnTimeout:        headerTimeout,
			MaxIdleConnsPerHost:    2,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // a limit on what is read is then one on what is sent
		}
	}
	f := &httpFetcher{allowHTTP: allowHTTP}
	f.client = &http.Client{Transport: transport, Timeout: requestTimeout, CheckRedirect: f.checkRedirect}
	return f
}

// redirectError is a redirect that is not followed.
type redirectError struct{ err error }

func (e *redirectError) Error() string { return e.err.Error() }

// checkRedirect follows redirects within a host, and from http: to https:.
func (f *httpFetcher) checkRedirect(req *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, req.URL
	switch {
	case len(via) > maxRedirects:
		return &redirectError{fmt.Errorf("more than %d redirects", maxRedirects)}
	case to.User != nil:
		return &redirectError{errors.New("redirect to a URL with credentials")}
	case to.Scheme != "https" && to.Scheme != from.Scheme:
		return &redirectError{fmt.Errorf("redirect from %s to %s", from.Scheme, to.Scheme)}
	case to.Scheme == from.Scheme && !strings.EqualFold(to.Host, from.Host) || !strings.EqualFold(to.Hostname(), from.Hostname()):
		return &redirectError{fmt.Errorf("redirect to another host, %q: if it is the repository's, name it as the URL", to.Host)}
	}
	req.Header.Del("Referer")
	return nil
}

func (f *httpFetcher) Fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if err := checkURL(req.URL, f.allowHTTP); err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "bundler")
	resp, err := f.client.Do(req)
	if err != nil {
		if re, ok := errors.AsType[*redirectError](err); ok {
			return nil, &RefusedError{File: address, Err: re.err}
		}
		return nil, &UnavailableError{URL: address, Err: reason(ctx, err)}
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, &UnavailableError{URL: address, Status: resp.StatusCode, Err: fmt.Errorf("the server answered 404: %w", ErrNotFound)}
	case resp.StatusCode != http.StatusOK:
		return nil, &UnavailableError{URL: address, Status: resp.StatusCode, Err: fmt.Errorf("expected status 200, found %d", resp.StatusCode)}
	case resp.ContentLength > limit:
		return nil, tooLarge(address, limit)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, &UnavailableError{URL: address, Err: reason(ctx, err)}
	}
	if int64(len(data)) > limit {
		return nil, tooLarge(address, limit)
	}
	return data, nil
}

func tooLarge(address string, limit int64) error {
	return &RefusedError{File: address, Err: fmt.Errorf("larger than the limit of %d bytes", limit)}
}

// reason says why a request failed, without the URL that net/http puts before
// it, and prefers the deadline of the whole refresh.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		if ue.Timeout() {
			return fmt.Errorf("no complete answer within %v", requestTimeout)
		}
		return ue.Err
	}
	return err
}

// checkURL accepts https:, and http: where it is allowed or stays on this
// machine.
func checkURL(u *url.URL, allowHTTP bool) error {
	switch {
	case u.Host == "" || u.Hostname() == "":
		return configf("URL %q: expected https://HOST/…", u.Redacted())
	case u.User != nil:
		return configf("URL %q: expected no credentials in it", u.Redacted())
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return configf("URL %q: expected no query and no fragment", u)
	case u.Scheme == "https" || u.Scheme == "http" && (allowHTTP || isLoopback(u.Hostname())):
		return nil
	case u.Scheme == "http":
		return configf("URL %q: expected https:, found http:, whose answers anybody on the way can hold back", u)
	}
	return configf("URL %q: expected https:", u)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
