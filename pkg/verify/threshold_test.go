package verify_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// TestLogsAreCountedOnce: D01 to D03.
func TestLogsAreCountedOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	second := s.NewLog("second", nil)
	sign := func(t *testing.T, need int, logs ...*sandbox.Log) *trial {
		c := honest(t, s, sandbox.SignOptions{Logs: logs})
		c.Root.Tlogs = append(c.Root.Tlogs, second.Instance())
		c.Require.Logs = need
		return c
	}
	t.Run("D01-same-entry-twice", func(t *testing.T) {
		sign(t, 2, s.RekorV2, second).accepted(t)
		for need := 1; need <= 2; need++ {
			c := sign(t, need, s.RekorV2)
			entries := &c.material().TlogEntries
			*entries = append(*entries, proto.CloneOf((*entries)[0]))
			c.rejected(t, verify.CheckLogEntry, "the same as one before it")
			if need == 2 {
				c.rejected(t, verify.CheckLogThreshold, "transparency logs: 1 found, 2 required")
			}
		}
	})
	for name, logs := range map[string][]*sandbox.Log{
		"D02-two-entries-one-log-v2": {s.RekorV2, s.RekorV2},
		"D02-two-entries-one-log-v1": {s.RekorV1, s.RekorV1},
	} {
		t.Run(name, func(t *testing.T) {
			sign(t, 2, logs[0], second).accepted(t)
			sign(t, 1, logs...).accepted(t)
			sign(t, 2, logs...).rejected(t, verify.CheckLogThreshold, "transparency logs: 1 found, 2 required")
		})
	}
	t.Run("D02-two-promises-one-log", func(t *testing.T) {
		third := s.NewLog("third", &sandbox.LogOptions{Version: 1})
		c := sign(t, 1, s.RekorV1, third)
		c.Root.Tlogs = append(c.Root.Tlogs, third.Instance())
		c.Require.IntegratedTimes = 2
		c.accepted(t)
		c = sign(t, 1, s.RekorV1, s.RekorV1)
		c.Require.IntegratedTimes = 2
		c.rejected(t, verify.CheckIntegrated, "logs that promise an integrated time: 1 found")
	})
	t.Run("D02-two-logs-one-operator", func(t *testing.T) {
		c := sign(t, 2, s.RekorV2, second)
		c.accepted(t)
		for _, l := range c.Root.Tlogs {
			l.Operator = "acme.example"
		}
		c.rejected(t, verify.CheckLogThreshold, "transparency logs: 1 found")
		c.Root.Tlogs[1].Operator = "other.example"
		c.accepted(t)
	})
	t.Run("D02-one-log-listed-for-two-windows", func(t *testing.T) {
		c := sign(t, 2, s.RekorV2, second)
		c.Root.Tlogs = append(c.Root.Tlogs, s.RekorV2.Instance())
		c.accepted(t)
		c = sign(t, 2, s.RekorV2, s.RekorV2)
		c.Root.Tlogs = append(c.Root.Tlogs, s.RekorV2.Instance())
		c.rejected(t, verify.CheckLogThreshold, "transparency logs: 1 found")
	})
	t.Run("D03-one-key-under-two-ids", func(t *testing.T) {
		// An RSA log may go by the hash of its key or by its checkpoint key id.
		key := s.Key("two ids", sandbox.Ed25519)
		one, two := s.NewLog("ids", nil), s.NewLog("ids", &sandbox.LogOptions{Version: 1})
		one.Key, two.Key = key, key
		c := sign(t, 1, s.RekorV2)
		c.Root.Tlogs = append(c.Root.Tlogs, one.Instance())
		c.accepted(t)
		c.Root.Tlogs = append(c.Root.Tlogs, two.Instance())
		c.misconfigured(t, "one log id for one key")
	})
	t.Run("D03-one-key-under-two-operators", func(t *testing.T) {
		c := sign(t, 1, s.RekorV2)
		c.Root.Tlogs = append(c.Root.Tlogs, s.RekorV2.Instance())
		c.accepted(t)
		c.Root.Tlogs[len(c.Root.Tlogs)-1].Operator = "another.example"
		c.misconfigured(t, "one operator for one key")
	})
}

