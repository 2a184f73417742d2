package tuf_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

// Metadata that has expired still drives an update, and is still what rollbacks
// are told by.
func TestExpiredStateCatchesRollback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		renew      func(*trial) // publishes what is valid again
		rollback   func(*trial)
	}{
		{"U04-timestamp-rollback-after-expiry", "timestamp version 1", renewTimestamp, func(tr *trial) { tr.repo.Timestamp.Signed.Version = 1 }},
		{"U04-snapshot-rollback-after-expiry", "targets.json version", renewSnapshot, func(tr *trial) {
			tr.repo.Snapshot.Signed.Meta["targets.json"].Version = 1
			tr.repo.Targets["targets"].Signed.Version = 1
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, rollback := range []bool{false, true} {
				tr := newTrial(t)
				tr.repo.Timestamp.Signed.Expires = start.Add(time.Hour)
				tr.repo.Snapshot.Signed.Expires = start.Add(time.Hour)
				tr.repo.Publish()
				tr.accepted()
				tr.advance(2 * time.Hour)
				test.renew(tr)
				if !rollback {
					tr.accepted()
					continue
				}
				test.rollback(tr)
				tr.refusedFor(test.want)
			}
		})
	}
}

func renewTimestamp(tr *trial) {
	tr.repo.Timestamp.Signed.Expires = start.Add(24 * time.Hour)
	tr.repo.Snapshot.Signed.Expires = start.Add(24 * time.Hour)
	tr.repo.Publish()
}

func renewSnapshot(tr *trial) { renewTimestamp(tr) }

// A version that a thief has driven up is forgotten when the keys of timestamp
// and snapshot are replaced.
func TestRecoversFromFastForward(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		edit   func(*trial) // before the client sees it
		repair func(*trial)
		rotate []string
	}{
		{"U06-timestamp", func(tr *trial) { tr.repo.Timestamp.Signed.Version = 99999 }, func(tr *trial) { tr.repo.Timestamp.Signed.Version = 2 }, []string{"timestamp"}},
		{"U06-snapshot", func(tr *trial) { tr.repo.Snapshot.Signed.Version = 99999; tr.repo.PublishTimestamp() },
			func(tr *trial) { tr.repo.Snapshot.Signed.Version = 2; tr.repo.PublishTimestamp() }, []string{"snapshot"}},
		{"U06-targets", func(tr *trial) { tr.repo.Targets["targets"].Signed.Version = 99999; tr.repo.Publish() },
			func(tr *trial) { tr.repo.Targets["targets"].Signed.Version = 2; tr.repo.Publish() }, []string{"snapshot"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t)
			test.edit(tr)
			tr.accepted()
			test.repair(tr)
			tr.refusedFor("version")
			for _, role := range test.rotate {
				tr.repo.Rotate(role)
			}
			tr.repo.PublishRoot()
			tr.accepted()
		})
	}
}

func TestFollowsRootRotations(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	tr.accepted()
	tr.repo.Root.Signed.Expires = start.Add(-time.Hour) // an intermediate root may have expired
	tr.repo.PublishRoot()
	tr.repo.Root.Signed.Expires = start.Add(24 * time.Hour)
	tr.repo.Rotate("root")
	tr.repo.PublishRoot()
	tr.repo.Rotate("root") // the new key hands on to the next
	tr.repo.PublishRoot()
	s := tr.accepted()
	if s.Roles[0].Name != "root" || s.Roles[0].Version != 4 {
		t.Errorf("got %+v, want version 4 of the root", s.Roles[0])
	}
}

// What a failed refresh has verified is remembered, and nothing else; the last
// complete state is as it was.
func TestRemembersOnlyWhatIsVerified(t *testing.T) {
	t.Parallel()
	t.Run("U07-root", testRemembersRoot)
}

func testRemembersRoot(t *testing.T) {
	tr := newTrial(t)
	tr.accepted()
	tr.repo.Rotate("timestamp")
	tr.repo.PublishRoot() // good
	forged := tr.repo.RootBytes(2)
	tr.repo.ReplaceRoot(3, forged) // not version 3
	tr.refusedFor("bad version number")

	// A mirror that now hides root 2 can not bring back the timestamp's old key.
	tr.repo.ReplaceRoot(3, nil)
	hidden := tr.repo.RootBytes(2)
	tr.repo.ReplaceRoot(2, nil)
	good, taken := tr.repo.Signers["timestamp"], newTrial(t).repo.Signers["timestamp"]
	tr.repo.Signers["timestamp"] = taken
	tr.repo.Publish()
	tr.refusedFor("not enough signatures")
	tr.repo.Signers["timestamp"] = good
	tr.accepted()
	tr.repo.ReplaceRoot(2, hidden)
	tr.accepted()
}

func TestFirstUseLeavesNothingWhenRefused(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	tr.repo.Signers["timestamp"] = tr.repo.Signers["snapshot"]
	tr.refusedFor("not enough signatures")
	_, err := tr.source(func(o *tuf.Options) { o.Offline = true }).Trust(context.Background())
	if !errors.Is(err, tuf.ErrNoState) {
		t.Errorf("got %v, want no state", err)
	}
}
