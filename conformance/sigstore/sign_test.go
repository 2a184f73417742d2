package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

// TestSignBundle signs against a sandbox as the public suite does, and verifies
// by the suite's other command.
func TestSignBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	home, err := server.Open(ctx, filepath.Join(dir, "box"), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- home.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	artifact := write("a.txt", "hello, world\n")
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte("hello, world\n")))
	statement := write("statement.json", `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a.txt","digest":{"sha256":"`+digest+`"}}],"predicateType":"https://example.com/p","predicate":{}}`)
	token, err := os.ReadFile(filepath.Join(dir, "box", server.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "box", server.TrustedRootFile)
	common := []string{"--identity-token", strings.TrimSpace(string(token)), "--trusted-root", root, "--signing-config", filepath.Join(dir, "box", server.SigningConfigFile)}
	verify := []string{"verify-bundle", "--trusted-root", root, "--certificate-identity", "alice@example.com", "--certificate-oidc-issuer", home.Server.URL(server.OIDC), "--bundle"}
	for name, args := range map[string][]string{"message": {artifact}, "in-toto": {"--in-toto", statement}} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(dir, name+".json")
			if err := run(append(append([]string{"sign-bundle", "--bundle", out}, common...), args...)); err != nil {
				t.Fatal(err)
			}
			if err := run(append(verify, out, artifact)); err != nil {
				t.Errorf("verifying: %v", err)
			}
			if err := run(append(verify, out, statement)); err == nil {
				t.Error("verifying another file: got no error")
			}
		})
	}
	if err := home.Server.Misbehave("wrong-body"); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "none.json")
	if err := run(append(append([]string{"sign-bundle", "--bundle", out}, common...), artifact)); err == nil {
		t.Error("a log that lies: got no error")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a log that lies: got a bundle")
	}
}
