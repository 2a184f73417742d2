package tuf

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bundler-sign/bundler/pkg/internal/atomicfile"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// Profiles is a directory of repositories by name, a file NAME.json each, pinned
// root included. It holds what a person decided, and no cache.
type Profiles string

// A Profile is a repository under a name.
type Profile struct {
	Repository
	MaxAge time.Duration // 0: DefaultMaxAge
}

// ErrNoProfile is returned by Profiles.Load and Profiles.Remove.
var ErrNoProfile = errors.New("no such trust profile")

// ErrProfileExists is returned by Profiles.Add.
var ErrProfileExists = errors.New("there is a trust profile of this name")

const (
	maxProfile  = 2 << 20 // bytes of a profile
	maxProfiles = 1000
)

// CheckProfileName accepts names that are file names everywhere and paths
// nowhere.
func CheckProfileName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(letters+"._-", r) }) || strings.ContainsAny(name[:1], "._-") {
		return configf("profile name %.80q: expected 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit", name)
	}
	return nil
}

type wireProfile struct {
	SchemaVersion int    `json:"schemaVersion"`
	MetadataURL   string `json:"metadataUrl"`
	TargetsURL    string `json:"targetsUrl,omitempty"`
	AllowHTTP     bool   `json:"allowHttp,omitempty"`
	TrustedRoot   string `json:"trustedRoot,omitempty"`
	SigningConfig string `json:"signingConfig,omitempty"`
	Keyring       string `json:"keyring,omitempty"`
	MaxAge        string `json:"maxAge,omitempty"` // as time.Duration prints it
	Root          []byte `json:"root"`             // base64
}

func (d Profiles) path(name string) string { return filepath.Join(string(d), name+".json") }

// Load reads a profile. A profile that can not be used is a *ConfigError.
func (d Profiles) Load(name string) (*Profile, error) {
	if err := CheckProfileName(name); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%q: %w", name, ErrNoProfile)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return nil, err
	}
	p, err := parseProfile(data)
	if err != nil {
		return nil, configf("trust profile %s: %w", d.path(name), err)
	}
	return p, nil
}

func parseProfile(data []byte) (*Profile, error) {
	var w wireProfile
	if err := strictjson.Unmarshal(data, &w, strictjson.Limits{Bytes: maxProfile, Depth: 2}); err != nil {
		return nil, err
	}
	if w.SchemaVersion != 1 {
		return nil, fmt.Errorf("expected schema version 1, found %d", w.SchemaVersion)
	}
	p := &Profile{Repository: Repository{
		MetadataURL: w.MetadataURL, TargetsURL: w.TargetsURL, AllowHTTP: w.AllowHTTP, Root: w.Root,
		TrustedRoot: w.TrustedRoot, SigningConfig: w.SigningConfig, Keyring: w.Keyring,
	}}
	if w.MaxAge != "" {
		age, err := time.ParseDuration(w.MaxAge)
		if err != nil || age <= 0 {
			return nil, fmt.Errorf("maxAge %.40q: expected a duration such as 24h", w.MaxAge)
		}
		p.MaxAge = age
	}
	return p, p.Check()
}

// Add writes a new profile.
func (d Profiles) Add(name string, p *Profile) error {
	if err := CheckProfileName(name); err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return err
	}
	if err := d.Free(name); err != nil {
		return err
	}
	w := wireProfile{
		SchemaVersion: 1, MetadataURL: p.MetadataURL, TargetsURL: p.TargetsURL, AllowHTTP: p.AllowHTTP, Root: p.Root,
		TrustedRoot: p.TrustedRoot, SigningConfig: p.SigningConfig, Keyring: p.Keyring,
	}
	if p.MaxAge > 0 {
		w.MaxAge = p.MaxAge.String()
	}
	data, err := json.Marshal(w, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(d.path(name), append(data, '\n'), 0o600)
}

// Free reports whether a profile may be added under a name.
func (d Profiles) Free(name string) error {
	if err := CheckProfileName(name); err != nil {
		return err
	}
	if _, err := os.Lstat(d.path(name)); err == nil {
		return fmt.Errorf("%q: %w", name, ErrProfileExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Names lists the profiles in order. A directory that does not exist has none.
func (d Profiles) Names() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && CheckProfileName(name) == nil && len(names) < maxProfiles {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove deletes a profile; Forget deletes what its source has cached.
func (d Profiles) Remove(name string) error {
	if err := CheckProfileName(name); err != nil {
		return err
	}
	err := os.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q: %w", name, ErrNoProfile)
	}
	return err
}

// Forget deletes the repository's cache below dir, if there is one.
func (r *Repository) Forget(dir string) error {
	base, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer base.Close()
	return base.RemoveAll(r.key())
}
