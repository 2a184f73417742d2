package verify_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// noTSA leaves a bundle without a timestamp of an authority.
var noTSA = []*sandbox.TSA{}

// onlyLog makes the trusted root list one log, in that window.
func (c *trial) onlyLog(log *sandbox.Log, start, end time.Time) {
	instance := log.Instance()
	instance.PublicKey.ValidFor = sandbox.Window(start, end)
	c.Root.Tlogs = []*prototrustroot.TransparencyLogInstance{instance}
}

// TestStatedTimesProveNothing: an integrated time is a time of signing only if
// the log signed it.
func TestStatedTimesProveNothing(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	v1, v2 := []*sandbox.Log{s.RekorV1}, []*sandbox.Log{s.RekorV2}
	t.Run("T01-no-other-time", func(t *testing.T) {
		honest(t, s, sandbox.SignOptions{Logs: v1, TSAs: noTSA}).accepted(t)
		c := honest(t, s, sandbox.SignOptions{Logs: v1, TSAs: noTSA, NoPromise: true})
		c.firstEntry().IntegratedTime += 60
		c.rejected(t, verify.CheckObservers, "observers of the time of signing: 0 found, 1 required")
	})
	t.Run("T01-beside-a-timestamp", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{Logs: v1, NoPromise: true})
		c.firstEntry().IntegratedTime += 60
		rep := c.accepted(t)
		if len(rep.Times) != 1 || rep.Times[0].Type != "rfc3161" || !rep.Entries[0].IntegratedTime.IsZero() {
			t.Errorf("got times %v and entry %+v, want the timestamp's alone", rep.Times, rep.Entries[0])
		}
	})
	at := func(seconds int64) func(*testing.T, *trial) {
		return func(_ *testing.T, c *trial) { c.firstEntry().IntegratedTime = seconds }
	}
	// promised has the log sign the time too.
	promised := func(seconds int64) func(*testing.T, *trial) {
		return func(_ *testing.T, c *trial) {
			e := c.firstEntry()
			e.IntegratedTime = seconds
			e.InclusionPromise = &rekorv1.InclusionPromise{SignedEntryTimestamp: c.log().SignSET(e.CanonicalizedBody, seconds, e.LogIndex)}
		}
	}
	alone := sandbox.SignOptions{Logs: v1, NoPromise: true}
	both := sandbox.SignOptions{Logs: v1}
	key := sandbox.SignOptions{Logs: v1, NoPromise: true, Key: s.Key("release", sandbox.P256)}
	faults := []fault{
		{"T01-altered-under-its-promise", both, func(_ *testing.T, c *trial) { c.firstEntry().IntegratedTime++ }, verify.CheckLogPromise, "not the log's"},
		{"T01-removed-under-its-promise", both, at(0), verify.CheckLogPromise, "after 1970"},
		{"T01-altered-to-when-the-certificate-was-not-valid", alone, at(s.Now().Unix() + 3600), verify.CheckLogBinding, "unsigned"},
		{"T01-v2-states-a-time", sandbox.SignOptions{Logs: v2}, at(s.Now().Unix() - 3600), verify.CheckLogBinding, "unsigned"},
		{"T01-promise-for-one-time-on-two-logs", sandbox.SignOptions{Logs: append(v2, v1...)}, func(_ *testing.T, c *trial) {
			c.firstEntry().InclusionPromise = c.material().TlogEntries[1].InclusionPromise
			c.firstEntry().IntegratedTime = c.material().TlogEntries[1].IntegratedTime
		}, verify.CheckLogPromise, "Rekor v2 has no signed entry timestamp"},
	}
	for name, test := range map[string]struct {
		seconds  int64
		promised verify.CheckID // that refuses it where the log signed it
	}{
		"zero":       {0, verify.CheckLogPromise},
		"one":        {1, verify.CheckLogPromise}, // before the log's window
		"minus-one":  {-1, verify.CheckLogPromise},
		"MinInt64":   {math.MinInt64, verify.CheckLogPromise},
		"MaxInt32":   {math.MaxInt32, verify.CheckPath}, // a time like any other
		"year-10000": {253402300800, verify.CheckLogPromise},
		"wraps":      {math.MaxInt64 - 62135596800, verify.CheckLogPromise}, // in a time.Time
		"MaxInt64":   {math.MaxInt64, verify.CheckLogPromise},
	} {
		faults = append(faults, fault{"T10-promised-" + name, both, promised(test.seconds), test.promised, ""})
		if test.seconds != 0 {
			faults = append(faults, fault{"T10-stated-" + name, alone, at(test.seconds), verify.CheckLogBinding, "unsigned"})
		}
		if test.seconds < 0 || test.seconds > math.MaxInt32 {
			faults = append(faults, fault{"T10-stated-for-a-key-" + name, key, at(test.seconds), verify.CheckLogBinding, "unsigned"})
		}
	}
	rejectsEach(t, s, faults)
}