// TestLogIDsAreComputed: D04.
func TestLogIDsAreComputed(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, log := range map[string]func(*prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance{
		"D04-rekor-v1": func(r *prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance { return r.Tlogs[0] },
		"D04-rekor-v2": func(r *prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance { return r.Tlogs[1] },
		"D04-ct":       func(r *prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance { return r.Ctlogs[0] },
	} {
		t.Run(name, func(t *testing.T) {
			c := honest(t, s, sandbox.SignOptions{})
			c.accepted(t)
			log(c.Root).LogId.KeyId[0] ^= 1
			c.misconfigured(t, "logId")
			log(c.Root).LogId = nil
			c.misconfigured(t, "logId")
		})
	}
}

// TestTimestampAuthoritiesAreCountedOnce: D06 and D07.
func TestTimestampAuthoritiesAreCountedOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	newTSA := func(name string, o *sandbox.TSAOptions) *sandbox.TSA {
		tsa, err := s.NewTSA(name, o)
		if err != nil {
			t.Fatal(err)
		}
		return tsa
	}
	other := newTSA("other tsa", nil)
	sign := func(t *testing.T, tsas ...*sandbox.TSA) *trial {
		c := honest(t, s, sandbox.SignOptions{TSAs: tsas})
		c.Root.TimestampAuthorities = append(c.Root.TimestampAuthorities, other.Authority())
		c.Require.Timestamps = 2
		return c
	}
	t.Run("D06-two-tokens-of-one-tsa", func(t *testing.T) {
		sign(t, s.TSA, other).accepted(t)
		c := sign(t, s.TSA, s.TSA)
		c.rejected(t, verify.CheckTSAThreshold, "timestamp authorities: 1 found, 2 required")
		c.Require.Timestamps = 1
		c.accepted(t)
		c.Require.ObserverTimes = 2
		c.rejected(t, verify.CheckObservers, "observers of the time of signing: 1 found")
	})
	t.Run("D06-one-token-twice", func(t *testing.T) {
		sign(t, s.TSA, other).accepted(t)
		c := sign(t, s.TSA)
		data := c.material().TimestampVerificationData
		data.Rfc3161Timestamps = append(data.Rfc3161Timestamps, data.Rfc3161Timestamps[0])
		c.rejected(t, verify.CheckTSAThreshold, "timestamp authorities: 1 found")
	})
	t.Run("D06-two-certificates-of-one-tsa-key", func(t *testing.T) {
		sign(t, s.TSA, other).accepted(t)
		// The TSA's certificate was renewed, its key was not.
		renewed := newTSA("tsa renewed", &sandbox.TSAOptions{Key: s.TSA.Key, Bend: func(c *x509.Certificate) { c.NotBefore = s.Now() }})
		c := sign(t, s.TSA, renewed)
		c.Root.TimestampAuthorities = append(c.Root.TimestampAuthorities, renewed.Authority())
		c.rejected(t, verify.CheckTSAThreshold, "timestamp authorities: 1 found")
		c.Require.Timestamps = 1
		c.accepted(t)
		c.Root.TimestampAuthorities[2].Operator = "pretends.example"
		c.misconfigured(t, "one operator")
	})
	t.Run("D06-two-tsas-of-one-operator", func(t *testing.T) {
		c := sign(t, s.TSA, other)
		c.accepted(t)
		for _, tsa := range c.Root.TimestampAuthorities {
			tsa.Operator = "acme.example"
		}
		c.rejected(t, verify.CheckTSAThreshold, "timestamp authorities: 1 found")
	})
	t.Run("D06-log-and-tsa-of-one-operator", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}})
		c.Require.ObserverTimes = 2
		c.accepted(t)
		c.Root.Tlogs[0].Operator, c.Root.TimestampAuthorities[0].Operator = "acme.example", "acme.example"
		c.rejected(t, verify.CheckObservers, "observers of the time of signing: 1 found")
	})
	t.Run("D07-two-tsas-without-uri", func(t *testing.T) {
		c := sign(t, s.TSA, other)
		for _, tsa := range c.Root.TimestampAuthorities {
			tsa.Uri = ""
		}
		c.accepted(t)
		c.Root.TimestampAuthorities = c.Root.TimestampAuthorities[:1]
		c.rejected(t, verify.CheckTSAThreshold, "timestamp authorities: 1 found")
	})
	t.Run("D07-two-tsas-one-uri", func(t *testing.T) {
		c := sign(t, s.TSA, other)
		c.Root.TimestampAuthorities[1].Uri = c.Root.TimestampAuthorities[0].Uri
		c.accepted(t)
		c = sign(t, s.TSA, s.TSA)
		c.Root.TimestampAuthorities[1].Uri = c.Root.TimestampAuthorities[0].Uri
		c.rejected(t, verify.CheckTSAThreshold, "timestamp authorities: 1 found")
	})
}

