// Package tufsim is a TUF repository in memory, for tests: what does a client do
// when a repository does this?
//
// A Repo is edited through its fields, between requests, and signed anew each
// time a file is asked for: what is served is always what the fields say, with
// good signatures, unless an edit asks for worse. Roots are the exception: they
// are served as published. Versions go up only where a method says so.
//
//	repo := tufsim.New(now)
//	defer repo.Close()
//	repo.SetTarget("trusted_root.json", data)
//	repo.Publish()
//	… a client initialised with repo.Root1() refreshes from repo.URL() …
//	repo.Timestamp.Signed.Version = 1   // a rollback
//
// It plays attacks; it is no server for anybody's trust.
package tufsim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// A Repo is a repository. Lock it while editing it during requests; the methods
// do not.
type Repo struct {
	sync.Mutex

	Root      *metadata.Metadata[metadata.RootType] // the next one to be published
	Timestamp *metadata.Metadata[metadata.TimestampType]
	Snapshot  *metadata.Metadata[metadata.SnapshotType]
	Targets   map[string]*metadata.Metadata[metadata.TargetsType] // by role

	Content map[string][]byte             // target files, by name
	Signers map[string][]signature.Signer // by role
	Hashes  bool                          // list lengths and hashes in timestamp and snapshot

	// Edit changes what is served, after it was signed. path is that of the URL,
	// such as /metadata/timestamp.json.
	Edit func(path string, body []byte) []byte

	// Answer, if set, may answer a request itself; it reports whether it did. The
	// repository is not locked meanwhile.
	Answer func(w http.ResponseWriter, req *http.Request) bool

	roots    [][]byte // published: roots[0] is version 1
	requests []string
	served   map[string][]byte
	server   *httptest.Server
}

// New starts a repository with an empty targets role, one Ed25519 key a role and
// a root that is published. All expires 30 days after now.
func New(now time.Time) *Repo {
	end := now.UTC().Truncate(time.Second).Add(30 * 24 * time.Hour)
	r := &Repo{
		Root: metadata.Root(end), Timestamp: metadata.Timestamp(end), Snapshot: metadata.Snapshot(end),
		Targets: map[string]*metadata.Metadata[metadata.TargetsType]{"targets": metadata.Targets(end)},
		Content: make(map[string][]byte),
		Signers: make(map[string][]signature.Signer),
		served:  make(map[string][]byte),
	}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		r.AddKey(role, NewKey())
	}
	r.roots = append(r.roots, r.signRoot())
	r.server = httptest.NewServer(r)
	return r
}

// Close ends the server.
func (r *Repo) Close() { r.server.Close() }

// URL is the base of the metadata; targets lie below it, in targets/.
func (r *Repo) URL() string { return r.server.URL + "/metadata" }

// TargetsURL is the base of the targets.
func (r *Repo) TargetsURL() string { return r.server.URL + "/metadata/targets" }

// Root1 returns the first root.
func (r *Repo) Root1() []byte { return r.roots[0] }

// NewKey returns a new Ed25519 key.
func NewKey() signature.Signer {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	return load(priv, err)
}

// NewECDSAKey returns a new ECDSA key on P-256.
func NewECDSAKey() signature.Signer {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return load(priv, err)
}

func load(priv crypto.Signer, err error) signature.Signer {
	if err != nil {
		panic(err) // no randomness
	}
	signer, err := signature.LoadSigner(priv, crypto.SHA256)
	if err != nil {
		panic(err) // a key type from above that the library does not know
	}
	return signer
}

// PublicKey returns how metadata lists a signer's key, and its id.
func PublicKey(s signature.Signer) (*metadata.Key, string) {
	pub, err := s.PublicKey()
	if err != nil {
		panic(err) // keys in memory have one
	}
	key, err := metadata.KeyFromPublicKey(pub)
	if err != nil {
		panic(err)
	}
	id, err := key.ID()
	if err != nil {
		panic(err)
	}
	return key, id
}

// AddKey adds a key to a top-level role, in the root that is to be published
// next, and signs with it.
func (r *Repo) AddKey(role string, s signature.Signer) {
	key, _ := PublicKey(s)
	if err := r.Root.Signed.AddKey(key, role); err != nil {
		panic(err) // no such role
	}
	r.Signers[role] = append(r.Signers[role], s)
}

// Rotate replaces the keys of a top-level role by a new one. For root,
// PublishRoot signs with the old ones too.
func (r *Repo) Rotate(role string) {
	for _, id := range slices.Clone(r.Root.Signed.Roles[role].KeyIDs) {
		if err := r.Root.Signed.RevokeKey(id, role); err != nil {
			panic(err)
		}
	}
	old := r.Signers[role]
	r.Signers[role] = nil
	r.AddKey(role, NewKey())
	if role == "root" {
		r.Signers["old root"] = old
	}
}

