package verify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/bundler-sign/bundler/pkg/bundle"
)

// signer establishes who claims to have signed: it parses the certificates, or
// finds the key in the keyring. It reports whether there is a key to verify
// the signature with.
func (r *run) signer() bool {
	q := &r.v.require
	switch {
	case r.b.HasCertificate() && q.AnyKey:
		r.failCheck(CheckSigner, "the bundle is signed with a certificate", "a bundle signed with the given key", "a certificate",
			"verify it with the identity of its signer")
		return false
	case !r.b.HasCertificate() && len(q.Identities) > 0:
		r.failCheck(CheckSigner, "the bundle is signed with a bare key", "a bundle signed with a certificate", fmt.Sprintf("a key with hint %q", r.b.KeyHint),
			"verify it with the signer's public key")
		return false
	case r.b.HasCertificate():
		return r.certifiedSigner()
	}
	return r.keySigner()
}

func (r *run) failCheck(id CheckID, detail, expected, got, hint string) {
	r.add(Check{ID: id, Status: Fail, Required: true, Detail: detail, Expected: expected, Got: got, Hint: hint})
}

// keySigner finds the key that the bundle hints at. A hint is a name, never
// authority; but it must be a name of the key that is used, so that nobody
// verifies with a key they did not mean.
func (r *run) keySigner() bool {
	ring := r.v.trust.Keyring
	if ring == nil {
		r.failCheck(CheckSigner, "the bundle is signed with a bare key, and the trust config has no keyring",
			"a keyring", "none", "give the signer's public key, or a trust config with a keyring")
		return false
	}
	key, err := ring.Find(r.b.KeyHint)
	if err != nil {
		var known []string
		for _, k := range ring.Keys {
			known = append(known, fmt.Sprintf("%q", k.Hints()[0]))
			if len(known) == 4 {
				break
			}
		}
		r.failCheck(CheckSigner, "no trusted key goes by the bundle's hint", "one of "+strings.Join(known, ", "), fmt.Sprintf("%q", r.b.KeyHint),
			"if this is a name your organisation gives the key, list the key under it in the keyring")
		return false
	}
	r.key = key
	r.rep.Signer.Key = key
	r.passf(CheckSigner, "key %q of the keyring", r.b.KeyHint)
	return true
}

// keyWindow checks that the key was in use at every established time.
func (r *run) keyWindow() {
	for _, at := range r.establishedTimes() {
		if !r.key.ValidFor.Contains(at) {
			r.failCheck(CheckKeyWindow, "the key was not in use at "+stamp(at), "a time "+window(r.key.ValidFor), stamp(at),
				"a signature made while the key was in use proves it by a timestamp")
			return
		}
	}
	r.passf(CheckKeyWindow, "the key was in use at %s", r.atTimes())
}

// atTimes names the established times, for people.
func (r *run) atTimes() string {
	if len(r.times) == 0 {
		return stamp(r.v.require.Now) + ", the time of evaluation"
	}
	return stamp(r.times[0].Time) + more(len(r.times)-1)
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// certifiedSigner parses the bundle's certificates.
func (r *run) certifiedSigner() bool {
	leaf, err := x509.ParseCertificate(r.b.Certificates[0])
	if err != nil {
		r.failf(CheckSigner, "the signer's certificate does not parse: %v", err)
		return false
	}
	if r.sans, err = parseSANs(leaf); err == nil {
		r.fulcio, err = parseFulcio(leaf)
	}
	if err != nil {
		r.failf(CheckSigner, "the signer's certificate: %v", err)
		return false
	}
	if r.others, err = r.parseIntermediates(); err != nil {
		r.failf(CheckSigner, "%v", err)
		return false
	}
	r.leaf = leaf
	r.rep.Signer = Signer{Certificate: leaf, Names: r.sans, Fulcio: r.fulcio}
	r.passf(CheckSigner, "certificate with SHA-256 %s", fingerprint(leaf.Raw))
	return true
}

// parseIntermediates parses the rest of the bundle's chain, which is untrusted
// and may only help to build a path.
//
// Sigstore's own CAs publish their intermediates in the trusted root and
// clients use no others: for their certificates the rest of an old bundle's
// chain is passed over, and version 0.3 has no place for it. A root has no
// place in any chain. Old bundles have it nevertheless, and it is passed over
// there; version 0.3 is held to the rule.
func (r *run) parseIntermediates() ([]*x509.Certificate, error) {
	strict := r.b.Version == bundle.V03
	if r.fulcio != nil {
		if strict && r.b.HasChain() {
			return nil, errors.New("expected a single certificate, found a chain, which a bundle of version 0.3 may not have for a certificate of Fulcio's")
		}
		return nil, nil
	}
	var others []*x509.Certificate
	for i, der := range r.b.Certificates[1:] {
		c, err := x509.ParseCertificate(der)
		if err == nil && !strict && isSelfSigned(c) {
			continue
		}
		if err == nil {
			err = checkIntermediate(c)
		}
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the bundle's chain: %w", i+1, err)
		}
		others = append(others, c)
	}
	return others, nil
}