// TestThresholdsThatNoBundleMeets are errors of the question.
func TestThresholdsThatNoBundleMeets(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for what, set := range map[string]func(q *verify.Requirements, n int){
		"transparency log entries": func(q *verify.Requirements, n int) { q.Logs = n },
		"SCTs":                     func(q *verify.Requirements, n int) { q.SCTs = n },
		"timestamps":               func(q *verify.Requirements, n int) { q.Timestamps = n },
		"integrated times":         func(q *verify.Requirements, n int) { q.IntegratedTimes = n },
		"observer times":           func(q *verify.Requirements, n int) { q.ObserverTimes = n },
	} {
		c := honest(t, s, sandbox.SignOptions{Logs: []*sandbox.Log{s.RekorV1}})
		set(&c.Require, 1)
		c.accepted(t)
		for _, n := range []int{-1, 33, 1 << 40} {
			set(&c.Require, n)
			c.misconfigured(t, what)
		}
		set(&c.Require, 32)
		if rep, err := c.verify(t); err == nil || rep == nil || rep.Verdict != verify.Failed {
			t.Errorf("%s: got %v for 32, want a rejection", what, err)
		}

		c = private(t, s, s.PrivateCA, sandbox.Request{}, sandbox.SignOptions{})
		c.accepted(t)
		c.Root.TimestampAuthorities = nil
		c.Require.Timestamps, c.Require.ObserverTimes = 0, 0
		c.accepted(t) // as of the time of evaluation
		set(&c.Require, 2)
		_, err := c.verify(t)
		unmet, ok := errors.AsType[*verify.UnmetTrustError](err)
		if !ok || !errors.Is(err, verify.ErrConfig) || unmet.What != what || unmet.Threshold != 2 || unmet.Missing == "" {
			t.Errorf("%s: got %v, want an UnmetTrustError", what, err)
		}
	}
}

// TestWithoutObserversTheClockDecides: with no time proved, certificates are
// held to the time of evaluation, and with an observer required there is no way
// around one.
func TestWithoutObserversTheClockDecides(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	c := private(t, s, s.PrivateCA, sandbox.Request{}, sandbox.SignOptions{TSAs: []*sandbox.TSA{}})
	c.rejected(t, verify.CheckTSAThreshold, "")
	c.Require.Timestamps = 0
	c.rejected(t, verify.CheckObservers, "")
	c.Require.ObserverTimes = 0
	c.accepted(t)
	c.Require.Now = s.Now().Add(2 * 365 * 24 * time.Hour)
	c.rejected(t, verify.CheckPath, "is not valid at")
}
