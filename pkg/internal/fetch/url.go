package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
)

func (c *Client) parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("expected a URL: %w", withoutURL(err))
	}
	return u, c.CheckURL(u)
}

// CheckURL accepts the URLs that the client asks at.
func (c *Client) CheckURL(u *url.URL) error {
	switch {
	case u.Hostname() == "" || u.User != nil:
		return errors.New("expected a URL with a host and without credentials")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("expected an https: URL, found %q", u.Scheme+":")
	case c.o.PlainHTTP || isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%s: expected an https: URL, found http:, which anybody on the way can read and change", u.Host)
}

// isLoopback reports whether a host is this one, by its address or by the name
// that RFC 6761 section 6.3 reserves.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// checkRedirect allows few redirects, of requests without a body, and takes
// along no header that the caller set.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	first, last := via[0], via[len(via)-1]
	switch {
	case first.Method != http.MethodGet:
		return &UnsentError{&permanentError{fmt.Errorf("a redirect of a %s request to %q, which is not followed", first.Method, req.URL.Host)}}
	case len(via) > maxRedirects:
		return &permanentError{fmt.Errorf("more than %d redirects", maxRedirects)}
	case last.URL.Scheme == "https" && req.URL.Scheme != "https":
		return &permanentError{fmt.Errorf("a redirect from https: to %q", req.URL.Scheme+"://"+req.URL.Host)}
	}
	if err := c.CheckURL(req.URL); err != nil {
		return &permanentError{fmt.Errorf("a redirect: %w", err)}
	}
	req.Header = http.Header{"User-Agent": {c.o.UserAgent}}
	return nil
}
