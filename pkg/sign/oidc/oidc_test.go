package oidc_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
	"github.com/bundler-sign/bundler/pkg/sign/oidc"
)

func jwt(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("signature"))
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text, subject string // "": an error
	}{
		{"workload", jwt(`{"iss":"https://ci","sub":"repo:a","exp":1767323045}`), "repo:a"},
		{"email", jwt(`{"iss":"https://login","sub":"1","email":"a@example.com","email_verified":true}`), "a@example.com"},
		{"email-verified-quoted", jwt(`{"iss":"https://login","sub":"1","email":"a@example.com","email_verified":"true"}`), "a@example.com"},
		{"line-break", jwt(`{"iss":"https://ci","sub":"repo:a"}`) + "\n", "repo:a"},
		{"fraction", jwt(`{"iss":"https://ci","sub":"repo:a","exp":1767323045.5}`), "repo:a"},
		{"email-unverified", jwt(`{"iss":"https://login","sub":"1","email":"a@example.com","email_verified":false}`), ""},
		{"email-unknown", jwt(`{"iss":"https://login","sub":"1","email":"a@example.com"}`), ""},
		{"no-subject", jwt(`{"iss":"https://ci"}`), ""},
		{"no-issuer", jwt(`{"sub":"repo:a"}`), ""},
		{"twice", jwt(`{"iss":"https://ci","sub":"repo:a","sub":"repo:b"}`), ""},
		{"expiry-text", jwt(`{"iss":"https://ci","sub":"repo:a","exp":"never"}`), ""},
		{"expiry-huge", jwt(`{"iss":"https://ci","sub":"repo:a","exp":999999999999999999999}`), ""},
		{"two-parts", "a.b", ""},
		{"empty", " \n", ""},
		{"huge", strings.Repeat("a", oidc.MaxToken+1), ""},
		{"not-base64", "a.!!!secret!!!.c", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := oidc.Parse(test.text)
			if test.subject == "" {
				if err == nil || got != nil && got.Expires.IsZero() && test.name != "expiry-text" && test.name != "expiry-huge" {
					t.Fatalf("got %v and error %v, want an error", got, err)
				}
				if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "repo:a") {
					t.Errorf("the error shows the token: %v", err)
				}
				return
			}
			if err != nil || got.Subject != test.subject {
				t.Fatalf("got %v and error %v, want subject %q", got, err, test.subject)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				if text := fmt.Sprintf(verb, got); strings.Contains(text, got.Secret()) {
					t.Errorf("%s shows the token", verb)
				}
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	token, err := oidc.Parse(jwt(`{"iss":"https://ci","sub":"repo:a","exp":1767323045}`))
	if err != nil {
		t.Fatal(err)
	}
	end := time.Unix(1767323045, 0)
	if err := token.CheckFresh(end.Add(-time.Second)); err != nil {
		t.Errorf("a second before: %v", err)
	}
	if err := token.CheckFresh(end); err == nil {
		t.Error("at its end: got no error")
	}
}

func TestAmbient(t *testing.T) {
	t.Parallel()
	good := jwt(`{"iss":"https://ci","sub":"repo:a"}`)
	github := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer request-secret" || r.URL.Query().Get("audience") != "sigstore" || r.URL.Query().Get("x") != "1" {
			http.Error(w, "no: request-secret", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"count":1,"value":%q}`, good)
	}))
	t.Cleanup(github.Close)
	for _, test := range []struct {
		name  string
		env   map[string]string
		found bool
		fails bool
	}{
		{"nothing", nil, false, false},
		{"variable", map[string]string{"SIGSTORE_ID_TOKEN": good}, true, false},
		{"variable-bad", map[string]string{"SIGSTORE_ID_TOKEN": "nonsense"}, false, true},
		{"github", map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": github.URL + "/?x=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}, true, false},
		{"github-refuses", map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": github.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}, false, true},
		{"github-without-permission", map[string]string{"GITHUB_ACTIONS": "true"}, false, true},
		{"buildkite", map[string]string{"BUILDKITE_AGENT_ACCESS_TOKEN": "x"}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token, err := oidc.Ambient(t.Context(), &oidc.Environment{
				Getenv: func(name string) string { return test.env[name] },
				Run: func(_ context.Context, argv ...string) ([]byte, error) {
					if got := strings.Join(argv, " "); got != "buildkite-agent oidc request-token --audience sigstore" {
						return nil, fmt.Errorf("unexpected command %s", got)
					}
					return []byte(good + "\n"), nil
				},
			}, oidc.Audience, &oidc.Options{Attempts: 1})
			if (token != nil) != test.found || (err != nil) != test.fails {
				t.Errorf("got %v and error %v, want found %v, error %v", token, err, test.found, test.fails)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// newProvider starts a sandbox and discovers its identity provider.
func newProvider(t *testing.T) (*server.Server, *oidc.Provider) {
	t.Helper()
	box, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := server.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(box, l.URLs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	p, err := oidc.Discover(t.Context(), s.URL(server.OIDC), &oidc.Options{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func TestBrowser(t *testing.T) {
	t.Parallel()
	s, p := newProvider(t)
	token, err := p.Browser(t.Context(), func(url string) error {
		go func() {
			// A stranger's visit without the state changes nothing.
			redirect := between(url, "redirect_uri=", "&")
			redirect = strings.NewReplacer("%3A", ":", "%2F", "/").Replace(redirect)
			if resp, err := http.Get(redirect + "?code=stolen&state=guess"); err == nil {
				if resp.StatusCode != http.StatusNotFound {
					t.Errorf("a visit with a wrong state: got status %d, want 404", resp.StatusCode)
				}
				resp.Body.Close()
			}
			resp, err := http.Get(url) // the sandbox approves and redirects
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if token.Subject != sandbox.DefaultIdentity || token.Issuer != s.URL(server.OIDC) {
		t.Errorf("got %v, want the sandbox's default identity", token)
	}
}

func between(s, start, end string) string {
	_, s, _ = strings.Cut(s, start)
	s, _, _ = strings.Cut(s, end)
	return s
}

func TestBrowserRefused(t *testing.T) {
	t.Parallel()
	_, p := newProvider(t)
	_, err := p.Browser(t.Context(), func(url string) error {
		redirect := strings.NewReplacer("%3A", ":", "%2F", "/").Replace(between(url, "redirect_uri=", "&"))
		go http.Get(redirect + "?error=access_denied&state=" + between(url, "state=", "&"))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("got %v, want the provider's refusal", err)
	}
}

// TestBrowserWantsItsOwnToken: the token must be of this login, by its nonce,
// and by this issuer.
func TestBrowserWantsItsOwnToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, claims string // %[1]s is the issuer, %[2]s the login's nonce
		ok           bool
	}{
		{"own", `{"iss":"%[1]s","sub":"me","nonce":"%[2]s"}`, true},
		{"of-another-login", `{"iss":"%[1]s","sub":"me","nonce":"x%[2]s"}`, false},
		{"without-nonce", `{"iss":"%[1]s","sub":"me"}%.0[2]s`, false},
		{"of-another-issuer", `{"iss":"https://other.example%.0[1]s","sub":"me","nonce":"%[2]s"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			nonces := make(chan string, 1)
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/t" {
					fmt.Fprintf(w, `{"id_token":%q}`, jwt(fmt.Sprintf(test.claims, s.URL, <-nonces)))
					return
				}
				fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t"}`, s.URL, s.URL)
			}))
			t.Cleanup(s.Close)
			p, err := oidc.Discover(t.Context(), s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Browser(t.Context(), func(url string) error {
				nonces <- between(url, "nonce=", "&")
				redirect := strings.NewReplacer("%3A", ":", "%2F", "/").Replace(between(url, "redirect_uri=", "&"))
				go http.Get(redirect + "?code=c&state=" + between(url, "state=", "&"))
				return nil
			})
			if (err == nil) != test.ok {
				t.Errorf("got %v, want it accepted: %v", err, test.ok)
			}
		})
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	_, p := newProvider(t)
	shown := oidc.Prompt{}
	token, err := p.Device(t.Context(), func(prompt oidc.Prompt) error { shown = prompt; return nil },
		func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
	if err != nil {
		t.Fatal(err)
	}
	if token.Subject != sandbox.DefaultIdentity || shown.Code == "" || shown.URL == "" {
		t.Errorf("got %v after showing %+v", token, shown)
	}
}

