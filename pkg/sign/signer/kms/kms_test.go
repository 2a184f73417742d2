//go:build unix

package kms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// options find this program as the plugin of a KMS called local.
func options(t *testing.T) *Options {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Options{LookPath: func(name string) (string, error) {
		if name != "sigstore-kms-local" {
			return "", exec.ErrNotFound
		}
		return program, nil
	}}
}

func keyURI(t *testing.T, behaviour string, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.der")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	return "local://" + behaviour + ":" + file
}

func newKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestPluginsSign(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		key crypto.Signer
		alg signer.KeyDetails
	}{
		{newKey(t, elliptic.P256()), keyspec.ECDSAP256SHA256},
		{newKey(t, elliptic.P384()), keyspec.ECDSAP384SHA384},
		{newKey(t, elliptic.P521()), keyspec.ECDSAP521SHA512},
		{rsaKey, keyspec.RSA2048SHA256},
		{ed, keyspec.Ed25519},
	} {
		t.Run(test.alg.String(), func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), keyURI(t, "", test.key), options(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, message := range []string{"hello", strings.Repeat("long ", 1<<18)} {
				input := []byte(message)
				if h := test.alg.Hash(); h != 0 {
					w := h.New()
					w.Write(input)
					input = w.Sum(nil)
				}
				sig, err := s.Sign(t.Context(), test.alg, input)
				if err != nil {
					t.Fatal(err)
				}
				if err := keyspec.VerifyMessage(test.key.Public(), test.alg, []byte(message), sig); err != nil {
					t.Error(err)
				}
			}
		})
	}
	// The protocol can not ask for PSS: a plugin that signs otherwise is found out.
	s, err := Open(t.Context(), keyURI(t, "", rsaKey), options(t))
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := s.Sign(t.Context(), keyspec.RSAPSS2048SHA256, make([]byte, 32)); err == nil {
		t.Errorf("got %d bytes for PSS", len(sig))
	}
}

func TestHostilePlugins(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	for behaviour := range behaviours {
		opts := options(t)
		if behaviour == "hang" {
			opts.Timeout = 2 * time.Second
		}
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			if s, err := Open(t.Context(), keyURI(t, behaviour+"/publicKey", key), opts); err == nil || s != nil || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("opened: %v, %v", s, err)
			}
			s, err := Open(t.Context(), keyURI(t, behaviour+"/signMessage", key), opts)
			if err != nil {
				t.Fatalf("the twin, honest about its key: %v", err)
			}
			if sig, err := s.Sign(t.Context(), keyspec.ECDSAP256SHA256, make([]byte, 32)); err == nil || sig != nil || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("signed: %x, %v", sig, err)
			}
		})
	}
}

func TestPluginsErrorsAreShownQuoted(t *testing.T) {
	t.Parallel()
	key := newKey(t, elliptic.P256())
	if _, err := Open(t.Context(), keyURI(t, "says an error/publicKey", key), options(t)); err == nil || !strings.Contains(err.Error(), `it says "denied \x1b[2J"`) {
		t.Errorf("got %v, want the plugin's words", err)
	}
	if _, err := Open(t.Context(), "local://no-file", options(t)); err == nil || !strings.Contains(err.Error(), `it wrote "no key"`) {
		t.Errorf("got %v, want the plugin's words", err)
	}
}

func TestOpenRefusesOtherURIs(t *testing.T) {
	t.Parallel()
	for uri, scheme := range map[string]bool{
		"awskms://alias/a": true, "unknown:": true, "key.pem": true, "local:key": false, "local:/key": false,
	} {
		s, err := Open(t.Context(), uri, options(t))
		if err == nil || s != nil || errors.Is(err, signer.ErrScheme) != scheme {
			t.Errorf("%s: got %v, %v, want an error that is ErrScheme: %v", uri, s, err, scheme)
		}
	}
	if _, err := Open(t.Context(), "awskms://alias/a", options(t)); !strings.Contains(err.Error(), "sigstore-kms-awskms") {
		t.Errorf("got %v, want it to name the plugin", err)
	}
	if _, err := Open(t.Context(), "no-such-kms-here://a", nil); !errors.Is(err, signer.ErrScheme) {
		t.Errorf("got %v, want %v", err, signer.ErrScheme)
	}
}
