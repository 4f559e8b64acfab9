package node

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launch is what runs before Node.js: no core files, and the first choice of the
// kernel when memory runs out. In a namespace the shell stays, as its first
// process: that one ignores signals it has no handler for, which Node.js must not,
// and when it ends the kernel ends all others.
const (
	launch   = `ulimit -c 0; echo 900 >/proc/self/oom_score_adj; exec "$0" "$@"`
	launchNS = `ulimit -c 0; echo 900 >/proc/self/oom_score_adj; "$0" "$@"; exit $?`
)

// namespaces are what processes are put into, as far as this system permits.
var namespaces = sync.OnceValue(func() uintptr {
	for _, flags := range []uintptr{unix.CLONE_NEWUSER | unix.CLONE_NEWPID, unix.CLONE_NEWPID} {
		cmd := exec.Command("/bin/sh", "-c", "exit 0")
		cmd.SysProcAttr = attributes(flags)
		if cmd.Run() == nil {
			return flags
		}
	}
	return 0
})

// attributes of a process in the given namespaces.
func attributes(flags uintptr) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: flags}
	if flags&unix.CLONE_NEWUSER != 0 {
		uid, gid := os.Getuid(), os.Getgid()
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	return a
}

// command makes the command of a process.
func (p *Pool) command(binary string, args ...string) *exec.Cmd {
	script, flags := launch, namespaces()
	if p.plain.Load() {
		flags = 0
	}
	if flags != 0 {
		script = launchNS
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, binary}, args...)...)
	cmd.SysProcAttr = attributes(flags)
	return cmd
}

// lowerPriority lets the house go before its actions when processors are scarce.
func lowerPriority(pid int) { _ = unix.Setpriority(unix.PRIO_PGRP, pid, 5) }

// killAll ends a process and its group; with a namespace, everything in that.
func killAll(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// What an action may use together with the processes it starts. Node.js itself
// takes some 60 MB that are not the program's.
const (
	overhead     = 128 << 20
	maxProcesses = 64
	watchEvery   = 100 * time.Millisecond
)

// Why an action that used too much is ended.
var (
	errMemory    = errors.New("it used too much memory")
	errProcesses = errors.New("it started more than " + strconv.Itoa(maxProcesses) + " processes")
)

// watch looks at what the processes use while some run.
func (p *Pool) watch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watching || p.closed {
		return
	}
	p.watching = true
	p.running.Add(1)
	go func() {
		defer p.running.Done()
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for range tick.C {
			var busy []*process
			p.mu.Lock()
			for pr := range p.alive {
				if pr.current() != nil {
					busy = append(busy, pr)
				}
			}
			if len(busy) == 0 {
				p.watching = false
				p.mu.Unlock()
				return
			}
			p.mu.Unlock()
			for _, pr := range busy {
				memory, n := usage(pr.cmd.Process.Pid)
				if memory > p.opt.Memory+overhead {
					pr.kill(errMemory)
				} else if n > maxProcesses {
					pr.kill(errProcesses)
				}
			}
		}
	}()
}

// usage counts the memory of a process and its descendants, and these.
func usage(pid int) (memory int64, n int) {
	dir := "/proc/" + strconv.Itoa(pid)
	if b, err := os.ReadFile(dir + "/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			memory = pages * int64(os.Getpagesize())
		}
	}
	tasks, _ := filepath.Glob(dir + "/task/*/children")
	for _, t := range tasks {
		b, _ := os.ReadFile(t)
		for _, c := range strings.Fields(string(b)) {
			child, err := strconv.Atoi(c)
			if err != nil || n > 2*maxProcesses {
				continue
			}
			m, k := usage(child)
			memory, n = memory+m, n+k+1
		}
	}
	return memory, n
}
