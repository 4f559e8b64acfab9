//go:build !linux

package node

import (
	"errors"
	"os/exec"
	"syscall"
)

// errMemory is why an action that used too much memory is ended; here only Node.js
// itself notices that.
var errMemory = errors.New("it used too much memory")

// command makes the command of a process: no core files, then Node.js.
func (p *Pool) command(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `ulimit -c 0; exec "$0" "$@"`, binary}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// namespaces are what processes are put into: nothing.
func namespaces() uintptr { return 0 }

// lowerPriority lets the house go before its actions when processors are scarce.
func lowerPriority(pid int) { _ = syscall.Setpriority(syscall.PRIO_PGRP, pid, 5) }

// killAll ends a process and its group.
func killAll(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// watch does nothing: only Linux tells cheaply what processes use.
func (p *Pool) watch() {}
