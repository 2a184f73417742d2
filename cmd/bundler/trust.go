package main

import "github.com/spf13/cobra"

func newTrustCommand() *cobra.Command {
	return &cobra.Command{Use: "trust", Short: "Show, check, compare and create trust configs"}
}
