package verify_test

import (
	"crypto/x509"
	"testing"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// TestLogWindows: windows are closed, and hold for every way in which a log
// vouches: a promise at the time it states, all else as of the proved times.
func TestLogWindows(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	now, start := s.Now(), s.Now().Add(-time.Hour)
	v1, v2 := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}, TSAs: noTSA}, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}}
	both := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}}
	alone := sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}, NoPromise: true}
	for _, test := range []struct {
		name       string
		o          sandbox.SignOptions
		start, end time.Time // of the bad window
		id         verify.CheckID
		good       [2]time.Time
	}{
		{name: "T05-v2-ended", o: v2, start: start, end: now.Add(-time.Nanosecond), id: verify.CheckLogWindow, good: [2]time.Time{start, now}},
		{name: "T05-v2-not-started", o: v2, start: now.Add(time.Nanosecond), id: verify.CheckLogWindow, good: [2]time.Time{now, {}}},
		{name: "T05-proof-alone-ended", o: alone, start: start, end: now.Add(-time.Nanosecond), id: verify.CheckLogWindow, good: [2]time.Time{start, now}},
		{name: "T05-proof-alone-not-started", o: alone, start: now.Add(time.Nanosecond), id: verify.CheckLogWindow, good: [2]time.Time{now, {}}},
		{name: "T06-promise-a-second-after-the-end", o: v1, start: start, end: now.Add(-time.Second), id: verify.CheckLogPromise, good: [2]time.Time{start, now}},
		{name: "T06-promise-a-second-before-the-start", o: v1, start: now.Add(time.Second), id: verify.CheckLogPromise, good: [2]time.Time{now, {}}},
		{name: "T06-promise-and-timestamp", o: both, start: start, end: now.Add(-time.Second), id: verify.CheckLogPromise, good: [2]time.Time{now, now}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := test.o.Logs[0]
			c := honest(t, s, test.o)
			c.onlyLog(log, test.good[0], test.good[1])
			c.accepted(t)
			c.Require.Now = now.AddDate(10, 0, 0) // what counts is the proved time
			c.accepted(t)
			c.onlyLog(log, test.start, test.end)
			c.rejected(t, test.id, "not in use")
		})
	}
	t.Run("T05-gap-between-two-windows", func(t *testing.T) {
		c := honest(t, s, v2)
		listed := func(firstEnd, secondStart time.Time) {
			first, second := s.RekorV2.Instance(), s.RekorV2.Instance()
			first.PublicKey.ValidFor, second.PublicKey.ValidFor = sandbox.Window(start, firstEnd), sandbox.Window(secondStart, time.Time{})
			c.Root.Tlogs = []*prototrustroot.TransparencyLogInstance{first, second}
		}
		listed(now.Add(-time.Second), now)
		c.accepted(t)
		listed(now, now.Add(time.Second))
		c.accepted(t)
		listed(now.Add(-time.Second), now.Add(time.Second))
		c.rejected(t, verify.CheckLogWindow, "not in use")
	})
	t.Run("T05-no-proved-time", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV2}, TSAs: noTSA})
		c.Require.ObserverTimes = 0
		c.onlyLog(s.RekorV2, start, now.Add(time.Minute))
		c.accepted(t)
		c.Require.Now = now.Add(2 * time.Minute)
		c.rejected(t, verify.CheckLogWindow, "not in use")
	})
	t.Run("T12-log-without-a-start", func(t *testing.T) {
		for _, log := range []*sandbox.Log{s.RekorV1, s.RekorV2} {
			c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{log}})
			c.onlyLog(log, start, time.Time{})
			c.accepted(t)
			c.Root.Tlogs[0].PublicKey.ValidFor.Start = nil
			c.misconfigured(t, "validFor")
			c.Root.Tlogs[0].PublicKey.ValidFor = nil
			c.misconfigured(t, "validFor")
		}
	})
}

