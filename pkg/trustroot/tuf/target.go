package tuf

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A Target is a file that a role vouches for.
type Target struct {
	Name string // its path in the repository
	Role string // who vouches for it: "targets" or a delegated role

	file       *metadata.TargetFiles
	consistent bool
}

// Length returns the target's size in bytes.
func (t *Target) Length() int64 { return t.file.Length }

// Verify reports whether data is the target, whole and unchanged.
func (t *Target) Verify(data []byte) (err error) {
	defer contain(&err)
	if err := t.file.VerifyLengthHashes(data); err != nil {
		return &RefusedError{t.Name, err}
	}
	return nil
}

type delegation struct{ role, delegator string }

// Find returns the target of that name from the first role that has it, in the
// order in which roles delegate: what a role delegates comes before what its
// delegator lists after it. It fetches the delegated metadata that it needs, and
// nothing if the session was made to fetch nothing. It returns ErrNotFound if no
// role has the target.
func (s *Session) Find(ctx context.Context, name string) (t *Target, err error) {
	defer contain(&err)
	if err := checkTargetName(name); err != nil {
		return nil, err
	}
	visited := make(map[string]bool)
	for todo := []delegation{{"targets", "root"}}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if visited[next.role] {
			continue
		}
		if len(visited) > MaxDelegations {
			return nil, &RefusedError{next.role + ".json", fmt.Errorf("more than %d delegated roles on the way to target %q", MaxDelegations, name)}
		}
		visited[next.role] = true
		if err := s.refreshTargets(ctx, next.role, next.delegator); err != nil {
			return nil, err
		}
		role := &s.trusted.Targets[next.role].Signed
		if file := role.Targets[name]; file != nil {
			return &Target{Name: name, Role: next.role, file: file, consistent: s.trusted.Root.Signed.ConsistentSnapshot}, nil
		}
		children, terminating := delegated(role.Delegations, name)
		if terminating {
			todo = nil
		}
		slices.Reverse(children) // the first is visited next
		for _, child := range children {
			todo = append(todo, delegation{child, next.role})
		}
	}
	return nil, fmt.Errorf("target %q: %w", name, ErrNotFound)
}

// delegated lists the roles that may vouch for a target, up to and with the
// first that terminates the search. go-tuf reads path hash prefixes as base64
// where TUF has hex, so it is not asked.
func delegated(d *metadata.Delegations, name string) (roles []string, terminating bool) {
	if d == nil {
		return nil, false
	}
	if d.Roles == nil && d.SuccinctRoles != nil {
		for _, r := range d.SuccinctRoles.GetRolesForTarget(name) {
			roles = append(roles, r.Name)
		}
		return roles, true // TAP 15
	}
	for _, r := range d.Roles {
		if !covers(&r, name) {
			continue
		}
		roles = append(roles, r.Name)
		if r.Terminating {
			return roles, true
		}
	}
	return roles, false
}

func covers(r *metadata.DelegatedRole, name string) bool {
	sum := sha256.Sum256([]byte(name))
	digest := hex.EncodeToString(sum[:])
	return slices.ContainsFunc(r.PathHashPrefixes, func(prefix string) bool { return prefix != "" && strings.HasPrefix(digest, prefix) }) ||
		slices.ContainsFunc(r.Paths, func(pattern string) bool {
			ok, err := path.Match(pattern, name) // * stops at a slash, as TUF has it
			return ok && err == nil
		})
}

// Download fetches a target of at most limit bytes from below the URL base, and
// verifies it.
func (s *Session) Download(ctx context.Context, t *Target, base string, limit int64) (data []byte, err error) {
	defer contain(&err)
	if t.file.Length > limit {
		return nil, &RefusedError{t.Name, fmt.Errorf("expected a target of at most %d bytes, found %d", limit, t.file.Length)}
	}
	data, err = fetchFile(ctx, s.fetch, withSlash(base)+t.path(), t.file.Length)
	if err != nil {
		return nil, err
	}
	if err := t.Verify(data); err != nil {
		return nil, err
	}
	return data, nil
}

// path is where a target lies below its base URL. Repositories with consistent
// snapshots name it by a digest.
func (t *Target) path() string {
	segments := strings.Split(t.Name, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	if t.consistent {
		algorithm := "sha256"
		if t.file.Hashes[algorithm] == nil {
			algorithm = "sha512" // Verify refuses any other
		}
		last := &segments[len(segments)-1]
		*last = t.file.Hashes[algorithm].String() + "." + *last
	}
	return strings.Join(segments, "/")
}

// checkTargetName refuses names that a server or a file system could take for
// something else. Everything else in them is escaped.
func checkTargetName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, isControl) || strings.Contains(name, `\`) {
		return configf("target name %.80q: expected 1 to %d bytes without control characters and backslashes", name, maxName)
	}
	for segment := range strings.SplitSeq(name, "/") {
		plain, err := url.PathUnescape(segment)
		if err == nil && plain != segment && strings.ContainsAny(plain, "./\\\x00") {
			return configf("target name %q: expected no escaped dots and slashes", name)
		}
		if segment == "" || segment == "." || segment == ".." {
			return configf("target name %q: expected a relative path without empty and dot segments", name)
		}
	}
	return nil
}
