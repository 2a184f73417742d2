//go:build !unix

package program

import "os/exec"

// ownSession does nothing where there are no process groups.
func ownSession(*exec.Cmd) {}

// killSession kills cmd alone.
func killSession(cmd *exec.Cmd) error { return cmd.Process.Kill() }
