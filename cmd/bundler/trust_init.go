package main

import (
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

// initFlags are the flags of bundler trust init as given.
type initFlags struct {
	repositoryFlags
	name, url, targetsURL         string
	root, rootSHA256              string
	from                          string
	allowHTTP                     bool
	trustedRoot, signing, keyring string
	output                        string
	clock                         clockFlag
}

func newTrustInitCommand() *cobra.Command {
	f := &initFlags{}
	cmd := &cobra.Command{
		Use:   "init --tuf-url URL --tuf-root FILE [--name NAME]",
		Short: "Name a TUF repository as a source of trust",
		Long: `Name a TUF repository as a source of trust, and fetch what it publishes.

The repository is known by its root: a file that came another way than from the
repository, or its SHA-256. All later roots must be signed by the one before.
From then on "bundler verify --trust-profile NAME" believes what the repository
says, asks it again when its answer is older than --max-age, and works without
the network in between.

On a machine that is cut off, --from DIR reads what "bundler trust export" wrote
elsewhere, under the same rules.

Exit status:
  0  the profile is made
  1  the repository's answer was refused: a signature, a version, an expiry
  2  wrong usage, or the root can not be used
  3  the repository could not be reached`,
		Example: "  bundler trust init --tuf-url https://tuf.acme.example/metadata --tuf-root root.json --name prod\n" +
			"  bundler trust init --from export/ --tuf-url https://tuf.acme.example/metadata --tuf-root root.json --name prod",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.name, "name", defaultProfile, "the profile's `name`")
	fs.StringVar(&f.url, "tuf-url", "", "the `URL` of the repository's metadata")
	fs.StringVar(&f.root, "tuf-root", "", "the root to start from, a `file`")
	fs.StringVar(&f.rootSHA256, "tuf-root-sha256", "", "SHA-256 of the root to start from, in `hex`")
	fs.StringVar(&f.targetsURL, "tuf-targets-url", "", "the `URL` of the repository's targets; by default targets/ below the metadata")
	fs.StringVar(&f.trustedRoot, "target-trusted-root", "", "the `name` of the trusted root; by default "+tuf.TrustedRootName)
	fs.StringVar(&f.signing, "target-signing-config", "", "the `name` of the signing config; by default "+tuf.SigningConfigName)
	fs.StringVar(&f.keyring, "target-keyring", "", "the `name` of the keyring; by default "+tuf.KeyringName)
	fs.DurationVar(&f.maxAge, "max-age", tuf.DefaultMaxAge, "`age` after which the repository is asked again")
	fs.StringVar(&f.from, "from", "", "a `directory` that bundler trust export wrote, instead of the network")
	fs.BoolVar(&f.allowHTTP, "insecure-http", false, "let the repository be reached over http:, where others can hold updates back")
	f.register(fs)
	outputFlag(cmd, &f.output)
	f.clock.register(cmd)
	return cmd
}

func (f *initFlags) run(cmd *cobra.Command) error {
	clock, err := f.clock.clock()
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	dir, err := profiles()
	if err != nil {
		return err
	}
	if err := dir.Free(f.name); err != nil {
		return explainTUF(err)
	}
	p := &tuf.Profile{MaxAge: f.maxAge, Repository: tuf.Repository{
		MetadataURL: f.url, TargetsURL: f.targetsURL, AllowHTTP: f.allowHTTP,
		TrustedRoot: f.trustedRoot, SigningConfig: f.signing, Keyring: f.keyring,
	}}
	options := f.options(cmd, clock, p)
	if err := fetchFrom(options, p, f.from); err != nil {
		return err
	}
	if err := f.pin(cmd, p, options); err != nil {
		return explainTUF(err)
	}
	source, err := tuf.New(p.Repository, options)
	if err != nil {
		return explainTUF(err)
	}
	snapshot, err := source.Update(cmd.Context())
	if err != nil {
		return explainTUF(err)
	}
	if err := dir.Add(f.name, p); err != nil {
		return explainTUF(err)
	}
	now := clock()
	return writeTUF(cmd.OutOrStdout(), f.output, viewTUF(f.name, p, snapshot, now), now)
}

func (f *initFlags) check() error {
	if err := checkTextOrJSON(f.output); err != nil {
		return err
	}
	switch {
	case f.url == "":
		return usagef("expected --tuf-url: it names the repository, also with --from")
	case (f.root == "") == (f.rootSHA256 == ""):
		return withHint(usagef("expected either --tuf-root or --tuf-root-sha256"),
			"get the root, or its digest, from whoever runs the repository, and not from the repository")
	case f.maxAge <= 0:
		return usagef("--max-age %v: expected more than 0", f.maxAge)
	}
	return f.repositoryFlags.check()
}

// pin sets the root to start from.
func (f *initFlags) pin(cmd *cobra.Command, p *tuf.Profile, options *tuf.Options) error {
	if f.rootSHA256 != "" {
		return p.FetchRoot(cmd.Context(), f.rootSHA256, options)
	}
	file, err := os.Open(f.root)
	if err != nil {
		return err
	}
	defer file.Close()
	p.Root, err = io.ReadAll(io.LimitReader(file, tuf.MaxRoot+1))
	return err
}

// fetchFrom makes options read an export instead of asking the network.
func fetchFrom(options *tuf.Options, p *tuf.Profile, dir string) (err error) {
	if dir == "" {
		return nil
	}
	if p.TargetsURL != "" {
		return usagef("--from: expected a repository whose targets lie below its metadata, found --tuf-targets-url")
	}
	if options.Fetcher, err = tuf.DirFetcher(p.MetadataURL, dir); err != nil {
		return noVerdictf("--from %s: %w", dir, err)
	}
	return nil
}

func writeTUF(w io.Writer, output string, v *tufView, now time.Time) error {
	if output == "json" {
		return writeIndented(w, struct {
			SchemaVersion int `json:"schemaVersion"`
			*tufView
		}{1, v})
	}
	v.text(w, now)
	return nil
}

func sortedFiles(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }
