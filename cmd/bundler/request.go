package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/bundle"
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

// request makes the request that the flags describe.
func (f *requestFlags) request(args []string, alg trustroot.KeyDetails) (*sign.Request, error) {
	f.inputs = append(f.inputs, args...)
	switch {
	case f.statement != "":
		f.inputs = append(f.inputs, f.statement)
		data, err := readInput(f.statement, sign.MaxMessage)
		if err != nil {
			return nil, err
		}
		q, err := sign.NewStatementRequest(f.nameOf(f.statement), data, alg)
		return q, f.explain(err, f.statement)
	case f.predicate != "":
		return f.predicateRequest(args, alg)
	case f.digest != "":
		d, err := bundle.ParseDigest(f.digest)
		if err != nil {
			return nil, usagef("--digest: %w", err)
		}
		q, err := sign.NewDigestRequest(f.name, d, alg)
		return q, f.explain(err, "--digest")
	}
	r, err := interruptible(f.ctx, fileArtifact(args[0]).Open)()
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	defer r.Close()
	q, err := sign.NewMessageRequest(f.nameOf(args[0]), r, alg)
	return q, f.explain(err, args[0])
}

// nameOf returns the name for a request about the file at path.
func (f *requestFlags) nameOf(path string) string {
	if f.name != "" {
		return f.name
	}
	return filepath.Base(path)
}

// explain tells files that could not be read from those that do not fit.
func (f *requestFlags) explain(err error, about string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sign.ErrRead):
		return noVerdictf("%s: %w", clean(about), err)
	}
	return usagef("%s: %w", clean(about), err)
}

// predicateRequest makes a statement about the files, or about --digest.
func (f *requestFlags) predicateRequest(args []string, alg trustroot.KeyDetails) (*sign.Request, error) {
	f.inputs = append(f.inputs, f.predicate)
	predicate, err := readInput(f.predicate, sign.MaxMessage)
	if err != nil {
		return nil, err
	}
	subjects, err := f.subjects(args)
	if err != nil {
		return nil, err
	}
	statement, err := bundle.NewStatement(subjects, f.typ, predicate)
	if err != nil {
		return nil, usagef("%s: %w", clean(f.predicate), err)
	}
	name := f.predicate
	if len(args) == 1 {
		name = args[0]
	}
	q, err := sign.NewStatementRequest(f.nameOf(name), statement, alg)
	return q, f.explain(err, name)
}

func (f *requestFlags) subjects(args []string) ([]bundle.Subject, error) {
	if f.digest != "" {
		d, err := bundle.ParseDigest(f.digest)
		if err != nil {
			return nil, usagef("--digest: %w", err)
		}
		return []bundle.Subject{{Name: f.name, Digests: []bundle.Digest{d}}}, nil
	}
	var list []bundle.Subject
	paths := map[string]string{}
	for _, path := range args {
		name := filepath.Base(path)
		if other, ok := paths[name]; ok {
			return nil, usagef("expected files with different names, since a statement names its subjects, found %s and %s", clean(other), clean(path))
		}
		paths[name] = path
		subject, err := f.subject(name, path)
		if err != nil {
			return nil, err
		}
		list = append(list, subject)
	}
	return list, nil
}

func (f *requestFlags) subject(name, path string) (bundle.Subject, error) {
	r, err := interruptible(f.ctx, fileArtifact(path).Open)()
	if err != nil {
		return bundle.Subject{}, noVerdictf("%w", err)
	}
	defer r.Close()
	s, err := sign.NewSubject(name, r)
	return s, f.explain(err, path)
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

// hints says how to sign, and what comes then.
func (f *requestFlags) hints(q *sign.Request, args []string) {
	sig := q.Name() + ".sig"
	in := q.Name()
	if !f.isEnvelope() && len(args) == 1 {
		in = args[0]
	}
	switch {
	case f.toSign != "":
		in = f.toSign
	case f.isEnvelope():
		in = q.Name() + ".tosign"
		f.hint("--to-sign %s writes the bytes to sign to a file, for the next command", shellQuote(in))
	}
	in, sig = notAFlag(in), notAFlag(sig)
	argv, note := q.OpenSSL("KEY.pem", in, sig)
	if note != "" {
		note = " (" + note + ")"
	}
	f.hint("sign it, for instance with: %s%s", shellQuote(argv...), note)
	if f.toSignDigest != "" {
		if argv, err := q.OpenSSLDigest("KEY.pem", notAFlag(f.toSignDigest), sig); err == nil {
			f.hint("or by its digest: %s", shellQuote(argv...))
		}
	}
	request := f.out
	if request == "" {
		request = "REQUEST.json"
	}
	f.hint("then: %s", shellQuote("bundler", "assemble", notAFlag(request), "--signature", sig, f.assembleFlag, f.assembleArgument))
}

func (f *requestFlags) hint(format string, args ...any) {
	fmt.Fprintf(f.stderr, "bundler: hint: "+format+"\n", args...)
}

// notAFlag returns a path for the same file that no program takes for a flag.
func notAFlag(path string) string {
	if strings.HasPrefix(path, "-") {
		return "./" + path
	}
	return path
}

// shellQuote returns argv as a command line for a POSIX shell, safe to show.
func shellQuote(argv ...string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	var words []string
	for _, word := range argv {
		if word == "" || strings.Trim(word, plain) != "" {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, clean(word))
	}
	return strings.Join(words, " ")
}
