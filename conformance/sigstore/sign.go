package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/oidc"
	"github.com/bundler-sign/bundler/pkg/sign/service"
	"github.com/bundler-sign/bundler/pkg/sign/signer"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// An order is what sign-bundle is asked. The suite gives the token as an
// argument, which bundler itself never takes.
type order struct {
	staging, inToto       bool
	token, out            string
	trustedRoot, services string // files; "" for the public instance's
	file                  string
}

func signBundle(ctx context.Context, args []string) error {
	var o order
	fs := flag.NewFlagSet("sign-bundle", flag.ContinueOnError)
	fs.BoolVar(&o.staging, "staging", false, "")
	fs.BoolVar(&o.inToto, "in-toto", false, "")
	fs.StringVar(&o.token, "identity-token", "", "")
	fs.StringVar(&o.out, "bundle", "", "")
	fs.StringVar(&o.trustedRoot, "trusted-root", "", "")
	fs.StringVar(&o.services, "signing-config", "", "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 || o.out == "" || o.token == "" {
		return errors.New("expected --identity-token, --bundle and one file")
	}
	o.file = fs.Arg(0)
	text, err := o.sign(ctx)
	if err != nil {
		return err
	}
	return sign.WriteFile(o.out, text, o.file)
}

// sign signs keyless with the services of the signing config, and verifies the
// result before it is anybody's.
func (o *order) sign(ctx context.Context) ([]byte, error) {
	trust, services, err := o.trust()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	client := service.New(nil)
	logs, tsas, err := client.Select(services, service.Choice{Logs: true, TSAs: true}, now)
	if err != nil {
		return nil, err
	}
	key, by, err := o.certify(ctx, client, services, now)
	if err != nil {
		return nil, err
	}
	q, err := o.request(by)
	if err != nil {
		return nil, err
	}
	j := &judge{trust: trust, file: o.file, inToto: o.inToto}
	evidence := &sign.Evidence{TSAs: tsas, Logs: logs, Judge: j.judge, Now: time.Now}
	b, public, err := evidence.Sign(ctx, q, key, by)
	if err != nil {
		return nil, fmt.Errorf("%w (already public: %q)", err, public)
	}
	if _, err := j.verify(b, verify.Requirements{Logs: len(logs), Timestamps: len(tsas), SCTs: 1, ObserverTimes: 1}); err != nil {
		return nil, err
	}
	return b.Marshal()
}

// trust reads the trusted root and the signing config that the suite gives, or
// fetches the public ones.
func (o *order) trust() (*trustroot.Config, *trustroot.SigningConfig, error) {
	rootJSON, err := trustedRoot(o.trustedRoot, o.staging)
	if err != nil {
		return nil, nil, err
	}
	trust, err := trustroot.Parse(rootJSON, "trusted root")
	if err != nil {
		return nil, nil, err
	}
	var configJSON []byte
	if o.services != "" {
		configJSON, err = os.ReadFile(o.services)
	} else {
		configJSON, err = publicSigningConfig(o.staging)
	}
	if err != nil {
		return nil, nil, err
	}
	config, err := trustroot.Parse(configJSON, "signing config")
	if err != nil {
		return nil, nil, err
	}
	if config.Signing == nil {
		return nil, nil, errors.New("expected a signing config, found something else")
	}
	return trust, config.Signing, nil
}

func publicSigningConfig(staging bool) ([]byte, error) {
	config, err := root.FetchSigningConfigWithOptions(tufOptions(staging))
	if err != nil {
		return nil, err
	}
	return config.MarshalJSON()
}

func (o *order) certify(ctx context.Context, client *service.Client, services *trustroot.SigningConfig, now time.Time) (signer.Signer, *sign.Credential, error) {
	token, err := oidc.Parse(o.token)
	if err != nil {
		return nil, nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	key, err := signer.FromKey(private)
	if err != nil {
		return nil, nil, err
	}
	ca, err := client.SelectCA(services, now)
	if err != nil {
		return nil, nil, err
	}
	by, err := sign.Certify(ctx, ca, key, token.Secret())
	return key, by, err
}

func (o *order) request(by *sign.Credential) (*sign.Request, error) {
	alg, err := by.Algorithm(o.inToto)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(o.file)
	if o.inToto {
		statement, err := os.ReadFile(o.file)
		if err != nil {
			return nil, err
		}
		return sign.NewStatementRequest(name, statement, alg)
	}
	f, err := os.Open(o.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return sign.NewMessageRequest(name, f, alg)
}

// A judge verifies what is signed here.
type judge struct {
	trust  *trustroot.Config
	file   string
	inToto bool
}

func (j *judge) judge(b *bundle.Bundle) (sign.Proved, error) {
	rep, err := j.verify(b, verify.Requirements{})
	if rep == nil {
		return sign.Proved{}, err
	}
	p := sign.Proved{Entries: len(rep.Entries)}
	for _, t := range rep.Times {
		p.Times = append(p.Times, t.Time)
		if t.Type == "rfc3161" {
			p.Timestamps++
		}
	}
	return p, err
}

func (j *judge) verify(b *bundle.Bundle, q verify.Requirements) (*verify.Report, error) {
	q.Now, q.AnyIdentity = time.Now().Truncate(time.Second), true
	v, err := verify.New(j.trust, q)
	if err != nil {
		return nil, err
	}
	if !j.inToto {
		return v.Verify(b, &verify.Artifact{Name: j.file, Open: func() (io.ReadCloser, error) { return os.Open(j.file) }})
	}
	s, err := bundle.ParseStatement(b.Envelope.Payload)
	if err != nil {
		return nil, err
	}
	var subjects []*verify.Artifact
	for _, subject := range s.Subjects {
		subjects = append(subjects, &verify.Artifact{Name: subject.Name, Digests: subject.Digests})
	}
	return v.Verify(b, subjects...)
}
