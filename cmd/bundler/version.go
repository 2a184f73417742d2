package main

import (
	"crypto/fips140"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the release build; a development build says so.
var version = "devel"

type versionInfo struct {
	SchemaVersion int    `json:"schemaVersion"`
	Version       string `json:"version"`
	Revision      string `json:"revision,omitempty"`
	Modified      bool   `json:"modified,omitempty"`
	Toolchain     string `json:"toolchain"`
	Platform      string `json:"platform"`
	FIPS          bool   `json:"fips140"`
}

func newVersionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show version, build, toolchain and FIPS mode",
		Long:  "Show version, build, toolchain and FIPS mode.\n" + exitHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := buildInfo()
			switch output {
			case "json":
				return json.NewEncoder(cmd.OutOrStdout()).Encode(info)
			case "text":
				rev := ""
				if info.Revision != "" {
					rev = fmt.Sprintf(" (revision %.12s)", info.Revision)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "bundler %s%s %s %s fips140=%v\n", info.Version, rev, info.Toolchain, info.Platform, info.FIPS)
				return nil
			}
			return usagef("-o %s: expected text or json", output)
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func buildInfo() versionInfo {
	info := versionInfo{
		SchemaVersion: 1,
		Version:       version,
		Toolchain:     runtime.Version(),
		Platform:      runtime.GOOS + "/" + runtime.GOARCH,
		FIPS:          fips140.Enabled(),
	}
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	if version == "devel" && bi.Main.Version != "" && bi.Main.Version != "(devel)" {
		info.Version = bi.Main.Version
	}
	for _, s := range bi.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	return info
}

// outputFlag adds -o text|json.
func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "output `format`: text or json")
}
