//go:build unix

package file

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

const password = "correct-horse-battery" // distinctive, so that a leak is found

func ask(password string) *Options {
	return &Options{Password: func(context.Context, string) ([]byte, error) { return []byte(password), nil }}
}

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pemOf(t, "PRIVATE KEY", der, err)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newP256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// isKey reports an error unless s signs with key.
func isKey(t *testing.T, s signer.Signer, key crypto.Signer) {
	t.Helper()
	if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(s.Public()) {
		t.Fatal("got another key")
	}
	alg, err := keyspec.ForKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, s, alg)
}

// roundTrip signs by alg and verifies.
func roundTrip(t *testing.T, s signer.Signer, alg signer.KeyDetails) {
	t.Helper()
	message := []byte("hello, bundler")
	input := message
	if h := alg.Hash(); h != 0 {
		w := h.New()
		w.Write(message)
		input = w.Sum(nil)
	}
	sig, err := s.Sign(t.Context(), alg, input)
	if err != nil {
		t.Fatalf("%v: %v", alg, err)
	}
	if err := keyspec.VerifyMessage(s.Public(), alg, message, sig); err != nil {
		t.Errorf("%v: %v", alg, err)
	}
}

// Every algorithm: generated, written, read back, signed with, verified.
func TestRoundTripOfEveryAlgorithm(t *testing.T) {
	t.Parallel()
	current := 0
	for alg := range signer.KeyDetails(64) {
		if !alg.Known() || alg.Old() {
			if _, err := Generate(alg); err == nil {
				t.Errorf("a key for %v is generated", alg)
			}
			continue
		}
		current++
		t.Run(alg.String(), func(t *testing.T) {
			t.Parallel()
			key, err := Generate(alg)
			if err != nil {
				t.Fatal(err)
			}
			for _, password := range [][]byte{nil, []byte(password)} {
				path := filepath.Join(t.TempDir(), "key.pem")
				if err := Create(path, key, password); err != nil {
					t.Fatal(err)
				}
				s, err := Open(t.Context(), path, ask(string(password)))
				if err != nil {
					t.Fatal(err)
				}
				if !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(s.Public()) {
					t.Error("got another key")
				}
				roundTrip(t, s, alg)
			}
		})
	}
	if current != 14 {
		t.Errorf("got %d current algorithms, want 14", current)
	}
}

func TestOpenReadsWhatToolsWrite(t *testing.T) {
	t.Parallel()
	ec := newP256(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1DER, err := x509.MarshalECPrivateKey(ec)
	sec1 := pemOf(t, "EC PRIVATE KEY", sec1DER, err)
	cosignDER, err := cryptoutils.MarshalPrivateKeyToEncryptedDER(ec, cryptoutils.StaticPasswordFunc([]byte(password)))
	cosign := pemOf(t, "ENCRYPTED SIGSTORE PRIVATE KEY", cosignDER, err)
	for name, test := range map[string]struct {
		text string
		key  crypto.Signer
	}{
		"PKCS#8 ECDSA":        {pkcs8(t, ec), ec},
		"PKCS#8 RSA":          {pkcs8(t, rsaKey), rsaKey},
		"PKCS#8 Ed25519":      {pkcs8(t, ed), ed},
		"SEC1":                {sec1, ec},
		"SEC1 with its curve": {pemOf(t, "EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}, nil) + sec1, ec},
		"PKCS#1":              {pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), rsaKey},
		"cosign":              {cosign, ec},
		"old cosign":          {strings.ReplaceAll(cosign, "SIGSTORE", "COSIGN"), ec},
		"text around":         {"Bag Attributes\n    friendlyName: a\n" + pkcs8(t, ec) + "\nthe end\n", ec},
		"CR LF":               {strings.ReplaceAll(pkcs8(t, ec), "\n", "\r\n"), ec},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, test.text)
			for _, uri := range []string{path, "file:" + path, (&url.URL{Scheme: "file", Path: path}).String()} {
				s, err := Open(t.Context(), uri, ask(password))
				if err != nil {
					t.Fatalf("%s: %v", uri, err)
				}
				isKey(t, s, test.key)
			}
			env := ask(password)
			env.LookupEnv = func(name string) (string, bool) { return test.text, name == "KEY_2" }
			for _, uri := range []string{"env:KEY_2", "env://KEY_2"} {
				s, err := OpenEnv(t.Context(), uri, env)
				if err != nil {
					t.Fatalf("%s: %v", uri, err)
				}
				isKey(t, s, test.key)
			}
		})
	}
}

