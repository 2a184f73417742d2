// Package tuf answers one question: what trust does this TUF repository
// publish, right now?
//
// A Source names a repository by its metadata URL and a pinned root, refreshes
// what it knows over the network, keeps it in a cache directory, and hands out
// one Snapshot at a time: a trustroot.Config with its age and its expiry. What
// the trust says is package trustroot's to judge, and what it proves is package
// verify's.
//
// The client workflow is TUF's (specification 1.0, section 5), its rules about
// signatures, thresholds, versions and expiry are go-tuf's trustedmetadata.
// Around that is what go-tuf leaves to its caller:
//
//   - every document is bounded and checked for its shape before go-tuf parses
//     it, and a panic becomes an error;
//   - requests go through a client of their own, with a deadline each and one for
//     the refresh as a whole, and follow no redirect to elsewhere;
//   - nothing is written that was not verified, nothing is replaced in part, and
//     processes take turns;
//   - a refresh that fails leaves the last verified state as it was, for as long
//     as its own metadata has not expired.
//
// A cache is a directory, named by SHA-256 of the exact URL and the pinned
// root, with two files of the same form: state.json, the last complete state,
// and seen.json, metadata verified by a refresh that then failed. Both are
// verified again, from the pinned root on, each time they are read.
package tuf

import (
	"errors"
	"fmt"
	"time"
)

// Limits on a repository.
const (
	MaxRoot        = 512_000   // bytes of one root.json
	MaxTimestamp   = 16_384    // bytes of timestamp.json
	MaxSnapshot    = 2_000_000 // bytes of snapshot.json
	MaxTargets     = 5_000_000 // bytes of a targets role's metadata
	MaxTarget      = 8 << 20   // bytes of a target, unless the caller says otherwise
	MaxRotations   = 256       // roots that one refresh goes through
	MaxDelegations = 32        // roles that one search for a target visits

	maxRoots      = 4096   // from the pinned one to the newest
	maxKeys       = 1024   // in one document
	maxRoleKeys   = 64     // keys of one role, signatures of one document
	maxRoles      = 16_384 // delegated roles in one document
	maxName       = 1024   // bytes of a role's or a target's name
	maxStateBytes = 64 << 20
)

// Defaults for Options.
const (
	DefaultTimeout = 30 * time.Second // for a refresh as a whole
	DefaultMaxAge  = 24 * time.Hour   // of a state that is used without asking
)

// A ConfigError says what is wrong with the description of a repository: its
// URL, its pinned root, the names of its targets. No repository was asked.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

func configf(format string, args ...any) error {
	return &ConfigError{fmt.Errorf(format, args...)}
}

// A RefusedError says that a repository was reached and that what it served
// breaks a rule: a signature, a version, an expiry, a hash, a limit, its form.
type RefusedError struct {
	File string // what was served, such as "timestamp.json" or a URL
	Err  error
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s: refused: %v", e.File, e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }

// An UnavailableError says that a file could not be had.
type UnavailableError struct {
	URL    string
	Status int // of HTTP; 0 if there was no answer
	Err    error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("fetching %s: %v", e.URL, e.Err) }
func (e *UnavailableError) Unwrap() error { return e.Err }

// An ExpiredError says that metadata is past its own end, so that nothing it
// vouches for may be believed any more.
type ExpiredError struct {
	Role string    // "root", "timestamp", "snapshot", "targets" or a delegated role
	At   time.Time // when it expired
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("the metadata of role %q expired at %s", e.Role, e.At.UTC().Format(time.RFC3339))
}

// Facts that callers tell apart.
var (
	// ErrNotFound: no role has the target, or a fetcher has no such file.
	ErrNotFound = errors.New("not found")
	// ErrNoState: nothing verified is at hand, and nothing may be fetched.
	ErrNoState = errors.New("nothing verified is in the cache")
	// ErrEquivocation: a role signed two contents under one version.
	ErrEquivocation = errors.New("the repository signed two different contents as one version")
)
