package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// algorithms are those of the design, each with a key; keys of one type and
// size are the same, so that only the algorithm tells them apart.
func algorithms(s *sandbox.Sandbox) []*sandbox.Key {
	var keys []*sandbox.Key
	for _, group := range [][]sandbox.Algorithm{
		{sandbox.P256}, {sandbox.P384}, {sandbox.P521}, {sandbox.Ed25519, sandbox.Ed25519ph},
		{sandbox.RSA2048, sandbox.RSAPSS2048}, {sandbox.RSA3072, sandbox.RSAPSS3072}, {sandbox.RSA4096, sandbox.RSAPSS4096},
		{sandbox.MLDSA44}, {sandbox.MLDSA65}, {sandbox.MLDSA87},
	} {
		key := s.Key("release", group[0])
		for _, a := range group {
			keys = append(keys, key.As(a))
		}
	}
	return keys
}

// usual reports whether a certified key of a's type signs so, unless it is
// said otherwise.
func usual(a sandbox.Algorithm, envelope bool) bool {
	switch a {
	case sandbox.RSAPSS2048, sandbox.RSAPSS3072, sandbox.RSAPSS4096:
		return false
	case sandbox.Ed25519:
		return envelope
	case sandbox.Ed25519ph:
		return !envelope
	}
	return true
}

// signedBy returns a trial of a bundle by key, bare or certified, with a
// timestamp and no log. A certified key whose algorithm is not the one its
// type prescribes needs Require.KeyDetails.
func signedBy(t *testing.T, s *sandbox.Sandbox, key *sandbox.Key, certified, envelope bool) *trial {
	t.Helper()
	o := sandbox.SignOptions{Logs: []*sandbox.Log{}, Algorithm: key.Algorithm}
	if envelope {
		o.Statement = statement(t)
	}
	if certified {
		c := private(t, s, s.PrivateCA, sandbox.Request{Key: key}, o)
		if !usual(key.Algorithm, envelope) {
			c.Require.KeyDetails = trustroot.KeyDetails(key.Algorithm)
		}
		return c
	}
	o.Key = key
	c := honest(t, s, o)
	c.Require.Logs = 0
	return c
}

// TestEveryAlgorithm signs and verifies with each: bare and certified key,
// message and envelope, the artifact and its digest.
func TestEveryAlgorithm(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, key := range algorithms(s) {
		for _, certified := range []bool{false, true} {
			for _, envelope := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/certified=%v/envelope=%v", key.Algorithm, certified, envelope), func(t *testing.T) {
					c := signedBy(t, s, key, certified, envelope)
					if rep := c.accepted(t); rep.Algorithm != trustroot.KeyDetails(key.Algorithm) || len(rep.Insecure) > 0 {
						t.Errorf("got algorithm %v, insecure %v, want %v", rep.Algorithm, rep.Insecure, key.Algorithm)
					}
					c.Artifacts = []*verify.Artifact{{Name: "digest", Digests: []bundle.Digest{
						bundle.Sum(bundle.SHA256, hello), bundle.Sum(bundle.SHA384, hello), bundle.Sum(bundle.SHA512, hello)}}}
					hash := trustroot.KeyDetails(key.Algorithm).Hash()
					if envelope || hash != 0 {
						c.accepted(t)
					} else {
						c.rejected(t, verify.CheckSignature, "signs the artifact itself")
					}
					if !envelope && hash == crypto.SHA512 {
						c.Artifacts[0].Digests = c.Artifacts[0].Digests[:1]
						c.rejected(t, verify.CheckSignature, "the key signs sha512 digests")
					}
					c.Artifacts = []*verify.Artifact{artifactOf([]byte("goodbye\n"))}
					c.rejected(t, verify.CheckArtifact, "")
					c.Artifacts = []*verify.Artifact{artifactOf(hello)}
					damage(c)
					c.Require.Timestamps, c.Require.ObserverTimes = 0, 0
					c.rejected(t, verify.CheckSignature, "")
				})
			}
		}
	}
}

// damage changes one bit of the signature and takes the timestamps away, which
// are over it.
func damage(c *trial) {
	c.material().TimestampVerificationData = nil
	sig := c.Bundle.GetMessageSignature().GetSignature()
	if env := c.Bundle.GetDsseEnvelope(); env != nil {
		sig = env.Signatures[0].Sig
	}
	sig[len(sig)/2] ^= 1
}

