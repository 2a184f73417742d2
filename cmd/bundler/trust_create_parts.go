package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

const maxChainFile = 1 << 20 // bytes of a PEM file with a certificate chain

func (f *createFlags) root() (*trustroot.Root, error) {
	root := &trustroot.Root{MediaType: trustroot.MediaTypeRoot}
	var err error
	if root.CAs, err = f.authorities("--ca", f.cas, trustroot.NewCA); err != nil {
		return nil, err
	}
	if root.TSAs, err = f.authorities("--tsa", f.tsas, trustroot.NewTSA); err != nil {
		return nil, err
	}
	if root.Logs, err = f.logs("--tlog", f.tlogs, newRekorLog); err != nil {
		return nil, err
	}
	root.CTLogs, err = f.logs("--ctlog", f.ctlogs, newCTLog)
	return root, err
}

type newAuthority func([]*x509.Certificate, trustroot.Validity) (*trustroot.Authority, error)

func (f *createFlags) authorities(flag string, texts []string, create newAuthority) ([]*trustroot.Authority, error) {
	var list []*trustroot.Authority
	for _, text := range texts {
		arg, err := parseArgument(flag, text, "start", "end", "uri", "operator")
		if err != nil {
			return nil, err
		}
		a, err := f.authority(arg, create)
		if err != nil {
			return nil, arg.wrong(err)
		}
		list = append(list, a)
	}
	return list, nil
}

func (f *createFlags) authority(arg argument, create newAuthority) (*trustroot.Authority, error) {
	data, err := f.read(arg, maxChainFile)
	if err != nil {
		return nil, err
	}
	chain, err := trustroot.ParseChain(data)
	if err != nil {
		return nil, err
	}
	valid, err := arg.window()
	if err != nil {
		return nil, err
	}
	if valid.Start.IsZero() {
		valid.Start = slices.MaxFunc(chain, func(a, b *x509.Certificate) int { return a.NotBefore.Compare(b.NotBefore) }).NotBefore
	}
	a, err := create(chain, valid)
	if err != nil {
		return nil, err
	}
	a.URI, a.Operator = arg.props["uri"], arg.props["operator"]
	return a, nil
}

// newLog makes a log of a key; version is a property that only Rekor has.
type newLog func(arg argument, key crypto.PublicKey, details trustroot.KeyDetails, valid trustroot.Validity) (*trustroot.Log, error)

func (f *createFlags) logs(flag string, texts []string, create newLog) ([]*trustroot.Log, error) {
	names := []string{"url", "start", "end", "operator", "details"}
	if flag == "--tlog" {
		names = append(names, "version")
	}
	var list []*trustroot.Log
	for _, text := range texts {
		arg, err := parseArgument(flag, text, names...)
		if err != nil {
			return nil, err
		}
		l, err := f.log(arg, create)
		if err != nil {
			return nil, arg.wrong(err)
		}
		list = append(list, l)
	}
	return list, nil
}

func (f *createFlags) log(arg argument, create newLog) (*trustroot.Log, error) {
	for _, name := range []string{"url", "start"} {
		if arg.props[name] == "" {
			return nil, fmt.Errorf("expected the property %s, found none", name)
		}
	}
	pub, details, err := f.publicKey(arg)
	if err != nil {
		return nil, err
	}
	valid, err := arg.window()
	if err != nil {
		return nil, err
	}
	l, err := create(arg, pub, details, valid)
	if err != nil {
		return nil, err
	}
	l.Operator = arg.props["operator"]
	return l, nil
}

func newRekorLog(arg argument, key crypto.PublicKey, details trustroot.KeyDetails, valid trustroot.Validity) (*trustroot.Log, error) {
	version := 1
	switch key.(type) {
	case ed25519.PublicKey, *mldsa.PublicKey:
		version = 2 // the keys that Rekor 2 is run with
	}
	if text := arg.props["version"]; text != "" {
		var err error
		if version, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("version %q: expected 1 or 2", text)
		}
	}
	return trustroot.NewRekorLog(arg.props["url"], key, details, valid, version)
}

func newCTLog(arg argument, key crypto.PublicKey, details trustroot.KeyDetails, valid trustroot.Validity) (*trustroot.Log, error) {
	return trustroot.NewCTLog(arg.props["url"], key, details, valid)
}

