package trustroot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// TestVectors reads the trust documents of public deployments and of the
// sigstore-conformance suite, under the directory that BUNDLER_VECTORS names.
// make conformance runs it.
func TestVectors(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BUNDLER_VECTORS")
	if dir == "" {
		t.Skip("BUNDLER_VECTORS is not set")
	}
	n := 0
	for _, glob := range []string{"roots/*.json", "trust/*.json", "sigstore/bundle-verify/*/trusted_root.json"} {
		paths, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			n++
			t.Run(strings.TrimPrefix(path, dir), func(t *testing.T) { readVector(t, path) })
		}
	}
	if n == 0 {
		t.Errorf("no trust document under %s", dir)
	}
}

func readVector(t *testing.T, path string) {
	c, err := File(path)
	if strings.Contains(path, "missing-validity-start_fail") {
		if err == nil || !strings.Contains(err.Error(), "validFor/start") {
			t.Errorf("got %v, want a refusal for the missing start", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("got warnings %q", c.Warnings)
	}
	data, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if changes := Diff(c, accepted(t, data)); len(changes) != 0 {
		t.Errorf("read back as another: %v", changes)
	}
	if c.Root == nil {
		return
	}
	theirs, err := root.NewTrustedRootFromPath(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := len(c.Root.Logs), len(theirs.RekorLogs()); a != b {
		t.Errorf("got %d logs, sigstore-go %d", a, b)
	}
	if a, b := len(c.Root.CAs), len(theirs.FulcioCertificateAuthorities()); a != b {
		t.Errorf("got %d CAs, sigstore-go %d", a, b)
	}
}

// The hints that real clients put into bundles must find the key given by hand.
func TestVectorsKeyHints(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("BUNDLER_VECTORS")
	if dir == "" {
		t.Skip("BUNDLER_VECTORS is not set")
	}
	for _, tt := range []struct{ file, hint string }{
		{"sigstore/bundle-verify/managed-key-happy-path/key.pub", "TLMsSDfG3ajPsWge+z/vX5T/zluXnmvbkTkwLIV68Tk="},
		{"models/mt-v1.1.0-key/key.pub", "e8450dec4eb99dae995da9af1bc2cc9f76ed669ee2e744f57abba763df3e3f8e"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, tt.file))
		if err != nil {
			t.Fatal(err)
		}
		ring, err := KeyringOf(data, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Find(tt.hint); err != nil {
			t.Errorf("%s: hint %q: %v", tt.file, tt.hint, err)
		}
	}
}
