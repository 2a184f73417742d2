package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/oidc"
	"github.com/bundler-sign/bundler/pkg/sign/service"
)

func isRekorV1(l sign.Log) bool {
	_, ok := l.(*service.RekorV1)
	return ok
}

// identityToken gets the token from where the flags say, else from the CI job
// that runs this, else from a person.
func (f *signFlags) identityToken(ctx context.Context) (*oidc.Token, error) {
	if f.token != "" {
		return f.givenToken()
	}
	options := serverOptions(f.services.plainHTTP)
	if !f.device {
		t, err := oidc.Ambient(ctx, &oidc.Environment{Getenv: os.Getenv, Run: runAgent}, oidc.Audience, options)
		if err != nil {
			return nil, noVerdictf("identity token: %w", err)
		}
		if t != nil {
			return t, nil
		}
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return nil, withHint(usagef("expected an identity token: no CI system is known here, and nobody is there to log in"),
				"--identity-token FILE or env:NAME gives one, --device lets somebody log in elsewhere")
		}
	}
	idp, err := f.services.config.SelectOIDC([]uint32{1}, f.services.now)
	if err != nil {
		return nil, usagef("%w", err)
	}
	provider, err := oidc.Discover(ctx, idp.URL, options)
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	provider.ClientID = f.client
	t, err := f.login(ctx, provider)
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	return t, nil
}

func (f *signFlags) login(ctx context.Context, provider *oidc.Provider) (*oidc.Token, error) {
	if !f.device {
		return provider.Browser(ctx, func(url string) error {
			fmt.Fprintf(f.stderr, "Log in with your browser, which should have opened at\n  %s\n", clean(url))
			openBrowser(ctx, url)
			return nil
		})
	}
	return provider.Device(ctx, func(p oidc.Prompt) error {
		fmt.Fprintf(f.stderr, "Log in at %s with the code %s\n", clean(p.URL), clean(p.Code))
		if p.Complete != "" {
			fmt.Fprintf(f.stderr, "or at %s\n", clean(p.Complete))
		}
		return nil
	}, nil)
}

// givenToken reads the token of --identity-token.
func (f *signFlags) givenToken() (*oidc.Token, error) {
	var text string
	if name, ok := strings.CutPrefix(f.token, "env:"); ok {
		if text, ok = os.LookupEnv(name); !ok {
			return nil, usagef("--identity-token %s: the variable is not set", clean(f.token))
		}
	} else {
		if looksLikeToken(f.token) {
			// Without showing it: it is in the list of processes already.
			return nil, withHint(usagef("--identity-token: expected a file or env:NAME, found what looks like a token itself"),
				"everybody on this machine can see arguments: put it into a file of mode 0600 or a variable")
		}
		data, err := readInput(f.token, oidc.MaxToken)
		if err != nil {
			return nil, err
		}
		text = string(data)
	}
	t, err := oidc.Parse(text)
	if err != nil {
		return nil, usagef("--identity-token: %w", err)
	}
	return t, nil
}

// looksLikeToken recognises a JWT: base64url of an object, twice.
func looksLikeToken(text string) bool {
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2
}

// openBrowser does its best; the URL has been printed.
func openBrowser(ctx context.Context, url string) {
	argv := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "darwin":
		argv[0] = "open"
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}

// runAgent runs a CI system's own program.
func runAgent(ctx context.Context, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	data, err := readBounded(out, oidc.MaxToken)
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if waitErr := cmd.Wait(); err == nil {
		err = waitErr
	}
	return data, err
}
