package verify

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/keyspec"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// Requirements say what a bundle must prove. The zero value is invalid: a
// caller must at least say what time it is and who may have signed.
//
// Thresholds count distinct operators, else distinct keys. Evidence beyond
// what is required is checked too where the trust has the keys, and fails the
// bundle if it is wrong.
type Requirements struct {
	Logs            int // transparency logs that hold the entry
	SCTs            int // CT logs that hold the certificate; not asked of keys
	Timestamps      int // RFC 3161 timestamp authorities
	IntegratedTimes int // logs that promise when the entry was integrated
	ObserverTimes   int // both of the above together; 0 lets Now stand in where no time is proved

	// Now is the time of evaluation, at which certificates and keys must be
	// valid if no time of signing is proved.
	Now time.Time

	// Who may have signed: exactly one of the three, or none of them with
	// Policy.
	Identities  []Identity // a certificate that one of these describes
	AnyKey      bool       // any key of the trust's keyring
	AnyIdentity bool       // anybody the trust vouches for; reported as insecure

	// Policy says that a policy decides, after the checks and beside any of
	// the three above: no report passes until Report.Decide has recorded that
	// one accepts. Alone it lets the policy decide who may have signed, too.
	Policy bool

	// What must have been signed.
	PredicateType string // of the statement; "" for any
	Attestation   bool   // require a statement
	Message       bool   // require a message signature

	// EKUs are the extended key usages of which a signer's certificate must
	// have one; code signing if empty. Another list is for private CAs.
	EKUs []asn1.ObjectIdentifier

	// KeyDetails prescribes the signature algorithm. Unspecified leaves it to
	// the key: what the keyring says, or its type prescribes. A key that the
	// keyring lists for another algorithm fails.
	KeyDetails trustroot.KeyDetails

	// ECDSAWithSHA256 also accepts P-384 and P-521 signatures over SHA-256,
	// which early Sigstore clients made.
	ECDSAWithSHA256 bool

	// CRLs are checked if not empty: the signer's certificate and every
	// intermediate must then be covered by a current one.
	CRLs []*x509.RevocationList

	// MaxUnhashed bounds an artifact whose signature scheme must have all of
	// it in memory (Ed25519, ML-DSA), in bytes; 0 means 256 MiB.
	MaxUnhashed int64
}

// DefaultRequirements are those that protobuf-specs' ArtifactVerificationOptions
// describe: one log, one SCT, one observer of time. Now and the signer are
// left to the caller.
func DefaultRequirements() Requirements {
	return Requirements{Logs: 1, SCTs: 1, ObserverTimes: 1}
}

// RequirementsFor are those that the trust has services for: a log entry if it
// has a log, an SCT if it has a CT log, an observer of time if it has a
// timestamp authority or a log. Now and the signer are left to the caller.
func RequirementsFor(trust *trustroot.Config) Requirements {
	var r Requirements
	if trust == nil || trust.Root == nil {
		return r
	}
	if len(trust.Root.Logs) > 0 {
		r.Logs, r.ObserverTimes = 1, 1
	}
	if len(trust.Root.CTLogs) > 0 {
		r.SCTs = 1
	}
	if len(trust.Root.TSAs) > 0 {
		r.ObserverTimes = 1
	}
	return r
}

const (
	defaultMaxUnhashed = 256 << 20
	maxThreshold       = 32
)

func (q *Requirements) check(root *trustroot.Root, keys *trustroot.Keyring) error {
	if q.Now.IsZero() {
		return errors.New("the time of evaluation is not set")
	}
	if err := q.checkSigner(root, keys); err != nil {
		return err
	}
	if q.Attestation && q.Message {
		return errors.New("a bundle is an attestation or a message signature: only one can be required")
	}
	if q.KeyDetails != 0 && !q.KeyDetails.Known() {
		return fmt.Errorf("unknown key details %v", q.KeyDetails)
	}
	for _, oid := range q.EKUs {
		if len(oid) < 2 || oid.Equal(oidAnyUsage) {
			return fmt.Errorf("expected extended key usages that say what a certificate is for, found %q", oid)
		}
	}
	if slices.Contains(q.CRLs, nil) {
		return errors.New("a CRL is missing: expected a parsed one, found nil")
	}
	return q.checkThresholds(root)
}

