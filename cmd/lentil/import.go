package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/transfer"
)

// reachFlags are the flags by which a command finds a house.
func reachFlags(cmd *cobra.Command, address, key, dir *string) {
	f := cmd.PersistentFlags()
	f.StringVar(address, "url", "", "address of the sign-in service (default: of the house that runs for --project)")
	f.StringVar(key, "api-key", "", "API key of the environment (default: WORKOS_API_KEY, from the environment or .env.local)")
	f.StringVar(dir, "project", ".", "directory of the project that the house runs for")
}

// importCommand moves things in.
func importCommand(e *env) *cobra.Command {
	var address, key, dir string
	cmd := &cobra.Command{
		Use: "import", Short: "Move users of another service into a running house",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Help()
			return misused{errors.New("say what to import")}
		},
	}
	reachFlags(cmd, &address, &key, &dir)
	find := func() error { return findHouse(e, dir, &address, &key) }
	cmd.AddCommand(importUsersCommand(e, find, &address, &key), importArchiveCommand(e, find, &address, &key))
	return cmd
}

// importUsersCommand moves users in.
func importUsersCommand(e *env, find func() error, address, key *string) *cobra.Command {
	var source, conflict, parameters string
	var firebase transfer.Firebase
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use: "users FILE", Short: "Move users in, with the hashes of their passwords", Args: exactly(1, "name the file"),
		Long: `Read users from FILE (- is stdin) and make them in the environment of the API key.
CSV, JSON and JSON lines are understood, as WorkOS, Auth0, Firebase, Clerk, Supabase
and Cognito export them, or with columns such as email, password_hash, first_name,
email_verified, external_id, organization_name and role.

Hashes of passwords stay as they are until their users sign in. The same file can be
sent again: users that are there already are left alone, or see --on-conflict.
docs/MIGRATION.md has a section for each service.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if parameters != "" {
				b, err := os.ReadFile(parameters)
				if err != nil {
					return err
				}
				if firebase, err = transfer.ParseFirebase(string(b)); err != nil {
					return fmt.Errorf("%s: %w", parameters, err)
				}
			}
			if err := find(); err != nil {
				return err
			}
			q := url.Values{"on_conflict": {conflict}}
			if source != "" {
				q.Set("source", source)
			}
			if dry {
				q.Set("dry_run", "true")
			}
			headers := map[string]string{}
			if firebase != (transfer.Firebase{}) {
				b, err := json.Marshal(firebase)
				if err != nil {
					return err
				}
				headers["Lentil-Firebase-Hash"] = string(b)
			}
			var done transfer.Imported
			if err := upload(cmd.Context(), e, args[0], *address+"/_lentil/v1/imports?"+q.Encode(), *key, headers, &done); err != nil {
				return err
			}
			if asJSON {
				if err := json.NewEncoder(e.stdout).Encode(done); err != nil {
					return err
				}
			} else {
				newTalk(e).imported(&done)
			}
			switch {
			case !done.Complete:
				return hinted{fmt.Errorf("the import stopped at %w", done.Stopped), "what was counted is there; repair the file and send it again, users that are there are skipped"}
			case done.Failed > 0:
				return fmt.Errorf("%d of %d rows were not imported", done.Failed, done.Rows)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&source, "source", "", "where the file comes from, if it is not recognised: "+strings.Join(transfer.Sources(), ", "))
	f.StringVar(&conflict, "on-conflict", string(transfer.Skip), "what to do with users that are there already: skip, update, fail")
	f.BoolVar(&dry, "dry-run", false, "do everything but write")
	f.BoolVar(&asJSON, "json", false, "print what was imported as JSON")
	f.StringVar(&parameters, "firebase-hash", "", "file with the parameters of Firebase's hashes, as its console shows them or as JSON")
	f.StringVar(&firebase.SignerKey, "firebase-signer-key", "", "signer key of Firebase's hashes, instead of --firebase-hash")
	f.StringVar(&firebase.SaltSeparator, "firebase-salt-separator", "", "salt separator of Firebase's hashes")
	f.IntVar(&firebase.Rounds, "firebase-rounds", 0, "rounds of Firebase's hashes")
	f.IntVar(&firebase.MemCost, "firebase-mem-cost", 0, "memory cost of Firebase's hashes")
	return cmd
}

// exactly asks for n arguments; others are a misuse.
func exactly(n int, say string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return misused{errors.New(say)}
		}
		return nil
	}
}

// upload sends a file of any size, showing on a terminal how far it is, and decodes the
// answer.
func upload(ctx context.Context, e *env, name, address, key string, headers map[string]string, answer any) error {
	file, size := io.NopCloser(io.Reader(os.Stdin)), int64(0)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if st, err := f.Stat(); err == nil {
			size = st.Size()
		}
		file = f
	}
	defer file.Close()
	sent := &counted{r: file}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, io.NopCloser(sent))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/octet-stream")
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	defer sent.show(ctx, e, size)()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return hinted{fmt.Errorf("the house at %s did not answer: %w", address[:strings.Index(address, "/_lentil")], err), "if it stopped on the way, send the file again: what is there is skipped"}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var no struct{ Message string }
		if json.Unmarshal(b, &no) == nil && no.Message != "" {
			return errors.New(no.Message)
		}
		return fmt.Errorf("the house answers %s", res.Status)
	}
	return json.Unmarshal(b, answer)
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n atomic.Int64
}

// Read is part of io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// show tells a terminal how much was sent until stop is called.
func (c *counted) show(ctx context.Context, e *env, size int64) (stop func()) {
	if !isTerminal(e.stderr) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				fmt.Fprint(e.stderr, "\r\x1b[K")
				return
			case <-t.C:
			}
			n := c.n.Load()
			if size > 0 {
				fmt.Fprintf(e.stderr, "\r\x1b[K  Sent %d %% of %.1f MB", n*100/size, float64(size)/1e6)
			} else {
				fmt.Fprintf(e.stderr, "\r\x1b[K  Sent %.1f MB", float64(n)/1e6)
			}
		}
	}()
	return func() { cancel(); <-over }
}

// imported says what became of a file of users.
func (t *talk) imported(d *transfer.Imported) {
	what := "Imported"
	if d.DryRun {
		what = "Would import"
	}
	fmt.Fprintf(t.w, "  %s from %s (%s): %d rows\n", what, d.Source, d.Format, d.Rows)
	fmt.Fprintf(t.w, "  users        %d created, %d updated, %d skipped, %d failed; %d with a password\n", d.Created, d.Updated, d.Skipped, d.Failed, d.Passwords)
	if d.Organizations+d.Memberships > 0 {
		fmt.Fprintf(t.w, "  organizations %d made, %d memberships\n", d.Organizations, d.Memberships)
	}
	if len(d.Ignored) > 0 {
		t.notice("columns that mean nothing here: %s", strings.Join(d.Ignored, ", "))
	}
	const few = 20
	for _, f := range d.Errors[:min(few, len(d.Errors))] {
		t.notice("%v", f)
	}
	if more := d.Failed - few; more > 0 {
		t.notice("%d more; --json names up to a thousand", more)
	}
}
