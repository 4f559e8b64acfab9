package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/server"
)

// stateName is the folder in a project that holds its house.
const stateName = ".lentil"

// devCommand runs the whole house for a project.
func devCommand(e *env) *cobra.Command {
	var h houseFlags
	var start string
	cmd := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run a house for the project in DIR (default: here)",
		Long: `Run a house for the project in DIR (default: here).

Its state is in DIR/.lentil. A development environment is made for the sign-in
service from convex.json's authKit.dev section, or from what is usual for the
project's framework, and what is missing is written into DIR/.env.local. Then
"npx convex dev" and the project's own development server find the house by
themselves.`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			out := newTalk(e)
			cfg, err := h.config(e, cmd.Flags(), out)
			if err != nil {
				return err
			}
			if err := h.checkSeed(); err != nil || h.validate {
				return err
			}
			d, err := newDev(e, out, dir, start)
			if err != nil {
				return err
			}
			d.fill(&cfg)
			if err := prepareState(d.state); err != nil {
				return err
			}
			var beside func(context.Context) error
			var addresses server.Addresses
			if start != "" {
				beside = func(ctx context.Context) error { return d.runStart(ctx, addresses, h.json) }
			}
			return d.explain(runHouse(cmd.Context(), cfg, func(ctx context.Context, a server.Addresses) error {
				addresses = a
				if err := d.writeEnv(a); err != nil {
					return err
				}
				if err := h.sow(ctx, out, a); err != nil {
					return err
				}
				if start != "" {
					d.noteAppPort(ctx)
				}
				if !h.json {
					notePage(ctx, out, d.dir)
				}
				app := ""
				if start != "" && cfg.Project.HomepageURL != "" {
					app = cfg.Project.HomepageURL
				}
				return announce(e, out, h.json, a, fmt.Sprintf("ready in %d ms", time.Since(began).Milliseconds()), app)
			}, beside))
		},
	}
	h.register(cmd.Flags())
	cmd.Flags().StringVar(&start, "start", "", "shell command to run in DIR when ready; its end is ours")
	return cmd
}

// dev is one run of the command.
type dev struct {
	env     *env
	out     *talk
	dir     string
	state   string
	start   string
	project *project
}

// newDev looks at the project.
func newDev(e *env, out *talk, dir, start string) (*dev, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(abs)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("there is no directory %s", dir)
	case err != nil:
		return nil, err
	case !st.IsDir():
		return nil, fmt.Errorf("%s is not a directory", dir)
	}
	p, err := readProject(abs)
	if err != nil {
		return nil, err
	}
	d := &dev{env: e, out: out, dir: abs, state: filepath.Join(abs, stateName), start: start, project: p}
	f, err := openEnvLocal(d.dir, d.state)
	if err != nil {
		return nil, err
	}
	p.adopt(f)
	return d, nil
}

// explain adds to an error what the project's folder knows about it.
func (d *dev) explain(err error) error {
	if r, rerr := readRunning(d.state); errors.Is(err, persistence.ErrLocked) && rerr == nil && r.Lodge {
		return hinted{err, "it is a house that commands of lentil exec share; it ends with the last of them, or do without lentil dev"}
	}
	return err
}

// fill tells the server what the project wants.
func (d *dev) fill(cfg *server.Config) {
	cfg.Data = d.state
	cfg.Project = &server.Project{Name: filepath.Base(d.dir), Dir: d.dir, Component: d.project.component}
	if c := d.project.configure; c != nil {
		for _, text := range c.RedirectURIs {
			cfg.Project.RedirectURIs = d.add(cfg.Project.RedirectURIs, "redirect URI", text)
		}
		for _, text := range c.CORSOrigins {
			cfg.Project.CORSOrigins = d.add(cfg.Project.CORSOrigins, "CORS origin", text)
		}
		if home := d.add(nil, "homepage", c.AppHomepageURL); len(home) > 0 {
			cfg.Project.HomepageURL = home[0]
		}
	}
}

// add expands a template of convex.json and appends what it gives; one that
// cannot be filled is passed over with a note.
func (d *dev) add(list []string, what, template string) []string {
	if template == "" {
		return list
	}
	text, missing := expand(template, nil, d.env.getenv)
	if missing != "" {
		d.out.notice("convex.json: the %s %s is not registered, because %s has no value", what, template, missing)
		return list
	}
	return append(list, text)
}

// prepareState makes a state folder and keeps it out of version control.
func prepareState(state string) error {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return server.Explain(state, err)
	}
	ignore := filepath.Join(state, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
			return server.Explain(state, err)
		}
	}
	return nil
}

// writeEnv brings .env.local up to date and says what could not be done.
func (d *dev) writeEnv(a server.Addresses) error {
	f, err := openEnvLocal(d.dir, d.state)
	if err != nil {
		return err
	}
	vars, unfilled := wantedVariables(d.project, a, d.env.getenv)
	for _, u := range unfilled {
		d.out.notice("convex.json: .env.local does not get %s", u)
	}
	if cloud := cloudSettings(d.dir, d.env.getenv); len(cloud) > 0 {
		// The official CLI refuses to run, or goes elsewhere, when both are set.
		var kept []variable
		for _, v := range vars {
			if !strings.HasPrefix(v.name, "CONVEX_SELF_HOSTED_") {
				kept = append(kept, v)
			}
		}
		vars = kept
		d.out.notice("%s, so npx convex talks to that deployment and not to this one; remove it and start again to use Lentil, or run lentil exec -- npx convex dev", strings.Join(cloud, " and "))
	}
	for _, v := range f.apply(vars) {
		if v.least > 0 {
			d.out.notice(".env.local has a %s of %d characters, and the sign-in package refuses fewer than %d; remove the line and start again to have it written", v.name, len(v.value), v.least)
		} else if v.secret {
			d.out.notice(".env.local has another %s than this house's; remove the line and start again to have it written", v.name)
		} else {
			d.out.notice(".env.local has %s=%s, which is not this house's; remove the line and start again to have it written", v.name, v.value)
		}
	}
	if _, err := f.save(); err != nil {
		return server.Explain(f.path, err)
	}
	return writeRunning(d.state, a)
}

// runStart runs the command of --start. With --json its output goes to stderr, for
// stdout is the line for programs.
func (d *dev) runStart(ctx context.Context, a server.Addresses, asJSON bool) error {
	var stdout io.Writer = d.env.stdout
	if asJSON {
		stdout = d.env.stderr
	}
	return startCommand(ctx, d.start, d.dir, []string{
		"LENTIL_URL=" + a.URL, "LENTIL_SITE_URL=" + a.SiteURL, "LENTIL_AUTHKIT_URL=" + a.AuthKitURL,
	}, stdout, d.env.stderr)
}

// writeRunning leaves the addresses, without keys, where status finds them.
func writeRunning(state string, a server.Addresses) error {
	return writeRunningAs(state, running{Addresses: a})
}

// writeRunningAs is writeRunning for any kind of house.
func writeRunningAs(state string, r running) error {
	r.Addresses = r.withoutKeys()
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// Nobody asks for it after the machine has failed, so nobody waits for the disk.
	return replaceFile(filepath.Join(state, runningName), append(b, '\n'), func(*os.File) error { return nil })
}
