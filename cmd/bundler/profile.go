package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

// profileVariable names the trust profile where no flag names trust.
const profileVariable = "BUNDLER_TRUST_PROFILE"

const defaultProfile = "default"

// repositoryFlags are how a command may treat the TUF repository of a profile.
type repositoryFlags struct {
	timeout, maxAge time.Duration
}

func (f *repositoryFlags) register(fs *pflag.FlagSet) {
	fs.DurationVar(&f.timeout, "trust-timeout", tuf.DefaultTimeout, "`time` after which a refresh of trust is given up, at most 30s")
}

func (f *repositoryFlags) check() error {
	if f.timeout <= 0 || f.timeout > tuf.DefaultTimeout {
		return usagef("--trust-timeout %v: expected more than 0 and at most %v", f.timeout, tuf.DefaultTimeout)
	}
	return nil
}

// options are those of a source that talks to people through cmd.
func (f *repositoryFlags) options(cmd *cobra.Command, clock func() time.Time, p *tuf.Profile) *tuf.Options {
	stderr := cmd.ErrOrStderr()
	o := &tuf.Options{
		Timeout: f.timeout, MaxAge: cmp.Or(f.maxAge, p.MaxAge),
		Now:  clock,
		Warn: func(message string) { warnf(stderr, "%s", clean(message)) },
	}
	if file, ok := stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		o.Progress = func(url string) { fmt.Fprintf(stderr, "bundler: fetching %s\n", clean(url)) }
	}
	dir, err := cacheDir()
	if err != nil {
		o.Warn(fmt.Sprintf("trust is kept in memory for this run: %v", err))
	}
	o.CacheDir = dir
	return o
}

func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	return filepath.Join(dir, "bundler", "tuf"), nil
}

func profiles() (tuf.Profiles, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", noVerdictf("no directory for trust profiles: %w", err)
	}
	return tuf.Profiles(filepath.Join(dir, "bundler", "trust")), nil
}

// openProfile returns a profile and its source.
func openProfile(cmd *cobra.Command, name string, f *repositoryFlags, clock func() time.Time, adjust func(*tuf.Options)) (*tuf.Profile, *tuf.Source, error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	dir, err := profiles()
	if err != nil {
		return nil, nil, err
	}
	p, err := dir.Load(name)
	if err != nil {
		return nil, nil, explainTUF(err)
	}
	options := f.options(cmd, clock, p)
	if adjust != nil {
		adjust(options)
	}
	source, err := tuf.New(p.Repository, options)
	return p, source, explainTUF(err)
}

// explainTUF gives errors of package tuf their exit status: configuration, a
// repository whose answers were refused, or no answer.
func explainTUF(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, tuf.ErrNoProfile) {
		return withHint(usagef("%w", err), "bundler trust list shows the profiles there are; bundler trust init makes one")
	}
	if errors.Is(err, tuf.ErrProfileExists) {
		return withHint(usagef("%w", err), "bundler trust forget deletes it, or choose another --name")
	}
	if _, ok := errors.AsType[*tuf.ConfigError](err); ok {
		return usagef("%w", err)
	}
	if errors.Is(err, tuf.ErrNoState) {
		return withHint(noVerdictf("%w", err), "bundler trust update fetches it, on a machine that may use the network")
	}
	if _, ok := errors.AsType[*tuf.RefusedError](err); ok {
		return withHint(&statusError{status: exitNo, err: err}, "nothing of it was kept; ask whoever runs the repository")
	}
	return noVerdictf("%w", err)
}

// loadProfile returns the trust of a profile, for one run.
func (f *verifyFlags) loadProfile(cmd *cobra.Command, name string) (*trustroot.Config, error) {
	clock, err := f.clock.clock()
	if err != nil {
		return nil, err
	}
	_, source, err := openProfile(cmd, name, &f.repository, clock, func(o *tuf.Options) { o.Offline = f.offline })
	if err != nil {
		return nil, err
	}
	snapshot, err := source.Trust(cmd.Context())
	if err != nil {
		return nil, noTrust(name, err)
	}
	return snapshot.Config, nil
}

// noTrust is the absence of a verdict, whatever the repository did: it says
// nothing about the artifact.
func noTrust(name string, err error) error {
	explained := explainTUF(fmt.Errorf("trust profile %q: %w", name, err))
	if se, ok := errors.AsType[*statusError](explained); ok && se.status == exitNo {
		return &statusError{status: exitNoVerdict, hint: se.hint, err: se.err}
	}
	return explained
}

// tufView says where trust comes from and how old it is. Part of the JSON of
// trust init, update, show and list.
type tufView struct {
	Profile    string     `json:"profile"`
	Repository string     `json:"repository"`
	Refreshed  *time.Time `json:"refreshed,omitempty"` // absent: nothing verified is at hand
	Expires    *time.Time `json:"expires,omitempty"`
	ExpiresBy  string     `json:"expiresRole,omitempty"`
	Expired    bool       `json:"expired"`
	Roles      []tuf.Role `json:"roles"`
	Targets    []fileView `json:"targets"`
}

type fileView struct {
	Name   string `json:"name"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

func viewTUF(name string, p *tuf.Profile, s *tuf.Snapshot, now time.Time) *tufView {
	v := &tufView{Profile: name, Repository: p.MetadataURL, Roles: []tuf.Role{}, Targets: []fileView{}}
	if s == nil {
		return v
	}
	v.Refreshed, v.Expires, v.ExpiresBy, v.Expired = &s.Refreshed, &s.Expires, s.ExpiresRole, s.ExpiredAt(now)
	v.Roles = s.Roles
	for _, file := range sortedFiles(s.Files) {
		v.Targets = append(v.Targets, fileView{file, len(s.Files[file]), fingerprint(s.Files[file])})
	}
	return v
}

// text renders v for people, as of now.
func (v *tufView) text(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "Trust profile %s\n  repository %s\n", shown(v.Profile), shown(v.Repository))
	if v.Refreshed == nil {
		fmt.Fprintln(w, "  state      nothing fetched yet")
		return
	}
	fmt.Fprintf(w, "  refreshed  %s (%s)\n", v.Refreshed.UTC().Format(time.RFC3339), ago(now.Sub(*v.Refreshed)))
	left := fmt.Sprintf("in %s", span(v.Expires.Sub(now)))
	if v.Expired {
		left = "expired: it is not used any more"
	}
	fmt.Fprintf(w, "  expires    %s (%s, %s)\n", v.Expires.UTC().Format(time.RFC3339), shown(v.ExpiresBy), left)
	for _, r := range v.Roles {
		fmt.Fprintf(w, "  role       %s version %d, until %s\n", shown(r.Name), r.Version, r.Expires.UTC().Format(time.DateOnly))
	}
	for _, t := range v.Targets {
		fmt.Fprintf(w, "  target     %s, %d bytes, SHA-256 %s\n", shown(t.Name), t.Size, t.SHA256)
	}
}

func ago(d time.Duration) string {
	if d < 0 {
		return "in the future: it will be asked again"
	}
	return span(d) + " ago"
}

// span rounds a duration to what people say.
func span(d time.Duration) string {
	unit := func(n int, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d < time.Minute:
		return unit(int(d/time.Second), "second")
	case d < time.Hour:
		return unit(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return unit(int(d/time.Hour), "hour")
	}
	return unit(int(d/(24*time.Hour)), "day")
}
