package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bundler-sign/bundler/pkg/internal/atomicfile"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
	"github.com/bundler-sign/bundler/pkg/sandbox"
)

// Files of a Home.
const (
	TrustConfigFile   = "trust_config.json"   // ClientTrustConfig: what signers and verifiers need
	TrustedRootFile   = "trusted_root.json"   // its trusted root alone
	SigningConfigFile = "signing_config.json" // its signing config alone
	TokenFile         = "token"               // an identity token, mode 0600, new every few minutes
	stateFile         = "state.json"          // seed and addresses, mode 0600
	journal1File      = "rekor-v1.jsonl"
	journal2File      = "rekor-v2.jsonl"
)

// A Home is a directory in which a sandbox lives: the same keys, addresses and
// log entries each time it is opened, so that trust in it lasts. No more than
// one process can serve it at a time, since the addresses are taken.
type Home struct {
	Server *Server
	Path   string

	listeners *Listeners
	journals  []*os.File
}

// HomeOptions are the choices that Open leaves open. Nil means the defaults.
type HomeOptions struct {
	// Seed is where all keys come from. "" means the one in the directory, and
	// in a new directory a random one.
	Seed string
	// Listen is as for the function Listen. "" means the addresses in the
	// directory, and in a new directory free ports of 127.0.0.1.
	Listen string
	// Server are the options of New. A nil Clock means that of the system.
	Server Options
}

// state is what state.json holds.
type state struct {
	SchemaVersion int                `json:"schemaVersion"` // 1
	Seed          string             `json:"seed"`
	Birth         time.Time          `json:"birth"` // when the certificates of the services were made
	Listen        string             `json:"listen"`
	Addresses     map[Service]string `json:"addresses"`
}

// Open makes a sandbox in an empty or missing directory, or opens the one that
// is there. It listens, and writes trust files and token; Serve answers. It
// returns an *OptionError, also if the directory holds a sandbox of another seed
// or at another address, or what kept it from listening, reading or writing.
func Open(ctx context.Context, path string, o *HomeOptions) (*Home, error) {
	if o == nil {
		o = &HomeOptions{}
	}
	h := &Home{Path: path}
	if err := h.open(ctx, *o); err != nil {
		h.close()
		if _, ok := errors.AsType[*OptionError](err); ok {
			return nil, err
		}
		return nil, fmt.Errorf("sandbox in %s: %w", path, err)
	}
	return h, nil
}

func (h *Home) open(ctx context.Context, o HomeOptions) error {
	if o.Server.Clock == nil {
		o.Server.Clock = time.Now
	}
	if err := os.MkdirAll(h.Path, 0o700); err != nil {
		return err
	}
	st, err := h.readState()
	if errors.Is(err, fs.ErrNotExist) {
		st, err = h.newState(ctx, &o)
	} else if err == nil {
		err = h.resume(ctx, st, &o)
	}
	if err != nil {
		return err
	}
	box, err := sandbox.New(&sandbox.Options{Seed: st.Seed, Now: st.Birth})
	if err != nil {
		return err
	}
	if h.Server, err = New(box, h.listeners.URLs(), &o.Server); err != nil {
		return err
	}
	if err := errors.Join(h.keep(journal1File, h.Server.rekor1), h.keep(journal2File, h.Server.rekor2)); err != nil {
		return err
	}
	return h.publish()
}

// readState reads state.json. A seed that others can read is refused, as a
// private key would be.
func (h *Home) readState() (*state, error) {
	path := h.file(stateFile)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: expected a regular file with mode 0600, found %v", path, info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var st state
	if err := strictjson.Unmarshal(text, &st, strictjson.Limits{Bytes: 64 << 10}); err != nil {
		return nil, fmt.Errorf("%s %w", path, err)
	}
	if st.SchemaVersion != 1 || st.Birth.IsZero() || len(st.Addresses) != len(Services()) {
		return nil, fmt.Errorf("%s: expected the state of a sandbox, version 1, found something else", path)
	}
	return &st, nil
}

// newState opens sockets and notes their addresses. The file must not be there:
// of two processes that start at once, one fails.
func (h *Home) newState(ctx context.Context, o *HomeOptions) (*state, error) {
	st := &state{SchemaVersion: 1, Seed: o.Seed, Birth: o.Server.Clock().UTC().Truncate(time.Second), Listen: o.Listen}
	if st.Seed == "" {
		st.Seed = rand.Text()
	}
	if st.Listen == "" {
		st.Listen = "127.0.0.1:0"
	}
	var err error
	if h.listeners, err = Listen(ctx, st.Listen); err != nil {
		return nil, err
	}
	st.Addresses = h.listeners.Addresses()
	text, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(h.file(stateFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(append(text, '\n'))
	return st, errors.Join(err, f.Close())
}

// resume opens the sockets of a sandbox that was there before.
func (h *Home) resume(ctx context.Context, st *state, o *HomeOptions) (err error) {
	if o.Seed != "" && o.Seed != st.Seed {
		return optionErrorf("seed: the directory holds a sandbox of another one: leave it out, or use a new directory")
	}
	if o.Listen != "" && o.Listen != st.Listen {
		return optionErrorf("listening on %q: the directory holds a sandbox at %q: leave it out, or use a new directory", o.Listen, st.Listen)
	}
	if h.listeners, err = ListenAt(ctx, st.Addresses); err != nil {
		return err
	}
	if !maps.Equal(h.listeners.Addresses(), st.Addresses) {
		return fmt.Errorf("%s: expected an address with a port for each service", h.file(stateFile))
	}
	return nil
}

// keep gives a log its journal.
func (h *Home) keep(name string, l *ledger) error {
	f, err := os.OpenFile(h.file(name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	h.journals = append(h.journals, f)
	complete, err := l.keep(h.Server.sandbox, f)
	if err == nil {
		err = f.Truncate(complete)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// publish writes what clients need.
func (h *Home) publish() error {
	c := h.Server.TrustConfig()
	for name, m := range map[string]proto.Message{
		TrustConfigFile: c, TrustedRootFile: c.TrustedRoot, SigningConfigFile: c.SigningConfig,
	} {
		var text bytes.Buffer
		if err := json.Indent(&text, sandbox.JSON(m), "", "  "); err != nil {
			return err
		}
		text.WriteByte('\n')
		if err := atomicfile.Write(h.file(name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return h.writeToken()
}

func (h *Home) writeToken() error {
	token, err := h.Server.Token("")
	if err != nil {
		return err
	}
	return atomicfile.Write(h.file(TokenFile), []byte(token+"\n"), 0o600)
}

func (h *Home) file(name string) string { return filepath.Join(h.Path, name) }

// Serve serves until ctx is done, with a token in the file that is never older
// than a quarter of its life, and closes h.
func (h *Home) Serve(ctx context.Context) error {
	defer h.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	refreshed := make(chan error, 1)
	go func() {
		refreshed <- h.refresh(ctx)
		cancel()
	}()
	err := h.Server.Serve(ctx, h.listeners)
	cancel()
	if err = errors.Join(err, <-refreshed); err != nil {
		return fmt.Errorf("sandbox in %s: %w", h.Path, err)
	}
	return nil
}

func (h *Home) refresh(ctx context.Context) error {
	tick := time.NewTicker(TokenLife / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := h.writeToken(); err != nil {
				return err
			}
		}
	}
}

func (h *Home) close() {
	if h.listeners != nil {
		h.listeners.Close()
	}
	for _, f := range h.journals {
		f.Close()
	}
}
