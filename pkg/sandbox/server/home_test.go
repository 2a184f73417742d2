package server_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func birth() time.Time { return sandbox.Birth }

// live opens a home, lets it serve while f runs, and ends it.
func live(t *testing.T, dir string, o *server.HomeOptions, f func(*server.Home)) {
	t.Helper()
	h, err := server.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx) }()
	f(h)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func isOption(err error) bool {
	_, ok := errors.AsType[*server.OptionError](err)
	return ok
}

func read(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTrustOutlivesARestart: files, logs and what was signed.
func TestTrustOutlivesARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	var seconds atomic.Int64
	clock := func() time.Time { return birth().Add(time.Duration(seconds.Add(1)) * time.Second) }
	o := &server.HomeOptions{Server: server.Options{Clock: clock}}
	request := hashedRekord2(must(sandbox.New(nil)).Key("signer", sandbox.P256))
	request1 := hashedRekord(must(sandbox.New(nil)).Key("signer", sandbox.P256))
	var files [3]string
	var checkpoint, entry string
	names := [3]string{server.TrustConfigFile, server.TrustedRootFile, server.SigningConfigFile}
	live(t, dir, o, func(h *server.Home) {
		w := world{Server: h.Server}
		for i, name := range names {
			files[i] = read(t, dir, name)
		}
		if status, text := w.post(t, server.RekorV2, "/api/v2/log/entries", request); status != 201 {
			t.Fatalf("got %d %s", status, text)
		}
		if status, text := w.post(t, server.RekorV1, "/api/v1/log/entries", request1); status != 201 {
			t.Fatalf("got %d %s", status, text)
		}
		_, checkpoint = w.get(t, server.RekorV2, "/api/v2/checkpoint")
		_, entry = w.get(t, server.RekorV1, "/api/v1/log/entries?logIndex=4163437")
	})
	// A crash in the middle of a line, which no client was told of.
	journal := filepath.Join(dir, "rekor-v2.jsonl")
	whole := read(t, journal)
	if err := os.WriteFile(journal, []byte(whole+whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	seconds.Add(3600)
	live(t, dir, o, func(h *server.Home) {
		w := world{Server: h.Server}
		for i, name := range names {
			if got := read(t, dir, name); got != files[i] {
				t.Errorf("%s has changed: got\n%s\nwant\n%s", name, got, files[i])
			}
		}
		if _, got := w.get(t, server.RekorV2, "/api/v2/checkpoint"); got != checkpoint || !strings.Contains(got, "\n7\n") {
			t.Errorf("got checkpoint\n%s\nwant\n%s", got, checkpoint)
		}
		if _, got := w.get(t, server.RekorV1, "/api/v1/log/entries?logIndex=4163437"); got != entry {
			t.Errorf("got entry\n%s\nwant\n%s", got, entry)
		}
		for service, status := range map[server.Service]int{server.RekorV2: 409, server.RekorV1: 409} {
			path, body := "/api/v2/log/entries", request
			if service == server.RekorV1 {
				path, body = "/api/v1/log/entries", request1
			}
			if got, text := w.post(t, service, path, body); got != status {
				t.Errorf("%s: the same again: got %d %s", service, got, text)
			}
		}
	})
	if got := read(t, journal); got != whole {
		t.Errorf("got journal\n%s\nwant\n%s", got, whole)
	}
}

func TestHomeWritesWhatClientsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	live(t, dir, &server.HomeOptions{Seed: "a seed", Server: server.Options{Clock: birth}}, func(h *server.Home) {
		for _, name := range []string{server.TrustConfigFile, server.TrustedRootFile} {
			c, err := trustroot.File(filepath.Join(dir, name))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if findings := trustroot.Check(c, birth(), nil); len(findings) > 0 {
				t.Errorf("%s: %v", name, findings)
			}
		}
		w := world{Server: h.Server, box: must(sandbox.New(nil))}
		token := strings.TrimSpace(read(t, dir, server.TokenFile))
		if status, text := w.post(t, server.Fulcio, "/api/v2/signingCert",
			certRequest(w.box.Key("client", sandbox.P256), sandbox.DefaultIdentity), bearer(token)...); status != 200 {
			t.Errorf("the token of the file: got %d %s", status, text)
		}
		for name, want := range map[string]os.FileMode{"state.json": 0o600, server.TokenFile: 0o600, "rekor-v1.jsonl": 0o600, server.TrustConfigFile: 0o644} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
				t.Errorf("%s: got %v, %v, want mode %v", name, info.Mode(), err, want)
			}
		}
		if _, err := server.Open(t.Context(), dir, nil); err == nil {
			t.Error("two processes serve one home")
		}
	})
}

func TestOpenRefusesAnotherSandbox(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := server.HomeOptions{Seed: "a", Server: server.Options{Clock: birth}}
	live(t, dir, &o, func(*server.Home) {})
	state := read(t, dir, "state.json")
	for name, change := range map[string]func(*server.HomeOptions){
		"seed":   func(o *server.HomeOptions) { o.Seed = "b" },
		"listen": func(o *server.HomeOptions) { o.Listen = "127.0.0.1:1" },
	} {
		other := o
		change(&other)
		if _, err := server.Open(t.Context(), dir, &other); !isOption(err) {
			t.Errorf("%s: got %v, want an OptionError", name, err)
		}
	}
	path := filepath.Join(dir, "state.json")
	for name, spoil := range map[string]func() error{
		"readable":  func() error { return os.Chmod(path, 0o640) },
		"empty":     func() error { return os.WriteFile(path, nil, 0o600) },
		"version-2": func() error { return os.WriteFile(path, []byte(strings.Replace(state, ": 1", ": 2", 1)), 0o600) },
		"extra":     func() error { return os.WriteFile(path, []byte(strings.Replace(state, "{", `{"extra":1,`, 1)), 0o600) },
		"link": func() error {
			return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Open(t.Context(), dir, &o); err == nil || isOption(err) {
			t.Errorf("%s: got %v, want another error", name, err)
		}
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte(state), 0o600), os.Chmod(path, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	journal := filepath.Join(dir, "rekor-v1.jsonl")
	if err := os.WriteFile(journal, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Open(t.Context(), dir, &o); err == nil {
		t.Error("a journal of nonsense")
	}
	if err := os.Truncate(journal, 0); err != nil {
		t.Fatal(err)
	}
	live(t, dir, &o, func(*server.Home) {})
}

func TestSameSeedSameKeys(t *testing.T) {
	t.Parallel()
	keys := func(seed string) (all string) {
		o := &server.HomeOptions{Seed: seed, Server: server.Options{Clock: birth}}
		live(t, t.TempDir(), o, func(h *server.Home) {
			for _, l := range h.Server.TrustedRoot().Tlogs {
				all += string(l.PublicKey.RawBytes)
			}
		})
		return all
	}
	a, again, b := keys("a"), keys("a"), keys("b")
	if a != again || a == b {
		t.Error("the keys do not follow from the seed")
	}
	if one, other := keys(""), keys(""); one == other {
		t.Error("two sandboxes without a seed share their keys")
	}
}
