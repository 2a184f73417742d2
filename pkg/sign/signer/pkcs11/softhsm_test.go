//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

const (
	testPIN = "8214-secret" // distinctive, so that a leak is found
	soPIN   = "so-pin-5591"
)

// modulePath is SoftHSM's library, and spyPath OpenSC's, which passes on every
// call to the library PKCS11SPY and writes it to the file PKCS11SPY_OUTPUT.
var modulePath, spyPath string

// TestMain says where the tokens will be. The library reads its configuration
// once for the process, so it is there before it is loaded.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bundler-pkcs11-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("SOFTHSM2_CONF", filepath.Join(dir, "softhsm2.conf"))
	os.Setenv("PKCS11SPY_OUTPUT", filepath.Join(dir, "spy.log"))
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// tokens makes the tokens that the tests sign with, at the first call.
var tokens = sync.OnceValue(func() error {
	if err := findModules(); err != nil {
		return err
	}
	conf := os.Getenv("SOFTHSM2_CONF")
	text := "directories.tokendir = " + filepath.Dir(conf) + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	for _, label := range []string{"release", "double", "double", "empty", "wrong pin", "pin file"} {
		if err := tool("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", testPIN, "--so-pin", soPIN); err != nil {
			return err
		}
	}
	for _, key := range testKeys {
		if err := keygen(append([]string{"--key-type", key.kind, "--label", key.label, "--id", key.id}, key.more...)...); err != nil {
			return err
		}
	}
	return nil
})

// newKey makes a P-256 key that one test may change.
func newKey(t *testing.T, label, id string) {
	t.Helper()
	uriOf(t, "") // makes the token
	if err := keygen("--key-type", "EC:prime256v1", "--label", label, "--id", id); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, kind := range []string{"privkey", "pubkey", "cert"} {
			pkcs11Tool("--delete-object", "--type", kind, "--id", id) // not every kind is there
		}
	})
}

// findModules finds the libraries where distributions keep them.
func findModules() error {
	var err error
	if modulePath, err = findLibrary("softhsm/libsofthsm2.so", "pkcs11/libsofthsm2.so"); err != nil {
		return err
	}
	spyPath, err = findLibrary("pkcs11/pkcs11-spy.so", "pkcs11-spy.so")
	return errors.Join(err, os.Setenv("PKCS11SPY", modulePath))
}

func findLibrary(names ...string) (string, error) {
	for _, dir := range []string{"/usr/lib", "/usr/lib64", "/usr/lib/*-linux-gnu", "/usr/local/lib", "/opt/homebrew/lib"} {
		for _, name := range names {
			if found, _ := filepath.Glob(filepath.Join(dir, name)); len(found) > 0 {
				return found[0], nil
			}
		}
	}
	return "", fmt.Errorf("%s not found: make test installs softhsm2 and opensc", names[0])
}

var testKeys = []struct {
	label, id, kind string
	more            []string
}{
	{"p256", "01", "EC:prime256v1", nil},
	{"p384", "02", "EC:secp384r1", nil},
	{"p521", "03", "EC:secp521r1", nil},
	{"rsa2048", "04", "rsa:2048", nil},
	{"rsa3072", "05", "rsa:3072", nil},
	{"ed25519", "06", "EC:edwards25519", nil},
	{"always", "07", "EC:prime256v1", []string{"--always-auth"}},
	{"twin", "08", "EC:prime256v1", nil},
	{"twin", "09", "EC:prime256v1", nil},
	{"p224", "0a", "EC:secp224r1", nil},
	{"weak", "0b", "rsa:1024", nil},
}

func keygen(args ...string) error { return pkcs11Tool(append([]string{"--keypairgen"}, args...)...) }

func pkcs11Tool(args ...string) error {
	login := []string{"--module", modulePath, "--token-label", "release", "--login", "--pin", testPIN}
	return tool("pkcs11-tool", slices.Concat(login, args)...)
}

func tool(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return nil
}
