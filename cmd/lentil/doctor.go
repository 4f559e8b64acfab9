package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/doctor"
	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/server"
)

// doctorFlags say whom to ask.
type doctorFlags struct {
	data, url, adminKey string
}

// doctorCommand looks at a project and says what is wrong with it.
func doctorCommand(e *env) *cobra.Command {
	var d doctorFlags
	var only []string
	var asJSON, list, all, fix, yes bool
	cmd := &cobra.Command{
		Use: "doctor [DIR]", Short: "Say what is wrong with a project, why, and what to paste", Args: atMost(1),
		Long: `Look at the project in DIR (default: here) and, if one runs, at its deployment:
configuration, variables, addresses, sources, packages. Nothing is changed without
--fix. The exit code is 1 if there is a problem; warnings are none.

A house of lentil dev or lentil serve is found by itself while it runs. Elsewhere
--url and --admin-key name a deployment, which need not be Lentil's.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := newTalk(e)
			stdout := stdoutStyle(e)
			if list {
				doctor.PrintList(e.stdout, stdout)
				return nil
			}
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			p, err := doctor.Look(cmd.Context(), d.options(e, dir))
			if err != nil {
				return err
			}
			for _, id := range only {
				if doctor.Named(id) == nil {
					return misused{hinted{fmt.Errorf("there is no check %q", id), "lentil doctor --list names them"}}
				}
			}
			findings, err := p.Examine(cmd.Context(), only...)
			if err != nil {
				return err
			}
			if fix {
				if findings, err = d.repair(cmd.Context(), e, out, dir, only, findings, yes); err != nil {
					return err
				}
			}
			if asJSON {
				enc := json.NewEncoder(e.stdout)
				enc.SetIndent("", "  ")
				enc.SetEscapeHTML(false)
				if err := enc.Encode(map[string]any{"project": p.Summary(), "ok": doctor.Count(findings, doctor.Problem) == 0, "findings": findings}); err != nil {
					return err
				}
			} else {
				p.Print(e.stdout, findings, all, stdout)
			}
			if doctor.Count(findings, doctor.Problem) > 0 {
				return ended{code: 1}
			}
			return nil
		},
	}
	d.register(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&only, "only", nil, "make these checks alone, by id")
	f.BoolVar(&list, "list", false, "list the checks and do nothing else")
	f.BoolVar(&all, "all", false, "show what is fine, too")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&fix, "fix", false, "repair what can be repaired safely: shows each change and asks")
	f.BoolVarP(&yes, "yes", "y", false, "with --fix: do not ask")
	cmd.AddCommand(explainCommand(e), tokenCommand(e))
	return cmd
}

// register adds the flags that say whom to ask.
func (d *doctorFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.data, "data", "", "data directory of a house that was started with serve")
	f.StringVar(&d.url, "url", "", "address of the deployment to ask")
	f.StringVar(&d.adminKey, "admin-key", "", "its admin key")
}

// explainCommand tells about one check.
func explainCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "explain ID", Short: "Tell about one check", Args: atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused{hinted{errors.New("say which check"), "lentil doctor --list names them"}}
			}
			c := doctor.Named(args[0])
			if c == nil {
				return misused{hinted{fmt.Errorf("there is no check %q", args[0]), "lentil doctor --list names them"}}
			}
			c.PrintExplanation(e.stdout, stdoutStyle(e))
			return nil
		},
	}
}

// stdoutStyle colours what goes to standard output, if that is a terminal.
func stdoutStyle(e *env) doctor.Style {
	if e.getenv("NO_COLOR") != "" || e.getenv("TERM") == "dumb" || !isTerminal(e.stdout) {
		return func(_, text string) string { return text }
	}
	return func(code, text string) string { return "\x1b[" + code + "m" + text + "\x1b[0m" }
}

// options say whom to look at.
func (d *doctorFlags) options(e *env, dir string) doctor.Options {
	return doctor.Options{
		Dir: dir, Getenv: e.getenv, Version: version(), Houses: d.houses(e, dir),
		NodeVersion: func(ctx context.Context) (string, error) {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "node", "--version")
			cmd.Dir = dir
			out, err := cmd.Output()
			return string(out), err
		},
		Free: func(port int) bool {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err == nil {
				l.Close()
			}
			return err == nil
		},
	}
}

// houses are the deployments that may be the project's, the likeliest first.
func (d *doctorFlags) houses(e *env, dir string) []doctor.Address {
	if d.url != "" {
		a := doctor.Address{URL: strings.TrimRight(d.url, "/"), AdminKey: d.adminKey, From: "--url"}
		if a.AdminKey == "" {
			a.AdminKey = e.getenv("CONVEX_SELF_HOSTED_ADMIN_KEY")
		}
		return []doctor.Address{a}
	}
	var list []doctor.Address
	get := dotenvOf(e, dir)
	// What the project itself addresses comes first, with the key that stands beside it.
	if address := get("CONVEX_SELF_HOSTED_URL"); address != "" {
		list = append(list, doctor.Address{URL: strings.TrimRight(address, "/"), AdminKey: get("CONVEX_SELF_HOSTED_ADMIN_KEY"), From: ".env.local"})
	}
	state, from := filepath.Join(dir, stateName), filepath.Join(stateName, runningName)
	if d.data != "" {
		state, from = d.data, "--data"
	}
	var a server.Addresses
	b, err := os.ReadFile(filepath.Join(state, runningName))
	if err == nil && json.Unmarshal(b, &a) == nil && a.URL != "" {
		masters, err := server.MasterKeys(e.getenv)
		if err == nil {
			if key, err := server.AdminKey(state, a.Deployment, masters); err == nil {
				found := doctor.Address{URL: a.URL, AdminKey: key, From: from}
				if d.data != "" {
					return []doctor.Address{found}
				}
				// A project of the control plane has a deployment of its own in the house.
				if name := deploymentName(get("CONVEX_DEPLOYMENT")); name != "" && name != a.Deployment {
					for _, variable := range []string{"VITE_CONVEX_URL", "NEXT_PUBLIC_CONVEX_URL", "CONVEX_URL"} {
						address := get(variable)
						if address == "" || !neighbours(address, a.URL) {
							continue
						}
						if key, err := server.AdminKey(state, name, masters); err == nil {
							list = append(list, doctor.Address{URL: strings.TrimRight(address, "/"), AdminKey: key, From: variable})
							break
						}
					}
				}
				list = append(list, found)
			}
		}
	}
	return list
}

// neighbours reports whether an address is one that the house at home may have given
// to another of its deployments: on this machine, or at the same name or below it. A
// derived key goes nowhere else, whatever a project's files say.
func neighbours(address, home string) bool {
	u, err1 := url.Parse(address)
	v, err2 := url.Parse(home)
	if err1 != nil || err2 != nil || u.Host == "" {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback() ||
		host == v.Hostname() || net.ParseIP(v.Hostname()) == nil && strings.HasSuffix(host, "."+v.Hostname())
}

// deploymentName is the name in CONVEX_DEPLOYMENT, without the kind before it.
func deploymentName(text string) string {
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		return text[i+1:]
	}
	return text
}

// dotenvOf reads a variable of the process, of .env.local or of .env.
func dotenvOf(e *env, dir string) func(string) string {
	var files []*projectfile.Dotenv
	for _, name := range []string{".env.local", ".env"} {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		files = append(files, projectfile.ParseDotenv(b))
	}
	return func(name string) string {
		if v := e.getenv(name); v != "" {
			return v
		}
		for _, f := range files {
			if v, ok := f.Get(name); ok && v != "" {
				return v
			}
		}
		return ""
	}
}

// repair shows each repair, asks, and makes it. After each the project is looked at
// anew, for one change may move what the next one is about.
func (d *doctorFlags) repair(ctx context.Context, e *env, out *talk, dir string, only []string, findings []doctor.Finding, yes bool) ([]doctor.Finding, error) {
	in := bufio.NewReader(os.Stdin)
	if !yes && !isTerminal(os.Stdin) {
		return nil, hinted{errors.New("--fix asks before each change, and nobody can answer here"), "add --yes"}
	}
	passed := map[string]bool{} // repairs that were not wanted, or did not help
	for range 100 {
		var what *doctor.Finding
		var r *doctor.Repair
		for i := range findings {
			for j := range findings[i].Repairs {
				if key := repairKey(&findings[i], &findings[i].Repairs[j]); r == nil && !passed[key] {
					what, r = &findings[i], &findings[i].Repairs[j]
					passed[key] = true
				}
			}
		}
		if r == nil {
			return findings, nil
		}
		fmt.Fprintf(out.w, "\n  %s  %s\n", out.style(bold, what.Title), out.style(faint, what.ID))
		if r.Path != "" {
			fmt.Fprintf(out.w, "  %s\n", r.Path)
		}
		for _, line := range r.Diff() {
			code := faint
			if strings.HasPrefix(line, "+") {
				code = green
			} else if strings.HasPrefix(line, "-") {
				code = yellow
			}
			fmt.Fprintf(out.w, "    %s\n", out.style(code, line))
		}
		if !yes {
			fmt.Fprint(out.w, "  Do this? [y/N] ")
			answer, err := in.ReadString('\n')
			if err != nil && answer == "" {
				return findings, nil
			}
			if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
				continue
			}
		}
		if err := r.Apply(ctx, dir); err != nil {
			out.notice("not done: %v", err)
			continue
		}
		if r.Path != "" {
			fmt.Fprintf(out.w, "  wrote %s\n", r.Path)
		} else {
			fmt.Fprintf(out.w, "  done\n")
		}
		p, err := doctor.Look(ctx, d.options(e, dir))
		if err != nil {
			return nil, err
		}
		if findings, err = p.Examine(ctx, only...); err != nil {
			return nil, err
		}
	}
	return findings, nil
}

// repairKey tells repairs apart.
func repairKey(f *doctor.Finding, r *doctor.Repair) string {
	// New passwords differ each time, so the text of a change is no part of it.
	return f.ID + "\x00" + r.Path + "\x00" + r.Call + "\x00" + strings.Join(f.Detail, "\n")
}