func TestOpenRefusesOtherContents(t *testing.T) {
	t.Parallel()
	key := newP256(t)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := pkcs8(t, key)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	public := pemOf(t, "PUBLIC KEY", spki, err)
	if _, err := Open(t.Context(), write(t, good), nil); err != nil {
		t.Fatalf("the twin: %v", err)
	}
	for name, test := range map[string]struct{ text, says string }{
		"empty":             {"", "no PEM block"},
		"DER":               {"\x30\x82", "no PEM block"},
		"K03-P-224":         {pkcs8(t, p224), "no signature algorithm is defined for ECDSA P-224"},
		"key agreement":     {pkcs8(t, x25519), "expected a private key that signs"},
		"public key":        {public, "found a public key"},
		"certificate":       {strings.ReplaceAll(public, "PUBLIC KEY", "CERTIFICATE"), "found a certificate"},
		"OpenSSH":           {strings.ReplaceAll(good, "PRIVATE KEY", "OPENSSH PRIVATE KEY"), "ssh-keygen -p"},
		"two keys":          {good + good, "another PEM block"},
		"key and public":    {good + public, "another PEM block"},
		"old encryption":    {strings.Replace(good, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1), "openssl pkcs8 -topk8"},
		"malformed block":   {strings.Replace(good, "-----END", "----END", 1), "not well formed"},
		"malformed, then a": {strings.Replace(good, "-----END", "----END", 1) + good, "not well formed"},
		"wrong kind":        {strings.ReplaceAll(good, "PRIVATE KEY", "EC PRIVATE KEY"), "x509"},
		"too long":          {good + strings.Repeat(" ", MaxKey), "at most 65536 bytes"},
		"cut short":         {pemOf(t, "PRIVATE KEY", spki[:20], nil), "asn1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), write(t, test.text), ask(password))
			if err == nil || s != nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, %v, want an error that says %q", s, err, test.says)
			}
		})
	}
}

func TestOpenRefusesFilesOfOthers(t *testing.T) {
	t.Parallel()
	t.Run("F03-F04-key-file", func(t *testing.T) {
		t.Parallel()
		path := write(t, pkcs8(t, newP256(t)))
		link := path + ".link"
		if err := errors.Join(os.Symlink(path, link), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, nil); err != nil {
			t.Errorf("the twin: %v", err)
		}
		if _, err := Open(t.Context(), link, nil); err == nil {
			t.Error("a symbolic link is followed")
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "mode 0600, found mode 0644") {
			t.Errorf("got %v, want the mode refused", err)
		}
		for _, path := range []string{path, link} {
			if _, err := Open(t.Context(), path, &Options{Shared: true}); err != nil {
				t.Errorf("with the override: %v", err)
			}
		}
	})
}

func TestPathsOfURIs(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"key.pem": "key.pem", "/a b": "/a b", "file:key.pem": "key.pem", "file:/a%20b": "/a%20b",
		"file:///a%20b": "/a b", "FILE:///a": "/a", "./x:y": "./x:y", "file://localhost/a": "/a", "//a": "//a",
		"file://host/a": "", "file:": "", "": "", "file:///a?b": "", "file:///%zz": "", "file:///%00": "", "exec:a": "",
	} {
		if got, err := pathOf(uri); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q, %v, want %q", uri, got, err, want)
		}
	}
}

func TestEnvRefuses(t *testing.T) {
	t.Parallel()
	text := pkcs8(t, newP256(t))
	opts := &Options{LookupEnv: func(name string) (string, bool) {
		return map[string]string{"KEY": text, "LONG": text + strings.Repeat(" ", MaxKey)}[name], name != "ABSENT"
	}}
	if _, err := OpenEnv(t.Context(), "env:KEY", opts); err != nil {
		t.Fatalf("the twin: %v", err)
	}
	for _, uri := range []string{"env:ABSENT", "env:EMPTY", "env:LONG", "env:", "env://", "env:1KEY", "env:KEY=", "env:KEY;", "file:KEY", "env:///KEY"} {
		if s, err := OpenEnv(t.Context(), uri, opts); err == nil || s != nil {
			t.Errorf("%s: got %v, %v, want an error", uri, s, err)
		}
	}
	t.Run("F05-key-for-a-name", func(t *testing.T) {
		if _, err := OpenEnv(t.Context(), "env:"+text, opts); err == nil || strings.Contains(err.Error(), "BEGIN") {
			t.Errorf("got %v, want an error that does not repeat the key", err)
		}
	})
}
