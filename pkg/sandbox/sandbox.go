// Package sandbox answers one question: what does Sigstore look like when all
// of it is mine?
//
// It is a private Sigstore in one process: certificate authorities (Fulcio's
// profile and a company's own), a certificate transparency log, Rekor v1 and
// v2 with real Merkle trees and checkpoints, and an RFC 3161 timestamp
// authority. It makes bundles and the trusted root that they verify against,
// as protobuf-specs messages, which the caller may change before marshalling
// them with JSON. It verifies nothing, and its keys are no secret: they follow
// from a seed.
//
//	s, err := sandbox.New(nil)
//	b, err := s.Sign(sandbox.SignOptions{Artifact: []byte("hello")})
//	bundle, root := sandbox.JSON(b), sandbox.JSON(s.TrustedRoot())
//
// Everything that can be right can also be bent. There are three ways, from
// coarse to fine:
//
//   - Misbehave makes one service lie in one named way in the calls that follow.
//   - Options with a Bend function have the last word on a certificate, and
//     NewRoot, CA.Sub, NewLog, NewTSA make more services than the usual ones.
//   - The hands sign whatever they are given: Log.Append, Log.SignNote,
//     Log.SignCheckpoint, Log.SignSET, CTLog.SignSCT, Resign, Key.SignDigest,
//     and TSA.Token with its options.
//
// The same seed, clock and order of calls give the same keys, certificates,
// log entries and timestamps, byte by byte, but for two kinds of key: RSA keys
// are always new, since Go offers no way to seed them (and making one takes
// 0.1 to 5 s), and signatures by ML-DSA keys are randomized.
//
// A Sandbox and what belongs to it are safe for concurrent use, except that
// exported fields must not be changed while another goroutine uses them.
package sandbox

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options are the choices that New leaves open. Nil means the defaults.
type Options struct {
	Seed string    // where all keys come from; "" is a seed like any other
	Now  time.Time // what the clock shows at first; zero means Birth
}

// Birth is what the clock of a Sandbox shows unless Options say otherwise.
var Birth = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// A Sandbox is one private Sigstore. Its fields are the usual services; they
// are those that TrustedRoot lists, except for PrivateCA, which PrivateRoot
// lists.
type Sandbox struct {
	Fulcio    *CA    // root and intermediate; short-lived leaves with SCTs
	PrivateCA *CA    // root and intermediate; long-lived leaves without SCTs
	CT        *CTLog // where Fulcio's certificates are logged
	RekorV1   *Log   // ECDSA P-256, one of several shards
	RekorV2   *Log   // Ed25519
	TSA       *TSA   // ECDSA P-256: signer, intermediate and root

	seed string

	mu    sync.Mutex
	now   time.Time
	fault Fault
}

// New returns a sandbox whose services are honest.
func New(o *Options) (*Sandbox, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Sandbox{seed: o.Seed, now: o.Now}
	if s.now.IsZero() {
		s.now = Birth
	}
	var errs [3]error
	s.CT = s.NewCTLog("ct", nil)
	s.RekorV1 = s.NewLog("rekor", &LogOptions{Version: 1})
	s.RekorV2 = s.NewLog("log2026", nil)
	s.Fulcio, errs[0] = s.NewCA("fulcio", &CAOptions{Profile: FulcioProfile})
	s.PrivateCA, errs[1] = s.NewCA("pki", nil)
	s.TSA, errs[2] = s.NewTSA("tsa", nil)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return s, nil
}

// Now returns what the sandbox's clock shows. It stands still unless it is set.
func (s *Sandbox) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// SetTime sets the clock, also backwards.
func (s *Sandbox) SetTime(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = t
}

// Advance moves the clock by d, which may be negative.
func (s *Sandbox) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// serviceURL is where the service of that name would be found.
func serviceURL(name string) string { return "https://" + host(name) }

func host(name string) string { return name + ".sandbox.example" }
