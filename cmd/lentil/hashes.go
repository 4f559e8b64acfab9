package main

import (
	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// hashesName is the command below.
const hashesName = "hash-passwords"

// hashesCommand is what the server starts to hash passwords; people have no use
// for it.
func hashesCommand(*env) *cobra.Command {
	return &cobra.Command{
		Use:    hashesName,
		Short:  "Hash passwords for the server that started this",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(*cobra.Command, []string) error { return authflow.ServeHashes() },
	}
}
