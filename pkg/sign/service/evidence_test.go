package service_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// A tsaAt answers with the sandbox's own timestamps, of another time.
type tsaAt struct {
	tsa *sandbox.TSA
	at  time.Time
}

func (t tsaAt) String() string { return "test" }

func (t tsaAt) Timestamp(_ context.Context, signature []byte) ([]byte, error) {
	return t.tsa.Token(sandbox.TokenOptions{Over: signature, Time: t.at}), nil
}

// managed returns the order of a managed key, its bundle without evidence, and
// what judges it.
func (w *world) managed(t *testing.T) (*order, *bundle.Bundle, *sign.Evidence) {
	t.Helper()
	o := &order{key: w.box.Key("managed", sandbox.P256), alg: trustroot.KeyDetails(sandbox.P256), noLog: true}
	b, _, err := w.sign(*o)
	if err != nil {
		t.Fatal(err)
	}
	b.Timestamps = nil
	return o, b, &sign.Evidence{Judge: w.judge(o), Now: w.box.Now}
}

// TestNewTimestampIsAboutNow: a managed key was in use an hour ago as well, and
// the timestamp is genuine; but it was made just now.
func TestNewTimestampIsAboutNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, b, evidence := w.managed(t)
	for _, test := range []struct {
		name string
		by   time.Duration
		ok   bool
	}{
		{"now", 0, true}, {"a-little-early", -4 * time.Minute, true}, {"a-little-late", 4 * time.Minute, true},
		{"back-dated", -time.Hour, false}, {"post-dated", time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			with, err := evidence.Timestamp(t.Context(), b, tsaAt{tsa: w.box.TSA, at: w.box.Now().Add(test.by)})
			if (err == nil) != test.ok || (with != nil) != test.ok || err != nil && !errors.Is(err, sign.ErrReply) {
				t.Errorf("got %v, want it accepted: %v", err, test.ok)
			}
		})
	}
}

// TestEvidenceOfStrangersIsNotAdded: it may be right, but nobody can tell.
func TestEvidenceOfStrangersIsNotAdded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, b, evidence := w.managed(t)
	stranger, err := w.box.NewTSA("stranger", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tsa *sandbox.TSA
		log *sandbox.Log
		ok  bool
	}{
		"known":    {w.box.TSA, w.box.RekorV2, true},
		"stranger": {stranger, w.box.NewLog("stranger", nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			with, err := evidence.AddTimestamp(b, c.tsa.Token(sandbox.TokenOptions{Over: b.Signature()}))
			if (err == nil) != c.ok || (with != nil) != c.ok {
				t.Errorf("timestamp: got %v, want it added: %v", err, c.ok)
			}
			signed := sandbox.Signed{Signature: b.Signature(), Key: o.key, Hash: o.alg.Hash(), Digest: b.Message.Digest.Bytes()}
			recorded, err := c.log.Record(sandbox.HashedRekord002, signed)
			if err != nil {
				t.Fatal(err)
			}
			e, err := bundle.ParseLogEntry(sandbox.JSON(recorded))
			if err != nil {
				t.Fatal(err)
			}
			with, err = evidence.AddEntry(b, e)
			if (err == nil) != c.ok || (with != nil) != c.ok {
				t.Errorf("log entry: got %v, want it added: %v", err, c.ok)
			}
		})
	}
}
