package tuf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

var zeroTime time.Time

// Options are what a Source may be told. A nil pointer and zero fields mean the
// defaults.
type Options struct {
	// CacheDir holds the caches of all repositories. "" keeps state in memory.
	CacheDir string
	// MaxAge is how long a state is used before the repository is asked again;
	// default DefaultMaxAge. Less than nothing asks every time.
	MaxAge time.Duration
	// Timeout is for a refresh as a whole; default DefaultTimeout, which is also
	// the most.
	Timeout time.Duration
	// Offline forbids the network: the cache, if it has not expired, or an error.
	Offline bool

	Fetcher   Fetcher           // fetches instead of HTTP
	Transport http.RoundTripper // under the HTTP client; ignored with a Fetcher

	Now      func() time.Time     // the clock; default time.Now
	Warn     func(message string) // told what went wrong and did not matter; default nobody
	Progress func(url string)     // told what is fetched, before it is; default nobody
}

func (o *Options) withDefaults(r *Repository) *Options {
	var c Options
	if o != nil {
		c = *o
	}
	c.MaxAge = cmp.Or(c.MaxAge, DefaultMaxAge)
	if c.Timeout <= 0 || c.Timeout > DefaultTimeout {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Warn = once(c.Warn)
	if c.Fetcher == nil {
		c.Fetcher = newHTTPFetcher(c.Transport, r.AllowHTTP)
	}
	if c.Progress != nil {
		c.Fetcher = &reportingFetcher{c.Fetcher, c.Progress}
	}
	return &c
}

// once passes on each message the first time.
func once(warn func(string)) func(string) {
	said := make(map[string]bool)
	return func(message string) {
		if warn != nil && !said[message] {
			said[message] = true
			warn(message)
		}
	}
}

func (o *Options) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("the refresh took longer than %v", o.Timeout))
}

type reportingFetcher struct {
	Fetcher
	report func(string)
}

func (f *reportingFetcher) Fetch(ctx context.Context, url string, limit int64) ([]byte, error) {
	f.report(url)
	return f.Fetcher.Fetch(ctx, url, limit)
}

// A Source hands out the trust of one repository. It is safe for concurrent use.
type Source struct {
	repo  Repository
	opts  *Options
	cache *cache // nil: in memory

	mu   sync.Mutex
	good *state // last complete state, verified
	seen *state // what a failed refresh verified beyond it; nil if nothing
}

// New returns a source for a repository, without asking it. The error is a
// *ConfigError.
func New(repo Repository, opts *Options) (*Source, error) {
	if err := repo.Check(); err != nil {
		return nil, err
	}
	s := &Source{repo: repo, opts: opts.withDefaults(&repo)}
	if s.opts.CacheDir != "" {
		s.cache = &cache{base: s.opts.CacheDir, key: repo.key()}
	}
	return s, nil
}

// Trust returns the trust to use for one run: the state at hand if it is younger
// than MaxAge, else a refreshed one. Where a refresh fails, the state at hand
// stays in use until its metadata expires, with a warning. The error is an
// *ExpiredError if there is a state and it has expired, ErrNoState if there is
// none and none may be fetched, else that of Update; possibly wrapped.
func (s *Source) Trust(ctx context.Context) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	have := s.load()
	if have != nil && !have.ExpiredAt(now) && (s.opts.Offline || have.FreshAt(now, s.opts.MaxAge)) {
		return have, nil
	}
	if s.opts.Offline {
		return nil, offlineError(have)
	}
	fresh, err := s.refresh(ctx, s.opts.MaxAge)
	switch {
	case err == nil:
		return fresh, nil
	case have == nil:
		return nil, err
	case have.ExpiredAt(now):
		return nil, fmt.Errorf("%w; the state at hand can not stand in: %w", err, have.expired())
	}
	s.opts.Warn(fmt.Sprintf("trust could not be refreshed: %v; using what was verified %s, which expires %s",
		err, have.Refreshed.UTC().Format(time.RFC3339), have.Expires.UTC().Format(time.RFC3339)))
	return have, nil
}

func offlineError(have *Snapshot) error {
	if have == nil {
		return fmt.Errorf("offline: %w", ErrNoState)
	}
	return fmt.Errorf("offline: %w", have.expired())
}

// Update asks the repository, however young the state at hand is.
func (s *Source) Update(ctx context.Context) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Offline {
		return nil, errors.New("offline: expected to be allowed to use the network for an update")
	}
	s.load()
	return s.refresh(ctx, -1)
}

