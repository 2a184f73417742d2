package tuf

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, url string
		allow     bool
		ok        bool
	}{
		{"https", "https://tuf.example/metadata", false, true},
		{"U12-http", "http://tuf.example/metadata", false, false},
		{"U12-http-with-flag", "http://tuf.example/metadata", true, true},
		{"U12-http-on-loopback", "http://127.0.0.1:8080/metadata", false, true},
		{"U12-http-on-loopback-6", "http://[::1]/metadata", false, true},
		{"U12-http-on-localhost", "http://localhost/metadata", false, true},
		{"U12-http-on-a-name-like-it", "http://localhost.example/metadata", false, false},
		{"U12-http-on-an-address-like-it", "http://127.0.0.1.example/", false, false},
		{"credentials", "https://user:pass@tuf.example/", true, false},
		{"query", "https://tuf.example/?token=1", true, false},
		{"fragment", "https://tuf.example/#x", true, false},
		{"file", "file:///etc", true, false},
		{"relative", "/metadata", true, false},
		{"no-host", "https:///metadata", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			err = checkURL(u, test.allow)
			if (err == nil) != test.ok {
				t.Errorf("got %v, want ok %v", err, test.ok)
			}
			if err != nil && strings.Contains(err.Error(), "pass@") {
				t.Errorf("got %v, want no password in it", err)
			}
		})
	}
}

// A redirect from https: to http: is not followed, not even where http: is
// allowed, and one within the host is, without credentials.
func TestRedirectsNeverDowngrade(t *testing.T) {
	t.Parallel()
	t.Run("U10-downgrade", testDowngrade)
}

func testDowngrade(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the downgrade was followed") }))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/down":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		case "/within":
			http.Redirect(w, r, "/file", http.StatusMovedPermanently)
		default:
			for _, name := range []string{"Authorization", "Cookie", "Referer"} {
				if v := r.Header.Get(name); v != "" {
					t.Errorf("got %s: %s, want none", name, v)
				}
			}
			_, _ = w.Write([]byte("file"))
		}
	}))
	t.Cleanup(secure.Close)
	f := newHTTPFetcher(secure.Client().Transport, true)
	_, err := f.Fetch(context.Background(), secure.URL+"/down", 10)
	if _, ok := errors.AsType[*RefusedError](err); !ok || !strings.Contains(err.Error(), "from https to http") {
		t.Errorf("got %v, want the downgrade refused", err)
	}
	if data, err := f.Fetch(context.Background(), secure.URL+"/within", 10); err != nil || string(data) != "file" {
		t.Errorf("got %q, %v, want the file", data, err)
	}
	if _, err := f.Fetch(context.Background(), secure.URL+"/within", 3); err == nil {
		t.Error("got a file beyond the limit")
	}
}

// Names never leave the place that they are looked up in.
func TestNamesStayInside(t *testing.T) {
	t.Parallel()
	t.Run("M20-target", testTargetNames)
	t.Run("M20-profile", testProfileNames)
	t.Run("M20-role", testRoleNames)
}

func testTargetNames(t *testing.T) {
	for _, test := range []struct {
		name string
		ok   bool
	}{
		{"trusted_root.json", true}, {"a/b/c.json", true}, {"a b?#%.json", true}, {"..json", true},
		{"", false}, {"../x", false}, {"a/../x", false}, {"a/./x", false}, {"/etc/passwd", false}, {"a//b", false},
		{"%2e%2e/x", false}, {"%2E%2E", false}, {"a%2fb", false}, {"a%00", false}, {"a\x00b", false}, {`a\b`, false}, {"a/", false},
		{strings.Repeat("a", maxName+1), false},
	} {
		if err := checkTargetName(test.name); (err == nil) != test.ok {
			t.Errorf("target %.40q: got %v, want ok %v", test.name, err, test.ok)
		}
	}
}

func testProfileNames(t *testing.T) {
	for _, test := range []struct {
		name string
		ok   bool
	}{
		{"prod", true}, {"a.b-c_9", true}, {strings.Repeat("a", 64), true},
		{"", false}, {"..", false}, {".hidden", false}, {"../x", false}, {"a/b", false}, {`a\b`, false}, {"a\x00", false},
		{"C:x", false}, {"%2e%2e", false}, {"-x", false}, {"é", false}, {strings.Repeat("a", 65), false},
	} {
		if err := CheckProfileName(test.name); (err == nil) != test.ok {
			t.Errorf("profile %.40q: got %v, want ok %v", test.name, err, test.ok)
		}
	}
}

// Names of delegated roles are the repository's to choose; they stay escaped.
func testRoleNames(t *testing.T) {
	target := &Target{Name: "a b/c?d"}
	if got, want := target.path(), "a%20b/c%3Fd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := checkRoleName("../../x"); got != nil {
		t.Errorf("got %v, want it allowed: it is escaped in URLs, and no file's name", got)
	}
	if checkRoleName("a\x00b") == nil {
		t.Error("got a role's name with NUL, want it refused")
	}
}
