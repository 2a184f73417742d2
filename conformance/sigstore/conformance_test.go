package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// evaluated is the time as of which cases are judged: none of the public
// suites' trusted roots had ended by then.
var evaluated = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const (
	beaconIdentity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
	beaconIssuer   = "https://token.actions.githubusercontent.com"
)

// TestConformance runs every case directory under BUNDLER_VECTORS, in path
// mode and in digest mode.
func TestConformance(t *testing.T) {
	dir := os.Getenv("BUNDLER_VECTORS")
	if dir == "" {
		t.Skip("BUNDLER_VECTORS is not set: make conformance sets it")
	}
	cases := findCases(t, dir)
	if len(cases) == 0 {
		t.Fatalf("no cases under %s", dir)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

// A caseDir is a directory with a bundle and what is expected of it.
type caseDir struct {
	name, path string
	bundle     string // file name
	want       bool
	query      query
	err        error // the trusted root or digest does not parse
	digest     bundle.Digest
	file       string // path of the artifact, "" if only its digest is known
}

// findCases knows two layouts: sigstore-conformance's (bundle.sigstore.json,
// the verdict in the directory's name), and one for bundles gathered elsewhere
// (bundle.json, the verdict in a file "expected").
func findCases(t *testing.T, dir string) []*caseDir {
	t.Helper()
	var cases []*caseDir
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "bundle.sigstore.json" && d.Name() != "bundle.json" {
			return err
		}
		c := &caseDir{path: filepath.Dir(path), bundle: d.Name()}
		if c.name, err = filepath.Rel(dir, c.path); err != nil {
			return err
		}
		if d.Name() == "bundle.sigstore.json" {
			c.suite(dir)
		} else {
			c.gathered(dir)
		}
		c.query.bundle = c.read(d.Name())
		cases = append(cases, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func (c *caseDir) suite(dir string) {
	c.want = !strings.HasSuffix(c.name, "_fail")
	c.query.require = verify.DefaultRequirements()
	c.query.trust = c.read("trusted_root.json")
	if c.query.trust == nil {
		c.query.trust, _ = os.ReadFile(filepath.Join(dir, "trust", "public_good_trusted_root.json"))
	}
	c.signer()
	if c.query.key == nil && c.query.identity == "" {
		c.query.identity = beaconIdentity
	}
	if c.query.key == nil && c.query.issuer == "" {
		c.query.issuer = beaconIssuer
	}
	c.file = filepath.Join(c.path, "artifact")
	if _, err := os.Stat(c.file); err != nil {
		c.file = filepath.Join(c.path, "..", "a.txt")
	}
	data, err := os.ReadFile(c.file)
	c.digest, c.err = bundle.Sum(bundle.SHA256, data), err
}

func (c *caseDir) gathered(dir string) {
	c.want = c.text("expected") == "pass"
	c.signer()
	if c.query.trust = c.read("trusted_root.json"); c.query.trust == nil {
		c.query.trust, c.err = os.ReadFile(filepath.Join(dir, "roots", c.text("root")+".json"))
	}
	if trust, err := trustroot.Parse(c.query.trust, ""); err == nil {
		c.query.require = verify.RequirementsFor(trust)
	}
	if d := c.text("digest"); d != "" {
		c.digest, c.err = bundle.ParseDigest(d)
	}
	if data := c.read("artifact"); data != nil {
		c.file = filepath.Join(c.path, "artifact")
		if c.digest.IsZero() {
			c.digest = bundle.Sum(bundle.SHA256, data)
		}
	}
}

func (c *caseDir) signer() {
	c.query.key = c.read("key.pub")
	c.query.identity, c.query.issuer = c.text("identity"), c.text("issuer")
}

func (c *caseDir) run(t *testing.T) {
	if c.query.trust == nil || c.query.bundle == nil || c.err != nil {
		t.Fatalf("incomplete case: %v", c.err)
	}
	c.judge(t, "digest", &verify.Artifact{Name: c.digest.String(), Digests: []bundle.Digest{c.digest}})
	if c.file != "" {
		a, err := artifact(c.file)
		if err != nil {
			t.Fatal(err)
		}
		c.judge(t, "path", a)
	}
}

func (c *caseDir) judge(t *testing.T, mode string, a *verify.Artifact) {
	t.Run(mode, func(t *testing.T) {
		q := c.query
		q.artifact = a
		err := q.verify(evaluated)
		if got := err == nil; got != c.want {
			note, _ := json.Marshal(c.text("note"))
			t.Errorf("got verified %v, want %v: %v (note: %s)", got, c.want, err, note)
		}
	})
}

func (c *caseDir) read(name string) []byte {
	data, err := os.ReadFile(filepath.Join(c.path, name))
	if err != nil {
		return nil
	}
	return data
}

func (c *caseDir) text(name string) string { return strings.TrimSpace(string(c.read(name))) }