// Cached returns the last verified state, expired or not, or ErrNoState. It uses
// no network.
func (s *Source) Cached() (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.load(); have != nil {
		return have, nil
	}
	return nil, ErrNoState
}

// load reads and verifies the cache. What can not be used is as if it were not
// there: a refresh replaces it.
func (s *Source) load() *Snapshot {
	if s.cache != nil {
		if err := s.cache.check(); err != nil {
			s.stayInMemory(err)
		}
	}
	if s.cache != nil {
		s.good, s.seen = s.readState("state.json"), s.readState("seen.json")
	}
	if s.good == nil {
		return nil
	}
	have, err := s.repo.verifyState(s.good)
	if err != nil {
		s.opts.Warn(fmt.Sprintf("the cache in %s can not be used: %v", s.cache, err))
		s.good = nil
		return nil
	}
	return have
}

func (s *Source) readState(name string) *state {
	data, err := s.cache.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		var st *state
		if st, err = s.repo.decodeState(data); err == nil {
			return st
		}
	}
	s.opts.Warn(fmt.Sprintf("the cache in %s can not be used: %s: %v", s.cache, name, err))
	return nil
}

// refresh takes the cache's lock, and then what another process has refreshed
// meanwhile if that is younger than maxAge. Where there can be no lock, state
// stays in memory.
func (s *Source) refresh(ctx context.Context, maxAge time.Duration) (*Snapshot, error) {
	ctx, cancel := s.opts.deadline(ctx)
	defer cancel()
	if s.cache != nil {
		unlock, err := s.cache.lock(ctx)
		switch {
		case errors.Is(err, errLocked):
			return nil, &UnavailableError{URL: s.repo.MetadataURL, Err: err}
		case err != nil:
			s.stayInMemory(err)
		default:
			defer unlock()
			now := s.opts.Now()
			if have := s.load(); have != nil && !have.ExpiredAt(now) && have.FreshAt(now, maxAge) {
				return have, nil
			}
		}
	}
	return s.update(ctx)
}

// update runs the client workflow from the most that is verified, and keeps what
// comes of it.
func (s *Source) update(ctx context.Context) (*Snapshot, error) {
	started := s.opts.Now()
	session, err := s.session(started)
	if err != nil {
		return nil, err
	}
	files, err := s.fetchAll(ctx, session)
	if err != nil {
		s.keepSeen(session.Verified())
		return nil, err
	}
	fresh, err := s.repo.snapshot(session, files, started)
	if err != nil {
		s.keepSeen(session.Verified())
		return nil, err
	}
	s.good, s.seen = s.repo.newState(session.Verified(), files, started), nil
	s.store("state.json", s.good)
	if s.cache != nil {
		if err := s.cache.remove("seen.json"); err != nil {
			s.opts.Warn(fmt.Sprintf("clearing the cache: %v", err))
		}
	}
	return fresh, nil
}

// session starts from what a failed refresh has verified, else from the last
// state, else from the pinned root.
func (s *Source) session(now time.Time) (*Session, error) {
	for _, from := range []*state{s.seen, s.good} {
		if from == nil {
			continue
		}
		session, err := NewSession(from.metadata(), s.repo.MetadataURL, s.opts.Fetcher, now)
		if err == nil {
			return session, nil
		}
		s.opts.Warn(fmt.Sprintf("the cache in %s can not be used: %v", s.cache, err))
	}
	return NewSession(Metadata{Roots: [][]byte{s.repo.Root}}, s.repo.MetadataURL, s.opts.Fetcher, now)
}