// TestAlgorithmsAreNotConfused: K03 and K04. A key verifies under one
// algorithm, though another of its type may have made the signature.
func TestAlgorithmsAreNotConfused(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	rsaKey := s.Key("release", sandbox.RSA2048)
	p384, p521, ed := s.Key("a", sandbox.P384), s.Key("a", sandbox.P521), s.Key("a", sandbox.Ed25519)
	for _, row := range []struct {
		name          string
		key           *sandbox.Key
		listed, signs sandbox.Algorithm
	}{
		{"K03-pure-for-ph", ed, sandbox.Ed25519ph, sandbox.Ed25519},
		{"K03-ph-for-pure", ed, sandbox.Ed25519, sandbox.Ed25519ph},
		{"K03-pss-for-pkcs1", rsaKey, sandbox.RSA2048, sandbox.RSAPSS2048},
		{"K03-pkcs1-for-pss", rsaKey, sandbox.RSAPSS2048, sandbox.RSA2048},
		{"K04-p384-over-sha256", p384, sandbox.P384, sandbox.P384SHA256},
		{"K04-p521-over-sha256", p521, sandbox.P521, sandbox.P521SHA256},
		{"K04-p384-over-sha384", p384, sandbox.P384SHA256, sandbox.P384},
	} {
		for _, envelope := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				signedBy(t, s, row.key.As(row.listed), false, envelope).accepted(t)
				c := signedBy(t, s, row.key.As(row.signs), false, envelope)
				c.accepted(t)
				c.Keyring = ringOf(t, row.key.As(row.listed))
				c.rejected(t, verify.CheckSignature, "")

				c = signedBy(t, s, row.key.As(row.signs), true, envelope)
				c.Require.KeyDetails = trustroot.KeyDetails(row.signs)
				c.accepted(t)
				c.Require.KeyDetails = trustroot.KeyDetails(row.listed)
				c.rejected(t, verify.CheckSignature, "")
				c.Require.KeyDetails = 0
				if !usual(row.signs, envelope) || row.signs == sandbox.P384SHA256 || row.signs == sandbox.P521SHA256 {
					c.rejected(t, verify.CheckSignature, "")
				}
			})
		}
	}
	for _, key := range []*sandbox.Key{p384.As(sandbox.P384SHA256), p521.As(sandbox.P521SHA256)} {
		for _, certified := range []bool{false, true} {
			t.Run("K04-allowed-by-flag", func(t *testing.T) {
				c := signedBy(t, s, key, certified, false)
				c.Require.KeyDetails = 0
				if !certified {
					usualKey, err := trustroot.NewKey(key.Public(), 0, "")
					if err != nil {
						t.Fatal(err)
					}
					c.Keyring = keyring(t, usualKey)
				}
				c.rejected(t, verify.CheckSignature, "")
				c.Require.ECDSAWithSHA256 = true
				if rep := c.accepted(t); !slices.Contains(rep.Insecure, "ecdsa-with-sha256") {
					t.Errorf("got insecure %q, want ecdsa-with-sha256", rep.Insecure)
				}
			})
		}
		t.Run("K04-allowed-by-name-is-reported", func(t *testing.T) {
			for _, certified := range []bool{false, true} {
				c := signedBy(t, s, key, certified, false)
				if certified {
					c.Require.KeyDetails = trustroot.KeyDetails(key.Algorithm)
				}
				if rep := c.accepted(t); !slices.Equal(rep.Insecure, []string{"ecdsa-with-sha256"}) {
					t.Errorf("certified %v: got insecure %q, want ecdsa-with-sha256", certified, rep.Insecure)
				}
			}
		})
	}
	t.Run("K04-flag-allows-nothing-else", func(t *testing.T) {
		p256 := s.Key("a", sandbox.P256)
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			c := signedBy(t, s, p256, true, true)
			c.Require.ECDSAWithSHA256, c.Require.Timestamps, c.Require.ObserverTimes = true, 0, 0
			c.material().TimestampVerificationData = nil
			w := h.New()
			w.Write(sandbox.PAE(sandbox.PayloadType, statement(t)))
			c.Bundle.GetDsseEnvelope().Signatures[0].Sig = p256.SignDigest(h, w.Sum(nil))
			if h == crypto.SHA256 {
				c.accepted(t)
			} else {
				c.rejected(t, verify.CheckSignature, "")
			}
		}
	})
}

