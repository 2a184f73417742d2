package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func newTrustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Show, check, compare, create and fetch trust configs",
		Long: `Show, check, compare, create and fetch trust configs.

A trust config is one JSON file that says whom a verifier believes, and when:
a trusted root, a client trust config (trusted root and signing config), a
signing config, or bundler's own keyring of bare public keys. A trust profile
names a TUF repository that publishes one, and keeps it up to date.
` + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTrustInitCommand(), newTrustUpdateCommand(), newTrustListCommand(), newTrustForgetCommand(), newTrustExportCommand(),
		newTrustShowCommand(), newTrustCheckCommand(), newTrustDiffCommand(), newTrustCreateCommand())
	return cmd
}

// loadTrustFile reads the trust config at path. A file that breaks the rules is
// a configuration error; one that cannot be read leaves no verdict.
func loadTrustFile(path string) (*trustroot.Config, error) {
	c, err := trustroot.File(path)
	if err == nil {
		return c, nil
	}
	if _, ok := errors.AsType[*trustroot.FormatError](err); ok {
		return nil, withHint(usagef("%w", err), "bundler trust check explains what a trust config must hold")
	}
	return nil, noVerdictf("%w", err)
}

// clockFlag is the time that "valid", "ended" and "ends soon" are told by: the
// clock's, unless a test sets it.
type clockFlag struct{ text string }

func (c *clockFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.text, "now", "", "`time` to judge windows by (RFC 3339), for tests")
	_ = cmd.Flags().MarkHidden("now") // fails only for a flag that does not exist
}

func (c *clockFlag) now() (time.Time, error) {
	clock, err := c.clock()
	if err != nil {
		return time.Time{}, err
	}
	return clock().UTC(), nil
}

// clock is for what happens while time goes on. One that a test sets stands.
func (c *clockFlag) clock() (func() time.Time, error) {
	if c.text == "" {
		return time.Now, nil
	}
	t, err := parseTimeFlag("--now", c.text)
	return func() time.Time { return t }, err
}

// parseTimeFlag reads a time as RFC 3339, or a date, which means its midnight
// in UTC.
func parseTimeFlag(flag, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("%s %q: expected a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z", flag, text)
}

// checkTextOrJSON refuses values of -o other than text and json.
func checkTextOrJSON(output string) error {
	if output != "text" && output != "json" {
		return usagef("-o %q: expected text or json", output)
	}
	return nil
}
