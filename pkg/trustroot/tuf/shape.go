package tuf

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// The wire types below hold what bundler checks before go-tuf parses a document.
// go-tuf reads with encoding/json, which matches names without regard to case,
// merges what appears twice and turns null into nil pointers that it then
// follows.

type wireFile[T any] struct {
	Signed     *T               `json:"signed"`
	Signatures *[]wireSignature `json:"signatures"`
}

type wireSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

type wireHead struct {
	Type        string    `json:"_type"`
	SpecVersion string    `json:"spec_version"`
	Version     int64     `json:"version"`
	Expires     time.Time `json:"expires"`
}

type wireRoot struct {
	wireHead
	Consistent bool                 `json:"consistent_snapshot"`
	Keys       map[string]*wireKey  `json:"keys"`
	Roles      map[string]*wireRole `json:"roles"`
}

type wireMetas struct { // of a timestamp or a snapshot
	wireHead
	Meta map[string]*wireMeta `json:"meta"`
}

type wireTargets struct {
	wireHead
	Targets     map[string]*wireTarget `json:"targets"`
	Delegations *wireDelegations       `json:"delegations"`
}

type wireMeta struct {
	Version int64             `json:"version"`
	Length  int64             `json:"length"`
	Hashes  map[string]string `json:"hashes"`
}

type wireTarget struct {
	Length int64             `json:"length"`
	Hashes map[string]string `json:"hashes"`
	Custom jsontext.Value    `json:"custom"`
}

type wireKey struct {
	Type   string `json:"keytype"`
	Scheme string `json:"scheme"`
	Value  *struct {
		Public string `json:"public"`
	} `json:"keyval"`
}

type wireRole struct {
	KeyIDs    []string `json:"keyids"`
	Threshold int      `json:"threshold"`
}

type wireDelegations struct {
	Keys     map[string]*wireKey  `json:"keys"`
	Roles    *[]wireDelegatedRole `json:"roles"`
	Succinct *wireSuccinct        `json:"succinct_roles"`
}

type wireDelegatedRole struct {
	wireRole
	Name             string    `json:"name"`
	Terminating      bool      `json:"terminating"`
	Paths            *[]string `json:"paths"`
	PathHashPrefixes *[]string `json:"path_hash_prefixes"`
}

type wireSuccinct struct {
	wireRole
	BitLength  int    `json:"bit_length"`
	NamePrefix string `json:"name_prefix"`
}

// checkShape reports whether go-tuf may parse data as the metadata of a role:
// "root", "timestamp", "snapshot", or any other for targets. It proves nothing
// about who signed it.
func checkShape(role string, data []byte) error {
	switch role {
	case "root":
		return checkFile(data, MaxRoot, (*wireRoot).check)
	case "timestamp":
		return checkFile(data, MaxTimestamp, (*wireMetas).checkTimestamp)
	case "snapshot":
		return checkFile(data, MaxSnapshot, (*wireMetas).checkSnapshot)
	}
	return checkFile(data, MaxTargets, (*wireTargets).check)
}

func checkFile[T any](data []byte, most int, check func(*T) error) error {
	var file wireFile[T]
	limits := strictjson.Limits{Bytes: most, Depth: 32, Null: []string{"custom"}}
	if err := strictjson.UnmarshalOpen(data, &file, limits); err != nil {
		return err
	}
	if err := checkCase(data, &file); err != nil {
		return err
	}
	if file.Signed == nil || file.Signatures == nil {
		return errors.New("expected an object with signed and signatures")
	}
	if err := checkSignatures(*file.Signatures); err != nil {
		return err
	}
	return check(file.Signed)
}

// checkCase refuses a document that means something else to a reader that
// matches names without regard to case.
func checkCase[T any](data []byte, file *wireFile[T]) error {
	var folded wireFile[T]
	if err := json.Unmarshal(data, &folded, json.MatchCaseInsensitiveNames(true)); err != nil {
		return fmt.Errorf("a member's name appears in two spellings: %w", err)
	}
	if !reflect.DeepEqual(*file, folded) {
		return errors.New("a member's name is spelled in another case")
	}
	return nil
}

func checkSignatures(list []wireSignature) error {
	if len(list) > maxRoleKeys {
		return fmt.Errorf("expected at most %d signatures, found %d", maxRoleKeys, len(list))
	}
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if s.KeyID == "" || seen[s.KeyID] {
			return fmt.Errorf("expected one signature for each key id, found %q again or empty", s.KeyID)
		}
		seen[s.KeyID] = true
	}
	return nil
}

func (h *wireHead) check(kind string) error {
	switch {
	case h.Type != kind:
		return fmt.Errorf("expected metadata of type %q, found %q", kind, h.Type)
	case h.SpecVersion != "1" && !strings.HasPrefix(h.SpecVersion, "1."):
		return fmt.Errorf("expected version 1 of the TUF specification, found %q", h.SpecVersion)
	case h.Version < 1:
		return fmt.Errorf("expected a version of 1 or more, found %d", h.Version)
	case h.Expires.IsZero():
		return errors.New("expected a time of expiry, found none")
	}
	return nil
}

