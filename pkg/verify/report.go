package verify

import (
	"crypto/x509"
	"time"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// SchemaVersion is the version of a Report's JSON.
const SchemaVersion = 1

// A Verdict is the answer. The zero Verdict is None, which accepts nothing.
type Verdict int

// The verdicts.
const (
	None   Verdict = iota // it could not be told
	Failed                // no
	Passed                // yes
)

func (v Verdict) String() string {
	switch v {
	case Passed:
		return "pass"
	case Failed:
		return "fail"
	}
	return "none"
}

// MarshalText makes a Verdict a JSON string.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// A Status is the outcome of one check. The zero Status is Fail.
type Status int

// The statuses.
const (
	Fail    Status = iota // it was checked, and is wrong or missing
	Pass                  // it was checked, and is right
	Skipped               // it was there, but the trust has no means to check it
	Absent                // it was not there, and not required
)

func (s Status) String() string {
	return [...]string{"fail", "pass", "skipped", "absent"}[s]
}

// MarshalText makes a Status a JSON string.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A CheckID names a check. The names are stable.
type CheckID string

// The checks, in the order of the pipeline.
const (
	CheckParse         CheckID = "parse"                  // the bundle has one reading
	CheckSigner        CheckID = "signer"                 // the certificate parses, or the key is in the keyring
	CheckLogBinding    CheckID = "log.binding"            // an entry is about this signature, signer and content
	CheckLogPromise    CheckID = "log.promise"            // its signed entry timestamp
	CheckLogInclusion  CheckID = "log.inclusion"          // its inclusion proof
	CheckLogCheckpoint CheckID = "log.checkpoint"         // the signed tree head of the proof
	CheckLogWindow     CheckID = "log.window"             // the log's key was in use
	CheckLogEntry      CheckID = "log.entry"              // an entry that can not be checked
	CheckLogThreshold  CheckID = "log.threshold"          // enough logs
	CheckTimestamp     CheckID = "time.timestamp"         // an RFC 3161 timestamp
	CheckTSAThreshold  CheckID = "time.timestamps"        // enough timestamp authorities
	CheckIntegrated    CheckID = "time.integrated"        // enough integrated times
	CheckObservers     CheckID = "time.observers"         // enough of both
	CheckPath          CheckID = "certificate.path"       // a path to a trusted anchor, valid at every time
	CheckUsage         CheckID = "certificate.usage"      // the certificate is for signing
	CheckRevocation    CheckID = "certificate.revocation" // it is not on a CRL
	CheckKeyWindow     CheckID = "key.window"             // the key was in use at every time
	CheckSCT           CheckID = "sct.signature"          // one SCT
	CheckSCTThreshold  CheckID = "sct.threshold"          // enough CT logs
	CheckContent       CheckID = "content"                // the kind of content and of statement asked for
	CheckSignature     CheckID = "signature"              // the key signed the content
	CheckArtifact      CheckID = "artifact"               // the content names the artifact
	CheckIdentity      CheckID = "identity"               // the signer is one the caller named
	CheckPolicy        CheckID = "policy"                 // a policy accepts what was proved
)

// A Check is one record of the report.
type Check struct {
	ID       CheckID `json:"id"`
	Status   Status  `json:"status"`
	Required bool    `json:"required"`
	Detail   string  `json:"detail,omitzero"`
	Expected string  `json:"expected,omitzero"`
	Got      string  `json:"got,omitzero"`
	Hint     string  `json:"hint,omitzero"`
}

// A VerifiedTime is a time at which the signature existed, as proved.
type VerifiedTime struct {
	Type     string // "rfc3161" or "integrated"
	Time     time.Time
	URI      string // of the authority or log
	Operator string

	observer string // whom the threshold counts
}

// An Entry is a log entry that was proved to be in its log.
type Entry struct {
	LogURL, Operator string
	LogID            []byte
	Kind, Version    string
	TreeIndex        int64     // in the tree of the proof; -1 without a proof
	LogIndex         int64     // across shards; -1 unless a promise signs it
	IntegratedTime   time.Time // zero unless a promise signs it
	Witnesses        []string  // names on the checkpoint beside the log's, not verified
}

// A Report is everything that was found out about one bundle. The zero Report
// denies.
type Report struct {
	Verdict   Verdict
	Checks    []Check
	Artifacts []*Artifact
	Bundle    *bundle.Bundle // nil if it did not parse
	Trust     *trustroot.Config
	Evaluated time.Time // the time of evaluation
	Insecure  []string  // protections that the caller gave up

	// Policies are the judgements that Decide recorded.
	Policies []Judgement
	awaiting bool // all checks passed, and a policy has yet to decide

	// What was proved; to be believed only if Verdict is Passed.
	Signer     Signer
	Times      []VerifiedTime
	Entries    []Entry
	SCTs       []SCT
	Statement  *bundle.Statement // nil for a message signature
	Algorithm  trustroot.KeyDetails
	Thresholds Thresholds
}

// Thresholds are the requirements that were applied.
type Thresholds struct {
	Logs            int `json:"logs"`
	SCTs            int `json:"scts"`
	Timestamps      int `json:"timestamps"`
	IntegratedTimes int `json:"integratedTimes"`
	ObserverTimes   int `json:"observerTimes"`
}

// A Signer is who signed: a certificate's holder or a key.
type Signer struct {
	Certificate *x509.Certificate
	Names       *SubjectAltNames
	Fulcio      *FulcioExtensions   // nil unless the certificate has Fulcio's profile
	Chain       []*x509.Certificate // leaf first, anchor last
	Anchor      *trustroot.Authority
	Key         *trustroot.Key
}

// An SCT is a verified signed certificate timestamp.
type SCT struct {
	LogURL, Operator string
	LogID            []byte
	Time             time.Time
}

// FirstFailure returns the first check that failed, or nil.
func (r *Report) FirstFailure() *Check {
	for i := range r.Checks {
		if r.Checks[i].Status == Fail {
			return &r.Checks[i]
		}
	}
	return nil
}

// mandatory are the checks without which nothing is verified, whatever was
// required. That they are there is itself checked, so that a step which did
// not run can never look like one that passed.
var (
	mandatoryForCertificate = []CheckID{CheckParse, CheckSigner, CheckPath, CheckUsage, CheckContent, CheckSignature, CheckArtifact, CheckIdentity}
	mandatoryForKey         = []CheckID{CheckParse, CheckSigner, CheckKeyWindow, CheckContent, CheckSignature, CheckArtifact, CheckIdentity}
)

// conclude sets the verdict and reports whether it is Passed: no check failed,
// every required one passed, and all the mandatory ones are there.
func (r *Report) conclude(certified bool) bool {
	r.Verdict = Failed
	passed := make(map[CheckID]bool, len(r.Checks))
	for _, c := range r.Checks {
		if c.Status == Fail || c.Required && c.Status != Pass {
			return false
		}
		if c.Status == Pass {
			passed[c.ID] = true
		}
	}
	mandatory := mandatoryForKey
	if certified {
		mandatory = mandatoryForCertificate
	}
	for _, id := range mandatory {
		if !passed[id] {
			return false
		}
	}
	r.Verdict = Passed
	return true
}
