package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

// TestLiesReachClients: every fault of the library is seen over HTTP, either
// by the client that signs or by who verifies. A fork tells only beside
// another checkpoint.
func TestLiesReachClients(t *testing.T) {
	t.Parallel()
	for _, fault := range sandbox.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := serve(t, nil)
			o := order{rekor: []uint32{1, 2}, tsa: true}
			attempt := func() error {
				b, err := w.sign(t.Context(), o)
				if err != nil {
					return err
				}
				return w.judge(b, o)
			}
			if err := attempt(); err != nil {
				t.Fatalf("the honest twin: %v", err)
			}
			if err := w.Misbehave(string(fault)); err != nil {
				t.Fatal(err)
			}
			sizes := w.box.RekorV2.Size()
			err := attempt()
			switch fault {
			case sandbox.ForkedLog:
				if err != nil || w.box.RekorV2.Size() != sizes {
					t.Errorf("got %v and %d entries, want a proof in a tree that the log has not", err, w.box.RekorV2.Size())
				}
			case sandbox.OtherKind: // sigstore-go goes by the body
				b, err := w.sign(t.Context(), o)
				if err != nil || b.VerificationMaterial.TlogEntries[1].KindVersion.Version != "0.0.1" {
					t.Errorf("got %v, %v, want another version", b, err)
				}
			case sandbox.BadSET: // sigstore-go goes by the timestamp
				o.tsa = false
				if o.rekor = []uint32{1}; attempt() == nil {
					t.Error("accepted")
				}
			default:
				if err == nil {
					t.Error("accepted")
				}
			}
			if err := w.Misbehave(); err != nil {
				t.Fatal(err)
			}
			if err := attempt(); err != nil {
				t.Errorf("honest again: %v", err)
			}
		})
	}
}

// TestFaultsReachClients: each fault of each service that signing needs keeps
// sigstore-go from a bundle that verifies, and only while it is on.
func TestFaultsReachClients(t *testing.T) {
	t.Parallel()
	for _, service := range []server.Service{server.Fulcio, server.RekorV1, server.RekorV2, server.TSA} {
		for _, fault := range server.Faults() {
			if fault == server.Slow || fault == server.Endless {
				continue // below
			}
			t.Run(string(service)+"-"+string(fault), func(t *testing.T) {
				t.Parallel()
				w := serve(t, nil)
				o := order{rekor: []uint32{1, 2}, tsa: true}
				if err := w.Misbehave(string(service) + ":" + string(fault)); err != nil {
					t.Fatal(err)
				}
				// Rekor's client of v1 retries for seconds, and for ever if it is told to wait.
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				b, err := w.sign(ctx, o)
				if err == nil {
					err = w.judge(b, o)
				}
				if err == nil {
					t.Error("a bundle that verifies")
				}
				if w.Requests(service) == 0 {
					t.Error("the service was not asked")
				}
				if err := w.Misbehave(); err != nil {
					t.Fatal(err)
				}
				if b, err = w.sign(t.Context(), o); err == nil {
					err = w.judge(b, o)
				}
				if err != nil {
					t.Errorf("honest again: %v", err)
				}
			})
		}
	}
}

