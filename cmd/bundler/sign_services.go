package main

import (
	"cmp"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/service"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// serviceFlags say whom to believe and whom to ask: one trust config, and which
// of its services.
type serviceFlags struct {
	trustFlags              verifyFlags // its trust config alone
	signing                 string
	noUpload, timestampOnly bool
	offline, plainHTTP      bool
	clock                   clockFlag

	now    time.Time // at the start
	began  time.Time // the same by the clock, so that a set clock goes on too
	trust  *trustroot.Config
	config *trustroot.SigningConfig // nil if no service is to be asked
	client *service.Client
	logs   []sign.Log
	tsas   []sign.TSA
}

func (s *serviceFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&s.trustFlags.trust, "trust-config", "", "the trust config `file`: a client trust config, a trusted root or a keyring; or a directory with one such *.json and CRLs as *.crl")
	fs.StringVar(&s.trustFlags.root, "trusted-root", "", "the same as --trust-config")
	fs.StringVar(&s.signing, "signing-config", "", "the signing config `file`, if the trust config has none")
	fs.BoolVar(&s.offline, "offline", false, "ask no service at all")
	fs.BoolVar(&s.plainHTTP, "plain-http", false, "allow services at http: URLs beyond this machine, whose answers others can read and change on the way")
	s.clock.register(cmd)
}

func (s *serviceFlags) checkUsage() error {
	switch {
	case s.offline && s.timestampOnly:
		return usagef("expected --offline or --timestamp-only, found both")
	case s.signing != "" && s.trustFlags.trust == "" && s.trustFlags.root == "":
		return withHint(usagef("--signing-config: expected --trust-config beside it"), "what services answer is believed only if a trusted root vouches for them")
	}
	return nil
}

// load reads the trust config and selects services.
func (s *serviceFlags) load(stderr io.Writer) error {
	var err error
	s.began = time.Now()
	if s.now, err = s.clock.now(); err != nil {
		return err
	}
	if err := s.loadTrust(stderr); err != nil {
		return err
	}
	s.client = newServiceClient(s.plainHTTP)
	if s.offline || s.trust == nil {
		s.config = nil
	}
	if s.config == nil {
		if s.timestampOnly {
			return withHint(usagef("--timestamp-only: expected a signing config with a timestamp authority, found none"), "bundler trust create makes one with --tsa and --tsa-url")
		}
		return nil
	}
	choice := service.Choice{TSAs: true, Logs: !s.noUpload && !s.timestampOnly}
	if s.logs, s.tsas, err = s.client.Select(s.config, choice, s.now); err != nil {
		return usagef("%w", err)
	}
	if s.timestampOnly && len(s.tsas) == 0 {
		return usagef("--timestamp-only: expected a timestamp authority in the signing config, found none")
	}
	return nil
}

func (s *serviceFlags) loadTrust(stderr io.Writer) error {
	file := cmp.Or(s.trustFlags.trust, s.trustFlags.root)
	switch {
	case file == "":
		return nil
	case s.trustFlags.trust != "" && s.trustFlags.root != "":
		return usagef("--trust-config and --trusted-root are the same flag: expected one of them")
	}
	var err error
	if s.trust, err = s.trustFlags.loadTrustAt(file); err != nil {
		return err
	}
	for _, w := range s.trust.Warnings {
		warnf(stderr, "%s: %s", clean(s.trust.Source), clean(w))
	}
	s.config = s.trust.Signing
	if s.signing == "" {
		return nil
	}
	if s.config != nil {
		return usagef("--signing-config: the trust config has one already")
	}
	c, err := loadTrustFile(s.signing)
	if err != nil {
		return err
	}
	if c.Signing == nil {
		return usagef("--signing-config %s: expected a signing config, found something else", clean(s.signing))
	}
	s.config = c.Signing
	return nil
}

// clockNow is the present: the clock's, or what it was set to and the time
// since.
func (s *serviceFlags) clockNow() time.Time { return s.now.Add(time.Since(s.began)) }

// evidence returns what signatures get. A nil judge is for questions that need
// none.
func (s *serviceFlags) evidence(g *judge) *sign.Evidence {
	e := &sign.Evidence{TSAs: s.tsas, Logs: s.logs, Now: s.clockNow}
	if g != nil {
		e.Judge = g.judge
	}
	return e
}

// demand returns what a stranger should ask of the finished bundle: all the
// evidence that was to be had.
func (s *serviceFlags) demand(b *bundle.Bundle) verify.Requirements {
	q := verify.Requirements{Logs: len(s.logs), Timestamps: len(s.tsas)}
	if s.provesTime(b) {
		q.ObserverTimes = 1
	}
	return q
}

func (s *serviceFlags) provesTime(b *bundle.Bundle) bool {
	for i := range b.Entries {
		if b.Entries[i].Promise != nil {
			return true
		}
	}
	return len(b.Timestamps) > 0
}

// explainSigning gives an error of pkg/sign its exit status: no, if a service
// lied; no verdict, if none could be had.
func explainSigning(err error) error {
	if se, ok := errors.AsType[*statusError](err); ok {
		return &statusError{status: se.status, hint: se.hint, err: err}
	}
	if errors.Is(err, sign.ErrReply) {
		return nof("%w", err)
	}
	return noVerdictf("%w", err)
}
