package main

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// A judge verifies what bundler makes as strangers will who have the same trust
// config.
type judge struct {
	services  *serviceFlags
	signer    *identity            // nil for a bundle of others
	alg       trustroot.KeyDetails // 0: what the key prescribes
	artifacts []*verify.Artifact   // what a stranger would have; nil: those that the bundle names
}

// judge is a sign.Judge. It goes by the digests that the bundle names: reading a
// large artifact again would take longer than a certificate lives.
func (g *judge) judge(b *bundle.Bundle) (sign.Proved, error) {
	artifacts := artifactsIn(b)
	if b.Message != nil && g.alg.Hash() == 0 && g.artifacts != nil {
		artifacts = g.artifacts // of 16 MiB at most
	}
	rep, err := g.verify(b, verify.Requirements{}, artifacts)
	var p sign.Proved
	if rep != nil {
		p.Entries = len(rep.Entries)
		for _, t := range rep.Times {
			p.Times = append(p.Times, t.Time)
			if t.Type == "rfc3161" {
				p.Timestamps++
			}
		}
	}
	return p, err
}

// stranger judges the text of a finished bundle, with the artifacts.
func (g *judge) stranger(text []byte, q verify.Requirements) error {
	b, err := bundle.Parse(text)
	if err != nil {
		return err
	}
	artifacts := g.artifacts
	if artifacts == nil {
		artifacts = artifactsIn(b)
	}
	if _, err := g.verify(b, q, artifacts); err != nil {
		return fmt.Errorf("%w: %w", sign.ErrReply, err)
	}
	return nil
}

// verify judges b by q, to which it adds who may have signed. Without a trust
// config there is nobody to believe a certificate by; the signature has been
// verified then under the certificate's own key.
func (g *judge) verify(b *bundle.Bundle, q verify.Requirements, artifacts []*verify.Artifact) (*verify.Report, error) {
	trust, err := g.signedBy(b, &q)
	if err != nil {
		return nil, err
	}
	if trust == nil {
		return nil, nil
	}
	q.Now = g.services.clockNow().Truncate(time.Second)
	if err := g.services.trustFlags.certificates(&q); err != nil {
		return nil, err
	}
	v, err := verify.New(trust, q)
	if err != nil {
		return nil, explainConfig(err)
	}
	rep, err := v.Verify(b, artifacts...)
	if _, judged := errors.AsType[*verify.Error](err); err != nil && !judged {
		return rep, noVerdictf("%w", err)
	}
	if err == nil && g.signer != nil {
		err = g.signer.checkNames(rep)
	}
	return rep, err
}

// signedBy says who may have signed, and returns the trust to believe it by;
// nil if there is none.
func (g *judge) signedBy(b *bundle.Bundle, q *verify.Requirements) (*trustroot.Config, error) {
	trust := g.services.trust
	q.KeyDetails = g.alg
	if !b.HasCertificate() {
		q.AnyKey = true
		return g.keyring(trust)
	}
	if trust == nil {
		return nil, nil
	}
	leaf, err := x509.ParseCertificate(b.Certificates[0])
	if err != nil {
		return nil, err
	}
	q.AnyIdentity = true
	q.EKUs = otherUsages(leaf)
	if g.signer != nil && g.signer.keyless && trust.Root != nil && len(trust.Root.CTLogs) > 0 {
		q.SCTs = 1
	}
	return trust, nil
}

// keyring returns the trust with the signer's key: in its own keyring, or in one
// of that key, which is how verifiers have it who get it by hand.
func (g *judge) keyring(trust *trustroot.Config) (*trustroot.Config, error) {
	if trust == nil {
		trust = &trustroot.Config{}
	}
	if g.signer == nil {
		return trust, nil
	}
	ring, err := g.signer.ringFor(g.alg)
	if ring == nil || err != nil {
		return trust, err
	}
	c := *trust
	c.Keyring = ring
	return &c, nil
}

// otherUsages returns the extended key usages of a private CA's certificate
// that is not for code signing, nil if it is. The signer has been warned.
func otherUsages(leaf *x509.Certificate) []asn1.ObjectIdentifier {
	if slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return nil
	}
	list := slices.Clone(leaf.UnknownExtKeyUsage)
	for _, usage := range leaf.ExtKeyUsage {
		if oid, err := parseOID(usage.OID().String()); err == nil && usage != x509.ExtKeyUsageAny {
			list = append(list, oid)
		}
	}
	return list
}

// artifactsIn returns the artifacts that the bundle says it is about, by their
// digests.
func artifactsIn(b *bundle.Bundle) []*verify.Artifact {
	if b.Message != nil {
		return []*verify.Artifact{{Name: b.Message.Digest.String(), Digests: []bundle.Digest{b.Message.Digest}}}
	}
	s, err := bundle.ParseStatement(b.Envelope.Payload)
	if err != nil {
		return nil // the verifier says what is wrong
	}
	var list []*verify.Artifact
	for _, subject := range s.Subjects {
		if len(subject.Digests) > 0 {
			list = append(list, &verify.Artifact{Name: subject.Name, Digests: subject.Digests})
		}
	}
	return list
}
