package verify_test

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// withSCTs issues a Fulcio leaf whose list of SCTs is what list returns, given its
// to-be-signed part without SCTs, and returns a trial of a bundle by it.
func withSCTs(t *testing.T, s *sandbox.Sandbox, list func(tbs []byte) pkix.Extension) *trial {
	t.Helper()
	plain, err := s.Fulcio.Issue(sandbox.Request{CT: []*sandbox.CTLog{}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := &sandbox.Leaf{Key: plain.Key, Chain: plain.Chain}
	leaf.DER, err = sandbox.Resign(plain.DER, s.Fulcio.Key, func(tbs []byte) []byte {
		return addExtension(t, tbs, list(tbs))
	})
	if err != nil {
		t.Fatal(err)
	}
	return honest(t, s, sandbox.SignOptions{Leaf: leaf})
}

// addExtension returns a TBSCertificate with one extension more, at the end.
func addExtension(t *testing.T, tbs []byte, ext pkix.Extension) []byte {
	t.Helper()
	der, err := asn1.Marshal(ext)
	if err != nil {
		t.Fatal(err)
	}
	extensions := cbasn1.Tag(3).Constructed().ContextSpecific()
	in := cryptobyte.String(tbs)
	var fields, field, wrapped, list cryptobyte.String
	var kept []byte
	ok := in.ReadASN1(&fields, cbasn1.SEQUENCE)
	for ok && !fields.PeekASN1Tag(extensions) {
		ok = fields.ReadAnyASN1Element(&field, new(cbasn1.Tag))
		kept = append(kept, field...)
	}
	if !ok || !fields.ReadASN1(&wrapped, extensions) || !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) {
		t.Fatal("not a TBSCertificate with extensions")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(kept)
		b.AddASN1(extensions, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(append(list[:len(list):len(list)], der...)) })
		})
	})
	return b.BytesOrPanic()
}

// TestSCTsAreCountedOnce: D05.
func TestSCTsAreCountedOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	other := s.NewCTLog("other-ct", nil)
	sign := func(t *testing.T, logs ...*sandbox.CTLog) *trial {
		leaf, err := s.Fulcio.Issue(sandbox.Request{CT: logs})
		if err != nil {
			t.Fatal(err)
		}
		c := honest(t, s, sandbox.SignOptions{Leaf: leaf})
		c.Root.Ctlogs = append(c.Root.Ctlogs, other.Instance())
		c.Require.SCTs = 2
		return c
	}
	t.Run("D05-two-scts-one-log", func(t *testing.T) {
		sign(t, s.CT, other).accepted(t)
		c := sign(t, s.CT, s.CT)
		c.rejected(t, verify.CheckSCTThreshold, "CT logs: 1 found, 2 required")
		c.Require.SCTs = 1
		c.accepted(t)
	})
	t.Run("D05-two-scts-two-times-one-log", func(t *testing.T) {
		sign(t, s.CT, other).accepted(t)
		c := withSCTs(t, s, func(tbs []byte) pkix.Extension {
			return sandbox.SCTExtension(sctAt(s, tbs, s.Now()), sctAt(s, tbs, s.Now().Add(time.Second)))
		})
		c.accepted(t)
		c.Require.SCTs = 2
		c.rejected(t, verify.CheckSCTThreshold, "CT logs: 1 found")
	})
	t.Run("D05-one-operator", func(t *testing.T) {
		c := sign(t, s.CT, other)
		c.accepted(t)
		for _, l := range c.Root.Ctlogs {
			l.Operator = "acme.example"
		}
		c.rejected(t, verify.CheckSCTThreshold, "CT logs: 1 found")
	})
	t.Run("D05-via-two-chains", func(t *testing.T) {
		second, err := s.NewRoot("second root", &sandbox.CAOptions{Profile: sandbox.FulcioProfile})
		if err != nil {
			t.Fatal(err)
		}
		crossed, err := second.Sub("fulcio", &sandbox.CAOptions{Key: s.Fulcio.Key})
		if err != nil {
			t.Fatal(err)
		}
		c := sign(t, s.CT, other)
		c.Root.CertificateAuthorities = append(c.Root.CertificateAuthorities, crossed.Authority())
		c.accepted(t)
		c = sign(t, s.CT)
		c.Root.CertificateAuthorities = append(c.Root.CertificateAuthorities, crossed.Authority())
		c.rejected(t, verify.CheckSCTThreshold, "CT logs: 1 found")
		c.Require.SCTs = 1
		c.accepted(t)
	})
	t.Run("unknown log", func(t *testing.T) {
		c := sign(t, s.CT, s.NewCTLog("unlisted", nil))
		c.rejected(t, verify.CheckSCTThreshold, "CT logs: 1 found")
		c.Require.SCTs = 1
		c.accepted(t)
	})
}

// sctAt returns an SCT that is honest but for its time.
func sctAt(s *sandbox.Sandbox, tbs []byte, at time.Time) sandbox.SCT {
	return s.CT.SignSCT(sandbox.SCT{Timestamp: uint64(at.UnixMilli())}, issuerKeyHash(s.Fulcio), tbs)
}

func issuerKeyHash(ca *sandbox.CA) [32]byte {
	return sha256.Sum256(ca.Chain[0].RawSubjectPublicKeyInfo)
}

