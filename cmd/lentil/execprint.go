package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// attendName is the command by which exec --print keeps a proxy for a terminal.
const attendName = "attend"

// printVariables starts a process that serves this terminal's commands until the
// terminal is closed, and prints what they need to know.
func (f *execFlags) printVariables(cmd *cobra.Command, e *env) error {
	session, err := unix.Getsid(0)
	if err != nil || session <= 1 {
		session = os.Getppid() // as in a container whose sessions began outside
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{attendName, "--session=" + strconv.Itoa(session)}
	if f.dir != "" {
		args = append(args, "--dir="+f.dir)
	}
	if f.data != "" {
		args = append(args, "--data="+f.data)
	}
	if f.quiet {
		args = append(args, "--quiet")
	}
	c := exec.Command(self, append(args, changedFlags(cmd.Flags())...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	said, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	complaints, err := c.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	text := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(complaints, 1<<16))
		text <- b
	}()
	var vars []variableJSON
	if err := json.NewDecoder(said).Decode(&vars); err != nil {
		return saidBy(<-text)
	}
	all := make([]variable, 0, len(vars)+1)
	for _, v := range vars {
		all = append(all, variable{name: v.Name, value: v.Value})
	}
	return printed(e, append(all, variable{name: "LENTIL_EXEC_PID", value: strconv.Itoa(c.Process.Pid)}), f.house.json)
}

// variableJSON is a variable on its way from one process to another.
type variableJSON struct{ Name, Value string }

// attendCommand is the process of exec --print.
func attendCommand(e *env) *cobra.Command {
	var f execFlags
	var session int
	cmd := &cobra.Command{
		Use: attendName, Short: "Keep a proxy for the commands of a terminal", Hidden: true, Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			talk := &hush{to: e.stderr}
			e := &env{stdout: e.stdout, stderr: talk, getenv: e.getenv}
			l, err := f.lodge(cmd, e, newTalk(e))
			if err != nil {
				return err
			}
			defer l.leave()
			x, err := f.open(cmd.Context(), e, l)
			if err != nil {
				return err
			}
			defer x.close()
			list := make([]variableJSON, 0, len(x.variables))
			for _, v := range x.variables {
				list = append(list, variableJSON{v.name, v.value})
			}
			if err := json.NewEncoder(os.Stdout).Encode(list); err != nil {
				return err
			}
			os.Stdout.Close()
			talk.be() // who listened has gone, and writing to nobody is deadly
			awaitEnd(cmd.Context(), session)
			return nil
		},
	}
	f.house.register(cmd.Flags())
	cmd.Flags().StringVar(&f.dir, "dir", "", "the project")
	cmd.Flags().StringVar(&f.data, "data", "", "data directory")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "say nothing")
	cmd.Flags().IntVar(&session, "session", 0, "process that leads the terminal's session")
	return cmd
}

// hush is a writer until it is told to be silent.
type hush struct {
	mu     sync.Mutex // guards silent
	to     io.Writer
	silent bool
}

// Write writes, or pretends to.
func (h *hush) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.silent {
		return len(b), nil
	}
	return h.to.Write(b)
}

// be makes it silent.
func (h *hush) be() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent = true
}

// awaitEnd waits until a process has ended, or ctx.
func awaitEnd(ctx context.Context, pid int) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
