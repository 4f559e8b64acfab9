//go:build unix

package sideprocess

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// niceness is how far a child steps back: a tenth of the share of an ordinary
// process where both want the same processor, so that neither starves the other.
const niceness = 10

// steppedBack is set in the environment of a child that has stepped back.
const steppedBack = "LENTIL_SIDE_PROCESS"

// stepBack lowers the priority of all threads of this process. On Linux a
// priority belongs to a thread and is handed down to the threads it makes, and
// the runtime has some already: so the process starts itself once more from the
// one that stepped back.
func stepBack() error {
	if os.Getenv(steppedBack) != "" {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := lower(); err != nil {
		return fmt.Errorf("sideprocess: lower the priority: %w", err)
	}
	if runtime.GOOS != "linux" {
		return nil // there it is the process's
	}
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("sideprocess: %w", err)
	}
	return syscall.Exec(path, os.Args, append(os.Environ(), steppedBack+"=1"))
}

// apart puts a child into a process group of its own: an interrupt from the
// keyboard is the parent's to answer.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
