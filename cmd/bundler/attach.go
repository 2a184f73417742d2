package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// attachFlags are the flags of bundler attach as given.
type attachFlags struct {
	timestamps, logs []string
	certificate      string
	key, hint        string
	algorithm        string
	artifact         string
	services         serviceFlags
	out              string
	inPlace, force   bool

	stdout, stderr io.Writer
	inputs         []string // files read, beside the bundle
	public         []string // what has become public
}

func newAttachCommand() *cobra.Command {
	f := &attachFlags{}
	cmd := &cobra.Command{
		Use:   "attach [flags] BUNDLE",
		Short: "Add a timestamp, a log entry or a certificate chain to a bundle",
		Long: `Add to a bundle what was not there when it was made. For --timestamp and --log,
WHAT is one of

  service   those that the signing config in the trust config selects
  URL       the one of that URL, which the signing config lists
  FILE      a timestamp response (DER), or a log entry (JSON), from elsewhere

Nothing is added that does not verify against the trusted root: a timestamp must
be over this signature, an entry about this signature, signer and content, and
in its log. A log must show the new entry to everybody.

--certificate adds the chain of the key that made the signature, in place of a
key hint or of another chain of that key.

Every bundle is written as version 0.3; without anything to add, one of version
0.1 or 0.2 is just that. An entry that has no inclusion proof, which 0.3
requires, gets it from its log, at the address in the trusted root.

For a bundle by a bare key, the keyring of the trust config or --key says which
key it is.

Exit status:
  0  written
  1  not a bundle, or what is to be added does not verify
  2  wrong usage or configuration
  3  a service or file could not be used`,
		Example: `  bundler attach app.tar.sigstore.json --timestamp service --trust-config acme.json --in-place
  bundler attach app.tar.sigstore.json --log entry.json --trust-config acme.json -o logged.sigstore.json
  bundler attach old.sigstore --trust-config acme.json -o app.tar.sigstore.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.stdout, f.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return f.run(cmd.Context(), args[0])
		},
	}
	f.register(cmd)
	return cmd
}

func (f *attachFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringArrayVar(&f.timestamps, "timestamp", nil, "add a timestamp by `WHAT`; may be repeated")
	fs.StringArrayVar(&f.logs, "log", nil, "add a log entry by `WHAT`; may be repeated")
	fs.StringVar(&f.certificate, "certificate", "", "the signer's certificate `file` with its chain, PEM")
	fs.StringVar(&f.key, "key", "", "the signer's public key `file`, for a bundle by a bare key")
	fs.StringVar(&f.hint, "key-hint", "", "another `name` under which bundles know the key of --key")
	fs.StringVar(&f.algorithm, "algorithm", "", "the signature `algorithm`, if it is not what the key prescribes")
	fs.StringVar(&f.artifact, "artifact", "", "the signed `file`, which pure Ed25519 and ML-DSA take to verify")
	f.services.register(cmd)
	fs.StringVarP(&f.out, "out", "o", "", "`file` to write the bundle to")
	fs.BoolVar(&f.inPlace, "in-place", false, "replace BUNDLE")
	fs.BoolVar(&f.force, "force", false, "replace the file of -o if it is there already")
}

func (f *attachFlags) run(ctx context.Context, path string) error {
	if err := f.checkUsage(path); err != nil {
		return err
	}
	b, err := f.read(path)
	if err != nil {
		return err
	}
	if err := f.services.load(f.stderr); err != nil {
		return err
	}
	text, err := f.attach(ctx, b)
	if err == nil {
		err = f.write(path, text)
	}
	for _, p := range f.public {
		if err != nil {
			warnf(f.stderr, "already public: %s", clean(p))
		} else {
			fmt.Fprintf(f.stdout, "public: %s\n", clean(p))
		}
	}
	if err != nil {
		return explainSigning(err)
	}
	return nil
}

func (f *attachFlags) checkUsage(path string) error {
	trusted := f.services.trustFlags.trust != "" || f.services.trustFlags.root != ""
	switch {
	case f.inPlace == (f.out != ""):
		return usagef("expected -o FILE or --in-place")
	case !trusted && len(f.timestamps)+len(f.logs) > 0:
		return withHint(usagef("--timestamp and --log: expected --trust-config beside them"), "what is added is verified first, and somebody has to vouch for it")
	case f.hint != "" && f.key == "":
		return usagef("--key-hint names the key of --key, which is missing")
	}
	f.inputs = nonEmpty(f.certificate, f.key, f.artifact)
	for _, what := range append(f.timestamps, f.logs...) {
		if kindOf(what) == fromFile {
			f.inputs = append(f.inputs, what)
		}
	}
	if f.out != "" {
		a := &assembleFlags{force: f.force}
		return a.checkOutput(f.out, append(f.inputs, path))
	}
	return f.services.checkUsage()
}

// read reads the bundle, to which there must be something to do.
func (f *attachFlags) read(path string) (*bundle.Bundle, error) {
	data, err := readInput(path, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Parse(data)
	if err != nil {
		return nil, nof("%s: %w", clean(path), err)
	}
	if b.Version == bundle.V03 && len(f.timestamps)+len(f.logs) == 0 && f.certificate == "" {
		return nil, usagef("expected --timestamp, --log or --certificate: the bundle is of version 0.3 already, and there is nothing to add")
	}
	return b, nil
}

// attach returns the text of the new bundle.
func (f *attachFlags) attach(ctx context.Context, b *bundle.Bundle) ([]byte, error) {
	w, err := f.work(b)
	if err != nil {
		return nil, err
	}
	if f.services.trust == nil {
		if err := f.unbelieved(w, b); err != nil {
			return nil, err
		}
	}
	if b, err = w.evidence.Upgrade(ctx, b, f.logOf); err != nil {
		return nil, err
	}
	if f.certificate != "" {
		if b, err = f.addCertificate(w, b); err != nil {
			return nil, err
		}
	}
	for _, what := range f.timestamps {
		if b, err = f.addTimestamps(ctx, w, b, what); err != nil {
			return nil, err
		}
	}
	for _, what := range f.logs {
		if b, err = f.addEntries(ctx, w, b, what); err != nil {
			return nil, err
		}
	}
	text, err := b.Marshal()
	if err != nil {
		return nil, err
	}
	return text, w.judge.stranger(text, verify.Requirements{})
}

// unbelieved holds a bundle to its own certificate or key, where there is no
// trust config to hold it to.
func (f *attachFlags) unbelieved(w *attachWork, b *bundle.Bundle) error {
	by, alg, err := w.signer(b)
	if err != nil {
		return nof("%w", err)
	}
	if alg.Hash() == 0 && b.Message != nil {
		return nil // the judge has the artifact, or misses it
	}
	return sign.CheckSignature(b, by, alg)
}

// write writes the text over the bundle only if that was asked for.
func (f *attachFlags) write(path string, text []byte) error {
	out, inputs := f.out, append(f.inputs, path)
	if f.inPlace {
		out, inputs = path, f.inputs
	}
	if err := sign.WriteFile(out, text, inputs...); err != nil {
		return noVerdictf("%w", err)
	}
	fmt.Fprintf(f.stdout, "wrote %s\n", clean(out))
	return nil
}
