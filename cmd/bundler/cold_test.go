package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

// BenchmarkCold compares a process that verifies one small file with the least
// sigstore-go program that does the same: wall time, and peak memory in MiB.
func BenchmarkCold(b *testing.B) {
	dir := b.TempDir()
	build(b, dir, "bundler", ".")
	build(b, dir, "sigstorego", "./testdata/sigstorego")
	writeColdCase(b, dir)
	binary, err := os.Stat(filepath.Join(dir, "bundler"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("impl=bundler", func(b *testing.B) {
		benchProcess(b, dir, "./bundler", "verify", "--trusted-root", "root.json", "--now", "2026-01-02T03:04:05Z",
			"--certificate-identity", sandbox.DefaultIdentity, "--certificate-oidc-issuer", sandbox.DefaultIssuer, "hello")
		b.ReportMetric(float64(binary.Size())/1e6, "MB-binary")
	})
	b.Run("impl=bundler-profile", func(b *testing.B) { // trust from a TUF repository, fetched before
		writeColdProfile(b, dir)
		benchProcess(b, dir, "./bundler", "verify", "--trust-profile", "prod", "--offline", "--now", tufStart.Format(time.RFC3339),
			"--certificate-identity", sandbox.DefaultIdentity, "--certificate-oidc-issuer", sandbox.DefaultIssuer, "hello")
	})
	b.Run("impl=sigstore-go", func(b *testing.B) {
		benchProcess(b, dir, "./sigstorego", "root.json", "hello.sigstore.json", "hello", sandbox.DefaultIdentity, sandbox.DefaultIssuer)
	})
}

func build(b *testing.B, dir, name, pkg string) {
	b.Helper()
	out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), pkg).CombinedOutput()
	if err != nil {
		b.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
}

// writeColdCase writes a bundle of the public-good instance's shape.
func writeColdCase(b *testing.B, dir string) {
	b.Helper()
	s, err := sandbox.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	ca, err := s.NewCA("p384", &sandbox.CAOptions{Profile: sandbox.FulcioProfile, Algorithm: sandbox.P384})
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := ca.Issue(sandbox.Request{})
	if err != nil {
		b.Fatal(err)
	}
	artifact := []byte("hello\n")
	signed, err := s.Sign(sandbox.SignOptions{Artifact: artifact, Leaf: leaf, Logs: []*sandbox.Log{s.RekorV1}, TSAs: []*sandbox.TSA{}})
	if err != nil {
		b.Fatal(err)
	}
	root := s.TrustedRoot()
	root.MediaType = sandbox.TrustedRootMediaTypeV01 // the one that sigstore-go reads
	root.CertificateAuthorities = append(root.CertificateAuthorities, ca.Authority())
	for name, data := range map[string][]byte{
		"hello": artifact, "hello.sigstore.json": sandbox.JSON(signed), "root.json": sandbox.JSON(root),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// writeColdProfile makes the profile prod, with a home in dir, of a repository
// that publishes root.json.
func writeColdProfile(b *testing.B, dir string) {
	b.Helper()
	repo := tufsim.New(tufStart)
	defer repo.Close()
	trust, err := os.ReadFile(filepath.Join(dir, "root.json"))
	if err != nil {
		b.Fatal(err)
	}
	repo.SetTarget("trusted_root.json", trust)
	repo.Publish()
	if err := os.WriteFile(filepath.Join(dir, "tuf-root.json"), repo.Root1(), 0o644); err != nil {
		b.Fatal(err)
	}
	b.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	b.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	cmd := exec.Command("./bundler", "trust", "init", "--tuf-url", repo.URL(), "--tuf-root", "tuf-root.json", "--name", "prod", "--now", tufStart.Format(time.RFC3339))
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
}

func benchProcess(b *testing.B, dir string, args ...string) {
	var peak int64
	for b.Loop() {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var err error
		for running := true; running; {
			select {
			case err = <-done:
				running = false
			case <-time.After(200 * time.Microsecond):
				peak = max(peak, highWater(cmd.Process.Pid))
			}
		}
		if err != nil {
			b.Fatalf("%v: %v\n%s", args, err, &stderr)
		}
	}
	b.ReportMetric(float64(peak)/1024, "MiB-peak")
}

// highWater returns the most memory that a running process had so far, in KiB.
// The kernel's account of finished ones starts with that of their parent, whose
// memory they share until they execute their program.
func highWater(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n
		}
	}
	return 0
}