// TestAuthorityWindows: the window of a timestamp authority is closed at both
// ends, to the fraction of a second that its tokens have.
func TestAuthorityWindows(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	now := s.Now()
	within := func(t *testing.T, o sandbox.TokenOptions, start, end time.Time) *trial {
		c := stampedBy(t, s, s.TSA, o, s.TSA.Chain)
		c.Root.TimestampAuthorities[0].ValidFor = sandbox.Window(start, end)
		return c
	}
	for name, past := range map[string]time.Duration{"a-second": time.Second, "a-nanosecond": time.Nanosecond, "half-a-second": time.Second / 2} {
		t.Run("T07-"+name+"-after-the-end", func(t *testing.T) {
			within(t, sandbox.TokenOptions{Time: now}, now.Add(-time.Hour), now).accepted(t)
			within(t, sandbox.TokenOptions{Time: now.Add(past)}, now.Add(-time.Hour), now).rejected(t, verify.CheckTimestamp, "was not in use")
		})
		t.Run("T07-"+name+"-before-the-start", func(t *testing.T) {
			within(t, sandbox.TokenOptions{Time: now.Add(past)}, now.Add(past), time.Time{}).accepted(t)
			within(t, sandbox.TokenOptions{Time: now.Add(past / 2)}, now.Add(past), time.Time{}).rejected(t, verify.CheckTimestamp, "was not in use")
		})
	}
	t.Run("T07-authority-without-a-start", func(t *testing.T) {
		within(t, sandbox.TokenOptions{}, now, now).accepted(t)
		within(t, sandbox.TokenOptions{}, time.Time{}, now).misconfigured(t, "validFor")
	})
}

// TestExpiredIntermediate: the whole path is valid at the time that counts,
// which is now where no time is proved.
func TestExpiredIntermediate(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, end := range map[string]time.Duration{"T11-intermediate-expired": -time.Second, "T11-intermediate-expired-since-the-leaf-was-issued": -time.Nanosecond} {
		t.Run(name, func(t *testing.T) {
			trialOf := func(end time.Duration) *trial {
				ca := must(s.NewCA("pki", &sandbox.CAOptions{Bend: func(c *x509.Certificate) { c.NotAfter = s.Now().Add(end).Truncate(time.Second) }}))
				leaf := must(ca.Issue(sandbox.Request{}))
				c := honest(t, s, sandbox.SignOptions{Leaf: leaf, Logs: []*sandbox.Log{}, TSAs: noTSA})
				c.Root.CertificateAuthorities = []*prototrustroot.CertificateAuthority{ca.Authority()}
				c.Require.Logs, c.Require.SCTs, c.Require.ObserverTimes = 0, 0, 0
				c.Require.Identities = []verify.Identity{{Name: sandbox.DefaultIdentity}}
				return c
			}
			trialOf(0).accepted(t)
			trialOf(end).rejected(t, verify.CheckPath, "not valid at")
		})
	}
	t.Run("T11-authority-not-in-use", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{})
		c.Root.CertificateAuthorities[0].ValidFor = sandbox.Window(s.Now().Add(-time.Hour), s.Now())
		c.accepted(t)
		c.Root.CertificateAuthorities[0].ValidFor = sandbox.Window(s.Now().Add(-time.Hour), s.Now().Add(-time.Nanosecond))
		c.rejected(t, verify.CheckPath, "not in use at")
	})
}

// TestClockOfTheVerifier: the clock does not matter where times are proved, and
// decides where they are not.
func TestClockOfTheVerifier(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, years := range []int{-10, 10} {
		name := map[int]string{-10: "T13-ten-years-slow", 10: "T13-ten-years-fast"}[years]
		for kind, o := range map[string]sandbox.SignOptions{
			"timestamp": {Logs: []*sandbox.Log{s.RekorV2}},
			"promise":   {Logs: []*sandbox.Log{s.RekorV1}, TSAs: noTSA},
			"both":      {Logs: []*sandbox.Log{s.RekorV1}},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				c := honest(t, s, o)
				c.Require.Now = s.Now().AddDate(years, 0, 0)
				c.accepted(t)
			})
		}
		t.Run(name+"/current-time", func(t *testing.T) {
			c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{}, TSAs: noTSA})
			c.Require.Logs, c.Require.ObserverTimes = 0, 0
			c.accepted(t)
			c.Require.Now = s.Now().AddDate(years, 0, 0)
			c.rejected(t, verify.CheckPath, map[int]string{-10: "not in use at 2016", 10: "not valid at 2036"}[years])
		})
	}
	t.Run("T13-no-clock", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{})
		c.Require.Now = time.Time{}
		c.misconfigured(t, "the time of evaluation is not set")
	})
}