// TestDevicePolls: pending is asked again, slow_down more slowly, and any other
// answer ends it.
func TestDevicePolls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		answers []string
		ok      bool
	}{
		{"patience", []string{"authorization_pending", "slow_down", "authorization_pending", ""}, true},
		{"denied", []string{"authorization_pending", "access_denied", ""}, false},
		{"expired", []string{"expired_token", ""}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answers := test.answers
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/.well-known/openid-configuration":
					fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t","device_authorization_endpoint":"%[2]s/d"}`, s.URL, s.URL)
				case "/d":
					fmt.Fprint(w, `{"device_code":"d","user_code":"ABCD","verification_uri":"https://login.example","expires_in":300,"interval":5}`)
				case "/t":
					if answers[0] == "" {
						fmt.Fprintf(w, `{"id_token":%q}`, jwt(fmt.Sprintf(`{"iss":%q,"sub":"me"}`, s.URL)))
						return
					}
					w.WriteHeader(http.StatusBadRequest)
					fmt.Fprintf(w, `{"error":%q}`, answers[0])
					answers = answers[1:]
				}
			}))
			t.Cleanup(s.Close)
			p, err := oidc.Discover(t.Context(), s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			var pauses []time.Duration
			_, err = p.Device(t.Context(), func(oidc.Prompt) error { return nil }, func(ctx context.Context, d time.Duration) error {
				pauses = append(pauses, d)
				return ctx.Err()
			})
			if (err == nil) != test.ok {
				t.Errorf("got %v, want success %v", err, test.ok)
			}
			if test.ok && (pauses[0] != 5*time.Second || pauses[len(pauses)-1] != 10*time.Second) {
				t.Errorf("got pauses %v, want 5 s and, once told to slow down, 10 s", pauses)
			}
		})
	}
}

