package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

const verifierText = "a-code-verifier-of-at-least-forty-three-characters"

func challenge() string {
	sum := sha256.Sum256([]byte(verifierText))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// login is an honest request of the browser.
func login() url.Values {
	return url.Values{
		"client_id": {"sigstore"}, "response_type": {"code"}, "scope": {"openid email"}, "state": {"st"}, "nonce": {"n0"},
		"redirect_uri": {"http://localhost:12345/auth/callback"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
}

// code logs in and returns the code of the redirect.
func (w world) code(t *testing.T) string {
	t.Helper()
	response, text := w.request(t, server.OIDC, http.MethodGet, "/auth?"+login().Encode(), "", nil)
	if response.StatusCode != http.StatusFound {
		t.Fatalf("got %d %s", response.StatusCode, text)
	}
	back := must(response.Location())
	if back.Host != "localhost:12345" || back.Query().Get("state") != "st" || back.Query().Get("code") == "" {
		t.Fatalf("got redirect to %s", back)
	}
	return back.Query().Get("code")
}

// exchange is an honest request for the token.
func exchange(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"sigstore"},
		"redirect_uri": {"http://localhost:12345/auth/callback"}, "code_verifier": {verifierText},
	}
}

// claimsOf returns what the token of an answer says.
func claimsOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var answer struct {
		Token string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || strings.Count(answer.Token, ".") != 2 {
		t.Fatalf("expected a token, found %s", text)
	}
	var claims map[string]any
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(strings.Split(answer.Token, ".")[1])), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestBrowserLogin(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	status, text := w.postForm(t, "/token", exchange(w.code(t)))
	if status != 200 {
		t.Fatalf("got %d %s", status, text)
	}
	claims := claimsOf(t, text)
	if claims["nonce"] != "n0" || claims["email"] != "alice@example.com" || claims["aud"] != "sigstore" || claims["iss"] != w.URL(server.OIDC) {
		t.Errorf("got claims %v", claims)
	}
	outOfBand := login()
	outOfBand.Set("redirect_uri", "urn:ietf:wg:oauth:2.0:oob")
	outOfBand.Set("login_hint", "bob@example.com")
	status, code := w.get(t, server.OIDC, "/auth?"+outOfBand.Encode())
	form := exchange(strings.TrimSpace(code))
	form.Set("redirect_uri", "urn:ietf:wg:oauth:2.0:oob")
	if status != 200 {
		t.Fatalf("got %d %s", status, code)
	}
	if _, text := w.postForm(t, "/token", form); claimsOf(t, text)["email"] != "bob@example.com" {
		t.Errorf("bob logs in: got %s", text)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for name, change := range map[string][2]string{
		"redirect-elsewhere":  {"redirect_uri", "http://evil.example/callback"},
		"redirect-look-alike": {"redirect_uri", "http://localhost.evil.example/callback"},
		"redirect-user-info":  {"redirect_uri", "http://localhost@evil.example/"},
		"redirect-user":       {"redirect_uri", "http://a@localhost/"},
		"redirect-script":     {"redirect_uri", "javascript://localhost/"},
		"redirect-missing":    {"redirect_uri", ""},
		"no-challenge":        {"code_challenge", ""},
		"plain-challenge":     {"code_challenge_method", "plain"},
		"implicit-flow":       {"response_type", "id_token"},
		"no-client":           {"client_id", ""},
		"long-nonce":          {"nonce", strings.Repeat("n", 513)},
		"odd-client":          {"client_id", "\xff"},
		"odd-hint":            {"login_hint", "nobody"},
	} {
		q := login()
		q.Set(change[0], change[1])
		response, text := w.request(t, server.OIDC, http.MethodGet, "/auth?"+q.Encode(), "", nil)
		if response.StatusCode != 400 || response.Header.Get("Location") != "" {
			t.Errorf("%s: got %d %s, want 400", name, response.StatusCode, text)
		}
	}
	w.code(t)
}

func TestTokenRefuses(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for name, change := range map[string][2]string{
		"unknown-code":     {"code", "unknown"},
		"other-client":     {"client_id", "other"},
		"other-redirect":   {"redirect_uri", "http://localhost:1/"},
		"other-verifier":   {"code_verifier", verifierText + "x"},
		"no-verifier":      {"code_verifier", ""},
		"other-grant-type": {"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
		"password":         {"grant_type", "password"},
	} {
		form := exchange(w.code(t))
		form.Set(change[0], change[1])
		if status, text := w.postForm(t, "/token", form); status != 400 || strings.Contains(text, "id_token") {
			t.Errorf("%s: got %d %s, want 400", name, status, text)
		}
	}
	twice := exchange(w.code(t))
	twice.Add("code", "second")
	if status, _ := w.postForm(t, "/token", twice); status != 400 {
		t.Errorf("two codes: got %d, want 400", status)
	}
	form := exchange(w.code(t))
	for i, want := range []int{200, 400} {
		if status, text := w.postForm(t, "/token", form); status != want {
			t.Errorf("use %d: got %d %s, want %d", i, status, text, want)
		}
	}
	late := exchange(w.code(t))
	w.box.Advance(5 * time.Minute)
	if status, text := w.postForm(t, "/token", late); status != 400 {
		t.Errorf("after five minutes: got %d %s, want 400", status, text)
	}
}

// TestTokenTakesBasicAuth: many clients send their name so.
func TestTokenTakesBasicAuth(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for client, want := range map[string]int{"sigstore": 200, "other": 400} {
		form := exchange(w.code(t))
		form.Del("client_id")
		response, text := w.request(t, server.OIDC, http.MethodPost, "/token", "application/x-www-form-urlencoded", []byte(form.Encode()),
			"Authorization", "Basic "+base64of([]byte(client+":")))
		if response.StatusCode != want {
			t.Errorf("%s: got %d %s, want %d", client, response.StatusCode, text, want)
		}
	}
}

func TestDeviceLogin(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for _, withChallenge := range []bool{true, false} {
		form := url.Values{"client_id": {"sigstore"}, "scope": {"openid email"}}
		if withChallenge {
			form.Set("code_challenge", challenge())
			form.Set("code_challenge_method", "S256")
		}
		fetch := func(verifier string) (int, string) {
			status, text := w.postForm(t, "/device/code", form)
			var device struct {
				Code string `json:"device_code"`
				URI  string `json:"verification_uri"`
			}
			if err := json.Unmarshal([]byte(text), &device); err != nil || status != 200 || !strings.HasPrefix(device.URI, w.URL(server.OIDC)) {
				t.Fatalf("got %d %s", status, text)
			}
			return w.postForm(t, "/token", url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device.Code},
				"client_id": {"sigstore"}, "code_verifier": {verifier},
			})
		}
		if status, text := fetch(verifierText); status != 200 || claimsOf(t, text)["email"] != "alice@example.com" {
			t.Errorf("challenge %v: got %d %s", withChallenge, status, text)
		}
		if status, text := fetch("another"); withChallenge != (status == 400) {
			t.Errorf("challenge %v, another verifier: got %d %s", withChallenge, status, text)
		}
	}
	if status, _ := w.postForm(t, "/device/code", url.Values{"client_id": {"sigstore"}, "code_challenge_method": {"plain"}}); status != 400 {
		t.Errorf("plain challenge: got %d, want 400", status)
	}
	if status, _ := w.get(t, server.OIDC, "/device?user_code=SANDBOX"); status != 200 {
		t.Errorf("verification page: got %d", status)
	}
}

func TestLoginsAreBounded(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	form := url.Values{"client_id": {"sigstore"}}
	for i := range 1024 {
		if status, text := w.postForm(t, "/device/code", form); status != 200 {
			t.Fatalf("login %d: got %d %s", i, status, text)
		}
	}
	if status, _ := w.postForm(t, "/device/code", form); status != 503 {
		t.Errorf("one login more: got %d, want 503", status)
	}
	w.box.Advance(5 * time.Minute)
	if status, _ := w.postForm(t, "/device/code", form); status != 200 {
		t.Errorf("after they expired: got %d, want 200", status)
	}
}

func TestAnyTokenRefuses(t *testing.T) {
	t.Parallel()
	w := serve(t, nil)
	for name, form := range map[string]url.Values{
		"no-address":     {"email": {"nobody"}},
		"display-name":   {"email": {"A <a@example.com>"}},
		"two-addresses":  {"email": {"a@example.com,b@example.com"}},
		"newline":        {"email": {"a@example.com\n"}},
		"relative":       {"sub": {"job/1"}},
		"space-in-uri":   {"sub": {"https://ci.example.com/a b"}},
		"both":           {"email": {"a@example.com"}, "sub": {"https://ci.example.com"}},
		"twice":          {"email": {"a@example.com", "b@example.com"}},
		"long-audience":  {"aud": {strings.Repeat("a", 101)}},
		"audience-bytes": {"aud": {"\xff"}},
	} {
		if status, text := w.postForm(t, "/sandbox/token", form); status != 400 || strings.Contains(text, "id_token") {
			t.Errorf("%s: got %d %s, want 400", name, status, text)
		}
	}
	if status, _ := w.get(t, server.OIDC, "/sandbox/token"); status != 405 {
		t.Errorf("GET: got %d, want 405", status)
	}
}
