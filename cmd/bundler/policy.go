package main

import (
	"encoding/json/v2"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/policy"
)

func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, test and try policies",
		Long: `Write policies in Rego for bundler verify --policy.

check compiles a policy and looks for mistakes, test runs its tests, and eval
tries it on an input that bundler verify --print-policy-input wrote.
` + exitHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			return usagef("expected check, test or eval")
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newPolicyCheckCommand(), newPolicyTestCommand(), newPolicyEvalCommand())
	return cmd
}

func newPolicyCheckCommand() *cobra.Command {
	var output, pkg string
	cmd := &cobra.Command{
		Use:   "check [flags] POLICY",
		Short: "Compile a policy, and look for mistakes in it",
		Long: `Compile a policy, a .rego file or a directory, as bundler verify does, and look
for what compiles and is likely a mistake: patterns that match inside longer
names or match everything, allow that is always true or has no default, the
first of several names, facts that nobody proved.

Exit status:
  0  it compiles, and nothing was found
  1  it does not compile, or something was found
  2  wrong usage
  3  it could not be read`,
		Args: exactArgs(1, "a policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			source, err := policy.ReadSource(args[0])
			if err != nil {
				return noVerdictf("%w", err)
			}
			lints, err := policy.Check(source, pkg)
			return renderCheckedPolicy(cmd.OutOrStdout(), output, args[0], lints, err)
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&pkg, "policy-package", policy.DefaultPackage, "the `package` whose rules decide, or with .set after it")
	return cmd
}

func renderCheckedPolicy(out io.Writer, output, name string, lints []policy.Lint, broken error) error {
	if output == "json" {
		doc := struct {
			SchemaVersion int           `json:"schemaVersion"`
			Policy        string        `json:"policy"`
			Error         string        `json:"error,omitzero"`
			Lints         []policy.Lint `json:"lints"`
		}{SchemaVersion: 1, Policy: printable(name), Lints: lints}
		if broken != nil {
			doc.Error = printable(broken.Error())
		}
		if err := writeJSON(out, doc); err != nil {
			return err
		}
	} else if broken != nil {
		fmt.Fprintf(out, "%s\n", clean(broken.Error()))
	}
	if output != "json" {
		for _, l := range lints {
			fmt.Fprintf(out, "%s: %s: %s\n", clean(l.At), l.Code, clean(l.Message))
		}
	}
	if broken != nil || len(lints) > 0 {
		return errNo
	}
	if output != "json" {
		fmt.Fprintf(out, "%s: nothing found\n", clean(name))
	}
	return nil
}

// writeJSON writes one document, safe to show.
func writeJSON(out io.Writer, doc any) error {
	text, err := json.Marshal(doc, json.Deterministic(true))
	if err != nil {
		return noVerdictf("rendering the result: %w", err)
	}
	fmt.Fprintf(out, "%s\n", cleanJSON(text))
	return nil
}

func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("expected %s, found %d arguments", what, len(args))
		}
		return nil
	}
}