// TestDiscoverIsHeldToItsIssuer: the configuration is the issuer's own, and
// leads nowhere that plain http: would expose.
func TestDiscoverIsHeldToItsIssuer(t *testing.T) {
	t.Parallel()
	const endpoints = `"authorization_endpoint":"%[2]s/a","token_endpoint":"%[2]s/t"`
	for _, test := range []struct {
		name, config string
		ok           bool
	}{
		{"own", `{"issuer":%[1]q,` + endpoints + `}`, true},
		{"another", `{"issuer":"https://other.example",` + endpoints + `}`, false},
		{"plain-token-endpoint", `{"issuer":%[1]q,"authorization_endpoint":"%[2]s/a","token_endpoint":"http://login.example/t"}`, false},
		{"no-token-endpoint", `{"issuer":%[1]q,"authorization_endpoint":"%[2]s/a"}`, false},
		{"plain-pkce", `{"issuer":%[1]q,"code_challenge_methods_supported":["plain"],` + endpoints + `}`, false},
		{"not-json", `<html>%[1]s%[2]s`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, test.config, s.URL, s.URL) }))
			t.Cleanup(s.Close)
			if _, err := oidc.Discover(t.Context(), s.URL, &oidc.Options{Attempts: 1}); (err == nil) != test.ok {
				t.Errorf("got %v, want accepted %v", err, test.ok)
			}
		})
	}
}
