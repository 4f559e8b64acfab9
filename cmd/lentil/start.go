package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// childGrace is how long a started command has to end after SIGTERM.
const childGrace = 5 * time.Second

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
	cmd.WaitDelay = childGrace // grandchildren that keep the output open
	err = cmd.Start()
	in.Close()
	if err != nil {
		return fmt.Errorf("start %q: %w", command, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	group := -cmd.Process.Pid
	select {
	case err = <-ended:
		syscall.Kill(group, syscall.SIGTERM) // what it left running
	case <-ctx.Done():
		syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(childGrace):
			syscall.Kill(group, syscall.SIGKILL)
			<-ended
		}
		return nil
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("the started command ended with %v: %s", exit, command)
	}
	return err
}
