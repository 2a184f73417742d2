package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func newTrustCreateCommand() *cobra.Command {
	var f createFlags
	cmd := &cobra.Command{
		Use:   "create [flags]",
		Short: "Create a trust config from certificates, keys and URLs",
		Long: `Create a trust config from PEM certificates, PEM public keys and service URLs.

Each flag may be given several times. What follows a file or URL after a comma
are its properties, as in --ca chain.pem,start=2026-01-31,uri=https://ca.example.
A date is its midnight in UTC; windows include both ends.

  --ca, --tsa      a chain in PEM, in any order; the top of it is the anchor.
                   start (default: when all its certificates are valid), end,
                   uri, operator
  --tlog, --ctlog  a public key in PEM or DER.
                   url and start (both needed), end, operator,
                   version (of Rekor: 1 or 2), details (the algorithm)
  --key            a public key in PEM or DER.
                   hint (a name for it), start, end, details
  --fulcio-url, --oidc-url, --rekor-url, --tsa-url
                   a service to sign with.
                   version (of its API, default 1), start (default: now), end,
                   operator (default: the host)

The result is a trusted root; with service URLs, a client trust config, or a
signing config if there is nothing else; with --key, a keyring that holds the
rest. Nothing is written that trust check reports an error in.

Exit status:
  0  written
  2  wrong usage, or a file holds something else than it should
  3  a file could not be read or written`,
		Example: `  bundler trust create --ca chain.pem -o trusted_root.json
  bundler trust create --ca chain.pem --tsa tsa.pem \
      --tlog rekor.pub,url=https://rekor.example,start=2026-01-31 -o trusted_root.json
  bundler trust create --key release.pub,hint=release-2026 -o keyring.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.register(cmd)
	return cmd
}

type createFlags struct {
	cas, tsas, tlogs, ctlogs, keys  []string
	fulcioURLs, oidcURLs, rekorURLs []string
	tsaURLs                         []string
	rekorSelect, tsaSelect, out     string
	clock                           clockFlag
	at                              time.Time // what the clock says
	inputs                          []string  // files read
}

func (f *createFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.cas, "ca", nil, "certificate authority: `CHAIN.pem`[,property…]")
	flags.StringArrayVar(&f.tsas, "tsa", nil, "timestamp authority: `CHAIN.pem`[,property…]")
	flags.StringArrayVar(&f.tlogs, "tlog", nil, "transparency log (Rekor): `KEY.pem`,url=…,start=…")
	flags.StringArrayVar(&f.ctlogs, "ctlog", nil, "certificate transparency log: `KEY.pem`,url=…,start=…")
	flags.StringArrayVar(&f.keys, "key", nil, "trusted public key: `KEY.pem`[,property…]")
	flags.StringArrayVar(&f.fulcioURLs, "fulcio-url", nil, "CA to sign with: `URL`[,property…]")
	flags.StringArrayVar(&f.oidcURLs, "oidc-url", nil, "identity provider to sign with: `URL`[,property…]")
	flags.StringArrayVar(&f.rekorURLs, "rekor-url", nil, "transparency log to sign with: `URL`[,property…]")
	flags.StringArrayVar(&f.tsaURLs, "tsa-url", nil, "timestamp authority to sign with: `URL`[,property…]")
	flags.StringVar(&f.rekorSelect, "rekor-select", "any", "logs to use: any, all or a `number`")
	flags.StringVar(&f.tsaSelect, "tsa-select", "any", "timestamp authorities to use: any, all or a `number`")
	flags.StringVarP(&f.out, "out", "o", "", "`file` to write (default: standard output)")
	f.clock.register(cmd)
}

func (f *createFlags) run(cmd *cobra.Command) error {
	var err error
	if f.at, err = f.clock.now(); err != nil {
		return err
	}
	c, err := f.config()
	if err != nil {
		return err
	}
	data, err := c.Marshal()
	if err != nil {
		return usagef("%w", err)
	}
	if err := f.check(data, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if f.out == "" {
		_, err := cmd.OutOrStdout().Write(data)
		return err
	}
	if err := c.WriteFile(f.out, f.inputs...); err != nil {
		return noVerdictf("%w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s\n", shown(f.out))
	return nil
}

// check refuses what trust check reports an error in, and passes on warnings.
func (f *createFlags) check(data []byte, stderr io.Writer) error {
	c, err := trustroot.Parse(data, "the new trust config")
	if err != nil {
		return usagef("%w", err)
	}
	var refused error
	for _, finding := range trustroot.Check(c, f.at, nil) {
		if finding.Severity == trustroot.SeverityError && refused == nil {
			refused = usagef("%s: %s", finding.Path, finding.Message)
		} else {
			fmt.Fprintf(stderr, "bundler: %s\n", findingText(c.Source, finding))
		}
	}
	return refused
}

// config builds what the flags describe; parts that none is about stay nil.
func (f *createFlags) config() (*trustroot.Config, error) {
	c := &trustroot.Config{}
	var err error
	if len(f.cas)+len(f.tsas)+len(f.tlogs)+len(f.ctlogs) > 0 {
		if c.Root, err = f.root(); err != nil {
			return nil, err
		}
	}
	if len(f.fulcioURLs)+len(f.oidcURLs)+len(f.rekorURLs)+len(f.tsaURLs) > 0 {
		if c.Signing, err = f.signing(); err != nil {
			return nil, err
		}
	}
	if len(f.keys) > 0 {
		if c.Keyring, err = f.keyring(); err != nil {
			return nil, err
		}
	}
	if c.Root == nil && c.Signing == nil && c.Keyring == nil {
		return nil, withHint(usagef("nothing to trust: expected at least one of --ca, --tsa, --tlog, --ctlog, --key or a service URL"),
			"bundler help trust create has examples")
	}
	return c, nil
}

// An argument is the value of a flag: a file or URL, and its properties.
type argument struct {
	flag, value string
	props       map[string]string
}

// parseArgument reads VALUE[,name=text…]. A comma that no name= follows belongs
// to the value. No property is given twice.
func parseArgument(flag, text string, names ...string) (argument, error) {
	arg := argument{flag: flag, props: make(map[string]string)}
	value, rest := cutProperties(text)
	arg.value = value
	for _, prop := range rest {
		name, text, _ := strings.Cut(prop, "=")
		if !slices.Contains(names, name) {
			return arg, usagef("%s %s: %q: expected one of the properties %s", flag, shown(value), name, strings.Join(names, ", "))
		}
		if _, twice := arg.props[name]; twice {
			return arg, usagef("%s %s: the property %s is given twice", flag, shown(value), name)
		}
		if text == "" {
			return arg, usagef("%s %s: the property %s is empty", flag, shown(value), name)
		}
		arg.props[name] = text
	}
	if value == "" {
		return arg, usagef("%s: expected a file or URL before the properties", flag)
	}
	return arg, nil
}

// cutProperties splits text at its commas that are followed by a name and "=".
func cutProperties(text string) (value string, props []string) {
	var parts []string
	for _, piece := range strings.Split(text, ",") {
		name, _, found := strings.Cut(piece, "=")
		isProp := found && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") == ""
		if len(parts) == 0 || isProp {
			parts = append(parts, piece)
		} else {
			parts[len(parts)-1] += "," + piece
		}
	}
	return parts[0], parts[1:]
}

// window reads the properties start and end; what is not given is zero.
func (a argument) window() (trustroot.Validity, error) {
	var v trustroot.Validity
	var err error
	if text := a.props["start"]; text != "" {
		if v.Start, err = parseTimeFlag(a.flag+" start=", text); err != nil {
			return v, err
		}
	}
	if text := a.props["end"]; text != "" {
		v.End, err = parseTimeFlag(a.flag+" end=", text)
	}
	return v, err
}

// read returns the contents of the file that arg names.
func (f *createFlags) read(arg argument, most int64) ([]byte, error) {
	f.inputs = append(f.inputs, arg.value)
	file, err := os.Open(arg.value)
	if err != nil {
		return nil, noVerdictf("%s: %w", arg.flag, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, noVerdictf("%s %s: expected a file, found a directory", arg.flag, arg.value)
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, noVerdictf("%s: %w", arg.flag, err)
	}
	if int64(len(data)) > most {
		return nil, usagef("%s %s: expected at most %d bytes, found more", arg.flag, arg.value, most)
	}
	return data, nil
}

// wrong reports that the file or URL of arg holds something else than it should.
func (a argument) wrong(err error) error {
	if _, ok := errors.AsType[*statusError](err); ok {
		return err
	}
	return usagef("%s %s: %w", a.flag, shown(a.value), err)
}
