package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/bundle"
	"github.com/bundler-sign/bundler/pkg/sign"
	"github.com/bundler-sign/bundler/pkg/sign/service"
	"github.com/bundler-sign/bundler/pkg/trustroot"
)

// signFlags are the flags of bundler sign as given.
type signFlags struct {
	statement, predicate, typ string

	signer, certificate, hint, algorithm string
	keys                                 signerFlags

	token    string
	client   string
	device   bool
	services serviceFlags

	out   string
	force bool

	stdout, stderr io.Writer
}

func newSignCommand() *cobra.Command {
	f := &signFlags{}
	cmd := &cobra.Command{
		Use:   "sign [flags] FILE...",
		Short: "Sign artifacts: with any key, or keyless against a private Sigstore",
		Long: `Sign files, and write a bundle beside each, as FILE.sigstore.json. What is
signed is one of

  FILE...                              the bytes of each file, a bundle for each
  --statement FILE                     an in-toto statement, as it is in FILE
  --predicate FILE --type URI FILE...  an in-toto statement about all the files

Who signs is one of

  --signer URI --certificate CHAIN     a key, and its certificate by a CA
  --signer URI                         a managed key, which verifiers know
  nothing of both: keyless             a key made for this run, certified by the
                                       Fulcio of the trust config for whoever
                                       the identity token names

The identity token is that of --identity-token, or of the CI job that runs this
(GitHub Actions, Buildkite, and as SIGSTORE_ID_TOKEN GitLab and others), or of a
person: by a browser here, or with --device by one elsewhere. It is never an
argument, since arguments are seen by others.

The signing config in the trust config says which services give evidence:
timestamp authorities first, then transparency logs. Each answer is verified
against the trusted root before it enters the bundle, and the bundle as a
stranger would before it is written. What is public when something fails is
named. Without a signing config, or with --offline, no service is asked.

A file is read twice: to sign it, and to verify the result. An artifact of any
size takes constant memory, except with Ed25519 and ML-DSA, which sign the whole
message at once: with them it may have 16 MiB. Where a log can hold digests
alone, an Ed25519 key signs with Ed25519ph.

Exit status:
  0  signed and written
  1  a service's answer does not verify, or strangers would not accept the result
  2  wrong usage or configuration
  3  a service, file or key could not be used`,
		Example: `  bundler sign --signer build.key --certificate chain.pem --trust-config acme.json app.tar
  bundler sign --signer 'pkcs11:token=release;object=key' app.tar
  bundler sign --trust-config trust_config.json --identity-token token app.tar app.sbom
  bundler sign --trust-config trust_config.json --predicate build.json --type https://slsa.dev/provenance/v1 app.tar`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.stdout, f.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return f.run(cmd.Context(), args)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *signFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.statement, "statement", "", "an in-toto statement `file`, signed as it is")
	fs.StringVar(&f.predicate, "predicate", "", "a predicate `file` (JSON), for a statement about the files")
	fs.StringVar(&f.typ, "type", "", "the `URI` of the predicate's type")
	fs.StringVar(&f.signer, "signer", "", "the `URI` of the key to sign with: a path, pkcs11:…, exec:…, env:…, awskms:…")
	fs.StringVar(&f.certificate, "certificate", "", "the signer's certificate `file` with its chain, PEM")
	fs.StringVar(&f.hint, "key-hint", "", "the `name` by which the bundle refers to a managed key (default: a fingerprint)")
	fs.StringVar(&f.algorithm, "algorithm", "", "the signature `algorithm`, as protobuf-specs names it (default: what the key prescribes)")
	f.keys.register(fs)
	fs.StringVar(&f.token, "identity-token", "", "the `file` with the identity token, or env:NAME for a variable")
	fs.StringVar(&f.client, "oidc-client-id", "sigstore", "the `name` that the identity provider knows this client by")
	fs.BoolVar(&f.device, "device", false, "log in with a browser on another machine")
	f.services.register(cmd)
	fs.BoolVar(&f.services.noUpload, "no-upload", false, "put nothing about the signature into a transparency log")
	fs.BoolVar(&f.services.timestampOnly, "timestamp-only", false, "the same, and require a timestamp")
	fs.StringVarP(&f.out, "out", "o", "", "`file` to write the one bundle to (default: FILE.sigstore.json)")
	fs.BoolVar(&f.force, "force", false, "replace bundles that are there already")
}

func (f *signFlags) run(ctx context.Context, args []string) error {
	if err := f.checkUsage(args); err != nil {
		return err
	}
	jobs := f.jobs(args)
	for _, j := range jobs {
		if err := f.checkOutput(j); err != nil {
			return err
		}
	}
	if err := f.services.load(f.stderr); err != nil {
		return err
	}
	who, err := f.identity(ctx)
	if err != nil {
		return err
	}
	defer who.close()
	for _, j := range jobs {
		if err := f.signJob(ctx, who, j); err != nil {
			return err
		}
	}
	return nil
}

func (f *signFlags) checkUsage(args []string) error {
	switch {
	case f.statement != "" && (f.predicate != "" || len(args) > 0):
		return usagef("--statement is signed as it is: expected no FILE or --predicate beside it")
	case (f.predicate == "") != (f.typ == ""):
		return usagef("expected --predicate and --type together")
	case f.statement == "" && len(args) == 0:
		return usagef("expected a FILE or --statement, found none")
	case f.out != "" && f.predicate == "" && len(args) > 1:
		return usagef("-o names one bundle, and each of the %d files gets one of its own", len(args))
	case f.signer == "" && (f.certificate != "" || f.hint != ""):
		return usagef("--certificate and --key-hint: expected --signer beside them")
	case f.certificate != "" && f.hint != "":
		return usagef("expected --certificate or --key-hint, found both")
	case f.token != "" && f.certificate != "":
		return usagef("expected --certificate or --identity-token, found both: a certificate is there, or Fulcio issues one")
	case f.device && f.token != "":
		return usagef("expected --device or --identity-token, found both")
	}
	return f.services.checkUsage()
}

