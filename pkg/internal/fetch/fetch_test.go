package fetch_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
)

// A client whose pauses take no time and are noted.
type client struct {
	*fetch.Client
	pauses []time.Duration
}

func newClient(o fetch.Options) *client {
	c := &client{}
	o.Wait = func(ctx context.Context, d time.Duration) error {
		c.pauses = append(c.pauses, d)
		return ctx.Err()
	}
	o.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	c.Client = fetch.New(&o)
	return c
}

// serve answers the first requests by the given handlers, and all later ones by
// the last, and counts them.
func serve(t *testing.T, handlers ...http.HandlerFunc) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		handlers[min(n, len(handlers)-1)](w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, "answer")
	}
}

func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		handlers []http.HandlerFunc
		once     bool
		asked    int64
		ok       bool
	}{
		{"at-once", []http.HandlerFunc{status(200)}, false, 1, true},
		{"500-then-200", []http.HandlerFunc{status(500), status(200)}, false, 2, true},
		{"429-then-200", []http.HandlerFunc{status(429), status(200)}, false, 2, true},
		{"broken-then-200", []http.HandlerFunc{abort, status(200)}, false, 2, true},
		{"always-500", []http.HandlerFunc{status(500)}, false, 4, false},
		{"always-broken", []http.HandlerFunc{abort}, false, 4, false},
		{"400-stays", []http.HandlerFunc{status(400), status(200)}, false, 1, false},
		{"404-stays", []http.HandlerFunc{status(404), status(200)}, false, 1, false},
		{"501-stays", []http.HandlerFunc{status(501), status(200)}, false, 1, false},
		{"once", []http.HandlerFunc{status(500), status(200)}, true, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at, asked := serve(t, test.handlers...)
			resp, err := newClient(fetch.Options{}).Do(t.Context(), &fetch.Request{Method: http.MethodPost, URL: at, Body: []byte("x"), Once: test.once})
			if (err == nil) != test.ok || asked.Load() != test.asked {
				t.Errorf("got error %v after %d requests, want success %v after %d", err, asked.Load(), test.ok, test.asked)
			}
			if (resp != nil) != test.ok {
				t.Errorf("got a response: %v, want %v", resp != nil, test.ok)
			}
		})
	}
}

func TestRetryAfterIsHeeded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header string
		least  time.Duration
		asked  int64
	}{
		{"7", 7 * time.Second, 2},
		{"Fri, 02 Jan 2026 03:04:13 GMT", 8 * time.Second, 2},
		{"Fri, 02 Jan 2025 03:04:13 GMT", 0, 2},
		{"soon", 0, 2},
		{"3600", 0, 1}, // nobody waits that long
	} {
		t.Run(test.header, func(t *testing.T) {
			t.Parallel()
			at, asked := serve(t, status(429, "Retry-After", test.header), status(200))
			c := newClient(fetch.Options{})
			_, err := c.Do(t.Context(), &fetch.Request{URL: at})
			if asked.Load() != test.asked || (err == nil) != (test.asked == 2) {
				t.Fatalf("got %d requests and error %v, want %d", asked.Load(), err, test.asked)
			}
			if test.asked == 2 && (c.pauses[0] < test.least || c.pauses[0] > 15*time.Second) {
				t.Errorf("got a pause of %v, want %v or more", c.pauses[0], test.least)
			}
		})
	}
}

func TestDeadlineOfAnAttempt(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	at, asked := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, status(200))
	resp, err := newClient(fetch.Options{Timeout: 50 * time.Millisecond}).Do(t.Context(), &fetch.Request{URL: at})
	if err != nil || resp.Status != 200 || asked.Load() != 2 {
		t.Errorf("got %v, %v after %d requests, want 200 from the second", resp, err, asked.Load())
	}
}

