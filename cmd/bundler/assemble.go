package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
)

// assembleFlags are the flags of bundler assemble as given.
type assembleFlags struct {
	signature, certificate, key, hint, algorithm, out string
	force                                             bool
}

func newAssembleCommand() *cobra.Command {
	f := &assembleFlags{}
	cmd := &cobra.Command{
		Use:   "assemble --signature SIG (--certificate CHAIN | --key KEY) REQUEST",
		Short: "Build a bundle from a request and an external signature",
		Long: `Build a bundle from a signing request and the signature that was made for it,
wherever that was. The artifact is not needed; nor is a private key, ever.

The signature may be binary, base64 or hexadecimal; one by ECDSA may be ASN.1
DER or r‖s. It is verified with the signer's certificate or key before anything
is written, over exactly what the request says; if it fails, likely mistakes are
tried to say which one it was. A request that was edited is refused.

Certificates may be in any order, but must form one chain. Roots are left out of
the bundle, as its format demands.

With --key the bundle names the key by --key-hint, and so does the envelope of a
statement; the default is base64 of SHA-256 over the key's DER, by which other
clients know it. --algorithm says by which algorithm the signature was made, if
it is another than the request expected.

The bundle is written as NAME.sigstore.json in the current directory, where NAME
is the artifact's name in the request, and stands beside it for bundler verify
to find. A file that is there already is replaced only with --force, an input
never.

Exit status:
  0  written
  1  not a signing request, or one that was edited; or not a signature, or not
     by that key over what was requested
  2  wrong usage, or the certificate or key file holds something else
  3  a file could not be read or written`,
		Example: `  bundler assemble request.json --signature app.tar.sig --certificate chain.pem
  bundler assemble request.json --signature app.tar.sig --key release.pub -o app.tar.sigstore.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.signature, "signature", "", "the signature `file`")
	fs.StringVar(&f.certificate, "certificate", "", "the signer's certificate `file` with its chain, PEM")
	fs.StringVar(&f.key, "key", "", "the signer's public key `file`, PEM or DER")
	fs.StringVar(&f.hint, "key-hint", "", "the `name` by which the bundle refers to the key of --key")
	fs.StringVar(&f.algorithm, "algorithm", "", "the signature `algorithm`, if it is not the request's")
	fs.StringVarP(&f.out, "out", "o", "", "`file` to write the bundle to (default: NAME.sigstore.json)")
	fs.BoolVar(&f.force, "force", false, "replace the file if it is there already")
	return cmd
}

func (f *assembleFlags) run(cmd *cobra.Command, requestFile string) error {
	if err := f.checkUsage(); err != nil {
		return err
	}
	by, _, _, err := loadSigner(f.key, f.hint, f.certificate)
	if err != nil {
		return err
	}
	q, err := f.request(requestFile)
	if err != nil {
		return err
	}
	out := f.out
	if out == "" {
		out = q.Name() + bundle.Suffixes[0]
	}
	inputs := append([]string{requestFile, f.signature}, nonEmpty(f.key, f.certificate)...)
	if err := f.checkOutput(out, inputs); err != nil {
		return err
	}
	sig, err := readInput(f.signature, sign.MaxSignature)
	if err != nil {
		return err
	}
	text, err := assemble(q, sig, by)
	if err != nil {
		return err
	}
	if err := sign.WriteFile(out, text, inputs...); err != nil {
		return noVerdictf("%w", err)
	}
	for _, w := range by.Warnings(q) {
		warnf(cmd.ErrOrStderr(), "%s", clean(w))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s\n", clean(out))
	return nil
}

func (f *assembleFlags) checkUsage() error {
	switch {
	case f.signature == "":
		return usagef("--signature: expected the file with the signature, found none")
	case f.key == "" && f.certificate == "":
		return withHint(usagef("expected --certificate or --key, found neither"), "a bundle names its signer, and the signature is verified before it is written")
	case f.hint != "" && f.key == "":
		return usagef("--key-hint: expected --key beside it")
	}
	return nil
}

// request reads the signing request, for --algorithm if it is given.
func (f *assembleFlags) request(path string) (*sign.Request, error) {
	data, err := readInput(path, sign.MaxRequest)
	if err != nil {
		return nil, err
	}
	q, err := sign.ParseRequest(data)
	if err != nil {
		return nil, withHint(nof("%s: %w", clean(path), err), "bundler request writes a new one")
	}
	if f.algorithm == "" {
		return q, nil
	}
	alg, err := sign.ParseAlgorithm(f.algorithm)
	if err == nil {
		q, err = q.WithAlgorithm(alg)
	}
	if err != nil {
		return nil, usagef("--algorithm: %w", err)
	}
	return q, nil
}

// checkOutput refuses to replace files that are there, before any work.
func (f *assembleFlags) checkOutput(out string, inputs []string) error {
	info, err := os.Stat(out)
	if err != nil {
		return nil // nothing to replace; whether it can be written, writing tells
	}
	for _, input := range inputs {
		if other, err := os.Stat(input); err == nil && os.SameFile(info, other) {
			return usagef("-o %s is also the input %s, which would be lost", clean(out), clean(input))
		}
	}
	if !f.force {
		return withHint(usagef("%s is there already", clean(out)), "--force replaces it, -o names another file")
	}
	return nil
}

// assemble returns the JSON of the bundle.
func assemble(q *sign.Request, sig []byte, by *sign.Credential) ([]byte, error) {
	b, err := sign.Assemble(q, sig, by)
	if err != nil {
		return nil, nof("%w", err)
	}
	text, err := b.Marshal()
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	return text, nil
}

// nof reports that the answer is no, where there is no other result to print:
// exit status 1.
func nof(format string, args ...any) error {
	return &statusError{status: exitNo, err: fmt.Errorf(format, args...)}
}
