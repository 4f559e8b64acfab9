package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/server"
)

// backupCommand copies a house elsewhere, and tells what is there.
func backupCommand(e *env) *cobra.Command {
	var data string
	var asJSON bool
	req := server.BackupRequest{}
	cmd := &cobra.Command{
		Use: "backup [DIR] --to PLACE", Short: "Back a house up, running or not, to a directory or S3", Args: atMost(1),
		Long: `Back up the house of the project in DIR (default: here), or the one of --data, to
PLACE: ` + depot.Forms + `.
Keys for S3 come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.

Only what changed since the last time is sent, and every moment since then can be
restored. A running house is asked to do it and goes on meanwhile; to have it done
all the time, start it with --backup PLACE. Everything is in the backup but the
master key: keep a copy of secret.key, or LENTIL_MASTER_KEY, somewhere else. With
LENTIL_BACKUP_KEY or LENTIL_BACKUP_KEY_FILE the backup is sealed by that key.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := houseDir(data, args)
			if req.To == "" {
				return misused{errors.New("--to is missing: name where the backup goes, " + depot.Forms)}
			}
			if _, err := archive.ParseKeep(req.Keep); err != nil {
				return misused{err}
			}
			var err error
			if req.To, err = depot.Canonical(req.To); err != nil {
				return err
			}
			if req.Key, err = server.BackupKey(e.getenv); err != nil {
				return misused{err}
			}
			req.Environment = map[string]string{}
			for _, name := range server.BackupVariables {
				req.Environment[name] = e.getenv(name)
			}
			done, err := backUp(cmd.Context(), e, dir, &req)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(done)
			}
			newTalk(e).backedUp(&done, dir)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&data, "data", e.getenv("LENTIL_DATA"), "data directory of a house that is started with serve")
	f.StringVar(&req.To, "to", e.getenv("LENTIL_BACKUP"), "where the backup goes")
	f.StringVar(&req.Keep, "keep", "", "what stays of earlier backups: 7d,30d,12w is every second of 7 days, a state a day of 30 days, one a week of 12 weeks")
	f.IntVar(&req.Rate, "rate", 0, "MiB a second that may be read (default 32)")
	f.BoolVar(&req.Base, "base", false, "make a whole copy, though none is due")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(backupListCommand(e), backupVerifyCommand(e))
	return cmd
}

// houseDir is the data directory that a command is about.
func houseDir(data string, args []string) string {
	switch {
	case len(args) == 1:
		return filepath.Join(args[0], stateName)
	case data != "":
		return data
	}
	return stateName
}

// backUp makes the backup here, or has the running house make it.
func backUp(ctx context.Context, e *env, dir string, req *server.BackupRequest) (archive.Done, error) {
	masters, err := server.MasterKeys(e.getenv)
	if err != nil {
		return archive.Done{}, misused{err}
	}
	show := newTalk(e).progress()
	defer show.end()
	done, err := server.BackUpStopped(ctx, dir, masters, req, newLog(e, false), func(doing string) { show.say("%s", doing) })
	if !errors.Is(err, persistence.ErrLocked) {
		return done, err
	}
	var a server.Addresses
	b, rerr := os.ReadFile(filepath.Join(dir, runningName))
	if rerr != nil || json.Unmarshal(b, &a) != nil || a.LocalControlURL == "" {
		return done, fmt.Errorf("%w; it is running, but does not tell where: is it still starting, or an older version?", err)
	}
	token, err := server.HouseToken(dir, masters)
	if err != nil {
		return done, err
	}
	return askBackup(ctx, a, token, req, func(doing string) { show.say("%s", doing) })
}

// askBackup asks a running house over the loopback address.
func askBackup(ctx context.Context, a server.Addresses, token string, req *server.BackupRequest, doing func(string)) (done archive.Done, err error) {
	body, err := json.Marshal(req)
	if err != nil {
		return done, err
	}
	// What answers there is on this machine and knows the directory's lock; its
	// certificate, if it has one, is for another name.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.LocalControlURL+server.BackupPath, bytes.NewReader(body))
	if err != nil {
		return done, err
	}
	if u, err := url.Parse(a.ControlURL); err == nil {
		r.Host = u.Host
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(r)
	if err != nil {
		return done, fmt.Errorf("the house runs, but does not answer at %s: %w", a.LocalControlURL, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var refusal struct{ Message string }
		if json.NewDecoder(res.Body).Decode(&refusal) != nil || refusal.Message == "" {
			refusal.Message = "it answered " + res.Status
		}
		return done, fmt.Errorf("the running house makes no backup: %s", refusal.Message)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line server.BackupAnswer
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return done, fmt.Errorf("the running house answers what this version does not understand: %w", err)
		}
		switch {
		case line.Error != "":
			return done, errors.New(line.Error)
		case line.Done != nil:
			return *line.Done, nil
		}
		doing(line.Doing)
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return done, fmt.Errorf("the house stopped before the backup was done: %w", err)
	}
	if ctx.Err() != nil {
		return done, ctx.Err()
	}
	return done, errors.New("the house stopped before the backup was done; run it again")
}

// backedUp tells what a backup did.
func (t *talk) backedUp(d *archive.Done, dir string) {
	fmt.Fprintf(t.w, "  Backed up to %s\n", t.style(bold, d.Depot))
	if b := d.Base; b != nil {
		fmt.Fprintf(t.w, "  A whole copy: %s in %s, %s of %s\n", count(b.Documents, "document"), count(int64(b.Stores), "store"), count(b.Files, "file"), size(b.FileBytes))
	}
	fmt.Fprintf(t.w, "  Everything until %s can be restored\n", t.style(bold, d.Through.UTC().Format(time.RFC3339)))
	if _, err := os.Stat(filepath.Join(dir, server.SecretFile)); err == nil && d.First {
		t.notice("%s is not in the backup, and nothing can be restored without it: keep a copy of it somewhere else", filepath.Join(dir, server.SecretFile))
	}
}

// count is a number of things.
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// size is a number of bytes for a person.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// fromFlag is where a backup is read from.
func fromFlag(e *env, cmd *cobra.Command, from *string) {
	cmd.Flags().StringVar(from, "from", e.getenv("LENTIL_BACKUP"), "where the backup is: "+depot.Forms)
}

// openBackup opens a backup to read it.
func openBackup(e *env, from string) (depot.Depot, []byte, error) {
	if from == "" {
		return nil, nil, misused{errors.New("--from is missing: name where the backup is, " + depot.Forms)}
	}
	key, err := server.BackupKey(e.getenv)
	if err != nil {
		return nil, nil, misused{err}
	}
	d, err := depot.Open(from, e.getenv, false)
	return d, key, err
}

// backupListCommand tells what can be restored.
func backupListCommand(e *env) *cobra.Command {
	var from string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list --from PLACE", Short: "Tell which times can be restored", Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, key, err := openBackup(e, from)
			if err != nil {
				return err
			}
			c, err := archive.List(cmd.Context(), d, key)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(c)
			}
			w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "FROM\tTHROUGH\tSPAN\tCOPIES")
			for _, win := range c.Windows {
				from, through, _ := strings.Cut(win.String(), " to ")
				span := "one state"
				if through != "" {
					span = "every second of " + win.Through.Sub(win.From).Round(time.Second).String()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", from, through, span, win.Bases)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			sealed := ""
			if c.Sealed {
				sealed = ", sealed"
			}
			last := c.Bases[len(c.Bases)-1:]
			for _, b := range last {
				fmt.Fprintf(e.stderr, "  The newest copy has %s and %s of %s\n", count(b.Documents, "document"), count(b.Files, "file"), size(b.FileBytes))
			}
			for _, b := range c.Bases {
				for _, name := range b.Without {
					newTalk(e).notice("the copy of %s is without %q, which could not be opened then", b.At.UTC().Format(time.RFC3339), name)
				}
			}
			fmt.Fprintf(e.stderr, "  %s in %s%s at %s\n", size(c.Bytes), count(int64(c.Objects), "object"), sealed, c.Depot)
			return nil
		},
	}
	fromFlag(e, cmd, &from)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// backupVerifyCommand reads a whole backup.
func backupVerifyCommand(e *env) *cobra.Command {
	var from string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify --from PLACE", Short: "Read a whole backup and check every checksum", Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, key, err := openBackup(e, from)
			if err != nil {
				return err
			}
			show, began := newTalk(e).progress(), time.Now()
			v, err := archive.Verify(cmd.Context(), d, key, show.tell)
			show.end()
			if err != nil {
				return err
			}
			if asJSON {
				if err := json.NewEncoder(e.stdout).Encode(v); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(e.stderr, "  %s\n", v.Line(time.Since(began)))
			}
			if len(v.Damaged) > 0 {
				text := strings.Join(v.Damaged, "\n  ")
				return hinted{fmt.Errorf("%s of the backup cannot be used:\n  %s", count(int64(len(v.Damaged)), "object"), text),
					"run lentil backup --base to this place, and from then on everything can be restored again"}
			}
			if !asJSON {
				fmt.Fprintln(e.stderr, "  All is well")
			}
			return nil
		},
	}
	fromFlag(e, cmd, &from)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
