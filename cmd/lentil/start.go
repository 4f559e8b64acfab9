package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// How a started command is stopped: asked as by Ctrl-C, which is what development
// tools clean up on, then told, then killed. Each step waits this long.
var stopSteps = []struct {
	signal syscall.Signal
	wait   time.Duration
}{{syscall.SIGINT, 4 * time.Second}, {syscall.SIGTERM, time.Second}, {syscall.SIGKILL, time.Second}}

// startCommand runs a shell command in dir until it ends or ctx does, and gives
// an error if it failed by itself.
//
// It has a process group of its own, so that stopping it stops whatever it
// started too, and so that Ctrl-C reaches it once, from us. Its standard input is
// a pipe that says nothing: a background group must not read a terminal, and
// development servers take an end of input as a reason to leave, which is right
// when we die without a word.
func startCommand(ctx context.Context, command, dir string, extra []string, stdout, stderr io.Writer) error {
	in, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer hold.Close()
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, in, stdout, stderr
	cmd.Env = append(os.Environ(), extra...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // for grandchildren that keep an output open which is no file
	err = cmd.Start()
	in.Close()
	if err != nil {
		return fmt.Errorf("start %q: %w", command, err)
	}
	dismiss := guardGroup(cmd.Process.Pid)
	defer dismiss()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		stopGroup(cmd.Process.Pid, nil) // what it left running
	case <-ctx.Done():
		stopGroup(cmd.Process.Pid, ended)
		return nil
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("the started command ended with %v: %s", exit, command)
	}
	return err
}

// guard is the script of a process that ends a group when we are killed and can do
// it no more: it waits for a word from us, and the end of input is none.
const guard = `read -r word && exit
kill -INT -"$1" || exit; sleep 4; kill -TERM -"$1"; sleep 1; kill -KILL -"$1"`

// guardGroup leaves a guard over a group until it is dismissed. Else two of
// everything would run after a new start. Without a guard the command runs as well.
func guardGroup(group int) (dismiss func()) {
	in, hold, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	defer in.Close()
	c := exec.Command("/bin/sh", "-c", guard, "sh", strconv.Itoa(group))
	c.Stdin = in
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	if c.Start() != nil {
		hold.Close()
		return func() {}
	}
	return func() {
		_, _ = hold.WriteString("dismissed\n") // it may have been killed, too
		hold.Close()
		_ = c.Wait()
	}
}

// stopGroup ends every process of a group and waits for them; first, if not nil,
// is how the end of the first process becomes known.
func stopGroup(group int, first <-chan error) {
	for _, step := range stopSteps {
		if syscall.Kill(-group, step.signal) != nil {
			return // nobody is left
		}
		end := time.Now().Add(step.wait)
		for time.Now().Before(end) {
			select {
			case <-first: // reaped; the others may still be cleaning up
				first = nil
			case <-time.After(10 * time.Millisecond):
			}
			if syscall.Kill(-group, 0) != nil {
				return
			}
		}
	}
}
