package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/examples"
	"github.com/lentil-dev/lentil/internal/scaffold"
)

// initCommand writes a new project.
func initCommand(e *env) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a new project with sign-in and live data into DIR",
		Long: `Write a new project with sign-in and live data into DIR, without a network.

It is one of the apps of the Convex + AuthKit guide, complete and ready to run.
Nothing is overwritten: DIR must be empty, or not be there.`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return listTemplates(e, o.json)
			}
			if len(args) == 0 {
				return misused{errors.New("say into which folder, as in: lentil init my-app")}
			}
			return o.run(cmd.Context(), e, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.template, "template", "t", "", "which app; asked for at a terminal (see --list)")
	f.BoolVar(&o.list, "list", false, "show the templates")
	f.BoolVar(&o.install, "install", false, "run npm install in it")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// initOptions are the command's flags.
type initOptions struct {
	template            string
	list, install, json bool
}

// listTemplates prints the templates.
func listTemplates(e *env, asJSON bool) error {
	if asJSON {
		list := []map[string]string{}
		for _, t := range examples.Templates {
			list = append(list, map[string]string{"name": t.Name, "description": t.What})
		}
		return json.NewEncoder(e.stdout).Encode(list)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 3, ' ', 0)
	for _, t := range examples.Templates {
		fmt.Fprintf(w, "%s\t%s\n", t.Name, t.What)
	}
	return w.Flush()
}

// run writes the project and says what to do next.
func (o *initOptions) run(ctx context.Context, e *env, dir string) error {
	out := newTalk(e)
	t, err := o.choose(e)
	if err != nil {
		return err
	}
	files, err := t.Files()
	if err != nil {
		return err
	}
	paths, err := scaffold.Write(files, dir)
	switch {
	case errors.Is(err, scaffold.ErrNotEmpty):
		return hinted{fmt.Errorf("%s is not empty, and nothing is overwritten", dir), "name a new folder, as in: lentil init " + filepath.Join(dir, "my-app")}
	case errors.Is(err, scaffold.ErrNotFolder):
		return hinted{fmt.Errorf("%s is a file", dir), "name a new folder, as in: lentil init my-app"}
	case err != nil:
		return err
	}
	if o.install {
		if err := installPackages(ctx, e, dir); err != nil {
			return err
		}
	}
	if o.json {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"directory": dir, "template": t.Name, "files": paths, "installed": o.install})
	}
	steps := []string{"cd " + dir}
	if !o.install {
		steps = append(steps, "npm install")
	}
	steps = append(steps, "lentil exec -- npm run dev")
	fmt.Fprintf(out.w, "\n  %s  %s, %d files in %s\n\n", out.style(bold+";"+green, "lentil"), t.Name, len(paths), dir)
	for _, s := range steps {
		fmt.Fprintf(out.w, "  %s\n", out.style(bold, s))
	}
	fmt.Fprintf(out.w, "\n  %s\n\n", out.style(faint, "then open http://localhost:"+strconv.Itoa(t.Port)))
	return nil
}

// choose finds the template, asking for it at a terminal.
func (o *initOptions) choose(e *env) (examples.Template, error) {
	names := make([]string, len(examples.Templates))
	for i, t := range examples.Templates {
		names[i] = t.Name
	}
	if o.template == "" {
		if o.json || !isTerminal(os.Stdin) || !isTerminal(e.stderr) {
			return examples.Templates[0], nil
		}
		out := newTalk(e)
		for i, t := range examples.Templates {
			fmt.Fprintf(out.w, "  %s  %-20s %s\n", out.style(bold, strconv.Itoa(i+1)), t.Name, out.style(faint, t.What))
		}
		fmt.Fprintf(out.w, "Which one? [1] ")
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an end of input is the default
		if o.template = strings.TrimSpace(line); o.template == "" {
			return examples.Templates[0], nil
		}
		if n, err := strconv.Atoi(o.template); err == nil && n >= 1 && n <= len(names) {
			return examples.Templates[n-1], nil
		}
	}
	if i := slices.Index(names, o.template); i >= 0 {
		return examples.Templates[i], nil
	}
	return examples.Template{}, hinted{fmt.Errorf("there is no template %q", o.template), "the templates are " + strings.Join(names, ", ")}
}

// installPackages runs npm.
func installPackages(ctx context.Context, e *env, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return hinted{errors.New("npm was not found"), "the project is written; install Node.js, then run npm install in " + dir}
	}
	cmd := exec.CommandContext(ctx, npm, "install", "--no-fund", "--no-audit")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, e.stderr, e.stderr
	if err := cmd.Run(); err != nil {
		return hinted{fmt.Errorf("npm install: %w", err), "the project is written; run npm install in " + dir + " again"}
	}
	return nil
}
