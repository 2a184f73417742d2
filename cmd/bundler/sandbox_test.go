package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// startSandbox runs bundler sandbox until the test ends, and returns the lines
// that it printed until it was ready.
func startSandbox(t *testing.T, args ...string) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"sandbox"}, args...), strings.NewReader(""), in, &stderr)
		in.Close()
	}()
	t.Cleanup(func() {
		cancel()
		go io.Copy(io.Discard, out)
		if status := <-done; status != exitYes {
			t.Errorf("bundler sandbox: got exit status %d, want 0\n%s", status, &stderr)
		}
	})
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
		if strings.HasPrefix(scanner.Text(), "ready") {
			return lines
		}
	}
	t.Fatalf("bundler sandbox is never ready: %q", lines)
	return nil
}

// signWithSigstoreGo signs as any client would that is given the directory.
func signWithSigstoreGo(t *testing.T, dir string, versions []uint32, artifact []byte) []byte {
	t.Helper()
	config, err := root.NewSigningConfigFromPath(filepath.Join(dir, "signing_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := sign.BundleOptions{
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: config.FulcioCertificateAuthorityURLs()[0].URL}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: strings.TrimSpace(string(token))},
		TimestampAuthorities: []*sign.TimestampAuthority{
			sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: config.TimestampAuthorityURLs()[0].URL}),
		},
	}
	for _, log := range config.RekorLogURLs() {
		for _, version := range versions {
			if log.MajorAPIVersion == version {
				o.TransparencyLogs = append(o.TransparencyLogs, sign.NewRekor(&sign.RekorOptions{BaseURL: log.URL, Version: version}))
			}
		}
	}
	b, err := sign.Bundle(&sign.PlainData{Data: artifact}, key, o)
	if err != nil {
		t.Fatal(err)
	}
	return sandbox.JSON(b)
}

// TestSandboxEndToEnd: sigstore-go signs with a sandbox, and the command that
// the sandbox prints verifies it, for the artifact and the signer alone.
func TestSandboxEndToEnd(t *testing.T) {
	t.Parallel()
	for name, versions := range map[string][]uint32{"rekor-v1": {1}, "rekor-v2": {2}, "both": {1, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "sandbox")
			var printed []string
			for _, line := range startSandbox(t, "--dir", dir) {
				if args, ok := strings.CutPrefix(line, "  bundler verify FILE "); ok {
					printed = strings.Fields(args)
				}
			}
			if len(printed) != 6 {
				t.Fatalf("got the command %q", printed)
			}
			file := filepath.Join(t.TempDir(), "hello.txt")
			artifact := []byte("hello\n")
			write := func(name string, data []byte) {
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			verify := func(args ...string) (int, string) {
				var out, errs bytes.Buffer
				status := run(t.Context(), append([]string{"verify", file}, args...), strings.NewReader(""), &out, &errs)
				return status, out.String() + errs.String()
			}
			write(file, artifact)
			write(file+".sigstore.json", signWithSigstoreGo(t, dir, versions, artifact))
			if status, text := verify(printed...); status != exitYes {
				t.Errorf("the honest bundle: got exit status %d\n%s", status, text)
			}
			other := strings.Split(strings.ReplaceAll(strings.Join(printed, "\n"), "alice@", "mallory@"), "\n")
			if status, text := verify(other...); status != exitNo {
				t.Errorf("another signer: got exit status %d, want 1\n%s", status, text)
			}
			write(file, []byte("jello\n"))
			if status, text := verify(printed...); status != exitNo {
				t.Errorf("another artifact: got exit status %d, want 1\n%s", status, text)
			}
		})
	}
}

// TestSandboxMisbehaves: sigstore-go's client takes what a lying log answers,
// and bundler refuses it.
func TestSandboxMisbehaves(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "sandbox")
	startSandbox(t, "--dir", dir, "--misbehave", "checkpoint-root", "--misbehave", "oidc:down")
	file := filepath.Join(t.TempDir(), "hello.txt")
	if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".sigstore.json", signWithSigstoreGo(t, dir, []uint32{2}, []byte("hello\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"verify", file, "--trust-config", filepath.Join(dir, "trust_config.json"), "--certificate-identity", "alice@example.com",
		"--certificate-oidc-issuer-regexp", "http://.*"}, strings.NewReader(""), &out, &errs)
	if status != exitNo {
		t.Errorf("got exit status %d, want 1\n%s%s", status, &out, &errs)
	}
}
