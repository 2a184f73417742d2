package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// verifyFlags are the flags of bundler verify as given.
type verifyFlags struct {
	bundles  []string
	manifest string
	trust    string
	root     string
	options  string
	require  string
	output   string
	clock    clockFlag
	offline  bool
	key      string
	keyHint  string
	details  string
	identity identityFlags
	any      bool
	policy   policyFlags
	inputs   bool // print what policies see

	predicateType    string
	crls, ekus       []string
	log, sct, tsa    int
	integrated, seen int
	noLog, noSCT     bool
	ecdsaSHA256      bool
}

func newVerifyCommand() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify [flags] ARTIFACT...",
		Short: "Verify an artifact against its bundle",
		Long: `Verify artifacts against Sigstore bundles, with one trust config.

An ARTIFACT is a file, a directory, or a digest such as sha256:9f86d0…; a
digest needs --bundle. Without --bundle, each file's bundle is found beside it,
as ARTIFACT.sigstore.json or ARTIFACT.sigstore; of a directory every file must
have one, except the bundles. With --bundle, all artifacts must be what that one
bundle is about; it may be repeated, for several signers' bundles of the same
artifacts. A bundle file that ends in .jsonl holds a bundle a line, and
every one of them must verify; with --predicate-type, every one of that type,
and there must be one.

--manifest FILE lists what to verify, a JSON object a line:
{"artifact": "app.tar", "bundle": "app.att.json"}; the bundle may be left out.

Who may have signed must be said: by --key, by --certificate-identity with
--certificate-oidc-issuer (or --certificate-subject, for a CA of your own), in
an options file, or by a policy. Patterns match the whole name.

--policy FILE or DIRECTORY has the last word: rules in Rego that weigh what was
proved, and can only turn a yes into a no. Every policy given must accept. One
whose package is bundler.set judges all bundles of the same artifacts together,
such as two of three signers. A policy that does not load or evaluate is no
verdict. --print-policy-input shows what policies see; bundler policy helps to
write them.

What the bundle must prove is, unless said otherwise, a log entry, a signed
certificate timestamp and a time of signing. --require auto asks for exactly
what the trust config has services for, which is what a trust config for a
CA of your own means. With --key and no trust config there is nothing to ask
but the signature itself.

Trust from a file needs no network, and none is used.
` + exitHelp,
		Example: `  bundler verify --trusted-root root.json --certificate-identity alice@example.com \
      --certificate-oidc-issuer https://login.example.com release.tar.gz
  bundler verify --key release.pub release.tar.gz
  bundler verify --trust-config acme.json --require auto --certificate-subject 'CN=build,O=Acme' --bundle app.sigstore.json sha256:9f86d081…`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && f.manifest == "" {
				return usagef("expected an artifact, a directory, a digest or --manifest")
			}
			return nil
		},
		RunE:        func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
		Annotations: map[string]string{alwaysJSON: "yes"},
	}
	f.register(cmd)
	return cmd
}

func (f *verifyFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringArrayVar(&f.bundles, "bundle", nil, "the bundle `file`; - reads it from standard input; may be repeated")
	fs.StringVar(&f.manifest, "manifest", "", "a `file` that lists artifacts and bundles, a JSON object a line")
	fs.StringVar(&f.trust, "trust-config", "", "the trust config `file`: a trusted root, a client trust config or a keyring; or a directory with one such *.json and CRLs as *.crl")
	fs.StringVar(&f.root, "trusted-root", "", "the same as --trust-config")
	f.identity.register(fs)
	fs.StringVar(&f.key, "key", "", "the signer's public key `file`, PEM or DER")
	fs.StringVar(&f.keyHint, "key-hint", "", "another `name` under which bundles know the key of --key")
	fs.StringVar(&f.details, "key-details", "", "the signature `algorithm` that the signer's key prescribes, such as PKIX_RSA_PSS_2048_SHA256; by default that of the keyring, or of the key's type")
	fs.StringVar(&f.options, "options", "", "an ArtifactVerificationOptions `file` (JSON), with identities and thresholds")
	fs.StringVar(&f.predicateType, "predicate-type", "", "require an attestation with a predicate of that `type`")
	fs.StringVar(&f.require, "require", "default", "`what` must be proved: default, or auto for what the trust config has services for")
	fs.IntVar(&f.log, "tlog", 1, "how many transparency logs must hold the entry")
	fs.BoolVar(&f.noLog, "no-tlog", false, "require no transparency log")
	fs.IntVar(&f.sct, "sct", 1, "how many CT logs must hold the certificate")
	fs.BoolVar(&f.noSCT, "no-sct", false, "require no CT log")
	fs.IntVar(&f.tsa, "tsa", 0, "how many timestamp authorities must have seen the signature")
	fs.IntVar(&f.integrated, "integrated-times", 0, "how many logs must promise when they integrated the entry")
	fs.IntVar(&f.seen, "observer-times", 1, "how many of both must have seen the signature; 0 lets the present stand in")
	fs.StringArrayVar(&f.ekus, "certificate-eku", nil, "extended key usage `OID` that a certificate must have instead of code signing; may be repeated")
	fs.StringArrayVar(&f.crls, "crl", nil, "certificate revocation list `file`, PEM or DER; may be repeated; then all certificates must be covered")
	fs.BoolVar(&f.ecdsaSHA256, "accept-ecdsa-sha256", false, "accept P-384 and P-521 signatures over SHA-256, as early Sigstore clients made them")
	f.policy.register(fs)
	fs.BoolVar(&f.inputs, "print-policy-input", false, "print what policies see of the bundle (JSON) in place of the result")
	fs.BoolVar(&f.any, "insecure-any-identity", false, "accept any signer that the trust config vouches for")
	fs.BoolVar(&f.offline, "offline", false, "never use the network (trust from a file never does)")
	fs.StringVarP(&f.output, "output", "o", "text", "output `format`: text, json; for CI junit, sarif, markdown; vsa for a Verification Summary Attestation to sign")
	f.clock.register(cmd)
}