// A signJob is one bundle to make.
type signJob struct {
	files  []string // the artifacts
	inputs []string // every file read
	out    string
}

func (f *signFlags) jobs(args []string) []*signJob {
	one := func(named string, files []string, more ...string) *signJob {
		j := &signJob{files: files, out: f.out, inputs: append(append(more, files...), nonEmpty(f.certificate)...)}
		if j.out == "" {
			j.out = named + bundle.Suffixes[0]
		}
		return j
	}
	switch {
	case f.statement != "":
		return []*signJob{one(f.statement, nil, f.statement)}
	case f.predicate != "" && len(args) == 1:
		return []*signJob{one(args[0], args, f.predicate)}
	case f.predicate != "":
		return []*signJob{one(f.predicate, args, f.predicate)}
	}
	var jobs []*signJob
	for _, path := range args {
		jobs = append(jobs, one(path, []string{path}))
	}
	return jobs
}

// checkOutput refuses, before anything is public, what could not be written.
func (f *signFlags) checkOutput(j *signJob) error {
	a := &assembleFlags{force: f.force}
	if err := a.checkOutput(j.out, j.inputs); err != nil {
		return err
	}
	probe, err := os.CreateTemp(filepath.Dir(j.out), ".bundler-*")
	if err != nil {
		return noVerdictf("nothing can be written beside %s: %w", clean(j.out), err)
	}
	probe.Close()
	os.Remove(probe.Name())
	return nil
}

// signJob signs, verifies and writes one bundle.
func (f *signFlags) signJob(ctx context.Context, who *identity, j *signJob) error {
	alg, err := f.algorithmOf(who)
	if err != nil {
		return err
	}
	q, err := f.request(ctx, j, alg) // reads the files, before a certificate's time runs
	if err != nil {
		return err
	}
	by, err := who.credential(ctx)
	if err != nil {
		return err
	}
	for _, w := range by.Warnings(q) {
		warnf(f.stderr, "%s", clean(w))
	}
	judge := f.judge(who, alg, j)
	b, public, err := f.services.evidence(judge).Sign(ctx, q, who.key, by)
	if err == nil {
		err = f.finish(b, judge, j)
	}
	if err != nil {
		for _, p := range public {
			warnf(f.stderr, "already public: %s", clean(p))
		}
		return explainSigning(err)
	}
	fmt.Fprintf(f.stdout, "wrote %s\n", clean(j.out))
	for _, p := range public {
		fmt.Fprintf(f.stdout, "public: %s\n", clean(p))
	}
	return nil
}

// request makes the request for a job with the code of bundler request.
func (f *signFlags) request(ctx context.Context, j *signJob, alg trustroot.KeyDetails) (*sign.Request, error) {
	r := &requestFlags{statement: f.statement, predicate: f.predicate, typ: f.typ, ctx: ctx, stderr: f.stderr}
	return r.request(j.files, alg)
}

func (f *signFlags) isEnvelope() bool { return f.statement != "" || f.predicate != "" }

// algorithmOf returns what to sign by.
func (f *signFlags) algorithmOf(who *identity) (trustroot.KeyDetails, error) {
	if f.algorithm != "" {
		alg, err := sign.ParseAlgorithm(f.algorithm)
		if err == nil {
			err = sign.CheckAlgorithm(who.key.Public(), alg)
		}
		if err != nil {
			return 0, usagef("--algorithm: %w", err)
		}
		return alg, nil
	}
	if who.listed != nil {
		return who.listed.KeyDetails, nil
	}
	certified := who.keyless || f.certificate != ""
	alg, err := sign.AlgorithmOf(who.key.Public(), certified, f.isEnvelope())
	if err != nil {
		return 0, usagef("%w", err)
	}
	return f.services.evidence(nil).Loggable(alg, f.isEnvelope()), nil
}

// finish verifies the finished text of the bundle as a stranger would, and
// writes it.
func (f *signFlags) finish(b *bundle.Bundle, judge *judge, j *signJob) error {
	text, err := b.Marshal()
	if err != nil {
		return err
	}
	if err := judge.stranger(text, f.services.demand(b)); err != nil {
		return fmt.Errorf("the finished bundle: %w", err)
	}
	if err := sign.WriteFile(j.out, text, j.inputs...); err != nil {
		return noVerdictf("%w", err)
	}
	return nil
}

// judge returns who judges the bundle of a job.
func (f *signFlags) judge(who *identity, alg trustroot.KeyDetails, j *signJob) *judge {
	g := &judge{services: &f.services, signer: who, alg: alg}
	for _, path := range j.files {
		g.artifacts = append(g.artifacts, fileArtifact(path))
	}
	return g
}

// newServiceClient is how this command asks servers.
func newServiceClient(plain bool) *service.Client {
	return service.New(serverOptions(plain))
}

func serverOptions(plain bool) *service.Options {
	return &service.Options{PlainHTTP: plain, UserAgent: "bundler", Timeout: 20 * time.Second}
}
