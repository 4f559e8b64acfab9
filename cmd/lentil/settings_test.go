package main

import (
	"io"
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

// TestEverySettingHasAKey holds that a flag of a house is a row of the table of
// settings, and so has a variable, a key in the file and its line in the printed
// configuration.
func TestEverySettingHasAKey(t *testing.T) {
	t.Parallel()
	h := houseFlags{serve: true}
	h.register(pflag.NewFlagSet("", pflag.ContinueOnError))
	var own []string
	for _, r := range h.rows {
		own = append(own, r.Flag)
	}
	// These are about the call of the command, not about the house.
	own = append(own, "config", "print-config", "check", "validate-config", "json", "verbose")
	e := &env{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
	serveCommand(e).Flags().VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(own, f.Name) {
			t.Errorf("--%s has no row in server.Config.Settings", f.Name)
		}
	})
}
