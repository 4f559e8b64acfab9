package node

import (
	"os/exec"
	"runtime"
	"sync"
)

// nursery starts processes from one OS thread that lives as long as the Pool:
// Linux kills them when the thread that started them ends, which is how they end
// with the house even if nobody can tell them (prctl(2), PR_SET_PDEATHSIG).
type nursery struct {
	once sync.Once
	work chan func()
	done chan struct{}
}

// start starts a command.
func (n *nursery) start(cmd *exec.Cmd) error {
	n.once.Do(func() {
		n.work, n.done = make(chan func()), make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			defer close(n.done)
			for f := range n.work {
				f()
			}
		}()
	})
	result := make(chan error, 1)
	n.work <- func() { result <- cmd.Start() }
	return <-result
}

// close ends the thread. All processes must have ended.
func (n *nursery) close() {
	n.once.Do(func() {})
	if n.work != nil {
		close(n.work)
		<-n.done
		n.work = nil
	}
}
