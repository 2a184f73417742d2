package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/sandbox"
	"github.com/bundler-sign/bundler/pkg/sandbox/server"
)

type sandboxFlags struct {
	dir       string
	duration  time.Duration
	listen    string
	seed      string
	identity  string
	misbehave []string
	delay     time.Duration
}

func newSandboxCommand() *cobra.Command {
	var f sandboxFlags
	cmd := &cobra.Command{
		Use:   "sandbox --dir DIR",
		Short: "Run a private Sigstore in one process, to try things and to test",
		Long: `Run a private Sigstore in one process: an OpenID Connect provider, Fulcio, a CT
log, Rekor v1 and v2, and a timestamp authority, each at an HTTP address of its
own on loopback. It approves every login and certifies whoever asks, so it is
for trying things out and for tests, and for nothing else.

DIR, which is made if need be, receives

  trust_config.json    whom verifiers believe, and where signers find the services
  trusted_root.json    its first half alone
  signing_config.json  its second half alone
  token                an identity token, new every few minutes
  state.json           seed and addresses; opened again, DIR is the same sandbox
  rekor-v1.jsonl, rekor-v2.jsonl  what the logs hold

When it serves, it prints the commands to try and then a line that begins with
"ready". It ends after --for, or at an interrupt or SIGTERM.

To see how a client fares when a service fails, --misbehave makes one do so: a
lie (` + joined(sandbox.Faults()) + `),
or SERVICE:FAULT with a service of ` + joined(server.Services()) + `
and a fault of ` + joined(server.Faults()) + `;
SERVICE:FAULT*N for the first N requests only.

Exit status:
  0  it served until it was told to end
  2  wrong usage, or DIR holds another sandbox
  3  it could not serve`,
		Example: "  bundler sandbox --dir sandbox\n  bundler sandbox --dir sandbox --for 10m --misbehave tsa:status-500*2",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.dir, "dir", "", "`directory` of the sandbox")
	fs.DurationVar(&f.duration, "for", 0, "end after that `duration`, such as 90s or 1h; 0 means never")
	fs.StringVar(&f.listen, "listen", "", "`address` to listen at: HOST:0 for free ports, or HOST:PORT for that port and the five after it (default 127.0.0.1:0)")
	fs.StringVar(&f.seed, "seed", "", "`text` that all keys follow from (default: random)")
	fs.StringVar(&f.identity, "identity", sandbox.DefaultIdentity, "email `address` that tokens are about")
	fs.StringArrayVar(&f.misbehave, "misbehave", nil, "`fault` of one service; may be repeated")
	fs.DurationVar(&f.delay, "delay", time.Minute, "`duration` by which a service that is slow answers late")
	return cmd
}

// joined lists names for people.
func joined[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	return strings.Join(texts, ", ")
}

func (f *sandboxFlags) run(cmd *cobra.Command) error {
	if f.dir == "" {
		return usagef("expected --dir, found none: the sandbox needs a place for its files")
	}
	if f.duration < 0 || f.delay <= 0 {
		return usagef("--for %v, --delay %v: expected a time in the future", f.duration, f.delay)
	}
	home, err := f.open(cmd.Context())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	f.warn(cmd.ErrOrStderr(), home)
	// The sockets are open: who reads this may connect at once.
	f.greet(cmd.OutOrStdout(), home)
	if err := home.Serve(ctx); err != nil {
		return noVerdictf("%w", err)
	}
	return nil
}

func (f *sandboxFlags) open(ctx context.Context) (*server.Home, error) {
	home, err := server.Open(ctx, f.dir, &server.HomeOptions{
		Seed: f.seed, Listen: f.listen,
		Server: server.Options{Identity: f.identity, Delay: f.delay, Misbehave: f.misbehave},
	})
	if _, ok := errors.AsType[*server.OptionError](err); ok {
		return nil, usagef("%w", err)
	}
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	return home, nil
}

// warn says what should not be overlooked.
func (f *sandboxFlags) warn(w io.Writer, home *server.Home) {
	for _, service := range server.Services() {
		host, _, _ := net.SplitHostPort(strings.TrimPrefix(home.Server.URL(service), "http://"))
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			fmt.Fprintf(w, "bundler: warning: %s listens beyond loopback: whoever reaches it gets a certificate for any name\n", service)
		}
	}
	if len(f.misbehave) > 0 {
		fmt.Fprintf(w, "bundler: warning: misbehaves as told: %s\n", shown(strings.Join(f.misbehave, ", ")))
	}
}

// greet prints the two commands to try, and that they may be tried.
func (f *sandboxFlags) greet(w io.Writer, home *server.Home) {
	trust, token := quoteArg(filepath.Join(f.dir, server.TrustConfigFile)), quoteArg(filepath.Join(f.dir, server.TokenFile))
	fmt.Fprintf(w, "Sign a file, and verify it:\n\n")
	fmt.Fprintf(w, "  bundler sign FILE --trust-config %s --identity-token %s\n", trust, token)
	fmt.Fprintf(w, "  bundler verify FILE --trust-config %s --certificate-identity %s --certificate-oidc-issuer %s\n\n",
		trust, quoteArg(f.identity), home.Server.URL(server.OIDC))
	for _, service := range server.Services() {
		fmt.Fprintf(w, "%-9s %s\n", service, home.Server.URL(service))
	}
	fmt.Fprintln(w, "ready: end it with an interrupt")
}

// quoteArg quotes an argument for a shell, if it must be.
func quoteArg(arg string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@:,=", r)
	}
	if arg != "" && strings.IndexFunc(arg, func(r rune) bool { return !plain(r) }) < 0 {
		return arg
	}
	return "'" + strings.ReplaceAll(shown(arg), "'", `'\''`) + "'"
}
