package tuf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// Metadata is what a client holds of a repository: the files as served.
type Metadata struct {
	Roots     [][]byte          // from the one that is trusted at the outset, each followed by its successor
	Timestamp []byte            // empty if there is none
	Snapshot  []byte            // empty if there is none
	Targets   map[string][]byte // of "targets" and delegated roles, by name
}

func (m Metadata) clone() Metadata {
	m.Roots, m.Targets = slices.Clone(m.Roots), maps.Clone(m.Targets)
	if m.Targets == nil {
		m.Targets = make(map[string][]byte)
	}
	return m
}

func (m Metadata) equal(n Metadata) bool {
	return slices.EqualFunc(m.Roots, n.Roots, bytes.Equal) && bytes.Equal(m.Timestamp, n.Timestamp) &&
		bytes.Equal(m.Snapshot, n.Snapshot) && maps.EqualFunc(m.Targets, n.Targets, bytes.Equal)
}

// A Session is one run of TUF's client workflow over what a client holds. It is
// not safe for concurrent use. Its methods never panic and return
// *RefusedError, *UnavailableError, *ExpiredError or ErrNotFound, possibly
// wrapped.
type Session struct {
	now      time.Time
	fetch    Fetcher
	metadata string // base URL, with a slash at its end
	trusted  *trustedmetadata.TrustedMetadata
	local    Metadata // as handed in
	verified Metadata // local, replaced as far as verified
}