// PublishRoot publishes the root as the next version.
func (r *Repo) PublishRoot() {
	r.Root.Signed.Version++
	r.roots = append(r.roots, r.signRoot())
}

// ReplaceRoot serves data as the root of a version, published or next.
func (r *Repo) ReplaceRoot(version int, data []byte) {
	if version > len(r.roots) {
		r.roots = append(r.roots, nil)
	}
	r.roots[version-1] = data
}

// RootBytes returns a published root.
func (r *Repo) RootBytes(version int) []byte { return r.roots[version-1] }

func (r *Repo) signRoot() []byte {
	return sign(r.Root, slices.Concat(r.Signers["old root"], r.Signers["root"]))
}

// SetTarget adds a target file to the targets role.
func (r *Repo) SetTarget(name string, data []byte) { r.SetRoleTarget("targets", name, data) }

// SetRoleTarget adds a target file to a role.
func (r *Repo) SetRoleTarget(role, name string, data []byte) {
	sum := sha256.Sum256(data)
	r.Targets[role].Signed.Targets[name] = &metadata.TargetFiles{
		Length: int64(len(data)), Hashes: metadata.Hashes{"sha256": sum[:]}, Path: name,
	}
	r.Content[name] = data
}

// Delegate adds a role, with a key of its own, that a targets role trusts for
// those paths.
func (r *Repo) Delegate(from, role string, paths ...string) {
	signer := NewKey()
	key, id := PublicKey(signer)
	parent := &r.Targets[from].Signed
	if parent.Delegations == nil {
		parent.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	}
	parent.Delegations.Keys[id] = key
	parent.Delegations.Roles = append(parent.Delegations.Roles, metadata.DelegatedRole{
		Name: role, KeyIDs: []string{id}, Threshold: 1, Paths: paths,
	})
	r.Targets[role] = metadata.Targets(parent.Expires)
	r.Signers[role] = []signature.Signer{signer}
	r.Snapshot.Signed.Meta[role+".json"] = &metadata.MetaFiles{Version: 1}
}

// Publish gives every role but root a new version, and lists it.
func (r *Repo) Publish() {
	for role, targets := range r.Targets {
		targets.Signed.Version++
		r.Snapshot.Signed.Meta[role+".json"] = r.list(targets.Signed.Version, func() []byte { return r.signTargets(role) })
	}
	r.PublishSnapshot()
}

// PublishSnapshot gives the snapshot and the timestamp new versions.
func (r *Repo) PublishSnapshot() {
	r.Snapshot.Signed.Version++
	r.PublishTimestamp()
}

// PublishTimestamp gives the timestamp a new version, which lists the snapshot
// as it is.
func (r *Repo) PublishTimestamp() {
	r.Timestamp.Signed.Meta["snapshot.json"] = r.list(r.Snapshot.Signed.Version, func() []byte { return sign(r.Snapshot, r.Signers["snapshot"]) })
	r.Timestamp.Signed.Version++
}

// list makes an entry. Keys here sign deterministically (Ed25519), or hashes
// would never match what is served.
func (r *Repo) list(version int64, data func() []byte) *metadata.MetaFiles {
	if !r.Hashes {
		return &metadata.MetaFiles{Version: version}
	}
	body := data()
	sum := sha256.Sum256(body)
	return &metadata.MetaFiles{Version: version, Length: int64(len(body)), Hashes: metadata.Hashes{"sha256": sum[:]}}
}

func (r *Repo) signTargets(role string) []byte { return sign(r.Targets[role], r.Signers[role]) }

func sign[T metadata.Roles](m *metadata.Metadata[T], signers []signature.Signer) []byte {
	m.ClearSignatures()
	for _, s := range signers {
		if _, err := m.Sign(s); err != nil {
			panic(err) // what was edited can not be encoded
		}
	}
	data, err := m.ToBytes(true)
	if err != nil {
		panic(err)
	}
	return data
}

// Requests returns the paths asked for since the last call.
func (r *Repo) Requests() []string {
	r.Lock()
	defer r.Unlock()
	list := r.requests
	r.requests = nil
	return list
}

// Dump writes what was served last, by path, below dir.
func (r *Repo) Dump(dir string) error {
	r.Lock()
	defer r.Unlock()
	for name, body := range r.served {
		path := filepath.Join(dir, filepath.FromSlash(filepath.Clean("/"+name)))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
