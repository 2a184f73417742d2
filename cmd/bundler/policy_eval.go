package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bundler-sign/bundler/pkg/policy"
	"github.com/bundler-sign/bundler/pkg/verify"
)

func newPolicyEvalCommand() *cobra.Command {
	var output, input string
	var explain bool
	f := &policyFlags{}
	cmd := &cobra.Command{
		Use:   "eval --input FILE [flags] POLICY",
		Short: "Try a policy on an input",
		Long: `Evaluate a policy on an input document, as bundler verify would. Such documents
are written by bundler verify --print-policy-input. What comes out is no
verification: the document is believed as it is.

--explain says which expressions do not hold, and what the input has there.

Exit status:
  0  the policy accepts
  1  the policy does not accept
  2  wrong usage
  3  the input can not be read, or the policy is broken`,
		Example: `  bundler verify --print-policy-input --policy team.rego --trusted-root root.json app.tar >input.json
  bundler policy eval --input input.json --explain team.rego`,
		Args: exactArgs(1, "a policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTextOrJSON(output); err != nil {
				return err
			}
			if input == "" {
				return usagef("expected --input, a file that bundler verify --print-policy-input wrote")
			}
			verdict, failures, err := f.evaluate(cmd, args[0], input)
			if err != nil {
				return err
			}
			if !explain {
				failures = nil
			}
			return renderEvaluated(cmd.OutOrStdout(), output, args[0], verdict, failures)
		},
	}
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&input, "input", "", "the input `file` (JSON)")
	cmd.Flags().BoolVar(&explain, "explain", false, "say which expressions do not hold")
	f.registerParams(cmd.Flags())
	return cmd
}

func (f *policyFlags) evaluate(cmd *cobra.Command, path, input string) (*policy.Verdict, []policy.Failure, error) {
	params, data, err := f.parameters()
	if err != nil {
		return nil, nil, err
	}
	text, err := readInput(input, policy.MaxInput)
	if err != nil {
		return nil, nil, err
	}
	doc, err := policy.ParseInput(text)
	if err != nil {
		return nil, nil, noVerdictf("input %s: %w", input, err)
	}
	if len(params) > 0 {
		doc.SetParams(params)
	}
	p, err := loadPolicy(path, &policy.Options{Package: f.pkg, Data: data})
	if err != nil {
		return nil, nil, err
	}
	verdict, failures, err := p.Evaluate(cmd.Context(), doc)
	if err != nil {
		return nil, nil, noVerdictf("%s", clean(err.Error()))
	}
	return verdict, failures, nil
}

func renderEvaluated(out io.Writer, output, name string, v *policy.Verdict, failures []policy.Failure) error {
	if output == "json" {
		err := writeJSON(out, struct {
			SchemaVersion int              `json:"schemaVersion"`
			Accepted      bool             `json:"accepted"`
			Allow         bool             `json:"allow"`
			Deny          []verify.Finding `json:"deny"`
			Warn          []verify.Finding `json:"warn"`
			Failures      []policy.Failure `json:"failures"`
		}{1, v.Accepted(), v.Allow, v.Deny, v.Warn, failures})
		if err != nil {
			return err
		}
	} else {
		renderEvaluatedText(out, name, v, failures)
	}
	if !v.Accepted() {
		return errNo
	}
	return nil
}

func renderEvaluatedText(out io.Writer, name string, v *policy.Verdict, failures []policy.Failure) {
	verb := "accepts"
	if !v.Accepted() {
		verb = "does not accept"
	}
	fmt.Fprintf(out, "%s %s\n", clean(name), verb)
	for _, f := range v.Deny {
		fmt.Fprintf(out, "  deny  %s\n", clean(f.String()))
	}
	for _, f := range v.Warn {
		fmt.Fprintf(out, "  warn  %s\n", clean(f.String()))
	}
	if v.Allow {
		return
	}
	fmt.Fprintf(out, "  allow is not true: no rule for it holds\n")
	for _, f := range failures {
		fmt.Fprintf(out, "    %s, in %s: this does not hold: %s\n", clean(f.At), clean(f.Rule), clean(f.Expression))
		for _, value := range f.Values {
			fmt.Fprintf(out, "      %s\n", clean(value))
		}
	}
}