// NewSession verifies the roots of local, the first of which it trusts. now is
// what expiry is told by; the zero time means that nothing is expired. Files are
// fetched from below the URL base; a nil fetch means that none are.
func NewSession(local Metadata, base string, fetch Fetcher, now time.Time) (s *Session, err error) {
	defer contain(&err)
	if len(local.Roots) == 0 || len(local.Roots) > maxRoots {
		return nil, fmt.Errorf("expected 1 to %d roots, found %d", maxRoots, len(local.Roots))
	}
	if err := checkShape("root", local.Roots[0]); err != nil {
		return nil, &RefusedError{"root.json", err}
	}
	trusted, err := trustedmetadata.New(local.Roots[0])
	if err != nil {
		return nil, &RefusedError{"root.json", err}
	}
	trusted.RefTime = now
	s = &Session{now: now, fetch: fetch, metadata: withSlash(base), trusted: trusted, local: local.clone(), verified: local.clone()}
	for _, root := range local.Roots[1:] {
		if err := s.updateRoot(root); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// contain turns a panic of a parser into an error.
func contain(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the TUF library failed on this repository's metadata: %v", r)
	}
}

// Verified returns what the session holds: what it was given, replaced by what
// it has fetched and verified, also if a later step failed.
func (s *Session) Verified() Metadata { return s.verified.clone() }

// Load verifies what the session was given and fetches nothing.
func (s *Session) Load() (err error) {
	defer contain(&err)
	if len(s.local.Timestamp) == 0 || len(s.local.Snapshot) == 0 || len(s.local.Targets["targets"]) == 0 {
		return ErrNoState
	}
	if err := s.updateTimestamp(s.local.Timestamp); err != nil {
		return err
	}
	if err := s.updateSnapshot(s.local.Snapshot, false); err != nil {
		return err
	}
	return s.updateTargets("targets", "root", s.local.Targets["targets"])
}

// Refresh brings the top-level metadata up to date.
func (s *Session) Refresh(ctx context.Context) (err error) {
	defer contain(&err)
	for _, step := range []func(context.Context) error{s.refreshRoot, s.refreshTimestamp, s.refreshSnapshot} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return s.refreshTargets(ctx, "targets", "root")
}

// refreshRoot goes through every root that follows, each signed by the keys of
// the one before it.
func (s *Session) refreshRoot(ctx context.Context) error {
	before := s.trusted.Root
	for rotations := 0; ; rotations++ {
		next := strconv.FormatInt(s.trusted.Root.Signed.Version+1, 10)
		root, err := s.get(ctx, next+".root.json", MaxRoot)
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
		if rotations == MaxRotations {
			return &RefusedError{next + ".root.json", fmt.Errorf("more than %d roots follow the trusted one: start from a newer root", MaxRotations)}
		}
		if err := s.updateRoot(root); err != nil {
			return err
		}
		s.verified.Roots = append(s.verified.Roots, root)
	}
	// 5.3.11: after a rotation of their keys, versions start anew. Otherwise
	// whoever stole a key could block all updates with one high version.
	if rotated(before, s.trusted.Root, "timestamp") || rotated(before, s.trusted.Root, "snapshot") {
		s.local.Timestamp, s.local.Snapshot = nil, nil
		s.verified.Timestamp, s.verified.Snapshot = nil, nil
	}
	return nil
}

// rotated reports whether a key of a role was taken from it.
func rotated(before, after *metadata.Metadata[metadata.RootType], role string) bool {
	return slices.ContainsFunc(before.Signed.Roles[role].KeyIDs, func(id string) bool {
		return !slices.Contains(after.Signed.Roles[role].KeyIDs, id)
	})
}

func (s *Session) updateRoot(root []byte) error {
	name := strconv.FormatInt(s.trusted.Root.Signed.Version+1, 10) + ".root.json"
	if err := checkShape("root", root); err != nil {
		return &RefusedError{name, err}
	}
	if _, err := s.trusted.UpdateRoot(root); err != nil {
		return &RefusedError{name, err}
	}
	return nil
}

func (s *Session) updateTimestamp(data []byte) error {
	if err := checkShape("timestamp", data); err != nil {
		return &RefusedError{"timestamp.json", err}
	}
	_, err := s.trusted.UpdateTimestamp(data)
	return s.explain("timestamp", data, err)
}

// refreshTimestamp fetches the timestamp. The one at hand, expired or not, is
// what its version is held against.
func (s *Session) refreshTimestamp(ctx context.Context) error {
	if s.trusted.Root.Signed.IsExpired(s.now) {
		return &RefusedError{"root.json", &ExpiredError{"root", s.trusted.Root.Signed.Expires}}
	}
	if len(s.local.Timestamp) > 0 {
		_ = s.updateTimestamp(s.local.Timestamp) // what is wrong with it is no reason not to replace it
	}
	data, err := s.get(ctx, "timestamp.json", MaxTimestamp)
	if err != nil {
		return err
	}
	err = s.updateTimestamp(data)
	if _, equal := errors.AsType[*metadata.ErrEqualVersionNumber](err); equal { // nothing new
		return s.sameTimestamp(data)
	}
	if err == nil {
		s.verified.Timestamp = data
	}
	return err
}

func (s *Session) sameTimestamp(data []byte) error {
	other, err := metadata.Timestamp().FromBytes(data)
	if err != nil {
		return &RefusedError{"timestamp.json", err}
	}
	if !sameJSON(other.Signed, s.trusted.Timestamp.Signed) {
		return &RefusedError{"timestamp.json", fmt.Errorf("version %d: %w", other.Signed.Version, ErrEquivocation)}
	}
	return nil
}

// refreshSnapshot fetches the snapshot unless the one at hand is the one that
// the timestamp names. It is what the new one's versions are held against.
func (s *Session) refreshSnapshot(ctx context.Context) error {
	meta := s.trusted.Timestamp.Signed.Meta["snapshot.json"]
	if len(s.local.Snapshot) > 0 {
		err := s.updateSnapshot(s.local.Snapshot, true)
		if err == nil && meta.VerifyLengthHashes(s.local.Snapshot) == nil {
			s.verified.Snapshot = s.local.Snapshot
			return nil
		}
	}
	before := s.trusted.Snapshot
	data, err := s.get(ctx, s.versioned("snapshot", meta.Version), bound(meta.Length, MaxSnapshot))
	if err != nil {
		return err
	}
	if err := s.updateSnapshot(data, false); err != nil {
		return err
	}
	after := s.trusted.Snapshot
	if before != nil && before.Signed.Version > after.Signed.Version {
		return &RefusedError{"snapshot.json", fmt.Errorf("version %d is older than version %d, which was seen before", after.Signed.Version, before.Signed.Version)}
	}
	if before != nil && before.Signed.Version == after.Signed.Version && !sameJSON(before.Signed, after.Signed) {
		return &RefusedError{"snapshot.json", fmt.Errorf("version %d: %w", after.Signed.Version, ErrEquivocation)}
	}
	s.verified.Snapshot = data
	return nil
}

func (s *Session) updateSnapshot(data []byte, local bool) error {
	if err := checkShape("snapshot", data); err != nil {
		return &RefusedError{"snapshot.json", err}
	}
	_, err := s.trusted.UpdateSnapshot(data, local)
	return s.explain("snapshot", data, err)
}

// refreshTargets fetches the metadata of a targets role unless what is at hand
// is what the snapshot names.
func (s *Session) refreshTargets(ctx context.Context, role, delegator string) error {
	if s.trusted.Targets[role] != nil {
		return nil
	}
	local := s.local.Targets[role]
	if local != nil && s.updateTargets(role, delegator, local) == nil {
		return nil
	}
	meta := s.trusted.Snapshot.Signed.Meta[role+".json"]
	if meta == nil {
		return &RefusedError{"snapshot.json", fmt.Errorf("it does not list the role %q", role)}
	}
	data, err := s.get(ctx, s.versioned(role, meta.Version), bound(meta.Length, MaxTargets))
	if err != nil {
		return err
	}
	if err := s.updateTargets(role, delegator, data); err != nil {
		return err
	}
	if s.equivocated(role, delegator, local) {
		return &RefusedError{role + ".json", fmt.Errorf("version %d: %w", meta.Version, ErrEquivocation)}
	}
	s.verified.Targets[role] = data
	return nil
}

func (s *Session) updateTargets(role, delegator string, data []byte) error {
	// In go-tuf the name decides by whom a file must be signed; here, too, what
	// its shape must be.
	if err := checkShape("targets", data); err != nil {
		return &RefusedError{role + ".json", err}
	}
	_, err := s.trusted.UpdateDelegatedTargets(data, role, delegator)
	return s.explain(role, data, err)
}

// equivocated reports whether local was as truly signed as what replaced it,
// as the same version, and said something else.
func (s *Session) equivocated(role, delegator string, local []byte) bool {
	if local == nil || checkShape("targets", local) != nil {
		return false
	}
	other, err := metadata.Targets().FromBytes(local)
	if err != nil {
		return false
	}
	now := s.trusted.Targets[role]
	if delegator == "root" {
		err = s.trusted.Root.VerifyDelegate(role, other)
	} else {
		err = s.trusted.Targets[delegator].VerifyDelegate(role, other)
	}
	return err == nil && other.Signed.Version == now.Signed.Version && !sameJSON(other.Signed, now.Signed)
}

func (s *Session) get(ctx context.Context, name string, limit int64) ([]byte, error) {
	return fetchFile(ctx, s.fetch, s.metadata+name, limit)
}

// fetchFile holds a Fetcher to its contract, but for the deadline.
func fetchFile(ctx context.Context, f Fetcher, address string, limit int64) ([]byte, error) {
	if f == nil {
		return nil, ErrNoState
	}
	if ctx.Err() != nil {
		return nil, &UnavailableError{URL: address, Err: context.Cause(ctx)}
	}
	data, err := f.Fetch(ctx, address, limit)
	if err != nil {
		return nil, unavailable(address, err)
	}
	if int64(len(data)) > limit {
		return nil, tooLarge(address, limit)
	}
	return data, nil
}

func unavailable(address string, err error) error {
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*UnavailableError](err); ok {
		return err
	}
	return &UnavailableError{URL: address, Err: err}
}

