package sign

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
)

// TestOpenSSLCommands runs the command lines that people are told to run, where
// openssl 3.0 knows the algorithm.
func TestOpenSSLCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed: make test installs it")
	}
	for alg, m := range algorithms {
		for name, q := range map[string]*Request{"message": messageRequest(t, alg), "statement": statementRequest(t, alg)} {
			t.Run(alg.String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				in, out, key := filepath.Join(dir, "in"), filepath.Join(dir, "out"), writeKey(t, dir, m.key)
				argv, note := q.OpenSSL(key, in, out)
				if (alg == keyspec.Ed25519ph || alg.Hash() == 0 && alg != keyspec.Ed25519) != (note != "") {
					t.Errorf("got note %q", note)
				}
				if note != "" {
					return
				}
				toSign := artifact
				if q.IsEnvelope() {
					toSign = q.ToSign()
				}
				write(t, in, toSign)
				assembles(t, q, run(t, argv, out), m.key)
				if alg.Hash() == 0 {
					if argv, err := q.OpenSSLDigest(key, in, out); err == nil {
						t.Errorf("got %q for a key that signs digests", argv)
					}
					return
				}
				write(t, in, q.Digest().Bytes())
				argv, err := q.OpenSSLDigest(key, in, out)
				if err != nil {
					t.Fatal(err)
				}
				assembles(t, q, run(t, argv, out), m.key)
			})
		}
	}
}

func assembles(t *testing.T, q *Request, sig []byte, key string) {
	t.Helper()
	if _, err := Assemble(q, sig, keyOf(t, key)); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, argv []string, out string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, stderr.Bytes())
	}
	sig, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func writeKey(t *testing.T, dir, name string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(keys()[name])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "key.pem")
	write(t, path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return path
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
