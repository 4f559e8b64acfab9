package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/server"
)

// restoreCommand makes a house of a backup.
func restoreCommand(e *env) *cobra.Command {
	var at string
	var asJSON bool
	r := server.Restoration{}
	cmd := &cobra.Command{
		Use: "restore --from PLACE --to DIR [--at TIME]", Short: "Make a house of a backup, as it was at any second", Args: atMost(0),
		Long: `Make a data directory DIR of the backup at PLACE, as the house was at TIME, or at the
newest moment that was backed up. DIR must be empty, or not be there. Start the house
with: lentil serve --data DIR

The master key is not in a backup. Give the copy of secret.key that was kept apart as
--secret-key, or the key in LENTIL_MASTER_KEY or LENTIL_MASTER_KEY_FILE.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if r.From == "" {
				return misused{errors.New("--from is missing: name where the backup is, " + depot.Forms)}
			}
			if r.To == "" {
				return misused{errors.New("--to is missing: name the directory that the house is restored into")}
			}
			if r.At, err = parseTime(at); err != nil {
				return misused{err}
			}
			if r.Key, err = server.BackupKey(e.getenv); err != nil {
				return misused{err}
			}
			if r.MasterKeys, err = server.MasterKeys(e.getenv); err != nil {
				return misused{err}
			}
			show, began := newTalk(e).progress(), time.Now()
			r.Getenv, r.Log, r.Progress = e.getenv, newLog(e, false), show.tell
			h, err := r.Restore(cmd.Context())
			show.end()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(h)
			}
			return showRestored(e, h, r.To, time.Since(began))
		},
	}
	f := cmd.Flags()
	fromFlag(e, cmd, &r.From)
	f.StringVar(&r.To, "to", "", "directory that the house is restored into")
	f.StringVar(&at, "at", "", "time whose state it shall have, such as 2026-11-26T10:15:00Z (default: the newest)")
	f.StringVar(&r.SecretFile, "secret-key", "", "copy of secret.key that was kept apart from the backup")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// parseTime reads a moment; "" is none.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Unix() <= 0 {
		return t, fmt.Errorf("--at %q is not a time; write it like 2026-11-26T10:15:00Z or 2026-11-26T11:15:00+01:00", s)
	}
	return t, nil
}

// showRestored prints what was restored.
func showRestored(e *env, h *server.RestoredHouse, to string, took time.Duration) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEPLOYMENT\tDOCUMENTS\tFILES")
	missing := 0
	for _, d := range h.Deployments {
		fmt.Fprintf(w, "%s\t%d\t%d\n", d.Name, d.Documents, d.Files)
		missing += d.FilesMissing
	}
	if err := w.Flush(); err != nil {
		return err
	}
	out := newTalk(e)
	fmt.Fprintf(e.stderr, "\n  Restored %s and %s as of %s\n", count(int64(len(h.Deployments)), "deployment"), count(int64(h.Users), "user"), out.style(bold, h.At.UTC().Format(time.RFC3339Nano)))
	fmt.Fprintf(e.stderr, "  from a copy of %s and %s since, %s in %v\n", h.Base.UTC().Format(time.RFC3339), count(h.Commits, "commit"), size(h.Bytes), took.Round(time.Millisecond))
	fmt.Fprintf(e.stderr, "  Start it with: lentil serve --data %s\n", to)
	for _, name := range h.Without {
		out.notice("the deployment %s could not be opened when this was backed up, is not in the backup, and will be empty; lentil backup list tells of earlier times", name)
	}
	if missing > 0 {
		out.notice("the bytes of %s had been deleted before they were backed up, and are not there", count(int64(missing), "file"))
	}
	return nil
}
