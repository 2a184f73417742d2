//go:build unix

package exec

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
)

// TestMain makes this program a helper too: PROGRAM helper BEHAVIOUR KEYFILE.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "helper" {
		if err := helperMain(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(7)
		}
		os.Exit(0)
	}
	// Programs built for the race detector sleep for a second when they end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// behaviours are what a helper may do instead of the honest thing: to every
// question, or after a slash to a "public-key" or "sign" one alone.
var behaviours = map[string]func(honest []byte) error{
	"honest": print,
	"hang":   func([]byte) error { time.Sleep(time.Hour); return nil },
	"answers and hangs": func(honest []byte) error {
		print(honest)
		time.Sleep(time.Hour)
		return nil
	},
	"flood": func([]byte) error {
		_, err := io.Copy(os.Stdout, endless{})
		return err
	},
	"flood errors": func([]byte) error {
		go io.Copy(os.Stderr, endless{})
		time.Sleep(time.Hour)
		return nil
	},
	"flood errors and answer": func(honest []byte) error {
		io.CopyN(os.Stderr, endless{}, 10<<20)
		return print(honest)
	},
	"dies half way":    func(honest []byte) error { print(honest[:len(honest)/2]); os.Exit(9); return nil },
	"stops half way":   func(honest []byte) error { return print(honest[:len(honest)/2]) },
	"answers and dies": func(honest []byte) error { print(honest); return errors.New("oh \x1b[31mno") },
	"nothing":          func([]byte) error { return nil },
	"grandchild": func(honest []byte) error {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			return err
		}
		return print(honest)
	},
	"twice":         func(honest []byte) error { return print(append(honest, honest...)) },
	"duplicate":     func(honest []byte) error { return print(replace(honest, `"version":1,`, `"version":1,"version":1,`)) },
	"other version": func(honest []byte) error { return print(replace(honest, `"version":1,`, `"version":2,`)) },
	"no version":    func(honest []byte) error { return print(replace(honest, `"version":1,`, ``)) },
	"huge version": func(honest []byte) error {
		return print(replace(honest, `"version":1,`, `"version":`+strings.Repeat("9", 5000)+`,`))
	},
	"exponent":       func(honest []byte) error { return print(replace(honest, `"version":1,`, `"version":1e999999999,`)) },
	"unknown member": func(honest []byte) error { return print(replace(honest, `"version":1,`, `"version":1,"x":1,`)) },
	"null":           func([]byte) error { return print([]byte(`{"version":1,"publicKey":null,"signature":null}`)) },
	"both":           func([]byte) error { return print([]byte(`{"version":1,"publicKey":"AAAA","signature":"AAAA"}`)) },
	"no base64":      func([]byte) error { return print([]byte(`{"version":1,"publicKey":"!","signature":"!"}`)) },
	"garbage":        func([]byte) error { return print([]byte(`{"version":1,"publicKey":"AAAA"}`)) },
	"deep":           func([]byte) error { return print([]byte(strings.Repeat("[", 60000))) },
	"says an error":  func([]byte) error { print([]byte(`{"version":1,"error":"locked \u001b[2J"}`)); os.Exit(1); return nil },
	"a long error":   func([]byte) error { return print([]byte(`{"version":1,"error":"` + strings.Repeat("x", 60000) + `"}`)) },
	"another key": func(honest []byte) error {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		sig, err := key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return err
		}
		if strings.Contains(string(honest), "signature") {
			return print(fmt.Appendf(nil, `{"version":1,"signature":%q}`, base64.StdEncoding.EncodeToString(sig)))
		}
		return print(fmt.Appendf(nil, `{"version":1,"publicKey":%q}`, base64.StdEncoding.EncodeToString(der)))
	},
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func print(b []byte) error { _, err := os.Stdout.Write(b); return err }

func replace(b []byte, old, new string) []byte {
	return []byte(strings.Replace(string(b), old, new, 1))
}

func helperMain(behaviour, keyFile string) error {
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	if err != nil {
		return err
	}
	var q struct {
		Version                  int
		Request, Algorithm, Hash string
		Digest, Message          []byte
	}
	if err := json.Unmarshal(line, &q); err != nil {
		return err
	}
	der, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return err
	}
	honest := map[string]any{}
	if q.Request == "sign" {
		alg, _ := keyspec.Parse(q.Algorithm)
		input := q.Digest
		if alg.Hash() == 0 {
			input = q.Message
		}
		honest["signature"], err = key.(crypto.Signer).Sign(rand.Reader, input, signer.Options(alg))
	} else {
		honest["publicKey"], err = x509.MarshalPKIXPublicKey(key.(crypto.Signer).Public())
	}
	if err != nil {
		return err
	}
	rest, err := json.Marshal(honest)
	if err != nil {
		return err
	}
	answer := replace(rest, "{", `{"version":1,`)
	if what, only, found := strings.Cut(behaviour, "/"); found {
		behaviour = what
		if only != q.Request {
			behaviour = "honest"
		}
	}
	return behaviours[behaviour](answer)
}

// helperURI returns the URI of a helper that behaves so, with a key.
func helperURI(t *testing.T, behaviour string, key crypto.Signer) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.der")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	args := url.Values{"arg": {"helper", behaviour, file}}
	return (&url.URL{Scheme: "exec", Path: program, RawQuery: args.Encode()}).String()
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
