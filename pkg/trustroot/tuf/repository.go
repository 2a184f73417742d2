package tuf

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Default names of the targets that make a trust config.
const (
	TrustedRootName   = "trusted_root.json"
	SigningConfigName = "signing_config.v0.2.json"
	KeyringName       = "keyring.json"
)

// A Repository says which TUF repository is meant, and by which root it is
// known. Its zero value is no repository.
type Repository struct {
	// MetadataURL is where N.root.json and timestamp.json lie. Two URLs that
	// differ in any byte are two repositories, each with a cache of its own.
	MetadataURL string
	// TargetsURL is where targets lie; "" stands for MetadataURL + "/targets".
	TargetsURL string
	// AllowHTTP allows http: beyond this machine: whoever is on the way can then
	// hold updates back until the metadata expires, and see what is asked for.
	AllowHTTP bool

	// Root is the pinned root: the file from which all trust in the repository
	// follows. It may have expired; it must never be fetched from the repository
	// itself, unless it is known by its digest (FetchRoot).
	Root []byte

	// Names of the targets that make a trust config; "" stands for the default.
	// The repository must have a trusted root or a keyring.
	TrustedRoot, SigningConfig, Keyring string
}

// names lists the targets in the order of loadConfig.
func (r *Repository) names() []string {
	return []string{cmp.Or(r.TrustedRoot, TrustedRootName), cmp.Or(r.SigningConfig, SigningConfigName), cmp.Or(r.Keyring, KeyringName)}
}

func (r *Repository) targetsURL() string {
	return cmp.Or(r.TargetsURL, withSlash(r.MetadataURL)+"targets")
}

// Check reports what is wrong with r itself, as a *ConfigError.
func (r *Repository) Check() error {
	if err := r.checkURLs(); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, name := range r.names() {
		if err := checkTargetName(name); err != nil {
			return err
		}
		if seen[name] {
			return configf("target name %q: expected three different names, found it twice", name)
		}
		seen[name] = true
	}
	if len(r.Root) == 0 {
		return configf("expected a root to start from, found none")
	}
	if _, err := NewSession(Metadata{Roots: [][]byte{r.Root}}, r.MetadataURL, nil, zeroTime); err != nil {
		return configf("the root to start from: %w", err)
	}
	return nil
}

func (r *Repository) checkURLs() error {
	for _, text := range []string{r.MetadataURL, r.targetsURL()} {
		u, err := url.Parse(text)
		if err != nil || strings.ContainsFunc(text, isControl) {
			return configf("URL %.200q: expected https://HOST/…", text)
		}
		if err := checkURL(u, r.AllowHTTP); err != nil {
			return err
		}
	}
	return nil
}

// FetchRoot sets r.Root to the repository's root with that SHA-256: 1.root.json,
// or one of those that follow it.
func (r *Repository) FetchRoot(ctx context.Context, sha256Hex string, opts *Options) error {
	want, err := hex.DecodeString(sha256Hex)
	if err != nil || len(want) != sha256.Size {
		return configf("root digest %.80q: expected a SHA-256 of %d hex digits", sha256Hex, 2*sha256.Size)
	}
	if err := r.checkURLs(); err != nil {
		return err
	}
	o := opts.withDefaults(r)
	ctx, cancel := o.deadline(ctx)
	defer cancel()
	for version := 1; version <= MaxRotations; version++ {
		data, err := fetchFile(ctx, o.Fetcher, withSlash(r.MetadataURL)+strconv.Itoa(version)+".root.json", MaxRoot)
		if errors.Is(err, ErrNotFound) && version > 1 {
			break
		}
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) == strings.ToLower(sha256Hex) {
			r.Root = data
			return nil
		}
	}
	return &RefusedError{"root.json", fmt.Errorf("the repository has no root with SHA-256 %s", sha256Hex)}
}