func ringOf(t *testing.T, keys ...*sandbox.Key) *trustroot.Keyring {
	t.Helper()
	var list []*trustroot.Key
	for _, k := range keys {
		key, err := trustroot.NewKey(k.Public(), trustroot.KeyDetails(k.Algorithm), "")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, key)
	}
	return keyring(t, list...)
}

// TestUnsupportedKeys: K03. Neither a weak key nor an odd curve signs.
func TestUnsupportedKeys(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*sandbox.Key{
		"K03-rsa-1024": sandbox.NewKey(weakRSA(t), sandbox.RSA2048),
		"K03-p224":     sandbox.NewKey(p224, sandbox.P256),
	} {
		t.Run(name, func(t *testing.T) {
			signedBy(t, s, s.Key("good", sandbox.P256), true, false).accepted(t)
			c := private(t, s, s.PrivateCA, sandbox.Request{Key: key}, sandbox.SignOptions{})
			c.rejected(t, verify.CheckUsage, "key")
			c.rejected(t, verify.CheckSignature, "")
			for _, d := range []sandbox.Algorithm{sandbox.RSA2048, sandbox.RSAPSS2048, sandbox.P256, sandbox.P384SHA256} {
				c.Require.KeyDetails = trustroot.KeyDetails(d)
				c.rejected(t, verify.CheckSignature, "")
			}
			if k, err := trustroot.NewKey(key.Public(), 0, ""); err == nil {
				t.Errorf("got %v for the keyring, want an error", k.KeyDetails)
			}
		})
	}
}

// TestKeyDetailsPrescribe: K06. What the caller allows and what the keyring
// says must agree; neither makes up for the other.
func TestKeyDetailsPrescribe(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	rsaKey, ed := s.Key("release", sandbox.RSA2048), s.Key("release", sandbox.Ed25519)
	for _, row := range []struct {
		name                   string
		key                    *sandbox.Key
		listed, allowed, signs sandbox.Algorithm
	}{
		{"K06-pss-allowed-pkcs1-listed", rsaKey, sandbox.RSA2048, sandbox.RSAPSS2048, sandbox.RSAPSS2048},
		{"K06-pkcs1-allowed-pss-listed", rsaKey, sandbox.RSAPSS2048, sandbox.RSA2048, sandbox.RSA2048},
		{"K06-pkcs1-allowed-pss-listed-and-used", rsaKey, sandbox.RSAPSS2048, sandbox.RSA2048, sandbox.RSAPSS2048},
		{"K06-ph-allowed-pure-listed", ed, sandbox.Ed25519, sandbox.Ed25519ph, sandbox.Ed25519ph},
		{"K06-other-size", rsaKey, sandbox.RSA2048, sandbox.RSA3072, sandbox.RSA2048},
		{"K06-other-type", ed, sandbox.Ed25519, sandbox.P256, sandbox.Ed25519},
		{"K06-hash-of-another-strength", s.Key("release", sandbox.P384), sandbox.P384, sandbox.P384SHA256, sandbox.P384SHA256},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := signedBy(t, s, row.key.As(row.signs), false, false)
			c.Require.KeyDetails = trustroot.KeyDetails(row.signs)
			c.accepted(t)
			c.Keyring = ringOf(t, row.key.As(row.listed))
			c.Require.KeyDetails = trustroot.KeyDetails(row.allowed)
			c.rejected(t, verify.CheckSignature, "")
		})
	}
	t.Run("K06-certificate-of-another-algorithm", func(t *testing.T) {
		c := signedBy(t, s, s.Key("release", sandbox.P256), true, false)
		c.Require.KeyDetails = trustroot.KeyDetails(sandbox.P256)
		c.accepted(t)
		c.Require.KeyDetails = trustroot.KeyDetails(sandbox.P384)
		c.rejected(t, verify.CheckSignature, "P384")
	})
	t.Run("names of one algorithm", func(t *testing.T) {
		for listed, allowed := range map[string]string{
			"PKIX_RSA_PKCS1V5": "PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PKCS1V15_2048_SHA256": "PKIX_RSA_PKCS1V5",
		} {
			from, _ := trustroot.ParseKeyDetails(listed)
			to, _ := trustroot.ParseKeyDetails(allowed)
			c := signedBy(t, s, rsaKey, false, false)
			key, err := trustroot.NewKey(rsaKey.Public(), from, "")
			if err != nil {
				t.Fatal(err)
			}
			c.Keyring, c.Require.KeyDetails = keyring(t, key), to
			c.accepted(t)
		}
	})
}
