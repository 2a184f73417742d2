package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/signer/file"
)

type generateFlags struct {
	algorithm, out, public string
	encrypt                bool
	passwordFile           string
	passwordFD             int
}

func newKeyGenerateCommand() *cobra.Command {
	f := &generateFlags{}
	cmd := &cobra.Command{
		Use:   "generate [flags] -o FILE",
		Short: "Generate a private key in a file",
		Long: `Generate a private key in a file, PKCS#8 in PEM, that nobody else may read. A
file that is there already stays as it is.

The public key goes to standard output, or to the file that --public names.

With --encrypt, --password-file or --password-fd the key is encrypted (PBES2:
PBKDF2-HMAC-SHA256, AES-256-CBC), as openssl reads it. A password on a command
line could be read by others, so there is no flag for one.

Exit status:
  0  written
  2  wrong usage
  3  a file could not be read or written`,
		Example: `  bundler key generate -o release.pem --public release.pub
  bundler key generate --algorithm ML_DSA_65 --encrypt -o release.pem >release.pub`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&f.out, "out", "o", "", "`file` to write the private key to (needed)")
	fs.StringVar(&f.public, "public", "", "`file` to write the public key to (default: standard output)")
	fs.StringVar(&f.algorithm, "algorithm", "PKIX_ECDSA_P256_SHA_256", "the signature `algorithm`, as protobuf-specs names it")
	fs.BoolVar(&f.encrypt, "encrypt", false, "encrypt the key, with a password asked for on the terminal")
	fs.StringVar(&f.passwordFile, "password-file", "", "encrypt the key, with the first line of a `file` as password")
	fs.IntVar(&f.passwordFD, "password-fd", -1, "encrypt the key, with a line from an open `descriptor` as password")
	return cmd
}

func (f *generateFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if f.out == "" {
		return usagef("expected -o FILE, where the private key goes, found none")
	}
	alg, err := sign.ParseAlgorithm(f.algorithm)
	if err != nil {
		return usagef("--algorithm: %w", err)
	}
	password, err := f.password(ctx, stderr)
	if err != nil {
		return err
	}
	defer clear(password)
	key, err := file.Generate(alg)
	if err != nil {
		return noVerdictf("%w", err)
	}
	text, err := marshalPublic(key.Public())
	if err != nil {
		return noVerdictf("%w", err)
	}
	if err := file.Create(f.out, key, password); err != nil {
		return noVerdictf("%w", err)
	}
	if f.public == "" {
		_, err := stdout.Write(text)
		return err
	}
	if err := sign.WriteFile(f.public, text, f.out); err != nil {
		// Nobody knows this key: without its public half it is of no use.
		return noVerdictf("%w", errors.Join(err, os.Remove(f.out)))
	}
	fmt.Fprintf(stdout, "wrote %s and %s\n", clean(f.out), clean(f.public))
	return nil
}

// password returns the password to encrypt the key with, or nil.
func (f *generateFlags) password(ctx context.Context, stderr io.Writer) ([]byte, error) {
	source := signerFlags{passwordFile: f.passwordFile, passwordFD: f.passwordFD}
	ask, err := source.password(stderr)
	if err != nil {
		return nil, err
	}
	elsewhere := f.passwordFile != "" || f.passwordFD >= 0
	if !elsewhere && !f.encrypt {
		return nil, nil
	}
	password, err := ask(ctx, "new password for "+f.out)
	if err == nil && len(password) == 0 {
		err = errors.New("expected a password for the private key, found an empty one")
	}
	if err == nil && !elsewhere {
		var again []byte
		if again, err = ask(ctx, "the same again"); err == nil && !bytes.Equal(password, again) {
			err = errors.New("expected the same password twice, found two")
		}
		clear(again)
	}
	if err != nil {
		clear(password)
		return nil, noVerdictf("%w", err)
	}
	return password, nil
}
