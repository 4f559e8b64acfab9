//go:build unix && !linux

package sideprocess

import "golang.org/x/sys/unix"

// lower lowers the priority of this process.
func lower() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) }
