package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// env is what a command may touch of the world outside.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// commands are all commands, in the order in which help shows them.
var commands = []func(*env) *cobra.Command{
	initCommand,
	devCommand,
	serveCommand,
	emulateCommand,
	execCommand,
	seedCommand,
	importCommand,
	exportCommand,
	backupCommand,
	restoreCommand,
	statusCommand, deploymentsCommand,
	doctorCommand,
	dashboardCommand,
	keysCommand,
	versionCommand,
	hashesCommand,
	lodgeCommand,
	attendCommand,
}

func main() { os.Exit(run(os.Args[1:], &env{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv})) }

// run executes one command and gives the exit code. The first interrupt asks for
// a clean stop; a second one ends the process at once.
func run(args []string, e *env) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	// nohup stays in force; serve reads files again on this signal.
	if !signal.Ignored(syscall.SIGHUP) && (len(args) == 0 || args[0] != "serve") {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:           "lentil",
		Short:         "A Convex-compatible backend and a WorkOS-AuthKit-compatible sign-in service in one process",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return misused{errors.New("say what to do")}
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetArgs(args)
	root.SetOut(e.stderr) // help that was not asked for is talk
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misused{err} })
	for _, c := range commands {
		root.AddCommand(c(e))
	}
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	end := ended{}
	if errors.As(err, &end) && end.cause == nil {
		return end.code
	}
	fmt.Fprintf(e.stderr, "lentil: %v\n", err)
	if hint := (hinted{}); errors.As(err, &hint) {
		fmt.Fprintf(e.stderr, "hint: %s\n", hint.hint)
	}
	if errors.As(err, &misused{}) || !root.HasParent() && isUnknownCommand(err) {
		return 2
	}
	if end.cause != nil {
		return end.code
	}
	return 1
}
