package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/trustroot/tuf"
)

func newTrustListCommand() *cobra.Command {
	var output string
	var clock clockFlag
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the trust profiles, with the age of their trust",
		Long: `List the trust profiles, where their trust comes from, how old it is and when it
expires. Nothing is fetched.

Exit status:
  0  listed
  2  wrong usage
  3  the profiles could not be read`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tell, err := clock.clock()
			if err != nil {
				return err
			}
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			dir, err := profiles()
			if err != nil {
				return err
			}
			names, err := dir.Names()
			if err != nil {
				return err
			}
			now := tell()
			views := []*tufView{}
			for _, name := range names {
				p, source, err := openProfile(cmd, name, &repositoryFlags{timeout: tuf.DefaultTimeout}, tell, nil)
				if err != nil {
					warnf(cmd.ErrOrStderr(), "%v", err)
					continue
				}
				snapshot, err := source.Cached()
				if err != nil && !errors.Is(err, tuf.ErrNoState) {
					return explainTUF(err)
				}
				views = append(views, viewTUF(name, p, snapshot, now))
			}
			if output == "json" {
				return writeIndented(cmd.OutOrStdout(), struct {
					SchemaVersion int        `json:"schemaVersion"`
					Profiles      []*tufView `json:"profiles"`
				}{1, views})
			}
			for _, v := range views {
				v.text(cmd.OutOrStdout(), now)
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	clock.register(cmd)
	return cmd
}

func newTrustForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget NAME",
		Short: "Delete a trust profile and what was fetched for it",
		Long: `Delete a trust profile, its pinned root, and what was fetched for it.

Exit status:
  0  deleted
  2  there is no such profile
  3  it could not be deleted`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := profiles()
			if err != nil {
				return err
			}
			// A profile that can not be read can still be deleted.
			if p, err := dir.Load(args[0]); err == nil {
				if cache, err := cacheDir(); err == nil {
					if err := p.Forget(cache); err != nil {
						return err
					}
				}
			}
			return explainTUF(dir.Remove(args[0]))
		},
	}
}

func newTrustExportCommand() *cobra.Command {
	var dir string
	var clock clockFlag
	cmd := &cobra.Command{
		Use:   "export NAME --dir DIR",
		Short: "Write a profile's trust for a machine that is cut off",
		Long: `Write the last verified state of a trust profile as a TUF repository of files,
for "bundler trust init --from" and "bundler trust update --from" on a machine
that is cut off. It is verified there as if it came over the network, from the
root that is pinned there. Nothing is fetched; "bundler trust update" does that.

Exit status:
  0  written
  2  wrong usage
  3  nothing verified is at hand, or DIR could not be written`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("expected --dir")
			}
			tell, err := clock.clock()
			if err != nil {
				return err
			}
			_, source, err := openProfile(cmd, args[0], &repositoryFlags{timeout: tuf.DefaultTimeout}, tell, nil)
			if err != nil {
				return err
			}
			if err := source.Export(dir); err != nil {
				return explainTUF(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: written to %s\n", clean(args[0]), clean(dir))
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the `directory` to write, empty or not there yet")
	clock.register(cmd)
	return cmd
}
