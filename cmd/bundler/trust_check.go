package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func newTrustCheckCommand() *cobra.Command {
	var output string
	var clock clockFlag
	var soon int
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a trust config, and say what will soon be wrong with it",
		Long: `Check a trust config against every rule, and say what will soon be wrong with
it: windows that end, gaps between successive keys, old algorithms, chains that
nothing can be issued under, entries that this build does not know, services
whose answers would not verify.

Exit status:
  0  clean
  1  findings, of any severity: errors can not work, warnings deserve a look
  2  wrong usage
  3  FILE could not be read`,
		Example: "  bundler trust check trusted_root.json\n  bundler trust check trust.json --soon 90 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now, err := clock.now()
			if err != nil {
				return err
			}
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			if soon < 1 || soon > 36500 {
				return usagef("--soon %d: expected 1 to 36500 days", soon)
			}
			result, err := checkTrust(args[0], now, time.Duration(soon)*24*time.Hour)
			if err != nil {
				return err
			}
			if err := result.write(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			if len(result.Findings) > 0 {
				return errNo
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().IntVar(&soon, "soon", 30, "`days` within which a window ends soon")
	clock.register(cmd)
	return cmd
}

// trustCheck is the result of trust check. Version 1 of its JSON.
type trustCheck struct {
	SchemaVersion int                 `json:"schemaVersion"`
	Source        string              `json:"source"`
	SHA256        string              `json:"sha256,omitempty"` // of the file, if it is a trust config at all
	Findings      []trustroot.Finding `json:"findings"`
}

// checkTrust lints the file at path. That it breaks a rule is a finding here,
// and not a failure of the command.
func checkTrust(path string, now time.Time, soon time.Duration) (trustCheck, error) {
	result := trustCheck{SchemaVersion: 1, Source: path, Findings: []trustroot.Finding{}}
	c, err := trustroot.File(path)
	if malformed, ok := errors.AsType[*trustroot.FormatError](err); ok {
		result.Findings = append(result.Findings, trustroot.Finding{
			Severity: trustroot.SeverityError, Path: malformed.Path, Message: malformed.Err.Error(),
		})
		return result, nil
	}
	if err != nil {
		return trustCheck{}, noVerdictf("%w", err)
	}
	result.SHA256 = hex.EncodeToString(c.SHA256[:])
	result.Findings = append(result.Findings, trustroot.Check(c, now, &trustroot.CheckOptions{Soon: soon})...)
	return result, nil
}

func (r trustCheck) write(w io.Writer, output string) error {
	if output == "json" {
		return writeIndented(w, r)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintf(w, "%s: no findings\n", shown(r.Source))
	}
	for _, f := range r.Findings {
		fmt.Fprintln(w, findingText(r.Source, f))
	}
	return nil
}

func findingText(source string, f trustroot.Finding) string {
	where := shown(source)
	if f.Path != "" {
		where += ": " + shown(f.Path)
	}
	return fmt.Sprintf("%s: %s: %s", f.Severity, where, f.Message)
}
