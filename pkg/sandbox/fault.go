package sandbox

// A Fault is one way in which one kind of service lies. While it is on, each
// such service answers every call so; all others stay honest. The calls are
// CA.Issue, CTLog.AddPreChain, Log.Record and TSA.Token, and Sign, which makes
// them. What signs for the caller (Log.Append and the other hands) never lies.
type Fault string

// Honest is the absence of a fault.
const Honest Fault = ""

// Faults of the Rekor logs, v1 and v2. Each entry is signed with the log's own
// key, so that only the lie is wrong.
const (
	// ForkedLog proves an entry in a tree that the log has shown to nobody
	// else. The entry verifies; only its checkpoint compared with another one
	// tells.
	ForkedLog        Fault = "forked-log"
	CheckpointSize   Fault = "checkpoint-size"   // the checkpoint's tree is one larger than the proof's
	CheckpointOrigin Fault = "checkpoint-origin" // the checkpoint is named after another log
	CheckpointRoot   Fault = "checkpoint-root"   // the checkpoint has another root than the proof
	WrongBody        Fault = "wrong-body"        // the entry is about a stranger's signature
	OtherKind        Fault = "other-kind"        // kindVersion is not what the body says
	BadSET           Fault = "bad-set"           // the promise is about another time (v1)
	BadProof         Fault = "bad-proof"         // one hash of the inclusion proof is wrong
)

// Faults of the timestamp authorities.
const (
	BackdatedToken  Fault = "backdated-token"   // the time is a year before the clock's
	TokenOtherBytes Fault = "token-other-bytes" // the imprint is of other bytes
	TokenSHA1       Fault = "token-sha1"        // the imprint is SHA-1
	TokenRejected   Fault = "token-rejected"    // the response says "rejection", with a good token
)

// Faults of the CT logs and of the certificate authorities.
const (
	SCTOtherCert    Fault = "sct-other-cert"    // the SCT is about another certificate
	SCTBadSignature Fault = "sct-bad-signature" // the SCT's signature has one bit wrong
	CertWrongKey    Fault = "cert-wrong-key"    // the certificate is for a stranger's key
	CertExpired     Fault = "cert-expired"      // the certificate ended an hour before the clock
)

// Faults lists every fault there is.
func Faults() []Fault {
	return []Fault{
		ForkedLog, CheckpointSize, CheckpointOrigin, CheckpointRoot, WrongBody, OtherKind, BadSET, BadProof,
		BackdatedToken, TokenOtherBytes, TokenSHA1, TokenRejected,
		SCTOtherCert, SCTBadSignature, CertWrongKey, CertExpired,
	}
}

// Misbehave turns on one fault, in place of the one that was on. Honest turns
// it off. A fault that is not in Faults does nothing.
func (s *Sandbox) Misbehave(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// lies reports whether f is on.
func (s *Sandbox) lies(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault == f
}
