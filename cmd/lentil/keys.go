package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/server"
)

// keysCommand tells of the keys that protect secrets at rest, and renews them.
func keysCommand(e *env) *cobra.Command {
	var data string
	var asJSON, masterOnly bool
	// of is the data directory that the arguments name.
	of := func(args []string) string {
		switch {
		case data != "":
			return data
		case len(args) == 1:
			return filepath.Join(args[0], stateName)
		}
		return stateName
	}
	show := func(keys []server.KeyState) error {
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "KEY\tCREATED\tUSE")
		for _, k := range keys {
			created, use := "–", "opens what older versions sealed; names and admin keys derive from it"
			if k.Seals {
				use = "seals and opens"
			} else if k.ID != "root" {
				use = "opens"
			}
			if !k.Created.IsZero() {
				created = k.Created.Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", k.ID, created, use)
		}
		return w.Flush()
	}
	cmd := &cobra.Command{
		Use: "keys [DIR]", Short: "Show or renew the keys that protect secrets at rest", Args: atMost(1),
		Long: `Show the keys that protect secrets at rest in the house of the project in DIR
(default: here), or the one of --data.

They lie in the directory's keyring, wrapped under a master key: one in secret.key
beside it, or the one in LENTIL_MASTER_KEY or in the file that
LENTIL_MASTER_KEY_FILE names. Name the new master key before the old one there,
with a comma between, and rotate, to go from one to the other.`,
		RunE: func(_ *cobra.Command, args []string) error {
			masters, err := server.MasterKeys(e.getenv)
			if err != nil {
				return misused{err}
			}
			keys, err := server.Keys(of(args), masters)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(keys)
			}
			return show(keys)
		},
	}
	rotate := &cobra.Command{
		Use: "rotate [DIR]", Short: "Renew the keys and seal all secrets anew; the house must be stopped", Args: atMost(1),
		Long: `Renew the master key and the key that seals, and seal all secrets anew. Nobody is
signed out, and API keys and admin keys stay as they are. The house must be
stopped. If this is interrupted, run it again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			masters, err := server.MasterKeys(e.getenv)
			if err != nil {
				return misused{err}
			}
			done, err := server.Rotation{Data: of(args), MasterKeys: masters, MasterOnly: masterOnly, Log: newLog(e, false)}.Rotate(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(done)
			}
			fmt.Fprintf(e.stderr, "rotated; %d rows were sealed anew. Keep the new keyring in your backups.\n", done.Sealed)
			return show(done.Keys)
		},
	}
	rotate.Flags().BoolVar(&masterOnly, "master-only", false, "renew the master key alone")
	cmd.PersistentFlags().StringVar(&data, "data", "", "data directory of a house that is started with serve")
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(rotate)
	return cmd
}