// versioned is the file name of a role's metadata.
func (s *Session) versioned(role string, version int64) string {
	name := url.PathEscape(role) + ".json"
	if s.trusted.Root.Signed.ConsistentSnapshot {
		name = strconv.FormatInt(version, 10) + "." + name
	}
	return name
}

// bound is how many bytes a file may have: what its delegator says, and never
// more than most.
func bound(length int64, most int64) int64 {
	if length > 0 {
		return min(length, most)
	}
	return most
}

// explain says what was refused and, of metadata that has expired, whose it was
// and since when; go-tuf says only that some has. data is what it failed on.
func (s *Session) explain(role string, data []byte, err error) error {
	if err == nil {
		return nil
	}
	if _, expired := errors.AsType[*metadata.ErrExpiredMetadata](err); expired {
		for _, r := range append(s.Roles(), Role{role, 0, expiryOf(data)}) {
			if s.now.After(r.Expires) {
				err = &ExpiredError{r.Name, r.Expires}
				break
			}
		}
	}
	return &RefusedError{role + ".json", err}
}

// expiryOf reads when metadata of the right shape says that it expires.
func expiryOf(data []byte) time.Time {
	var file wireFile[wireHead]
	if json.Unmarshal(data, &file) != nil || file.Signed == nil {
		return time.Time{}
	}
	return file.Signed.Expires
}

// Roles lists the roles that the session has loaded, in the order of the
// workflow.
func (s *Session) Roles() []Role {
	list := []Role{{"root", s.trusted.Root.Signed.Version, s.trusted.Root.Signed.Expires}}
	if m := s.trusted.Timestamp; m != nil {
		list = append(list, Role{"timestamp", m.Signed.Version, m.Signed.Expires})
	}
	if m := s.trusted.Snapshot; m != nil {
		list = append(list, Role{"snapshot", m.Signed.Version, m.Signed.Expires})
	}
	for _, name := range slices.Sorted(maps.Keys(s.trusted.Targets)) {
		m := s.trusted.Targets[name]
		list = append(list, Role{name, m.Signed.Version, m.Signed.Expires})
	}
	return list
}

func sameJSON(a, b any) bool {
	left, err1 := json.Marshal(a)
	right, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(left, right)
}

func withSlash(base string) string {
	if strings.HasSuffix(base, "/") {
		return base
	}
	return base + "/"
}
