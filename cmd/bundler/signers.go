package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/pflag"

	"github.com/bundler-sign/bundler/pkg/sign/signer"
	"github.com/bundler-sign/bundler/pkg/sign/signer/exec"
	"github.com/bundler-sign/bundler/pkg/sign/signer/file"
	"github.com/bundler-sign/bundler/pkg/sign/signer/kms"
	"github.com/bundler-sign/bundler/pkg/sign/signer/pkcs11"
)

// signerFlags say how a signer is opened: where passwords and PINs come from,
// which are never arguments.
type signerFlags struct {
	passwordFile string
	passwordFD   int
	shared       bool
}

func (f *signerFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.passwordFile, "password-file", "", "a `file` whose first line is the password or PIN of the key (default: ask on the terminal)")
	fs.IntVar(&f.passwordFD, "password-fd", -1, "the open `descriptor` from which a line with the password or PIN is read")
	fs.BoolVar(&f.shared, "insecure-shared-key", false, "accept a key file that others may read, and symbolic links to one")
}

// open opens the signer that uri names, with every scheme of this build.
func (f *signerFlags) open(ctx context.Context, uri string, stderr io.Writer) (signer.Signer, error) {
	password, err := f.password(stderr)
	if err != nil {
		return nil, err
	}
	s, err := newSignerMux(password, f.shared).Open(ctx, uri)
	if errors.Is(err, signer.ErrScheme) {
		return nil, usagef("signer: %w", err)
	}
	if err != nil {
		return nil, noVerdictf("signer: %w", err)
	}
	return s, nil
}

// newSignerMux lists the schemes that this build accepts: there is no other
// registry.
func newSignerMux(password signer.PasswordFunc, shared bool) *signer.Mux {
	files := &file.Options{Password: password, Shared: shared}
	m := &signer.Mux{}
	m.Handle("file", func(ctx context.Context, uri string) (signer.Signer, error) { return file.Open(ctx, uri, files) })
	m.Handle("env", func(ctx context.Context, uri string) (signer.Signer, error) { return file.OpenEnv(ctx, uri, files) })
	m.Handle("exec", func(ctx context.Context, uri string) (signer.Signer, error) { return exec.Open(ctx, uri, nil) })
	m.Handle("pkcs11", func(ctx context.Context, uri string) (signer.Signer, error) {
		return pkcs11.Open(ctx, uri, &pkcs11.Options{PIN: password})
	})
	m.HandleOther(func(ctx context.Context, uri string) (signer.Signer, error) { return kms.Open(ctx, uri, nil) })
	return m
}

func (f *signerFlags) password(stderr io.Writer) (signer.PasswordFunc, error) {
	switch {
	case f.passwordFile != "" && f.passwordFD >= 0:
		return nil, usagef("expected --password-file or --password-fd, found both")
	case f.passwordFile != "":
		return signer.PasswordFile(f.passwordFile), nil
	case f.passwordFD >= 0:
		return signer.PasswordDescriptor(uintptr(f.passwordFD)), nil
	}
	return func(ctx context.Context, prompt string) ([]byte, error) { return askPassword(ctx, prompt, stderr) }, nil
}