func TestDeadlineOfAll(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := newClient(fetch.Options{Timeout: time.Hour, Total: 50 * time.Millisecond}).Do(t.Context(), &fetch.Request{URL: at})
	if err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("got %v, want an error about the deadline", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	at, asked := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 100)) })
	c := newClient(fetch.Options{})
	if resp, err := c.Do(t.Context(), &fetch.Request{URL: at, MaxBody: 100}); err != nil || len(resp.Body) != 100 {
		t.Errorf("at the limit: got %v", err)
	}
	before := asked.Load()
	if _, err := c.Do(t.Context(), &fetch.Request{URL: at, MaxBody: 99}); err == nil || asked.Load() != before+1 {
		t.Errorf("above the limit: got %v after %d requests, want an error after one", err, asked.Load()-before)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var seen http.Header
	target, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		fmt.Fprint(w, "there")
	})
	at, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	})
	c := newClient(fetch.Options{})
	secret := http.Header{"Authorization": {"Bearer secret"}, "Cookie": {"a=secret"}, "X-Token": {"secret"}}

	resp, err := c.Do(t.Context(), &fetch.Request{URL: at, Header: secret})
	if err != nil || string(resp.Body) != "there" {
		t.Fatalf("GET: got %v, want it followed", err)
	}
	if text := fmt.Sprint(seen); strings.Contains(text, "secret") {
		t.Errorf("a credential went along: %s", text)
	}
	seen = nil
	before := asked.Load()
	_, err = c.Do(t.Context(), &fetch.Request{Method: http.MethodPost, URL: at, Header: secret, Body: []byte("secret")})
	if _, ok := errors.AsType[*fetch.UnsentError](err); !ok || seen != nil || asked.Load() != before+1 {
		t.Errorf("POST: got %v after %d requests, want it refused at once", err, asked.Load()-before)
	}
	loop, asked := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	if _, err := c.Do(t.Context(), &fetch.Request{URL: loop}); err == nil || asked.Load() > 8 {
		t.Errorf("a loop: got %v after %d requests", err, asked.Load())
	}
}

func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	plain, reached := serve(t, status(200))
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" {
			fmt.Fprint(w, "fine")
			return
		}
		http.Redirect(w, r, plain, http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	c := newClient(fetch.Options{Transport: secure.Client().Transport})
	if _, err := c.Do(t.Context(), &fetch.Request{URL: secure.URL + "/here"}); err != nil {
		t.Fatalf("without a redirect: %v", err)
	}
	if _, err := c.Do(t.Context(), &fetch.Request{URL: secure.URL}); err == nil || reached.Load() != 0 {
		t.Errorf("got %v, want a redirect to http: refused", err)
	}
}

// TestWrongCertificate: nobody vouches for the server, and asking again would
// not help.
func TestWrongCertificate(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	secure := httptest.NewUnstartedServer(status(200))
	secure.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { asked.Add(1); return nil, nil }}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	if _, err := newClient(fetch.Options{Transport: secure.Client().Transport}).Do(t.Context(), &fetch.Request{URL: secure.URL}); err != nil {
		t.Fatalf("trusted: %v", err)
	}
	asked.Store(0)
	if _, err := newClient(fetch.Options{}).Do(t.Context(), &fetch.Request{URL: secure.URL}); err == nil || asked.Load() != 1 {
		t.Errorf("got %v after %d handshakes, want an error after one", err, asked.Load())
	}
}

func TestPlainHTTPOnlyOnLoopback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		url       string
		ok, plain bool // without and with PlainHTTP
	}{
		{"https://rekor.example", true, true},
		{"http://127.0.0.1:3000", true, true},
		{"http://[::1]:3000", true, true},
		{"http://localhost:3000", true, true},
		{"http://rekor.example", false, true},
		{"http://127.0.0.1.example", false, true},
		{"http://10.0.0.1", false, true},
		{"ftp://rekor.example", false, false},
		{"https://user:secret@rekor.example", false, false},
		{"rekor.example", false, false},
	} {
		u, err := url.Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		if err := fetch.New(nil).CheckURL(u); (err == nil) != test.ok {
			t.Errorf("%s: got %v, want accepted %v", test.url, err, test.ok)
		}
		if err := fetch.New(&fetch.Options{PlainHTTP: true}).CheckURL(u); (err == nil) != test.plain {
			t.Errorf("%s with PlainHTTP: got %v, want accepted %v", test.url, err, test.plain)
		}
	}
}

// TestErrorsHoldNoSecrets: a URL's query and a request's header stay out of
// them.
func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	at, _ := serve(t, abort)
	for _, u := range []string{at + "/?token=secret", "http://127.0.0.1:1/?token=secret", "http://127.0.0.1:bad/?token=secret"} {
		_, err := newClient(fetch.Options{}).Do(t.Context(), &fetch.Request{URL: u, Header: http.Header{"Authorization": {"Bearer secret"}}})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want an error without the secret", err)
		}
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	at, asked := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := newClient(fetch.Options{}).Do(ctx, &fetch.Request{URL: at}); !errors.Is(err, context.Canceled) || asked.Load() != 1 {
		t.Errorf("got %v after %d requests, want it canceled after one", err, asked.Load())
	}
}
