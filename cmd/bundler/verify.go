package main

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
	"github.com/bundler-sign/bundler/pkg/verify"
)

// verifyFlags are the flags of bundler verify as given.
type verifyFlags struct {
	bundle   string
	manifest string
	trust    string
	root     string
	profile  string
	options  string
	require  string
	output   string
	clock    clockFlag
	offline  bool

	repository repositoryFlags

	key      string
	keyHint  string
	details  string
	identity identityFlags
	any      bool

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
bundle is about. A bundle file that ends in .jsonl holds a bundle a line, and
every one of them must verify; with --predicate-type, every one of that type,
and there must be one.

--manifest FILE lists what to verify, a JSON object a line:
{"artifact": "app.tar", "bundle": "app.att.json"}; the bundle may be left out.

Who may have signed must be said: by --key, by --certificate-identity with
--certificate-oidc-issuer (or --certificate-subject, for a CA of your own), or
in an options file. Patterns match the whole name.

What the bundle must prove is, unless said otherwise, a log entry, a signed
certificate timestamp and a time of signing. --require auto asks for exactly
what the trust config has services for, which is what a trust config for a
CA of your own means. With --key and no trust config there is nothing to ask
but the signature itself.

Trust from a file needs no network, and none is used. --trust-profile takes it
from a TUF repository, asked again when its last answer is older than the profile
allows; if it can not be reached, that answer stands until it expires.
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
	fs.StringVar(&f.bundle, "bundle", "", "the bundle `file`; - reads it from standard input")
	fs.StringVar(&f.manifest, "manifest", "", "a `file` that lists artifacts and bundles, a JSON object a line")
	fs.StringVar(&f.trust, "trust-config", "", "the trust config `file`: a trusted root, a client trust config or a keyring; or a directory with one such *.json and CRLs as *.crl")
	fs.StringVar(&f.root, "trusted-root", "", "the same as --trust-config")
	fs.StringVar(&f.profile, "trust-profile", "", "the `name` of a trust profile made by bundler trust init; by default that in $"+profileVariable)
	f.repository.register(fs)
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
	fs.BoolVar(&f.any, "insecure-any-identity", false, "accept any signer that the trust config vouches for")
	fs.BoolVar(&f.offline, "offline", false, "never use the network (trust from a file never does): trust from a profile must be at hand and unexpired")
	outputFlag(cmd, &f.output)
	f.clock.register(cmd)
}

// run verifies and renders. With -o json there is one document on standard
// output whatever happens.
func (f *verifyFlags) run(cmd *cobra.Command, args []string) error {
	if err := checkTextOrJSON(f.output); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	render := &textRenderer{out: out, stderr: cmd.ErrOrStderr(), marks: marksFor(out)}
	each := render.result
	if f.output == "json" {
		each = func(result) {}
	}
	results, err := f.verify(cmd, args, each)
	switch {
	case err != nil && f.output == "json":
		renderNoVerdictJSON(out, err)
	case err != nil:
	case f.output == "json":
		err = renderResultsJSON(out, results)
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
	trust, err := f.loadTrust(cmd)
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
	jobs, err := f.jobs(cmd.InOrStdin(), args)
	if err != nil {
		return nil, err
	}
	var results []result
	for some := range runJobs(cmd.Context(), jobs, func(j *job) []result { return j.run(cmd.Context(), verifier, f.predicateType) }) {
		for _, r := range some {
			each(r)
			results = append(results, r)
		}
	}
	if cmd.Context().Err() != nil {
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
func (f *verifyFlags) loadTrust(cmd *cobra.Command) (*trustroot.Config, error) {
	if f.trust != "" && f.root != "" {
		return nil, usagef("--trust-config and --trusted-root are the same flag: expected one of them")
	}
	file := cmp.Or(f.trust, f.root)
	switch profile := os.Getenv(profileVariable); {
	case file != "" && f.profile != "":
		return nil, usagef("--trust-profile and --trust-config: expected one source of trust, found two")
	case file != "":
		return f.loadTrustAt(file)
	case f.profile != "":
		return f.loadProfile(cmd, f.profile)
	case f.key != "":
		return &trustroot.Config{Source: f.key}, nil
	case profile != "":
		return f.loadProfile(cmd, profile)
	case f.options != "":
		return &trustroot.Config{Source: f.options}, nil
	}
	return nil, withHint(usagef("no trust given: expected --trust-config, --trusted-root, --trust-profile or --key"),
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
