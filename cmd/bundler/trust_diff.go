package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot"
)

func newTrustDiffCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say in words how one trust config differs from another",
		Long: `Say in words how one trust config differs from another, for those who review a
change of trust. Spelling and order make no difference; what is believed does.

Exit status:
  0  no differences
  1  differences
  2  wrong usage, or a file is not a valid trust config
  3  a file could not be read`,
		Example: "  bundler trust diff trusted_root.json trusted_root.new.json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			before, err := loadTrustFile(args[0])
			if err != nil {
				return err
			}
			after, err := loadTrustFile(args[1])
			if err != nil {
				return err
			}
			result := trustDiff{SchemaVersion: 1, Changes: []trustroot.Change{}}
			result.Changes = append(result.Changes, trustroot.Diff(before, after)...)
			if err := result.write(cmd, output); err != nil {
				return err
			}
			if len(result.Changes) > 0 {
				return errNo
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

// trustDiff is the result of trust diff. Version 1 of its JSON.
type trustDiff struct {
	SchemaVersion int                `json:"schemaVersion"`
	Changes       []trustroot.Change `json:"changes"`
}

func (r trustDiff) write(cmd *cobra.Command, output string) error {
	w := cmd.OutOrStdout()
	if output == "json" {
		return writeIndented(w, r)
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(w, "no differences")
	}
	for _, c := range r.Changes {
		fmt.Fprintln(w, c.Message)
	}
	return nil
}
