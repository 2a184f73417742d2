// Package policies holds the shipped Rego policies, so that programs carry the
// helper library with them. See README.md.
package policies

import "embed"

// FS has one directory for each policy, and lib.
//
//go:embed */*.rego
var FS embed.FS
