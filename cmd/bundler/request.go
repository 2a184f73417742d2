package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// requestFlags are the flags of bundler request as given.
type requestFlags struct {
	digest, name                   string
	statement, predicate, typ      string
	algorithm, key, certificate    string
	out, toSign, toSignDigest      string
	inputs                         []string // files read
	ctx                            context.Context
	stderr                         io.Writer
	signer                         *sign.Credential // of --key or --certificate
	assembleFlag, assembleArgument string           // how assemble will be told the signer
}

func newRequestCommand() *cobra.Command {
	f := &requestFlags{}
	cmd := &cobra.Command{
		Use:   "request [flags] FILE",
		Short: "Write a signing request for a signature made elsewhere",
		Long: `Write a signing request, which bundler assemble makes a bundle from once its
signature is there. What is to be signed is one of

  FILE                                 the bytes of a file
  --digest sha256:… --name NAME        a file of which only the digest is known
  --statement FILE                     an in-toto statement, as it is in FILE
  --predicate FILE --type URI FILE...  an in-toto statement about the files
                                       (or --digest and --name), made here

The algorithm is that of --key or --certificate, the signer's public half, or
--algorithm, as protobuf-specs names it: PKIX_ECDSA_P256_SHA_256.

What the key's holder signs depends on the key. A tool that hashes, such as
openssl dgst, signs the FILE itself, or for a statement the bytes that --to-sign
writes. A key that signs digests, as HSMs have them, signs the bytes that
--to-sign-digest writes. Both are in the request too, in base64 and hexadecimal:
  jq -r .toSign request.json | base64 -d
  jq -r .digest request.json
Ed25519 and ML-DSA do not hash first: such a request holds the whole file, of at
most 16 MiB, and there is no digest to sign.

Exit status:
  0  written
  2  wrong usage, or a file holds something else than it should
  3  a file could not be read or written`,
		Example: `  bundler request app.tar --certificate chain.pem -o request.json
  openssl dgst -sha256 -sign key.pem -out app.tar.sig app.tar
  bundler assemble request.json --signature app.tar.sig --certificate chain.pem

  bundler request --predicate build.json --type https://slsa.dev/provenance/v1 app.tar \
      --key release.pub --to-sign app.tosign -o request.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.ctx, f.stderr = cmd.Context(), cmd.ErrOrStderr()
			return f.run(cmd.OutOrStdout(), args)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *requestFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.digest, "digest", "", "the `digest` of the artifact, such as sha256:9f86d0…, by the hash of the algorithm")
	fs.StringVar(&f.name, "name", "", "the artifact's `name`, by which its bundle is named (default: that of FILE)")
	fs.StringVar(&f.statement, "statement", "", "an in-toto statement `file`, signed as it is")
	fs.StringVar(&f.predicate, "predicate", "", "a predicate `file` (JSON), for a statement about the files")
	fs.StringVar(&f.typ, "type", "", "the `URI` of the predicate's type")
	fs.StringVar(&f.algorithm, "algorithm", "", "the signature `algorithm`, as protobuf-specs names it")
	fs.StringVar(&f.key, "key", "", "the signer's public key `file`, PEM or DER")
	fs.StringVar(&f.certificate, "certificate", "", "the signer's certificate `file`, alone or with its chain, PEM")
	fs.StringVarP(&f.out, "out", "o", "", "`file` to write the request to (default: standard output)")
	fs.StringVar(&f.toSign, "to-sign", "", "`file` to write the bytes to sign to, where they are not the artifact's own")
	fs.StringVar(&f.toSignDigest, "to-sign-digest", "", "`file` to write the digest to sign to, 32 to 64 bytes, for a key that signs digests")
}

func (f *requestFlags) run(stdout io.Writer, args []string) error {
	if err := f.checkUsage(args); err != nil {
		return err
	}
	alg, err := f.keyAlgorithm()
	if err != nil {
		return err
	}
	q, err := f.request(args, alg)
	if err != nil {
		return err
	}
	text, err := q.Marshal()
	if err != nil {
		return noVerdictf("%w", err)
	}
	if err := f.writeToSign(q); err != nil {
		return err
	}
	if err := f.writeRequest(stdout, text); err != nil {
		return err
	}
	f.hints(q, args)
	return nil
}

func (f *requestFlags) writeRequest(stdout io.Writer, text []byte) error {
	if f.out == "" {
		if _, err := stdout.Write(text); err != nil {
			return noVerdictf("writing the request: %w", err)
		}
		return nil
	}
	if err := f.write(f.out, text); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "wrote %s\n", clean(f.out))
	return nil
}

// checkUsage holds the flags to one of the four forms.
func (f *requestFlags) checkUsage(args []string) error {
	switch {
	case f.statement != "" && (f.predicate != "" || f.digest != "" || len(args) > 0):
		return usagef("--statement is signed as it is: expected no FILE, --digest or --predicate beside it")
	case f.digest != "" && len(args) > 0:
		return usagef("expected a FILE or --digest, found both")
	case f.digest != "" && f.name == "":
		return usagef("--digest: expected --name beside it, which names the artifact and its bundle")
	case (f.predicate == "") != (f.typ == ""):
		return usagef("expected --predicate and --type together")
	case f.statement == "" && f.digest == "" && len(args) == 0:
		return usagef("expected a FILE, --digest or --statement, found none")
	case f.predicate == "" && len(args) > 1:
		return withHint(usagef("expected one FILE, found %d", len(args)), "a signature is over one file; a statement (--predicate) can be about many")
	}
	return nil
}

// keyAlgorithm returns the algorithm to sign by.
func (f *requestFlags) keyAlgorithm() (trustroot.KeyDetails, error) {
	var err error
	f.signer, f.assembleFlag, f.assembleArgument, err = loadSigner(f.key, "", f.certificate)
	if err != nil {
		return 0, err
	}
	f.inputs = append(f.inputs, nonEmpty(f.key, f.certificate)...)
	if f.algorithm != "" {
		alg, err := sign.ParseAlgorithm(f.algorithm)
		if err == nil && f.signer != nil {
			err = f.signer.Check(alg)
		}
		if err != nil {
			return 0, usagef("--algorithm: %w", err)
		}
		return alg, nil
	}
	if f.signer == nil {
		return 0, withHint(usagef("expected --key, --certificate or --algorithm: what is signed depends on the key"),
			"the signer's public key or certificate tells the algorithm, such as --algorithm PKIX_ECDSA_P256_SHA_256")
	}
	alg, err := f.signer.Algorithm(f.isEnvelope())
	if err != nil {
		return 0, usagef("%w", err)
	}
	return alg, nil
}

func (f *requestFlags) isEnvelope() bool { return f.statement != "" || f.predicate != "" }

// loadSigner reads the signer's public half from the file that one of the
// flags names, and returns the flag and file. No flag is no signer.
func loadSigner(key, hint, certificate string) (by *sign.Credential, flag, path string, err error) {
	flag, path = "--key", key
	switch {
	case key != "" && certificate != "":
		return nil, "", "", usagef("expected --key or --certificate, found both")
	case certificate != "":
		flag, path = "--certificate", certificate
	case key == "":
		return nil, "--certificate", "CHAIN.pem", nil
	}
	data, err := readInput(path, sign.MaxCredential)
	if err != nil {
		return nil, "", "", err
	}
	if certificate != "" {
		by, err = sign.ParseCertificates(data)
	} else {
		by, err = sign.ParsePublicKey(data, hint)
	}
	if err != nil {
		return nil, "", "", usagef("%s %s: %w", flag, clean(path), err)
	}
	return by, flag, path, nil
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// writeToSign writes what the key's holder asked for.
func (f *requestFlags) writeToSign(q *sign.Request) error {
	if f.toSign != "" {
		data := q.ToSign()
		if data == nil {
			return withHint(usagef("--to-sign: the bytes to sign are those of %s itself", clean(q.Name())),
				"sign the file, or with a key that signs digests what --to-sign-digest writes")
		}
		if err := f.write(f.toSign, data); err != nil {
			return err
		}
	}
	if f.toSignDigest == "" {
		return nil
	}
	d := q.Digest()
	if d.IsZero() {
		return usagef("--to-sign-digest: %v signs the message itself, not a digest: expected --to-sign", q.Algorithm())
	}
	return f.write(f.toSignDigest, d.Bytes())
}

// write writes a file that must be none of those read or written before.
func (f *requestFlags) write(path string, data []byte) error {
	if err := sign.WriteFile(path, data, f.inputs...); err != nil {
		return noVerdictf("%w", err)
	}
	f.inputs = append(f.inputs, path)
	return nil
}
