// Command sigstore speaks the client protocol of sigstore-conformance, so that
// the public suite can be run against bundler's packages:
//
//	sigstore verify-bundle [--staging] --bundle FILE
//	    (--certificate-identity I --certificate-oidc-issuer U | --key PEM)
//	    [--trusted-root FILE] FILE_OR_DIGEST
//	sigstore sign-bundle [--staging] [--in-toto] --identity-token TOKEN
//	    --bundle FILE [--trusted-root FILE] [--signing-config FILE] FILE
//
// Exit status 0 is verified, or signed; anything else is not. The suite's other
// commands are not known here.
//
// Source: sigstore-conformance docs/cli_protocol.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tuf"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sigstore:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "verify-bundle":
		if err := verifyBundle(args, time.Now()); err != nil {
			return err
		}
		fmt.Println("verified")
		return nil
	case "sign-bundle":
		return signBundle(context.Background(), args[1:])
	}
	return errors.New("expected the command verify-bundle or sign-bundle")
}

func verifyBundle(args []string, now time.Time) error {
	q := query{require: verify.DefaultRequirements()}
	fs := flag.NewFlagSet("verify-bundle", flag.ContinueOnError)
	var bundlePath, rootPath, keyPath string
	fs.BoolVar(&q.staging, "staging", false, "")
	fs.StringVar(&bundlePath, "bundle", "", "")
	fs.StringVar(&rootPath, "trusted-root", "", "")
	fs.StringVar(&keyPath, "key", "", "")
	fs.StringVar(&q.identity, "certificate-identity", "", "")
	fs.StringVar(&q.issuer, "certificate-oidc-issuer", "", "")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if fs.NArg() != 1 || bundlePath == "" {
		return errors.New("expected --bundle and one artifact or digest")
	}
	var err error
	if q.bundle, err = os.ReadFile(bundlePath); err != nil {
		return err
	}
	if keyPath != "" {
		if q.key, err = os.ReadFile(keyPath); err != nil {
			return err
		}
	}
	if q.trust, err = trustedRoot(rootPath, q.staging); err != nil {
		return err
	}
	if q.artifact, err = artifact(fs.Arg(0)); err != nil {
		return err
	}
	return q.verify(now)
}

// trustedRoot reads the root that the suite gives, or fetches the public one
// as the suite has clients do.
func trustedRoot(path string, staging bool) ([]byte, error) {
	if path != "" {
		return os.ReadFile(path)
	}
	fetched, err := root.FetchTrustedRootWithOptions(tufOptions(staging))
	if err != nil {
		return nil, err
	}
	return fetched.MarshalJSON()
}

// tufOptions are those of the public instance, or of its staging.
func tufOptions(staging bool) *tuf.Options {
	options := tuf.DefaultOptions()
	if staging {
		options.Root, options.RepositoryBaseURL = tuf.StagingRoot(), tuf.StagingMirror
	}
	return options
}

// artifact is a digest, or else a file.
func artifact(arg string) (*verify.Artifact, error) {
	if d, err := bundle.ParseDigest(arg); err == nil {
		return &verify.Artifact{Name: arg, Digests: []bundle.Digest{d}}, nil
	}
	if _, err := os.Stat(arg); err != nil {
		return nil, err
	}
	return &verify.Artifact{Name: arg, Open: func() (io.ReadCloser, error) { return os.Open(arg) }}, nil
}

// A query is what one case asks.
type query struct {
	bundle, trust    []byte
	key              []byte // PEM; nil for an identity
	identity, issuer string
	staging          bool
	artifact         *verify.Artifact
	require          verify.Requirements
}

func (q *query) verify(now time.Time) error {
	trust, err := trustroot.Parse(q.trust, "trusted root")
	if err != nil {
		return err
	}
	q.require.Now = now
	if q.key != nil {
		q.require.AnyKey, q.require.SCTs = true, 0
		if trust.Keyring, err = keyring(q.key, q.bundle); err != nil {
			return err
		}
	} else {
		q.require.Identities = []verify.Identity{{Name: q.identity, Issuer: q.issuer}}
	}
	verifier, err := verify.New(trust, q.require)
	if err != nil {
		return err
	}
	_, err = verifier.VerifyJSON(q.bundle, q.artifact)
	return err
}

// keyring holds the key under whatever hint the bundle has: the suite's
// protocol knows no hints, the key given is the key meant.
func keyring(text, bundleJSON []byte) (*trustroot.Keyring, error) {
	ring, err := trustroot.KeyringOf(text, 0)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Parse(bundleJSON)
	if err != nil || b.KeyHint == "" {
		return ring, nil // the verifier will say what is wrong
	}
	key := *ring.Keys[0]
	key.Hint = b.KeyHint
	return trustroot.NewKeyring([]*trustroot.Key{&key})
}
