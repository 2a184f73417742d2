package verify_test

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// A vector is one case of a public suite, as its directory describes it.
type vector struct {
	name, dir        string
	bundle, artifact []byte
	digest           bundle.Digest // of the artifact, or all that is known of it
	trust            []byte
	key              []byte // PEM; nil for an identity
	identity, issuer string
	want             bool
}

const (
	beacon       = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
	beaconIssuer = "https://token.actions.githubusercontent.com"
)

// vectorsDir returns the directory with the public suites' data. Without it
// the test has nothing to run on: make conformance gives it.
func vectorsDir(t testing.TB) string {
	dir := os.Getenv("BUNDLER_VECTORS")
	if dir == "" {
		t.Skip("BUNDLER_VECTORS is not set: make conformance sets it")
	}
	return dir
}

func loadVectors(t testing.TB) []*vector {
	t.Helper()
	root := vectorsDir(t)
	var out []*vector
	dirs, err := filepath.Glob(filepath.Join(root, "sigstore", "bundle-verify", "*", "bundle.sigstore.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no vectors under %s: %v", root, err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		v := &vector{
			name:     filepath.Base(dir),
			dir:      dir,
			bundle:   read(t, path),
			artifact: firstOf(t, filepath.Join(dir, "artifact"), filepath.Join(dir, "..", "a.txt")),
			trust:    firstOf(t, filepath.Join(dir, "trusted_root.json"), filepath.Join(root, "trust", "public_good_trusted_root.json")),
			key:      optional(filepath.Join(dir, "key.pub")),
			identity: cmp.Or(string(optional(filepath.Join(dir, "identity"))), beacon),
			issuer:   cmp.Or(string(optional(filepath.Join(dir, "issuer"))), beaconIssuer),
			want:     !strings.HasSuffix(dir, "_fail"),
		}
		v.digest = bundle.Sum(bundle.SHA256, v.artifact)
		out = append(out, v)
	}
	return append(out, loadRegistryVectors(t, root)...)
}

// loadRegistryVectors reads attestations as package registries serve them.
func loadRegistryVectors(t testing.TB, root string) []*vector {
	dirs, _ := filepath.Glob(filepath.Join(root, "npm", "*", "bundle.json"))
	var out []*vector
	for _, path := range dirs {
		dir := filepath.Dir(path)
		text := func(name string) string { return strings.TrimSpace(string(optional(filepath.Join(dir, name)))) }
		d, err := bundle.ParseDigest(text("digest"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &vector{
			name: filepath.Base(dir), dir: dir, bundle: read(t, path), digest: d,
			trust:    read(t, filepath.Join(root, "roots", text("root")+".json")),
			identity: text("identity"), issuer: text("issuer"), want: text("expected") == "pass",
		})
	}
	return out
}

func (v *vector) verify(t testing.TB, artifact *verify.Artifact, adjust func(*verify.Requirements)) (*verify.Report, error) {
	t.Helper()
	trust, err := trustroot.Parse(v.trust, "trusted_root.json")
	if err != nil {
		return nil, err
	}
	req := verify.DefaultRequirements()
	req.Now = time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	if v.key != nil {
		if trust.Keyring, err = trustroot.KeyringOf(v.key, 0); err != nil {
			return nil, err
		}
		req.AnyKey, req.SCTs = true, 0
	} else {
		req.Identities = []verify.Identity{{Name: v.identity, Issuer: v.issuer}}
	}
	if adjust != nil {
		adjust(&req)
	}
	verifier, err := verify.New(trust, req)
	if err != nil {
		return nil, err
	}
	return verifier.VerifyJSON(v.bundle, artifact)
}

// TestVectors gives every case of the public suites the verdict it asks for,
// with the artifact and with its digest alone.
func TestVectors(t *testing.T) {
	for _, v := range loadVectors(t) {
		modes := map[string]*verify.Artifact{"digest": {Name: "a", Digests: []bundle.Digest{v.digest}}}
		if v.artifact != nil {
			modes["path"] = artifactOf(v.artifact)
		}
		for mode, artifact := range modes {
			t.Run(v.name+"/"+mode, func(t *testing.T) {
				rep, err := v.verify(t, artifact, nil)
				if got := err == nil; got != v.want {
					t.Fatalf("got verified %v, want %v: %v\n%s", got, v.want, err, dump(rep))
				}
				t.Logf("%v", err)
			})
		}
	}
}

func artifactOf(data []byte) *verify.Artifact {
	return &verify.Artifact{Name: "artifact", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

func dump(rep *verify.Report) string {
	if rep == nil {
		return "no report"
	}
	var b strings.Builder
	for _, c := range rep.Checks {
		b.WriteString(c.Status.String() + " " + string(c.ID) + ": " + c.Detail + "\n")
	}
	return b.String()
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func optional(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return data
}

func firstOf(t testing.TB, paths ...string) []byte {
	t.Helper()
	for _, p := range paths {
		if data := optional(p); data != nil {
			return data
		}
	}
	t.Fatalf("none of %v", paths)
	return nil
}