func (r *wireRoot) check() error {
	if err := r.wireHead.check("root"); err != nil {
		return err
	}
	if err := checkKeys(r.Keys); err != nil {
		return err
	}
	for _, name := range []string{"root", "timestamp", "snapshot", "targets"} {
		if r.Roles[name] == nil {
			return fmt.Errorf("expected the role %q, found none", name)
		}
	}
	for name, role := range r.Roles {
		if role == nil {
			return fmt.Errorf("role %q: expected an object", name)
		}
		if err := role.check(r.Keys); err != nil {
			return fmt.Errorf("role %q: %w", name, err)
		}
	}
	return nil
}

// check holds a role to keys that it can be signed with: TUF requires distinct
// key ids and a threshold that they can meet.
func (r *wireRole) check(keys map[string]*wireKey) error {
	if len(r.KeyIDs) == 0 || len(r.KeyIDs) > maxRoleKeys {
		return fmt.Errorf("expected 1 to %d keys, found %d", maxRoleKeys, len(r.KeyIDs))
	}
	distinct := make(map[string]bool, len(r.KeyIDs))
	for _, id := range r.KeyIDs {
		if keys[id] == nil {
			return fmt.Errorf("expected key ids that are listed, found %q", id)
		}
		distinct[id] = true
	}
	if len(distinct) != len(r.KeyIDs) {
		return errors.New("expected distinct key ids, found one twice")
	}
	if r.Threshold < 1 || r.Threshold > len(distinct) {
		return fmt.Errorf("expected a threshold of 1 to %d, found %d", len(distinct), r.Threshold)
	}
	return nil
}

func (m *wireMetas) checkTimestamp() error {
	if err := m.wireHead.check("timestamp"); err != nil {
		return err
	}
	if len(m.Meta) != 1 || m.Meta["snapshot.json"] == nil {
		return fmt.Errorf("expected meta of snapshot.json alone, found %d entries", len(m.Meta))
	}
	return m.checkEach()
}

func (m *wireMetas) checkSnapshot() error {
	if err := m.wireHead.check("snapshot"); err != nil {
		return err
	}
	if m.Meta["targets.json"] == nil {
		return errors.New("expected meta of targets.json, found none")
	}
	return m.checkEach()
}

func (m *wireMetas) checkEach() error {
	for name, meta := range m.Meta {
		role, ok := strings.CutSuffix(name, ".json")
		switch {
		case !ok:
			return fmt.Errorf("expected names that end in .json, found %q", name)
		case meta == nil:
			return fmt.Errorf("meta of %q: expected an object", name)
		case meta.Version < 1 || meta.Length < 0:
			return fmt.Errorf("meta of %q: expected a version of 1 or more and no negative length, found %d and %d", name, meta.Version, meta.Length)
		}
		if err := checkRoleName(role); err != nil {
			return err
		}
	}
	return nil
}

func (t *wireTargets) check() error {
	if err := t.wireHead.check("targets"); err != nil {
		return err
	}
	if t.Targets == nil {
		return errors.New("expected targets, found none")
	}
	for name, target := range t.Targets {
		switch {
		case target == nil:
			return fmt.Errorf("target %q: expected an object", name)
		case target.Length < 0 || len(target.Hashes) == 0:
			return fmt.Errorf("target %q: expected a length and hashes", name)
		}
	}
	if t.Delegations == nil {
		return nil
	}
	return t.Delegations.check()
}

func (d *wireDelegations) check() error {
	if err := checkKeys(d.Keys); err != nil {
		return fmt.Errorf("delegations: %w", err)
	}
	if (d.Roles == nil) == (d.Succinct == nil) {
		return errors.New("delegations: expected either roles or succinct_roles")
	}
	if d.Succinct != nil {
		return d.Succinct.check(d.Keys)
	}
	if len(*d.Roles) > maxRoles {
		return fmt.Errorf("delegations: expected at most %d roles, found %d", maxRoles, len(*d.Roles))
	}
	seen := make(map[string]bool, len(*d.Roles))
	for _, r := range *d.Roles {
		if seen[r.Name] {
			return fmt.Errorf("delegations: expected every role once, found %q again", r.Name)
		}
		seen[r.Name] = true
		if err := r.check(d.Keys); err != nil {
			return fmt.Errorf("delegation to %q: %w", r.Name, err)
		}
	}
	return nil
}

func (r *wireDelegatedRole) check(keys map[string]*wireKey) error {
	if err := checkRoleName(r.Name); err != nil {
		return err
	}
	switch r.Name {
	case "root", "timestamp", "snapshot", "targets":
		return errors.New("expected a name of its own, found that of a top-level role")
	}
	if r.Paths != nil && r.PathHashPrefixes != nil {
		return errors.New("expected either paths or path_hash_prefixes, found both")
	}
	return r.wireRole.check(keys)
}

func (s *wireSuccinct) check(keys map[string]*wireKey) error {
	if s.BitLength < 1 || s.BitLength > 32 {
		return fmt.Errorf("succinct roles: expected a bit length of 1 to 32, found %d", s.BitLength)
	}
	if err := checkRoleName(s.NamePrefix); err != nil {
		return err
	}
	return s.wireRole.check(keys)
}

// checkRoleName bounds a name that becomes part of a URL, there always escaped.
func checkRoleName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, isControl) {
		return fmt.Errorf("expected a role's name of 1 to %d bytes without control characters, found %.80q", maxName, name)
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
