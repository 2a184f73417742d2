package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

const maxTimestamp = 64 << 10 // bytes of a timestamp response, as bundles have them

// A source says where something to attach comes from.
type source int

const (
	fromServices source = iota
	fromURL
	fromFile
)

func kindOf(what string) source {
	switch {
	case what == "service":
		return fromServices
	case strings.HasPrefix(what, "https://") || strings.HasPrefix(what, "http://"):
		return fromURL
	}
	return fromFile
}

// attachWork is what attaching to one bundle takes.
type attachWork struct {
	judge    *judge
	evidence *sign.Evidence
	key      *trustroot.Key // of a bundle by a bare key, nil if it is not known
}

func (f *attachFlags) work(b *bundle.Bundle) (*attachWork, error) {
	w := &attachWork{judge: &judge{services: &f.services}}
	if f.algorithm != "" {
		alg, err := sign.ParseAlgorithm(f.algorithm)
		if err != nil {
			return nil, usagef("--algorithm: %w", err)
		}
		w.judge.alg = alg
	}
	if f.artifact != "" {
		w.judge.artifacts = []*verify.Artifact{fileArtifact(f.artifact)}
	}
	w.evidence = f.services.evidence(w.judge)
	if b.HasCertificate() {
		return w, nil
	}
	return w, f.findKey(w, b)
}

// findKey finds the key that the bundle hints at.
func (f *attachFlags) findKey(w *attachWork, b *bundle.Bundle) error {
	var ring *trustroot.Keyring
	switch trust := f.services.trust; {
	case f.key != "":
		data, err := readInput(f.key, sign.MaxCredential)
		if err != nil {
			return err
		}
		pub, err := trustroot.ParsePublicKey(data)
		if err != nil {
			return usagef("--key %s: %w", clean(f.key), err)
		}
		key, err := trustroot.NewKey(pub, w.judge.alg, f.hint)
		if err != nil {
			return usagef("--key %s: %w", clean(f.key), err)
		}
		if ring, err = trustroot.NewKeyring([]*trustroot.Key{key}); err != nil {
			return usagef("--key-hint: %w", err)
		}
	case trust != nil && trust.Keyring != nil:
		ring = trust.Keyring
	default:
		return withHint(usagef("the bundle is by a bare key: expected --key, or a trust config with a keyring"), "its hint is %q", b.KeyHint)
	}
	w.judge.signer = &identity{ring: ring}
	var err error
	if w.key, err = ring.Find(b.KeyHint); err != nil {
		return nof("the bundle's key, with the hint %q, is not the one given: %w", b.KeyHint, err)
	}
	return nil
}

// logOf returns the log of an entry: the trusted one with that id.
func (f *attachFlags) logOf(e *bundle.LogEntry) (sign.Log, error) {
	switch {
	case f.services.offline:
		return nil, usagef("its log is not asked for one with --offline")
	case f.services.trust == nil || f.services.trust.Root == nil:
		return nil, usagef("expected --trust-config, which says where its log is")
	}
	for _, l := range f.services.trust.Root.Logs {
		if bytes.Equal(l.ID, e.LogID) && l.BaseURL != "" {
			return f.services.client.Log(l.BaseURL, 1), nil // promises are Rekor v1's
		}
	}
	return nil, usagef("expected the log %s in the trusted root, found no such log", hex.EncodeToString(e.LogID))
}

func (f *attachFlags) addCertificate(w *attachWork, b *bundle.Bundle) (*bundle.Bundle, error) {
	data, err := readInput(f.certificate, sign.MaxCredential)
	if err != nil {
		return nil, err
	}
	by, err := sign.ParseCertificates(data)
	if err != nil {
		return nil, usagef("--certificate %s: %w", clean(f.certificate), err)
	}
	with, err := sign.WithCertificates(b, by, w.judge.alg)
	if err == nil {
		_, err = w.judge.judge(with)
	}
	if err != nil {
		return nil, nof("--certificate %s: %w", clean(f.certificate), err)
	}
	if f.services.trust == nil {
		warnf(f.stderr, "no trust config given: nobody has checked that verifiers will believe the certificate")
	}
	return with, nil
}

func (f *attachFlags) addTimestamps(ctx context.Context, w *attachWork, b *bundle.Bundle, what string) (*bundle.Bundle, error) {
	var tsas []sign.TSA
	switch kindOf(what) {
	case fromFile:
		token, err := readInput(what, maxTimestamp)
		if err != nil {
			return nil, err
		}
		with, err := w.evidence.AddTimestamp(b, token)
		if err != nil {
			return nil, fmt.Errorf("timestamp %s: %w", clean(what), err)
		}
		return with, nil
	case fromServices:
		if tsas = f.services.tsas; len(tsas) == 0 {
			return nil, usagef("--timestamp service: expected a timestamp authority in the signing config, found none in use")
		}
	case fromURL:
		if f.services.config == nil {
			return nil, usagef("--timestamp %s: expected a signing config that lists it, found none in use", clean(what))
		}
		tsa, err := f.services.client.NamedTSA(f.services.config, what, f.services.now)
		if err != nil {
			return nil, usagef("--timestamp: %w", err)
		}
		tsas = []sign.TSA{tsa}
	}
	var err error
	for _, tsa := range tsas {
		if b, err = w.evidence.Timestamp(ctx, b, tsa); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (f *attachFlags) addEntries(ctx context.Context, w *attachWork, b *bundle.Bundle, what string) (*bundle.Bundle, error) {
	var logs []sign.Log
	switch kindOf(what) {
	case fromFile:
		return f.addEntryFile(w, b, what)
	case fromServices:
		if logs = f.services.logs; len(logs) == 0 {
			return nil, usagef("--log service: expected a transparency log in the signing config, found none in use")
		}
	case fromURL:
		if f.services.config == nil {
			return nil, usagef("--log %s: expected a signing config that lists it, found none in use", clean(what))
		}
		log, err := f.services.client.NamedLog(f.services.config, what, f.services.now)
		if err != nil {
			return nil, usagef("--log: %w", err)
		}
		logs = []sign.Log{log}
	}
	by, alg, err := w.signer(b)
	if err != nil {
		return nil, err
	}
	for _, log := range logs {
		var public []string
		b, public, err = w.evidence.Attach(ctx, b, by, alg, log)
		f.public = append(f.public, public...)
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (f *attachFlags) addEntryFile(w *attachWork, b *bundle.Bundle, path string) (*bundle.Bundle, error) {
	data, err := readInput(path, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	e, err := bundle.ParseLogEntry(data)
	if err != nil {
		return nil, nof("--log %s: %w", clean(path), err)
	}
	with, err := w.evidence.AddEntry(b, e)
	if err != nil {
		return nil, fmt.Errorf("log entry %s: %w", clean(path), err)
	}
	return with, nil
}

// signer returns who signed the bundle, and by which algorithm.
func (w *attachWork) signer(b *bundle.Bundle) (*sign.Credential, trustroot.KeyDetails, error) {
	if w.key != nil && !b.HasCertificate() {
		by, err := sign.CredentialIn(b, w.key.Public)
		return by, w.key.KeyDetails, err
	}
	by, err := sign.CredentialIn(b, nil)
	if err != nil {
		return nil, 0, err
	}
	if w.judge.alg != 0 {
		return by, w.judge.alg, nil
	}
	alg, err := by.Algorithm(b.Envelope != nil)
	return by, alg, err
}