func (q *Requirements) checkSigner(root *trustroot.Root, keys *trustroot.Keyring) error {
	ways := 0
	for _, given := range []bool{len(q.Identities) > 0, q.AnyKey, q.AnyIdentity} {
		if given {
			ways++
		}
	}
	if ways != 1 && !(ways == 0 && q.Policy) {
		return fmt.Errorf("expected exactly one of identities, a key and any identity, found %d", ways)
	}
	hasKeys, hasCAs := keys != nil && len(keys.Keys) > 0, len(root.CAs) > 0
	switch {
	case q.AnyKey && !hasKeys:
		return errors.New("a key is required but the trust has no keyring")
	case len(q.Identities) > 0 && !hasCAs:
		return errors.New("a certificate's identity is required, but the trust config has no certificate authority")
	case q.AnyIdentity && !hasKeys && !hasCAs:
		return errors.New("the trust config vouches for nobody: it has neither a certificate authority nor a keyring")
	}
	for i := range q.Identities {
		if err := q.Identities[i].check(); err != nil {
			return fmt.Errorf("identity %d: %w", i+1, err)
		}
	}
	return nil
}

func (q *Requirements) checkThresholds(root *trustroot.Root) error {
	logs, cts, tsas := len(root.Logs), len(root.CTLogs), len(root.TSAs)
	for _, t := range []struct {
		want, have int
		what, key  string
	}{
		{q.Logs, logs, "transparency log entries", "transparency log"},
		{q.SCTs, cts, "SCTs", "CT log"},
		{q.Timestamps, tsas, "timestamps", "timestamp authority"},
		{q.IntegratedTimes, logs, "integrated times", "transparency log"},
		{q.ObserverTimes, logs + tsas, "observer times", "transparency log or timestamp authority"},
	} {
		if t.want < 0 || t.want > maxThreshold {
			return fmt.Errorf("threshold for %s: expected 0 to %d, found %d", t.what, maxThreshold, t.want)
		}
		if t.want > 0 && t.have == 0 && !(t.what == "SCTs" && q.AnyKey) {
			return &UnmetTrustError{What: t.what, Threshold: t.want, Missing: t.key}
		}
	}
	return nil
}

// UnmetTrustError is returned by New when evidence is required that the trust
// has no key to check, so that no bundle could pass.
type UnmetTrustError struct {
	What      string // the evidence: "SCTs"
	Threshold int
	Missing   string // what the trust has none of: "CT log"
}

func (e *UnmetTrustError) Error() string {
	return fmt.Sprintf("%d %s required, but the trust config has no %s", e.Threshold, e.What, e.Missing)
}

// insecure names the protections that were given up.
func (q *Requirements) insecure() []string {
	var list []string
	if q.AnyIdentity {
		list = append(list, "any-identity")
	}
	if q.ECDSAWithSHA256 {
		list = append(list, insecureECDSA)
	}
	return list
}

const insecureECDSA = "ecdsa-with-sha256"

// noteAlgorithm reports as insecure what a caller or a keyring has allowed by
// name: a hash that is weaker than the curve it is signed with.
func (r *run) noteAlgorithm(d keyspec.Details) {
	r.rep.Algorithm = d
	if (d == keyspec.ECDSAP384SHA256 || d == keyspec.ECDSAP521SHA256) && !slices.Contains(r.rep.Insecure, insecureECDSA) {
		r.rep.Insecure = append(r.rep.Insecure, insecureECDSA)
	}
}

// algorithms returns those that the signer's key may have used.
func (r *run) algorithms() ([]keyspec.Details, error) {
	q := &r.v.require
	if q.KeyDetails != 0 {
		if r.key != nil && !r.key.KeyDetails.SameAlgorithm(q.KeyDetails) {
			return nil, fmt.Errorf("expected one that signs by %v, and the keyring says that it signs by %v", q.KeyDetails, r.key.KeyDetails)
		}
		return []keyspec.Details{q.KeyDetails}, keyspec.Check(r.publicKey(), q.KeyDetails)
	}
	var d keyspec.Details
	var err error
	if r.key != nil {
		d = r.key.KeyDetails
	} else {
		d, err = keyspec.ForCertificate(r.leaf.PublicKey, r.b.Envelope != nil)
	}
	if err != nil {
		return nil, err
	}
	list := []keyspec.Details{d}
	if q.ECDSAWithSHA256 {
		switch d {
		case keyspec.ECDSAP384SHA384:
			list = append(list, keyspec.ECDSAP384SHA256)
		case keyspec.ECDSAP521SHA512:
			list = append(list, keyspec.ECDSAP521SHA256)
		}
	}
	return list, nil
}
