package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/bundler-sign/bundler/pkg/internal/fetch"
	"github.com/bundler-sign/bundler/pkg/internal/strictjson"
)

// Options say how servers are asked: time limits, attempts, plain HTTP.
type Options = fetch.Options

// Audience is whom tokens are for: Sigstore's services, unless they are told
// another name.
const Audience = "sigstore"

// An Environment is the CI job that tokens may come from.
type Environment struct {
	Getenv func(name string) string // required
	// Run runs a program that is on the PATH and returns what it prints, at
	// most MaxToken bytes. nil means that there are none.
	Run func(ctx context.Context, argv ...string) ([]byte, error)
}

// Ambient returns the token of the CI job that runs here, and nil if none of
// the systems it knows is there:
//
//   - SIGSTORE_ID_TOKEN: GitLab's id_tokens, and any system that can put a
//     token into a variable
//   - ACTIONS_ID_TOKEN_REQUEST_URL and …_TOKEN: GitHub Actions, whose job needs
//     the permission id-token: write
//   - BUILDKITE_AGENT_ACCESS_TOKEN: Buildkite's agent is asked
func Ambient(ctx context.Context, env *Environment, audience string, o *Options) (*Token, error) {
	switch {
	case env.Getenv("SIGSTORE_ID_TOKEN") != "":
		t, err := Parse(env.Getenv("SIGSTORE_ID_TOKEN"))
		if err != nil {
			return nil, fmt.Errorf("SIGSTORE_ID_TOKEN: %w", err)
		}
		return t, nil
	case env.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && env.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != "":
		t, err := github(ctx, env, audience, fetch.New(o))
		if err != nil {
			return nil, fmt.Errorf("GitHub Actions: %w", err)
		}
		return t, nil
	case env.Getenv("GITHUB_ACTIONS") == "true":
		return nil, errors.New("GitHub Actions: the job has no identity: expected permissions: id-token: write in its workflow")
	case env.Getenv("BUILDKITE_AGENT_ACCESS_TOKEN") != "" && env.Run != nil:
		out, err := env.Run(ctx, "buildkite-agent", "oidc", "request-token", "--audience", audience)
		if err != nil {
			return nil, fmt.Errorf("buildkite-agent: %w", err)
		}
		return Parse(string(out))
	}
	return nil, nil
}

func github(ctx context.Context, env *Environment, audience string, client *fetch.Client) (*Token, error) {
	u, err := url.Parse(env.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"))
	if err != nil {
		return nil, errors.New("ACTIONS_ID_TOKEN_REQUEST_URL: expected a URL")
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	resp, err := client.Do(ctx, &fetch.Request{
		URL:     u.String(),
		Header:  http.Header{"Authorization": {"Bearer " + env.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")}},
		Private: true,
	})
	if err != nil {
		return nil, err
	}
	var w struct {
		Value string `json:"value"`
	}
	if err := strictjson.UnmarshalOpen(resp.Body, &w, replyLimits); err != nil {
		return nil, errors.New("expected a token in JSON, found something else")
	}
	return Parse(w.Value)
}

var replyLimits = strictjson.Limits{Bytes: fetch.MaxBody, Depth: 16, Values: 4096, AnyNull: true}
