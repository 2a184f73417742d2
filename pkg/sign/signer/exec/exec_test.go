//go:build unix

package exec

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

func TestHonestProgramsSign(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key     crypto.Signer
		alg     signer.KeyDetails
		message string
	}{
		{newKey(t), keyspec.ECDSAP256SHA256, "hello"},
		{newEd25519(t), keyspec.Ed25519, "hello"},
		{newEd25519(t), keyspec.Ed25519, ""},
		{newEd25519(t), keyspec.Ed25519, strings.Repeat("long ", 1<<18)},
		{newEd25519(t), keyspec.Ed25519ph, "hello"},
	} {
		for _, behaviour := range []string{"honest", "flood errors and answer"} {
			s, err := Open(t.Context(), helperURI(t, behaviour, test.key), nil)
			if err != nil {
				t.Fatal(err)
			}
			input := []byte(test.message)
			if h := test.alg.Hash(); h != 0 {
				w := h.New()
				w.Write(input)
				input = w.Sum(nil)
			}
			sig, err := s.Sign(t.Context(), test.alg, input)
			if err != nil {
				t.Fatalf("%v, %s: %v", test.alg, behaviour, err)
			}
			if err := keyspec.VerifyMessage(test.key.Public(), test.alg, []byte(test.message), sig); err != nil {
				t.Errorf("%v: %v", test.alg, err)
			}
		}
	}
}

// No behaviour hangs us, fills our memory, or gets a signature through that the
// pinned key did not make.
func TestHostilePrograms(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	hangs := []string{"hang", "answers and hangs"}
	for behaviour := range behaviours {
		if behaviour == "honest" || behaviour == "flood errors and answer" {
			continue
		}
		opts := &Options{}
		if slices.Contains(hangs, behaviour) {
			opts.Timeout = 2 * time.Second
		}
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			if behaviour != "another key" { // which is its key, then
				s, err := Open(t.Context(), helperURI(t, behaviour+"/public-key", key), opts)
				if err == nil || s != nil {
					t.Errorf("opened: %v, %v", s, err)
				}
				checkError(t, err)
			}
			s, err := Open(t.Context(), helperURI(t, behaviour+"/sign", key), opts)
			if err != nil {
				t.Fatalf("the twin, honest about its key: %v", err)
			}
			sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32))
			if err == nil || sig != nil {
				t.Errorf("signed: %x, %v", sig, err)
			}
			checkError(t, err)
			if !key.Public().(*ecdsa.PublicKey).Equal(s.Public()) {
				t.Error("the public key changed")
			}
		})
	}
}

// checkError holds an error about a hostile program to what a terminal and a
// reader can bear.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err != nil && (len(err.Error()) > 3000 || strings.ContainsAny(err.Error(), "\x1b\x00\n")) {
		t.Errorf("the error has %d bytes or control characters: %.200q", len(err.Error()), err)
	}
}

// A program that lies about its key from the first is found out by its first
// signature.
func TestLieAboutTheKeyIsFoundOut(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), helperURI(t, "another key/public-key", newKey(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err == nil || sig != nil {
		t.Errorf("signed: %x, %v", sig, err)
	}
}

func TestErrorsAreShownQuoted(t *testing.T) {
	t.Parallel()
	for behaviour, want := range map[string]string{
		"says an error":    `it says "locked \x1b[2J"`,
		"answers and dies": `it wrote "oh \x1b[31mno"`,
	} {
		if _, err := Open(t.Context(), helperURI(t, behaviour, newKey(t)), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", behaviour, err, want)
		}
	}
}

func TestSignEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), helperURI(t, "hang/sign", newKey(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Sign(ctx, keyspec.ECDSAP256SHA256, make([]byte, 32)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestParseURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string][]string{
		"exec:/opt/sign":                  {"/opt/sign"},
		"exec:///opt/sign":                {"/opt/sign"},
		"exec:signer":                     {"signer"},
		"EXEC:./signer":                   {"./signer"},
		"exec:/opt/a%20b?arg=x&arg=y%26z": {"/opt/a b", "x", "y&z"},
		"exec:signer?arg=&arg=--a=b":      {"signer", "", "--a=b"},
	} {
		name, args, err := parseURI(uri)
		if got := append([]string{name}, args...); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", uri, got, err, want)
		}
	}
	for _, uri := range []string{"exec:", "exec://host/sign", "exec:signer?argument=x", "exec:signer?arg=%zz", "exec:%zz", "exec:a#b", "exec:a%00b", "exec:a?arg=%00", "exec:a?arg=x;arg=y", "file:a"} {
		if name, args, err := parseURI(uri); err == nil {
			t.Errorf("%s: got %q, %q, want an error", uri, name, args)
		}
	}
}

func TestProgramsAreFoundByName(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(helperURI(t, "honest", newKey(t)))
	if err != nil {
		t.Fatal(err)
	}
	opts := &Options{LookPath: func(name string) (string, error) {
		if name != "signer" {
			return "", errors.New("no " + name)
		}
		return u.Path, nil
	}}
	if _, err := Open(t.Context(), "exec:signer?"+u.RawQuery, opts); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), "exec:other?"+u.RawQuery, opts); err == nil {
		t.Error("a program that is not there is opened")
	}
	if _, err := Open(t.Context(), "exec:no-such-program-here", nil); err == nil {
		t.Error("a program that is not on PATH is opened")
	}
}

// The example of the manual works as it is printed.
func TestTheManualsExample(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../../../docs/exec-signer.md")
	if err != nil {
		t.Fatal(err)
	}
	script := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(manual)
	if script == nil {
		t.Fatal("the manual has no example")
	}
	dir := t.TempDir()
	program, keyFile := filepath.Join(dir, "signer"), filepath.Join(dir, "key.pem")
	key := newKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(program, script[1], 0o700),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), "exec:"+program+"?arg="+keyFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("hello"))
	sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := keyspec.VerifyMessage(key.Public(), keyspec.ECDSAP256SHA256, []byte("hello"), sig); err != nil {
		t.Error(err)
	}
}