// TestSCTIsAboutThisCertificate: what an SCT is signed over, and when.
func TestSCTIsAboutThisCertificate(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	good := func(tbs []byte) sandbox.SCT { return sctAt(s, tbs, s.Now()) }
	withSCTs(t, s, func(tbs []byte) pkix.Extension { return sandbox.SCTExtension(good(tbs)) }).accepted(t)
	octets := func(content []byte) pkix.Extension {
		var b cryptobyte.Builder
		b.AddASN1OctetString(content)
		return pkix.Extension{Id: sandbox.SCTExtension().Id, Value: b.BytesOrPanic()}
	}
	at := func(when time.Time) func([]byte) pkix.Extension {
		return func(tbs []byte) pkix.Extension { return sandbox.SCTExtension(sctAt(s, tbs, when)) }
	}
	stamped := func(ms uint64) func([]byte) pkix.Extension {
		return func(tbs []byte) pkix.Extension {
			return sandbox.SCTExtension(s.CT.SignSCT(sandbox.SCT{Timestamp: ms}, issuerKeyHash(s.Fulcio), tbs))
		}
	}
	for name, list := range map[string]func(tbs []byte) pkix.Extension{
		"issuer key hash of another CA": func(tbs []byte) pkix.Extension {
			return sandbox.SCTExtension(s.CT.SignSCT(sandbox.SCT{Timestamp: uint64(s.Now().UnixMilli())}, issuerKeyHash(s.PrivateCA), tbs))
		},
		"issuer key hash of the root": func(tbs []byte) pkix.Extension {
			hash := sha256.Sum256(s.Fulcio.Root().RawSubjectPublicKeyInfo)
			return sandbox.SCTExtension(s.CT.SignSCT(sandbox.SCT{Timestamp: uint64(s.Now().UnixMilli())}, hash, tbs))
		},
		"other certificate":    func(tbs []byte) pkix.Extension { return sandbox.SCTExtension(good(append([]byte{0}, tbs...))) },
		"after it expired":     at(s.Now().Add(10*time.Minute + time.Millisecond)),
		"far in the future":    at(s.Now().AddDate(500, 0, 0)),
		"end of time":          stamped(1<<64 - 1),
		"negative as signed":   stamped(1 << 63),
		"before the log began": at(s.CT.Start.Add(-time.Millisecond)),
		"empty list":           func([]byte) pkix.Extension { return sandbox.SCTExtension() },
		"not octets":           func([]byte) pkix.Extension { return pkix.Extension{Id: sandbox.SCTExtension().Id, Value: []byte{5, 0}} },
		"cut off":              func([]byte) pkix.Extension { return octets([]byte{0, 9, 0, 7}) },
		"trailing bytes": func(tbs []byte) pkix.Extension {
			e := sandbox.SCTExtension(good(tbs))
			e.Value = append(e.Value, 0)
			return e
		},
		"good one and broken one": func(tbs []byte) pkix.Extension {
			bad := good(tbs)
			bad.Signature[len(bad.Signature)-1] ^= 1
			return sandbox.SCTExtension(good(tbs), bad)
		},
		"other extensions": func(tbs []byte) pkix.Extension {
			bad := good(tbs)
			bad.Extensions = []byte{1}
			return sandbox.SCTExtension(bad)
		},
		"other hash algorithm": func(tbs []byte) pkix.Extension {
			bad := good(tbs)
			bad.Signature[0] = 5
			return sandbox.SCTExtension(bad)
		},
		"other signature algorithm": func(tbs []byte) pkix.Extension {
			bad := good(tbs)
			bad.Signature[1] = 1
			return sandbox.SCTExtension(bad)
		},
		"33 of them": func(tbs []byte) pkix.Extension {
			var many []sandbox.SCT
			for range 33 {
				many = append(many, good(tbs))
			}
			return sandbox.SCTExtension(many...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := withSCTs(t, s, list)
			if name == "empty list" {
				c.rejected(t, verify.CheckSCTThreshold, "CT logs: 0 found")
				return
			}
			c.rejected(t, verify.CheckSCT, "")
		})
	}
	t.Run("at the moment it expires", func(t *testing.T) {
		withSCTs(t, s, at(s.Now().Add(10*time.Minute))).accepted(t)
	})
	t.Run("wrong, where none is required", func(t *testing.T) {
		c := withSCTs(t, s, at(s.CT.Start.Add(-time.Millisecond)))
		c.Require.SCTs = 0
		c.rejected(t, verify.CheckSCT, "")
	})
}

// TestSCTUnderIntermediateOfTheBundle: the issuer whose key an SCT names may
// come from the bundle.
func TestSCTUnderIntermediateOfTheBundle(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	root := newRoot(t, s, "root", nil)
	issuer := sub(t, root, "issuer", func(*x509.Certificate) {})
	log := func(ct ...*sandbox.CTLog) *trial {
		c := private(t, s, issuer, sandbox.Request{CT: ct}, sandbox.SignOptions{Chain: true})
		c.Root = rootOf(s, root)
		c.Root.Ctlogs = s.TrustedRoot().Ctlogs
		c.Require.SCTs = 1
		return c
	}
	log(s.CT).accepted(t)
	log([]*sandbox.CTLog{}...).rejected(t, verify.CheckSCTThreshold, "CT logs: 0 found")
	s.Misbehave(sandbox.SCTOtherCert)
	defer s.Misbehave(sandbox.Honest)
	log(s.CT).rejected(t, verify.CheckSCT, "")
}