func TestFaultsLookAsTheySay(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	w := serve(t, &server.Options{RedirectTo: elsewhere.URL})
	const path = "/api/v2/trustBundle"
	on := func(spec string) {
		t.Helper()
		if err := w.Misbehave("fulcio:" + spec); err != nil {
			t.Fatal(err)
		}
	}
	get := func() (*http.Response, string) { return w.request(t, server.Fulcio, http.MethodGet, path, "", nil) }

	on("status-500")
	if r, _ := get(); r.StatusCode != 500 {
		t.Errorf("status-500: got %d", r.StatusCode)
	}
	on("status-429")
	if r, _ := get(); r.StatusCode != 429 || r.Header.Get("Retry-After") != "1" {
		t.Errorf("status-429: got %d, retry after %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	on("wrong-content")
	if r, text := get(); r.StatusCode != 200 || !strings.Contains(text, "log in") || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("wrong-content: got %d %s", r.StatusCode, text)
	}
	on("redirect")
	if r, _ := get(); r.StatusCode != 307 || r.Header.Get("Location") != elsewhere.URL+path {
		t.Errorf("redirect: got %d to %q", r.StatusCode, r.Header.Get("Location"))
	}
	on("status-500*2")
	for i, want := range []int{500, 500, 200, 200} {
		if r, _ := get(); r.StatusCode != want {
			t.Errorf("request %d of status-500*2: got %d, want %d", i, r.StatusCode, want)
		}
	}
	on("down")
	if r, err := http.Get(w.URL(server.Fulcio) + path); err == nil {
		r.Body.Close()
		t.Errorf("down: got %d", r.StatusCode)
	}
	if r, _ := w.request(t, server.OIDC, http.MethodGet, "/keys", "", nil); r.StatusCode != 200 {
		t.Errorf("another service: got %d", r.StatusCode)
	}
	on("truncated")
	r, err := http.Get(w.URL(server.Fulcio) + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(text) == 0 || int64(len(text)) >= r.ContentLength {
		t.Errorf("truncated: got %d of %d bytes, %v", len(text), r.ContentLength, err)
	}
}

// TestEndlessAndSlowEnd: they last as long as the client does, and keep
// neither it nor the server.
func TestEndlessAndSlowEnd(t *testing.T) {
	t.Parallel()
	w := serve(t, &server.Options{Delay: time.Hour})
	if err := w.Misbehave("fulcio:endless", "tsa:slow"); err != nil {
		t.Fatal(err)
	}
	r, err := http.Get(w.URL(server.Fulcio) + "/api/v2/trustBundle")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, r.Body, 8<<20); err != nil {
		t.Errorf("endless: it ended after %d bytes: %v", n, err)
	}
	r.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	request := must(http.NewRequestWithContext(ctx, http.MethodGet, w.URL(server.TSA)+"/api/v1/timestamp/certchain", nil))
	if r, err := http.DefaultClient.Do(request); err == nil {
		r.Body.Close()
		t.Errorf("slow: got %d at once", r.StatusCode)
	}
	quick := serve(t, &server.Options{Delay: time.Millisecond})
	if err := quick.Misbehave("tsa:slow"); err != nil {
		t.Fatal(err)
	}
	if status, _ := quick.get(t, server.TSA, "/api/v1/timestamp/certchain"); status != 200 {
		t.Errorf("a millisecond later: got %d", status)
	}
}

func TestALyingProviderNamesAnother(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	if err := w.Misbehave("oidc:other-artifact"); err != nil {
		t.Fatal(err)
	}
	if _, text := w.postForm(t, "/token", exchange(w.code(t))); claimsOf(t, text)["email"] != "mallory@example.com" {
		t.Errorf("got %v", claimsOf(t, text))
	}
}

func TestMisbehaveRefusesNonsense(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for _, specs := range [][]string{
		{"nonsense"}, {""}, {"fulcio"}, {"fulcio:"}, {":down"}, {"fulcio:down*0"}, {"fulcio:down*x"}, {"fulcio:down*"}, {"nobody:down"},
		{"fulcio:bad-set"}, {"bad-set", "bad-proof"}, {"tsa:other-artifact", "bad-set"}, {"fulcio:down", "fulcio:slow"}, {"tsa:other-artifact*2"},
		{"fulcio:down", "nonsense"},
	} {
		if err := w.Misbehave(specs...); err == nil {
			t.Errorf("%q: accepted", specs)
		}
	}
	if status, _ := w.get(t, server.Fulcio, "/api/v2/trustBundle"); status != 200 {
		t.Errorf("after refused specs: got %d", status)
	}
	if err := w.Misbehave("bad-set", "fulcio:down", "tsa:slow"); err != nil {
		t.Error(err)
	}
}
