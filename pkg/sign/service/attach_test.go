package service_test

import (
	"errors"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// old returns a bundle of an older version whose entry, in Rekor v1, the server
// knows; without its inclusion proof, unless it is of version 0.2.
func (w *world) old(t *testing.T, mediaType string, chain bool) *bundle.Bundle {
	t.Helper()
	b, _, err := w.sign(order{rekor: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.MediaType, b.Version = mediaType, bundle.V01
	if mediaType == bundle.MediaTypeV02 {
		b.Version = bundle.V02
	} else {
		b.Entries[0].Proof = nil
	}
	if chain {
		for _, c := range w.box.Fulcio.Chain {
			b.Certificates = append(b.Certificates, c.Raw)
		}
	}
	return b
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := order{rekor: 1}
	evidence := &sign.Evidence{Judge: w.judge(&o), Now: w.box.Now}
	asked := 0
	find := func(*bundle.LogEntry) (sign.Log, error) {
		asked++
		return w.client.Log(w.URL(server.RekorV1), 1), nil
	}
	for _, test := range []struct {
		name, mediaType string
		chain           bool
		asked           int
	}{
		{"v0.1", bundle.MediaTypeV01, false, 1},
		{"v0.2", bundle.MediaTypeV02, false, 0},
		{"v0.1-with-a-chain-and-its-root", bundle.MediaTypeV01, true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked = 0
			old := w.old(t, test.mediaType, test.chain)
			up, err := evidence.Upgrade(t.Context(), old, find)
			if err != nil {
				t.Fatal(err)
			}
			text, err := up.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := bundle.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if again.Version != bundle.V03 || len(again.Certificates) != 1 || asked != test.asked {
				t.Errorf("got version %v, %d certificates, %d questions to the log; want 0.3, 1, %d", again.Version, len(again.Certificates), asked, test.asked)
			}
			if _, err := w.verify(again, &o, verify.Requirements{Logs: 1, IntegratedTimes: 1, Timestamps: 1}); err != nil {
				t.Errorf("the upgraded bundle does not verify: %v", err)
			}
			if test.asked > 0 && old.Entries[0].Proof != nil {
				t.Error("the old bundle was changed")
			}
		})
	}
}

// TestUpgradeRefuses: the log has another entry there, none, or is not known.
func TestUpgradeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := order{rekor: 1}
	evidence := &sign.Evidence{Judge: w.judge(&o), Now: w.box.Now}
	log := w.client.Log(w.URL(server.RekorV1), 1)
	find := func(*bundle.LogEntry) (sign.Log, error) { return log, nil }
	honest := w.old(t, bundle.MediaTypeV01, false)
	if _, err := evidence.Upgrade(t.Context(), honest, find); err != nil {
		t.Fatalf("the honest twin: %v", err)
	}
	unknown := errors.New("no such log")
	for _, test := range []struct {
		name  string
		bend  func(*bundle.LogEntry)
		find  func(*bundle.LogEntry) (sign.Log, error)
		reply bool
	}{
		{"another-entry", func(e *bundle.LogEntry) { e.LogIndex-- }, find, false}, // prior entries are of no known kind
		{"no-entry", func(e *bundle.LogEntry) { e.LogIndex += 1000 }, find, false},
		{"another-time", func(e *bundle.LogEntry) { e.IntegratedTime++ }, find, true},
		{"another-body", func(e *bundle.LogEntry) { e.Body = append([]byte(" "), e.Body...) }, find, true},
		{"unknown-log", func(*bundle.LogEntry) {}, func(*bundle.LogEntry) (sign.Log, error) { return nil, unknown }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := *honest
			b.Entries = []bundle.LogEntry{honest.Entries[0]}
			test.bend(&b.Entries[0])
			up, err := evidence.Upgrade(t.Context(), &b, test.find)
			if err == nil || up != nil || test.reply && !errors.Is(err, sign.ErrReply) {
				t.Errorf("got error %v, want one that says the reply is wrong: %v", err, test.reply)
			}
		})
	}
}

// TestWithCertificates: a key hint gives way to a certificate of that key alone.
func TestWithCertificates(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(&sandbox.Options{Seed: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := box.PrivateCA.Issue(sandbox.Request{})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := box.PrivateCA.Issue(sandbox.Request{})
	if err != nil {
		t.Fatal(err)
	}
	statement, err := sandbox.Statement("https://example.com/p", nil, sandbox.Subject{Name: "hello", Content: hello})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]sandbox.SignOptions{
		"message":   {Artifact: hello, Key: leaf.Key, Logs: []*sandbox.Log{}},
		"statement": {Statement: statement, Key: leaf.Key, Logs: []*sandbox.Log{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signed, err := box.Sign(o)
			if err != nil {
				t.Fatal(err)
			}
			b, err := bundle.Parse(sandbox.JSON(signed))
			if err != nil {
				t.Fatal(err)
			}
			by, err := sign.ParseCertificates(leaf.PEM())
			if err != nil {
				t.Fatal(err)
			}
			with, err := sign.WithCertificates(b, by, 0)
			if err != nil || len(with.Certificates) != 1 || with.KeyHint != "" || b.KeyHint == "" {
				t.Fatalf("got %+v, %v; want a copy with the certificate", with, err)
			}
			other, err := sign.ParseCertificates(stranger.PEM())
			if err != nil {
				t.Fatal(err)
			}
			if with, err := sign.WithCertificates(b, other, 0); !errors.Is(err, sign.ErrReply) || with != nil {
				t.Errorf("a stranger's certificate: got %v", err)
			}
		})
	}
}
