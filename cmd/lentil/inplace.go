package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// passedOn are the signals that a command gets in our place.
var passedOn = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// runInPlace runs a program in this terminal and ends as it does: with its code, or
// with 128 and the number of the signal that ended it.
//
// It stays in our process group: the terminal's signals and its input are the
// program's as they would be without us.
func runInPlace(e *env, program string, args []string, vars []variable) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	c := exec.Command(program)
	c.Args = args
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, e.stdout, e.stderr
	c.Env = os.Environ()
	for _, v := range vars {
		c.Env = append(c.Env, v.name+"="+v.value) // the last one counts
	}
	if err := c.Start(); err != nil {
		switch {
		case errors.Is(err, os.ErrNotExist):
			return ended{codeNotFound, fmt.Errorf("%s: command not found", args[0])}
		default:
			return ended{codeNotExecutable, fmt.Errorf("%s cannot be run: %w", args[0], rootCause(err))}
		}
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	for {
		select {
		case s := <-signals:
			if number := s.(syscall.Signal); !typed(number) {
				c.Process.Signal(number)
			}
		case err := <-done:
			return howItEnded(err)
		}
	}
}

// typed says whether a signal came from the terminal, as far as that can be told:
// then the whole group has got it, and the command with it.
func typed(s syscall.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false // no terminal, no keys
	}
	defer tty.Close()
	front, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && front == unix.Getpgrp()
}

// howItEnded turns the end of a process into ours.
func howItEnded(err error) error {
	exit := (*exec.ExitError)(nil)
	if err == nil || !errors.As(err, &exit) {
		return err
	}
	if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return ended{code: codeSignal + int(w.Signal())}
	}
	return ended{code: exit.ExitCode()}
}
