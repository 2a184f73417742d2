package tuf_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

func TestUpdateFetchesTrust(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		edit func(*trial)
	}{
		{"consistent", func(*trial) {}},
		{"not-consistent", func(tr *trial) {
			tr.repo.Root.Signed.ConsistentSnapshot = false
			tr.repo.PublishRoot()
		}},
		{"with-hashes", func(tr *trial) {
			tr.repo.Hashes = true
			tr.repo.Publish()
		}},
		{"delegated", func(tr *trial) {
			tr.repo.Delegate("targets", "trust/../config?", "*.v0.2.json")
			delete(tr.repo.Targets["targets"].Signed.Targets, tuf.SigningConfigName)
			tr.repo.SetRoleTarget("trust/../config?", tuf.SigningConfigName, trust()[tuf.SigningConfigName])
			tr.repo.Publish()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			test.edit(tr)
			s := tr.accepted()
			if s.Config.Root == nil || s.Config.Signing == nil || s.Config.Keyring != nil {
				t.Errorf("got root %v, signing %v, keyring %v, want the first two", s.Config.Root, s.Config.Signing, s.Config.Keyring)
			}
			if want := start.Add(30 * 24 * time.Hour); !s.Expires.Equal(want) {
				t.Errorf("got expiry %v, want %v", s.Expires, want)
			}
			warm, err := tr.source(func(o *tuf.Options) { o.Offline = true }).Trust(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if string(warm.Files[tuf.TrustedRootName]) != string(trust()[tuf.TrustedRootName]) {
				t.Error("the cache gives another trusted root")
			}
			if len(tr.warnings) > 0 {
				t.Errorf("got warnings %q, want none", tr.warnings)
			}
		})
	}
}

func TestTrustAsksOnlyWhenStale(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	trust := func() *tuf.Snapshot {
		t.Helper()
		s, err := tr.source().Trust(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	trust()
	if n := len(tr.repo.Requests()); n == 0 {
		t.Error("got no requests, want a refresh at first")
	}
	tr.advance(tuf.DefaultMaxAge)
	trust()
	if got := tr.repo.Requests(); len(got) > 0 {
		t.Errorf("got requests %q, want none while fresh", got)
	}
	tr.advance(time.Second)
	trust()
	if n := len(tr.repo.Requests()); n != 2 { // the next root, and timestamp.json
		t.Errorf("got %d requests, want 2 when stale", n)
	}
	t.Run("U09-stamp-in-the-future", func(t *testing.T) {
		tr.advance(-48 * time.Hour)
		trust()
		if n := len(tr.repo.Requests()); n != 2 {
			t.Errorf("got %d requests, want 2 when the stamp is in the future", n)
		}
	})
}

func TestStateOutlivesFailuresUntilItsExpiry(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	tr.accepted()
	tr.repo.Close()
	tr.advance(30 * 24 * time.Hour) // to the second of expiry
	if _, err := tr.source().Trust(context.Background()); err != nil {
		t.Fatalf("got %v, want the last state until it expires", err)
	}
	if len(tr.warnings) != 1 || !strings.Contains(tr.warnings[0], "could not be refreshed") || !strings.Contains(tr.warnings[0], "expires 2026-07-01") {
		t.Errorf("got warnings %q, want one that says how long it holds", tr.warnings)
	}
	tr.advance(time.Second)
	_, err := tr.source().Trust(context.Background())
	if e, ok := errors.AsType[*tuf.ExpiredError](err); !ok || e.Role != "root" {
		t.Errorf("got %v, want that the root has expired", err)
	}
	_, err = tr.source(func(o *tuf.Options) { o.Offline = true }).Trust(context.Background())
	if _, ok := errors.AsType[*tuf.ExpiredError](err); !ok {
		t.Errorf("offline: got %v, want that it has expired", err)
	}
}
