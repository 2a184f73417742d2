package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

func newTrustUpdateCommand() *cobra.Command {
	var f repositoryFlags
	var output, from string
	var clock clockFlag
	cmd := &cobra.Command{
		Use:   "update [NAME]",
		Short: "Ask the TUF repository of a trust profile for news",
		Long: `Ask the TUF repository of a trust profile for news, however young what is at
hand is. Without NAME, ` + profileVariable + ` names the profile, else it is "default".

What was verified before stays as it was if this fails.

Exit status:
  0  trust is up to date
  1  the repository's answer was refused: a signature, a version, an expiry
  2  wrong usage or configuration
  3  the repository could not be reached`,
		Example: "  bundler trust update prod\n  bundler trust update prod --from export/",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			tell, err := clock.clock()
			if err != nil {
				return err
			}
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			var options *tuf.Options
			name := profileArg(args)
			p, source, err := openProfile(cmd, name, &f, tell, func(o *tuf.Options) { options = o })
			if err != nil {
				return err
			}
			if from != "" {
				if err := fetchFrom(options, p, from); err != nil {
					return err
				}
				if source, err = tuf.New(p.Repository, options); err != nil {
					return explainTUF(err)
				}
			}
			snapshot, err := source.Update(cmd.Context())
			if err != nil {
				return explainTUF(fmt.Errorf("trust profile %q: %w", name, err))
			}
			now := tell()
			return writeTUF(cmd.OutOrStdout(), output, viewTUF(name, p, snapshot, now), now)
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&from, "from", "", "a `directory` that bundler trust export wrote, instead of the network")
	outputFlag(cmd, &output)
	clock.register(cmd)
	return cmd
}

func profileArg(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	if name := os.Getenv(profileVariable); name != "" {
		return name
	}
	return defaultProfile
}
