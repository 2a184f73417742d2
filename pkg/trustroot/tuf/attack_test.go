package tuf_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf/tufsim"
)

// TestRefuses plays every attack on a client that has refreshed once: it is
// refused in time, for its reason, without a panic, and the last state is
// byte-equal and still in use. The twin without the fault is accepted.
func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, attack := range tufsim.Attacks() {
		t.Run(attack.Name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			if attack.Before != nil {
				attack.Before(tr.repo)
			}
			tr.accepted()
			tr.repo.Lock()
			attack.Play(tr.repo)
			tr.repo.Unlock()
			tr.refused(attack)

			s, err := tr.source(deadline(attack)).Trust(context.Background())
			if err != nil || len(s.Files) != 2 {
				t.Errorf("got %v, want the last state to stay in use", err)
			}

			twin := newTrial(t)
			if attack.Before != nil {
				attack.Before(twin.repo)
			}
			twin.accepted()
			if attack.Twin != nil {
				attack.Twin(twin.repo)
			} else {
				twin.repo.Publish()
			}
			twin.accepted()
		})
	}
}

// deadline shortens that of a refresh, which is 30 s and never more, where all of
// it would pass.
func deadline(attack tufsim.Attack) func(*tuf.Options) {
	return func(o *tuf.Options) {
		if attack.Hangs {
			o.Timeout = time.Second
		}
	}
}

func (tr *trial) refused(attack tufsim.Attack) {
	tr.t.Helper()
	before, started := tr.state(), time.Now()
	_, err := tr.source(deadline(attack)).Update(context.Background())
	if took := time.Since(started); took > tuf.DefaultTimeout/2 && attack.Hangs || took > tuf.DefaultTimeout+time.Second {
		tr.t.Errorf("took %v, want the deadline kept", took)
	}
	if err == nil {
		tr.t.Fatal("got an update, want it refused")
	}
	if !strings.Contains(err.Error(), attack.Want) {
		tr.t.Errorf("got %v, want a reason that mentions %q", err, attack.Want)
	}
	if strings.Contains(err.Error(), "TUF library failed") {
		tr.t.Errorf("a panic had to be contained: %v", err)
	}
	_, refused := errors.AsType[*tuf.RefusedError](err)
	_, down := errors.AsType[*tuf.UnavailableError](err)
	if down != attack.Down || refused == attack.Down {
		tr.t.Errorf("got %T, want one that says whether the repository was out of order (%v)", err, attack.Down)
	}
	if tr.state() != before {
		tr.t.Error("the last good state has changed")
	}
}

// refusedFor is refused, of an attack without a name.
func (tr *trial) refusedFor(want string) {
	tr.t.Helper()
	tr.refused(tufsim.Attack{Want: want})
}