// TestKeyWindows: a managed key is good at every time that is proved, or now if
// none is.
func TestKeyWindows(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	key := s.Key("release", sandbox.P256)
	// window returns an honest trial with the key's window as given.
	window := func(t *testing.T, o sandbox.SignOptions, start, end time.Time) *trial {
		o.Key = key
		c := honest(t, s, o)
		k := must(trustroot.NewKey(key.Public(), 0, ""))
		k.ValidFor = trustroot.Validity{Start: start, End: end}
		c.Keyring = keyring(t, k)
		return c
	}
	v1, now, hour := []*sandbox.Log{s.RekorV1}, s.Now(), time.Hour
	untimed := func(c *trial) *trial { // the policy asks for no proof of time
		c.Require.Logs, c.Require.ObserverTimes = 0, 0
		return c
	}
	bare := sandbox.SignOptions{Logs: []*sandbox.Log{}, TSAs: noTSA}
	t.Run("T02-expired-and-no-timestamp-asked-for", func(t *testing.T) {
		untimed(window(t, bare, now.Add(-hour), now)).accepted(t)
		untimed(window(t, bare, now.Add(-hour), now.Add(-time.Nanosecond))).rejected(t, verify.CheckKeyWindow, "not in use")
	})
	t.Run("T02-not-started-and-no-timestamp-asked-for", func(t *testing.T) {
		untimed(window(t, bare, now, time.Time{})).accepted(t)
		untimed(window(t, bare, now.Add(time.Nanosecond), time.Time{})).rejected(t, verify.CheckKeyWindow, "not in use")
	})
	t.Run("T02-expired-with-an-entry-that-proves-no-time", func(t *testing.T) {
		o := sandbox.SignOptions{Logs: v1, NoPromise: true, TSAs: noTSA}
		untimed(window(t, o, now.Add(-hour), now.Add(hour))).accepted(t)
		c := untimed(window(t, o, now.Add(-hour), now.Add(hour)))
		c.Require.Now = now.Add(2 * hour) // the stated time is inside the window, and nobody signed it
		c.rejected(t, verify.CheckKeyWindow, "not in use")
	})
	for name, o := range map[string]sandbox.SignOptions{
		"timestamp": {Logs: []*sandbox.Log{s.RekorV2}},
		"promise":   {Logs: v1, TSAs: noTSA},
		"both":      {Logs: v1},
	} {
		t.Run("T03-"+name+"-after-the-window", func(t *testing.T) {
			window(t, o, now.Add(-hour), now).accepted(t)
			window(t, o, now.Add(-hour), now.Add(-time.Second)).rejected(t, verify.CheckKeyWindow, "not in use")
		})
		t.Run("T03-"+name+"-before-the-window", func(t *testing.T) {
			window(t, o, now, now.Add(hour)).accepted(t)
			window(t, o, now.Add(time.Second), now.Add(hour)).rejected(t, verify.CheckKeyWindow, "not in use")
		})
		t.Run("T13-key-expired-since/"+name, func(t *testing.T) {
			for _, years := range []int{-10, 10} {
				c := window(t, o, now.Add(-hour), now)
				c.Require.Now = now.AddDate(years, 0, 0)
				c.accepted(t)
			}
		})
	}
}

// TestEveryTimeCounts: of several proved times, none may be outside the
// certificate's validity.
func TestEveryTimeCounts(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	second := must(s.NewTSA("tsa2", nil))
	outside := map[string]time.Duration{"before": -time.Second, "long-before": -time.Hour, "after": 10*time.Minute + time.Second, "a-fraction-after": 10*time.Minute + time.Nanosecond}
	for name, offset := range outside {
		for order := range 2 {
			t.Run(fmt.Sprintf("T04-%s/%d", name, order), func(t *testing.T) {
				trialOf := func(offset time.Duration) *trial {
					c := honest(t, s, sandbox.SignOptions{TSAs: noTSA})
					c.Root.TimestampAuthorities = append(c.Root.TimestampAuthorities, second.Authority())
					over := c.Bundle.GetMessageSignature().Signature
					tokens := [][]byte{s.TSA.Token(sandbox.TokenOptions{Over: over}), second.Token(sandbox.TokenOptions{Over: over, Time: s.Now().Add(offset)})}
					sandbox.AddTimestamp(c.material(), tokens[order])
					sandbox.AddTimestamp(c.material(), tokens[1-order])
					return c
				}
				trialOf(10 * time.Minute).accepted(t)
				trialOf(offset).rejected(t, verify.CheckPath, "not valid at")
			})
		}
	}
	t.Run("T04-integrated-time-outside-timestamp-inside", func(t *testing.T) {
		promise := func(c *trial, at time.Time) *trial {
			e := c.firstEntry()
			e.IntegratedTime = at.Unix()
			e.InclusionPromise.SignedEntryTimestamp = s.RekorV1.SignSET(e.CanonicalizedBody, e.IntegratedTime, e.LogIndex)
			return c
		}
		o := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}}
		promise(honest(t, s, o), s.Now().Add(10*time.Minute)).accepted(t)
		promise(honest(t, s, o), s.Now().Add(10*time.Minute+time.Second)).rejected(t, verify.CheckPath, "not valid at")
	})
	t.Run("T04-timestamp-of-nobody-outside", func(t *testing.T) {
		// An authority that is not trusted proves no time, right or wrong.
		c := honest(t, s, sandbox.SignOptions{})
		sandbox.AddTimestamp(c.material(), second.Token(sandbox.TokenOptions{Over: c.Bundle.GetMessageSignature().Signature, Time: s.Now().AddDate(-1, 0, 0)}))
		if n := len(c.accepted(t).Times); n != 1 {
			t.Errorf("got %d times, want 1", n)
		}
	})
}
