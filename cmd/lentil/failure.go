package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// misused is an error in how the command was called; the exit code is 2.
type misused struct{ error }

// Unwrap is the error itself.
func (m misused) Unwrap() error { return m.error }

// hinted is an error with a line on what to do about it.
type hinted struct {
	error
	hint string
}

// Unwrap is the error without its hint.
func (h hinted) Unwrap() error { return h.error }

// isUnknownCommand recognises cobra's complaint, which has no type of its own.
func isUnknownCommand(err error) bool { return strings.HasPrefix(err.Error(), "unknown command") }

// atMost allows up to n arguments; more are a misuse.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.MaximumNArgs(n)(cmd, args); err != nil {
			return misused{err}
		}
		return nil
	}
}
