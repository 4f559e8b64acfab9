package sideprocess

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// slice is how long a child may keep a processor that somebody else waits for, in
// nanoseconds: the least that Linux takes (sched(7), sched_runtime since 6.12).
// The default of some milliseconds is what others would wait, however low the
// child's priority.
const slice = 100_000

// lower lowers the priority of this thread.
func lower() error {
	a := unix.SchedAttr{Policy: unix.SCHED_NORMAL, Nice: niceness, Runtime: slice}
	a.Size = uint32(unsafe.Sizeof(a))
	if err := unix.SchedSetAttr(0, &a, 0); err == nil {
		return nil
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) // where sandboxes know no sched_setattr
}
