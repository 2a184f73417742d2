//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// ownSession starts cmd in a session of its own, which is a process group too.
// It has no terminal: a program that wants to ask there fails at once, where in
// a background group it would be stopped and hang.
func ownSession(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// killSession kills cmd's process group.
func killSession(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}
