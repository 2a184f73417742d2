package verify_test

import (
	"fmt"
	"testing"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// TestHintsChooseAndProveNothing: K01.
func TestHintsChooseAndProveNothing(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	key, other := s.Key("release", sandbox.P256), s.Key("other", sandbox.P256)
	named, err := trustroot.NewKey(key.Public(), 0, "release-2026")
	if err != nil {
		t.Fatal(err)
	}
	second, err := trustroot.NewKey(other.Public(), 0, "other-2026")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, hint string
		check      verify.CheckID // "" if accepted
	}{
		{"fingerprint", key.Hint(), ""},
		{"listed name", "release-2026", ""},
		{"K01-unknown", "release-2027", verify.CheckSigner},
		{"K01-name-in-other-case", "RELEASE-2026", verify.CheckSigner},
		{"K01-name-with-space", "release-2026 ", verify.CheckSigner},
		{"K01-part-of-name", "release", verify.CheckSigner},
		{"K01-hint-of-another-key", other.Hint(), verify.CheckSignature},
		{"K01-name-of-another-key", "other-2026", verify.CheckSignature},
		{"K01-empty", "", ""}, // set below
	} {
		t.Run(row.name, func(t *testing.T) {
			c := honest(t, s, sandbox.SignOptions{Key: key, Hint: row.hint})
			c.Keyring = keyring(t, named, second)
			check := row.check
			if row.name == "K01-empty" {
				c.accepted(t) // the sandbox hints at the fingerprint then
				c.material().GetPublicKey().Hint = ""
				check = verify.CheckSigner
			}
			if check == "" {
				c.accepted(t)
			} else {
				honestTwin := honest(t, s, sandbox.SignOptions{Key: key})
				honestTwin.Keyring = c.Keyring
				honestTwin.accepted(t)
				c.rejected(t, check, "")
			}
		})
	}
	t.Run("K01-no-keyring", func(t *testing.T) {
		c := honest(t, s, sandbox.SignOptions{Key: key})
		c.accepted(t)
		c.Keyring = nil
		c.misconfigured(t, "no keyring")
		c.Require.AnyKey, c.Require.AnyIdentity = false, true
		c.rejected(t, verify.CheckSigner, "keyring")
	})
}

// TestKeyringsOfOneMeaning: K02, through the document that a verifier loads.
func TestKeyringsOfOneMeaning(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	a, b := s.Key("a", sandbox.P256), s.Key("b", sandbox.P256)
	document := func(hintA, hintB string) []byte {
		entry := func(hint string, k *sandbox.Key) string {
			return fmt.Sprintf(`{"hint":%q,"publicKey":%s}`, hint, sandbox.JSON(k.Message(nil)))
		}
		return fmt.Appendf(nil, `{"mediaType":%q,"keys":[%s,%s]}`, trustroot.MediaTypeKeyring, entry(hintA, a), entry(hintB, b))
	}
	for name, hints := range map[string][2]string{
		"K02-same-name":               {"release", "release"},
		"K02-name-is-the-others-hint": {b.Hint(), "b"},
		"K02-name-is-the-firsts-hint": {"a", a.Hint()},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := trustroot.Parse(document("a", "b"), "keyring"); err != nil {
				t.Fatal(err)
			}
			if c, err := trustroot.Parse(document(hints[0], hints[1]), "keyring"); err == nil {
				t.Errorf("got %d keys, want an error", len(c.Keyring.Keys))
			}
		})
	}
}

// TestTrustedKeysAreWhatTheyAreSaidToBe: K05.
func TestTrustedKeysAreWhatTheyAreSaidToBe(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for name, log := range map[string]func(*prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance{
		"K05-rekor": func(r *prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance { return r.Tlogs[0] },
		"K05-ct":    func(r *prototrustroot.TrustedRoot) *prototrustroot.TransparencyLogInstance { return r.Ctlogs[0] },
	} {
		for _, wrong := range []sandbox.Algorithm{sandbox.P384, sandbox.P521, sandbox.Ed25519, sandbox.RSA2048, sandbox.MLDSA65, sandbox.P384SHA256} {
			t.Run(name, func(t *testing.T) {
				c := honest(t, s, sandbox.SignOptions{})
				c.accepted(t)
				log(c.Root).PublicKey.KeyDetails = wrong
				c.misconfigured(t, "publicKey")
			})
		}
	}
}

// TestManagedKeyWindows: a key must have been in use at every time that is
// proved, and now where none is.
func TestManagedKeyWindows(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	key := s.Key("release", sandbox.P256)
	now := s.Now()
	for _, row := range []struct {
		name       string
		start, end time.Duration // from now; 0 leaves it open
		evaluated  time.Duration
		stamped    []time.Duration
		ok         bool
	}{
		{"open", 0, 0, 0, []time.Duration{0}, true},
		{"T03-begins-with-the-timestamp", time.Second, 0, 0, []time.Duration{time.Second}, true},
		{"T03-begins-after-the-timestamp", 2 * time.Second, 0, 0, []time.Duration{time.Second}, false},
		{"T03-ends-with-the-timestamp", -time.Hour, time.Second, 0, []time.Duration{time.Second}, true},
		{"T03-ends-before-the-timestamp", -time.Hour, time.Second, 0, []time.Duration{2 * time.Second}, false},
		{"T03-ended-since", -time.Hour, time.Second, time.Hour, []time.Duration{0}, true},
		{"T03-one-of-two-timestamps-late", -time.Hour, time.Second, 0, []time.Duration{0, time.Hour}, false},
		{"T03-one-of-two-timestamps-early", time.Second, 0, time.Hour, []time.Duration{0, time.Hour}, false},
		{"T02-in-use-now", -time.Hour, time.Hour, time.Hour, nil, true},
		{"T02-expired-and-no-timestamp", -time.Hour, time.Hour, time.Hour + 1, nil, false},
		{"T02-not-yet-and-no-timestamp", time.Hour, 0, time.Hour - 1, nil, false},
	} {
		for _, envelope := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				o := sandbox.SignOptions{Key: key, Logs: []*sandbox.Log{}, TSAs: []*sandbox.TSA{}}
				if envelope {
					o.Statement = statement(t)
				}
				c := honest(t, s, o)
				sig := c.Bundle.GetMessageSignature().GetSignature()
				if envelope {
					sig = c.Bundle.GetDsseEnvelope().Signatures[0].Sig
				}
				for _, at := range row.stamped {
					sandbox.AddTimestamp(c.material(), s.TSA.Token(sandbox.TokenOptions{Over: sig, Time: now.Add(at)}))
				}
				c.Require.Logs, c.Require.ObserverTimes = 0, min(len(row.stamped), 1)
				c.Require.Now = now.Add(row.evaluated)
				c.accepted(t) // the same key without a window
				at := func(d time.Duration) time.Time {
					if d == 0 {
						return time.Time{}
					}
					return now.Add(d)
				}
				windowed := *c.Keyring.Keys[0]
				windowed.ValidFor = trustroot.Validity{Start: at(row.start), End: at(row.end)}
				c.Keyring = keyring(t, &windowed)
				if row.ok {
					c.accepted(t)
				} else {
					c.rejected(t, verify.CheckKeyWindow, "not in use")
				}
			})
		}
	}
}
