package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

type importFlags struct {
	signer          signerFlags
	output, public  string
	keyring         string
	hint, algorithm string
	start, end      string
}

func newKeyImportCommand() *cobra.Command {
	f := &importFlags{}
	cmd := &cobra.Command{
		Use:   "import [flags] URI",
		Short: "Show the public half of a key, and list it in a keyring",
		Long: `Show the public half of a key to sign with, and list it in a keyring.

The private key is where URI says, and stays there:

  KEY.pem, file:KEY.pem         a private key in PEM, encrypted or not
  env:NAME                      the same in an environment variable
  pkcs11:token=T;object=O?module-path=/PATH
                                a token: HSM, smart card, PIV (RFC 7512)
  exec:PROGRAM?arg=A            a program that signs (docs/exec-signer.md)
  awskms://KEY, NAME://KEY      a KMS, by the plugin sigstore-kms-NAME on PATH

Shown are the algorithm, the hints by which bundles name the key, and the public
key in PEM. With --keyring the key is listed in that file, which is made if it
is not there: a trust config for bundler verify.

A password or PIN is asked for on the terminal, or read from --password-file or
--password-fd. A wrong one is tried once.

Exit status:
  0  shown, or written
  2  wrong usage, or the keyring can not take the key
  3  the key could not be opened, or a file not be read or written`,
		Example: `  bundler key import release.pem
  bundler key import 'pkcs11:token=release;object=signing?module-path=/usr/lib/softhsm/libsofthsm2.so' \
      --keyring keyring.json --hint release-2026`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	outputFlag(cmd, &f.output)
	fs.StringVar(&f.public, "public", "", "`file` to write the public key to, PEM")
	fs.StringVar(&f.keyring, "keyring", "", "keyring `file` to list the key in")
	fs.StringVar(&f.hint, "hint", "", "`name` to list the key under, beside those derived from it")
	fs.StringVar(&f.algorithm, "algorithm", "", "the `algorithm` it signs by (default: the one prescribed for its type)")
	fs.StringVar(&f.start, "start", "", "`time` from which the key is trusted (default: always)")
	fs.StringVar(&f.end, "end", "", "`time` until which the key is trusted (default: open)")
	f.signer.register(fs)
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, uri string) error {
	if err := f.checkUsage(); err != nil {
		return err
	}
	s, err := f.signer.open(cmd.Context(), uri, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if c, ok := s.(io.Closer); ok {
		defer c.Close()
	}
	details, err := trustroot.KeyDetailsFor(s.Public(), f.algorithm)
	if err != nil {
		return usagef("--algorithm: %w", err)
	}
	key, err := trustroot.NewKey(s.Public(), details, f.hint)
	if err != nil {
		return usagef("--hint: %w", err)
	}
	if err := f.setWindow(key); err != nil {
		return err
	}
	if err := f.write(key); err != nil {
		return err
	}
	view := viewKey(key)
	if f.output == "json" {
		return writeIndented(cmd.OutOrStdout(), view)
	}
	view.text(cmd.OutOrStdout())
	return nil
}

func (f *importFlags) checkUsage() error {
	if f.keyring == "" && (f.hint != "" || f.start != "" || f.end != "") {
		return usagef("--hint, --start and --end say how a keyring lists the key: expected --keyring beside them")
	}
	return checkTextOrJSON(f.output)
}

func (f *importFlags) setWindow(key *trustroot.Key) error {
	var err error
	if f.start != "" {
		if key.ValidFor.Start, err = parseTimeFlag("--start", f.start); err != nil {
			return err
		}
	}
	if f.end != "" {
		if key.ValidFor.End, err = parseTimeFlag("--end", f.end); err != nil {
			return err
		}
		if key.ValidFor.End.Before(key.ValidFor.Start) {
			return usagef("--end %s: expected a time after --start %s", f.end, f.start)
		}
	}
	return nil
}

// write writes the files that were asked for.
func (f *importFlags) write(key *trustroot.Key) error {
	if f.keyring != "" {
		if err := f.listIn(key); err != nil {
			return err
		}
	}
	if f.public == "" {
		return nil
	}
	if err := sign.WriteFile(f.public, publicPEM(key.SPKI), nonEmpty(f.keyring)...); err != nil {
		return noVerdictf("%w", err)
	}
	return nil
}

// listIn adds key to the keyring file, or makes one of it.
func (f *importFlags) listIn(key *trustroot.Key) error {
	c := &trustroot.Config{}
	var keys []*trustroot.Key
	_, err := os.Lstat(f.keyring)
	switch {
	case err == nil:
		if c, err = loadTrustFile(f.keyring); err != nil {
			return err
		}
		if c.Keyring == nil {
			return usagef("--keyring %s: expected a keyring, found another trust config", shown(f.keyring))
		}
		if len(c.Warnings) > 0 {
			return usagef("--keyring %s: expected a keyring that this version knows all of, since the rest would be lost: %s", shown(f.keyring), strings.Join(c.Warnings, "; "))
		}
		keys = slices.Clone(c.Keyring.Keys)
	case !errors.Is(err, fs.ErrNotExist):
		return noVerdictf("%w", err)
	}
	if c.Keyring, err = trustroot.NewKeyring(append(keys, key)); err != nil {
		return usagef("--keyring %s: %w", shown(f.keyring), err)
	}
	if err := c.WriteFile(f.keyring); err != nil {
		return noVerdictf("%w", err)
	}
	return nil
}
