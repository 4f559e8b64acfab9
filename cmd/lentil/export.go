package main

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/transfer"
)

// exportCommand moves things out.
func exportCommand(e *env) *cobra.Command {
	var address, key, dir string
	cmd := &cobra.Command{
		Use: "export", Short: "Take users, or all of the sign-in service's data, out of a running house",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return misused{errors.New("say what to export")}
		},
	}
	reachFlags(cmd, &address, &key, &dir)
	find := func() error { return findHouse(e, dir, &address, &key) }
	var secrets bool
	cmd.PersistentFlags().BoolVar(&secrets, "secrets", false, "with hashes of passwords and other secrets: who has the file can use them")
	query := func(more url.Values) string {
		if secrets {
			more.Set("secrets", "true")
		}
		return "?" + more.Encode()
	}
	archive := &cobra.Command{
		Use: "archive FILE.zip", Short: "Write everything of an environment into an archive", Args: exactly(1, "name the archive to write"),
		Long: `Write everything of the environment of the API key into FILE, as it is at one moment:
users, organizations, memberships, roles, connections, directories, flags, events,
settings and more, one row a line. lentil import archive reads it into another house,
with all ids. Without --secrets nobody could sign in there with their password.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := find(); err != nil {
				return err
			}
			if err := download(cmd.Context(), e, address+"/_lentil/v1/export"+query(url.Values{}), key, args[0], wholeArchive); err != nil {
				return err
			}
			fmt.Fprintf(e.stderr, "  Exported to %s\n", args[0])
			return nil
		},
	}
	var format string
	users := &cobra.Command{
		Use: "users FILE", Short: "Write the users into a CSV or JSON lines file", Args: exactly(1, "name the file to write; - is stdout"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format == "" {
				format = cmp.Or(map[string]string{".csv": "csv"}[strings.ToLower(filepath.Ext(args[0]))], "jsonl")
			}
			if err := find(); err != nil {
				return err
			}
			return download(cmd.Context(), e, address+"/_lentil/v1/export/users"+query(url.Values{"format": {format}}), key, args[0], nil)
		},
	}
	users.Flags().StringVar(&format, "format", "", "csv or jsonl (default: by the file's name)")
	cmd.AddCommand(archive, users)
	return cmd
}

// wholeArchive refuses an archive that has no end.
func wholeArchive(name string) error {
	z, err := zip.OpenReader(name)
	if err != nil {
		return errors.New("the archive came only in part")
	}
	defer z.Close()
	f, err := z.Open("manifest.json")
	if err != nil {
		return errors.New("the archive came only in part")
	}
	return f.Close()
}

// download writes an answer of any size into a file that appears when it is whole.
func download(ctx context.Context, e *env, address, key, name string, check func(string) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the house did not answer: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		var no struct{ Message string }
		if json.Unmarshal(b, &no) == nil && no.Message != "" {
			return errors.New(no.Message)
		}
		return fmt.Errorf("the house answers %s", res.Status)
	}
	if name == "-" {
		_, err := io.Copy(e.stdout, res.Body)
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".lentil-export-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of what did not become name
	sent := &counted{r: res.Body}
	stop := sent.show(ctx, e, 0)
	_, err = io.Copy(f, sent)
	stop()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("the export was broken off; nothing is written: %w", err)
	}
	if check != nil {
		if err := check(f.Name()); err != nil {
			return fmt.Errorf("the export was broken off; nothing is written: %w", err)
		}
	}
	return os.Rename(f.Name(), name)
}

// importArchiveCommand moves everything in.
func importArchiveCommand(e *env, find func() error, address, key *string) *cobra.Command {
	var resume, asJSON bool
	cmd := &cobra.Command{
		Use: "archive FILE.zip", Short: "Read an archive of lentil export archive into a new environment", Args: exactly(1, "name the archive"),
		Long: `Read an archive of lentil export archive into the environment of the API key, which
must not have users or organizations yet. All ids stay, so the claim sub of tokens
does, too. The whole archive is checked before anything is written.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := find(); err != nil {
				return err
			}
			target := *address + "/_lentil/v1/imports/archive"
			if resume {
				target += "?resume=true"
			}
			var done transfer.Restored
			if err := upload(cmd.Context(), e, args[0], target, *key, nil, &done); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(done)
			}
			newTalk(e).restored(&done)
			return nil
		},
	}
	cmd.Flags().BoolVar(&resume, "resume", false, "go on after an import of this archive that stopped")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what was imported as JSON")
	return cmd
}

// restored says what became of an archive.
func (t *talk) restored(d *transfer.Restored) {
	list := func(what string, counts map[string]int) {
		var parts []string
		for _, table := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%d %s", counts[table], strings.ReplaceAll(table, "_", " ")))
		}
		if parts != nil {
			fmt.Fprintf(t.w, "  %-12s %s\n", what, strings.Join(parts, ", "))
		}
	}
	list("Imported", d.Rows)
	list("Kept", d.Kept)
	list("Left out", d.LeftOut)
	if len(d.LeftOut) > 0 {
		t.notice("the archive was made without --secrets: what is left out is of no use without them")
	}
}