// renderNone renders that there is no verdict on anything. Then there is nothing
// to attest.
func renderNone(out io.Writer, output string, err error) {
	switch output {
	case "json":
		renderNoVerdictJSON(out, err)
	case "vsa":
	default:
		// What goes wrong here is told by err, which the caller returns.
		_ = verifyOutputs[output](out, []result{{name: "bundler verify", err: err}})
	}
}

// run verifies and renders. Formats but text and vsa give one document on
// standard output whatever happens.
func (f *verifyFlags) run(cmd *cobra.Command, args []string) error {
	renderAll := verifyOutputs[f.output]
	if renderAll == nil && f.output != "text" {
		return usagef("-o %q: expected text, json, junit, sarif, markdown or vsa", f.output)
	}
	out := cmd.OutOrStdout()
	render := &textRenderer{out: out, stderr: cmd.ErrOrStderr(), marks: marksFor(out)}
	each := render.result
	if renderAll != nil || f.inputs {
		each = func(result) {}
	}
	results, err := f.verify(cmd, args, each)
	switch {
	case err != nil && renderAll != nil:
		renderNone(out, f.output, err)
	case err != nil:
	case f.inputs:
		err = renderInputs(out, cmd.ErrOrStderr(), results)
	case renderAll != nil:
		err = renderAll(out, results)
	default:
		render.end(results)
	}
	if err != nil {
		return err
	}
	return verdictOf(results)
}

// verify returns a result for each bundle, having shown each to the caller, in
// the order of the arguments, as soon as it is there. An error means that not
// even the question could be put.
func (f *verifyFlags) verify(cmd *cobra.Command, args []string, each func(result)) ([]result, error) {
	trust, err := f.loadTrust()
	if err != nil {
		return nil, err
	}
	for _, w := range trust.Warnings {
		warnf(cmd.ErrOrStderr(), "%s: %s", clean(trust.Source), clean(w))
	}
	require, trust, err := f.requirements(cmd, trust)
	if err != nil {
		return nil, err
	}
	verifier, err := verify.New(trust, require)
	if err != nil {
		return nil, explainConfig(err)
	}
	judges, err := f.policy.load()
	if err != nil {
		return nil, err
	}
	jobs, err := f.jobs(cmd.InOrStdin(), args)
	if err != nil {
		return nil, err
	}
	return f.work(cmd.Context(), verifier, judges, jobs, each)
}

// work verifies and judges. Where a policy judges sets there is no result to
// show before all are there.
func (f *verifyFlags) work(ctx context.Context, verifier *verify.Verifier, judges *judges, jobs []*job, each func(result)) ([]result, error) {
	var results []result
	run := func(j *job) []result {
		some := j.run(ctx, verifier, f.predicateType)
		for i := range some {
			judges.judge(ctx, &some[i], f.inputs)
		}
		return some
	}
	for some := range runJobs(ctx, jobs, run) {
		for _, r := range some {
			if len(judges.sets) == 0 {
				each(r)
			}
			results = append(results, r)
		}
	}
	if len(judges.sets) > 0 && ctx.Err() == nil {
		judges.judgeSets(ctx, results)
		for _, r := range results {
			each(r)
		}
	}
	if ctx.Err() != nil {
		return nil, noVerdictf("interrupted")
	}
	return results, nil
}

// explainConfig says what to do about requirements that the trust can not meet.
func explainConfig(err error) error {
	if unmet, ok := errors.AsType[*verify.UnmetTrustError](err); ok {
		return withHint(usagef("%w", unmet), "use a trust config that lists a %s, or say that this one decides what is proved: --require auto", unmet.Missing)
	}
	return usagef("%w", err)
}

// loadTrust reads the one trust config, or makes one of --key alone.
func (f *verifyFlags) loadTrust() (*trustroot.Config, error) {
	switch {
	case f.trust != "" && f.root != "":
		return nil, usagef("--trust-config and --trusted-root are the same flag: expected one of them")
	case f.trust != "":
		return f.loadTrustAt(f.trust)
	case f.root != "":
		return f.loadTrustAt(f.root)
	case f.key != "":
		return &trustroot.Config{Source: f.key}, nil
	case f.options != "":
		return &trustroot.Config{Source: f.options}, nil
	}
	return nil, withHint(usagef("no trust given: expected --trust-config, --trusted-root or --key"),
		"a trust config says whom to believe; bundler trust create makes one from a CA's certificates")
}

// loadTrustAt reads a trust config file, or a directory that holds one (the
// only *.json) and the CRLs to go with it (all *.crl).
func (f *verifyFlags) loadTrustAt(path string) (*trustroot.Config, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return loadTrustFile(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, noVerdictf("%w", err)
	}
	var configs []string
	for _, e := range entries {
		switch name := filepath.Join(path, e.Name()); filepath.Ext(name) {
		case ".json":
			configs = append(configs, name)
		case ".crl":
			f.crls = append(f.crls, name)
		}
	}
	if len(configs) != 1 {
		return nil, usagef("trust config directory %s: expected exactly one *.json file, found %d", path, len(configs))
	}
	return loadTrustFile(configs[0])
}

// now returns the time of evaluation, to the second: certificates know no finer.
func (f *verifyFlags) now() (time.Time, error) {
	t, err := f.clock.now()
	return t.Truncate(time.Second), err
}