// publicKey reads the key file of arg, and the algorithm it is for.
func (f *createFlags) publicKey(arg argument) (crypto.PublicKey, trustroot.KeyDetails, error) {
	data, err := f.read(arg, trustroot.MaxKeyBytes)
	if err != nil {
		return nil, 0, err
	}
	pub, err := trustroot.ParsePublicKey(data)
	if err != nil {
		return nil, 0, err
	}
	details, err := trustroot.KeyDetailsFor(pub, arg.props["details"])
	return pub, details, err
}

func (f *createFlags) keyring() (*trustroot.Keyring, error) {
	var keys []*trustroot.Key
	for _, text := range f.keys {
		arg, err := parseArgument("--key", text, "hint", "start", "end", "details")
		if err != nil {
			return nil, err
		}
		key, err := f.key(arg)
		if err != nil {
			return nil, arg.wrong(err)
		}
		keys = append(keys, key)
	}
	ring, err := trustroot.NewKeyring(keys)
	if err != nil {
		return nil, usagef("--key: %w", err)
	}
	return ring, nil
}

func (f *createFlags) key(arg argument) (*trustroot.Key, error) {
	pub, details, err := f.publicKey(arg)
	if err != nil {
		return nil, err
	}
	key, err := trustroot.NewKey(pub, details, arg.props["hint"])
	if err != nil {
		return nil, err
	}
	key.ValidFor, err = arg.window()
	return key, err
}

func (f *createFlags) signing() (*trustroot.SigningConfig, error) {
	c := &trustroot.SigningConfig{}
	for _, list := range []struct {
		flag  string
		texts []string
		to    *[]trustroot.Service
	}{
		{"--fulcio-url", f.fulcioURLs, &c.CAs},
		{"--oidc-url", f.oidcURLs, &c.OIDC},
		{"--rekor-url", f.rekorURLs, &c.Rekor},
		{"--tsa-url", f.tsaURLs, &c.TSAs},
	} {
		for _, text := range list.texts {
			arg, err := parseArgument(list.flag, text, "version", "start", "end", "operator")
			if err != nil {
				return nil, err
			}
			s, err := serviceAt(arg, f.at)
			if err != nil {
				return nil, arg.wrong(err)
			}
			*list.to = append(*list.to, s)
		}
	}
	var err error
	if len(c.Rekor) > 0 {
		if c.RekorSelection, err = parseSelection("--rekor-select", f.rekorSelect); err != nil {
			return nil, err
		}
	}
	if len(c.TSAs) > 0 {
		c.TSASelection, err = parseSelection("--tsa-select", f.tsaSelect)
	}
	return c, err
}

func serviceAt(arg argument, now time.Time) (trustroot.Service, error) {
	s := trustroot.Service{URL: arg.value, MajorAPIVersion: 1, Operator: arg.props["operator"]}
	if err := trustroot.CheckServiceURL(s.URL); err != nil {
		return s, err
	}
	if s.Operator == "" {
		u, err := url.Parse(s.URL)
		if err != nil {
			return s, err
		}
		s.Operator = u.Hostname()
	}
	if text := arg.props["version"]; text != "" {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil || n == 0 {
			return s, fmt.Errorf("version %q: expected the major version of its API, 1 or more", text)
		}
		s.MajorAPIVersion = uint32(n)
	}
	var err error
	if s.ValidFor, err = arg.window(); err != nil {
		return s, err
	}
	if s.ValidFor.Start.IsZero() {
		s.ValidFor.Start = now.Truncate(time.Second)
	}
	if end := s.ValidFor.End; !end.IsZero() && end.Before(s.ValidFor.Start) {
		return s, errors.New("expected an end at or after the start")
	}
	return s, nil
}

func parseSelection(flag, text string) (trustroot.Selection, error) {
	switch text {
	case "any":
		return trustroot.Selection{Selector: trustroot.Any}, nil
	case "all":
		return trustroot.Selection{Selector: trustroot.All}, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || n == 0 {
		return trustroot.Selection{}, usagef("%s %q: expected any, all or a number", flag, text)
	}
	return trustroot.Selection{Selector: trustroot.Exact, Count: uint32(n)}, nil
}