// fetchAll refreshes the metadata and gets every target that the repository has,
// from the state at hand where it is still the one.
func (s *Source) fetchAll(ctx context.Context, session *Session) (map[string][]byte, error) {
	if err := session.Refresh(ctx); err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, name := range s.repo.names() {
		target, err := session.Find(ctx, name)
		if errors.Is(err, ErrNotFound) && !isUnavailable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.good != nil && target.Verify(s.good.Files[name]) == nil {
			files[name] = s.good.Files[name]
			continue
		}
		if files[name], err = session.Download(ctx, target, s.repo.targetsURL(), MaxTarget); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// isUnavailable tells a file that the server does not have from a target that
// no role has.
func isUnavailable(err error) bool {
	_, ok := errors.AsType[*UnavailableError](err)
	return ok
}

// keepSeen remembers what a failed refresh has verified, so that no later one
// can be led back behind it. The last complete state stays as it is.
func (s *Source) keepSeen(m Metadata) {
	before := Metadata{Roots: [][]byte{s.repo.Root}}
	for _, from := range []*state{s.seen, s.good} {
		if from != nil {
			before = from.metadata()
			break
		}
	}
	if m.equal(before) {
		return
	}
	s.seen = s.repo.newState(m, nil, s.opts.Now())
	s.store("seen.json", s.seen)
}

func (s *Source) store(name string, st *state) {
	if s.cache == nil {
		return
	}
	data, err := st.encode()
	if err == nil {
		err = s.cache.write(name, data)
	}
	if err != nil {
		s.stayInMemory(err)
	}
}

// stayInMemory gives the cache up, for as long as the source lives.
func (s *Source) stayInMemory(err error) {
	s.opts.Warn(fmt.Sprintf("trust is kept in memory for this run, since the cache can not be used: %v", err))
	s.cache = nil
}

// Snapshot is the trust of a repository as of one refresh.
type Snapshot struct {
	Config     *trustroot.Config
	Repository string            // its metadata URL
	Refreshed  time.Time         // when the repository was asked
	Roles      []Role            // root, timestamp, snapshot, targets roles in use
	Files      map[string][]byte // the targets, by name

	Expires     time.Time // when the first of Roles expires
	ExpiresRole string
}

// A Role is what a snapshot rests on.
type Role struct {
	Name    string    `json:"name"`
	Version int64     `json:"version"`
	Expires time.Time `json:"expires"`
}

// ExpiredAt reports whether some of the snapshot's metadata is past its end.
func (s *Snapshot) ExpiredAt(now time.Time) bool { return now.After(s.Expires) }

// FreshAt reports whether the repository was asked within maxAge. A stamp in the
// future says nothing, so it is not fresh.
func (s *Snapshot) FreshAt(now time.Time, maxAge time.Duration) bool {
	age := now.Sub(s.Refreshed)
	return age >= 0 && age <= maxAge
}

func (s *Snapshot) expired() error { return &ExpiredError{s.ExpiresRole, s.Expires} }

// snapshot makes a snapshot of what a session has verified.
func (r *Repository) snapshot(session *Session, files map[string][]byte, refreshed time.Time) (*Snapshot, error) {
	roles := session.Roles()
	first := slices.MinFunc(roles, func(a, b Role) int { return a.Expires.Compare(b.Expires) })
	config, err := r.config(files)
	if err != nil {
		return nil, err
	}
	return &Snapshot{
		Config: config, Repository: r.MetadataURL, Refreshed: refreshed, Roles: roles, Files: files,
		Expires: first.Expires, ExpiresRole: first.Name,
	}, nil
}

// config reads the targets as one trust config. Its digest is the trusted
// root's, or the keyring's where there is no trusted root.
func (r *Repository) config(files map[string][]byte) (*trustroot.Config, error) {
	names := r.names()
	var merged *trustroot.Config
	for i, name := range []string{names[0], names[2], names[1]} {
		data, ok := files[name]
		if !ok {
			continue
		}
		part, err := trustroot.Parse(data, withSlash(r.MetadataURL)+name)
		if err != nil {
			return nil, &RefusedError{name, err}
		}
		if merged == nil {
			merged = &trustroot.Config{Source: part.Source, SHA256: part.SHA256}
		}
		if err := merge(merged, part, i); err != nil {
			return nil, &RefusedError{name, err}
		}
	}
	if merged == nil || merged.Root == nil && merged.Keyring == nil {
		return nil, &RefusedError{"targets.json", fmt.Errorf("expected the target %q or %q, found neither", names[0], names[2])}
	}
	return merged, nil
}

// merge adds the i'th of trusted root, keyring and signing config, which must be
// that and nothing else.
func merge(into, part *trustroot.Config, i int) error {
	kinds := []bool{part.Root != nil, part.Keyring != nil, part.Signing != nil}
	for j, has := range kinds {
		if has != (i == j) {
			return fmt.Errorf("expected a %s alone", []string{"trusted root", "keyring", "signing config"}[i])
		}
	}
	switch i {
	case 0:
		into.Root = part.Root
	case 1:
		into.Keyring = part.Keyring
	case 2:
		into.Signing = part.Signing
	}
	into.Warnings = append(into.Warnings, part.Warnings...)
	return nil
}
