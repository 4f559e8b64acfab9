package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/server"
)

// runningName is the file in the state folder that holds the addresses last used.
const runningName = "running.json"

// statusCommand tells whether a project's house is up.
func statusCommand(e *env) *cobra.Command {
	var asJSON bool
	var data string
	cmd := &cobra.Command{
		Use: "status [DIR]", Short: "Tell whether a house is running, where, and how it stands against its limits", Args: atMost(1),
		Long: `Tell whether the house of the project in DIR (default: here), or the one of
--data, is running, where, and how it stands against its limits. Of a house with
several deployments the project's own is shown, which its .env.local names.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			state, advice := filepath.Join(dir, stateName), fmt.Sprintf("no house was started in %s: run lentil dev there", dir)
			if data != "" {
				state, advice = data, fmt.Sprintf("no house was started from %s: run lentil serve --data %s", data, data)
			}
			var now struct {
				server.Addresses
				// Project is the deployment that the project's files name, if they name one of
				// the house's; the addresses above are those of the house's first.
				Project *server.DeploymentInfo `json:"project,omitempty"`
				Others  int                    `json:"others"` // deployments beside the one that is shown
				Status  server.Status          `json:"status"`
			}
			b, err := os.ReadFile(filepath.Join(state, runningName))
			if err == nil {
				err = json.Unmarshal(b, &now.Addresses)
			}
			if err != nil {
				return errors.New(advice)
			}
			if err := answers(cmd.Context(), now.Addresses); err != nil {
				return err
			}
			if now.Status, err = askStatus(cmd.Context(), e, state, now.Addresses); err != nil {
				return err
			}
			shown, note := now.Addresses, "running"
			doubt := ""
			if data == "" {
				h := roster{env: e, dir: dir}
				now.Project, doubt = h.ofProject(cmd.Context(), now.Addresses)
			}
			now.Others = len(now.Status.Deployments) // all but the house's first
			if p := now.Project; p != nil && !p.Home {
				shown.URL, shown.SiteURL, shown.Deployment, shown.ClientID = p.URL, p.SiteURL, p.Name, p.ClientID
				note = "running; this is the project's own deployment, the house has " + others(now.Others)
			}
			out := newTalk(e)
			if doubt != "" {
				out.notice("%s", doubt)
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(now)
			}
			out.addresses(shown, note, "")
			out.status(&now.Status)
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "data directory of a house that was started with serve")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// ofProject finds the deployment that the project's files name, as the official CLI
// reads them; nil if they name none, or none of this house, which doubt then says.
func (h *roster) ofProject(ctx context.Context, home server.Addresses) (found *server.DeploymentInfo, doubt string) {
	get := dotenvOf(h.env, h.dir)
	variable, is := "CONVEX_DEPLOYMENT", func(d *server.DeploymentInfo, text string) bool { return d.Name == deploymentName(text) }
	if get(variable) == "" {
		variable, is = "CONVEX_SELF_HOSTED_URL", func(d *server.DeploymentInfo, text string) bool { return d.URL == strings.TrimRight(text, "/") }
	}
	text := get(variable)
	if text == "" {
		return nil, ""
	}
	var list []server.DeploymentInfo
	if err := h.ask(ctx, http.MethodGet, "", nil, &list); err != nil {
		return nil, fmt.Sprintf("which deployment is the project's own cannot be told: %v", err)
	}
	for i := range list {
		if is(&list[i], text) {
			return &list[i], ""
		}
	}
	return nil, fmt.Sprintf("%s to %s, which is no deployment of this house; lentil deployments lists those. What follows is of its first, %s",
		strings.Join(whereSet(h.dir, h.env.getenv, variable), ""), text, home.Deployment)
}

// others counts deployments in words.
func others(n int) string {
	if n == 1 {
		return "one other"
	}
	return fmt.Sprintf("%d others", n)
}

// askStatus asks a house how it stands, as its admin.
func askStatus(ctx context.Context, e *env, state string, a server.Addresses) (st server.Status, err error) {
	masters, err := server.MasterKeys(e.getenv)
	if err != nil {
		return st, err
	}
	key, err := server.AdminKey(state, a.Deployment, masters)
	if err != nil {
		return st, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, localURL(a)+"/_lentil/status", nil)
	if err != nil {
		return st, err
	}
	req.Header.Set("Authorization", "Convex "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, fmt.Errorf("%s does not tell its status: %w", a.URL, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return st, fmt.Errorf("%s does not tell its status: it answered %s; is it an older version?", a.URL, res.Status)
	}
	return st, json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&st)
}

// answers says whether a house is the one that answers at its address.
func answers(ctx context.Context, a server.Addresses) error {
	name, err := nameAt(ctx, localURL(a))
	if err != nil {
		return fmt.Errorf("%s is not running (nothing answers at %s)", a.Deployment, a.URL)
	}
	if name != a.Deployment {
		return fmt.Errorf("something else answers at %s; %s is not running", a.URL, a.Deployment)
	}
	return nil
}

// nameAt asks the deployment at an address for its name.
func nameAt(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/instance_name", nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	name, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return strings.TrimSpace(string(name)), err
}

// localURL is where this machine finds the deployment of a house.
func localURL(a server.Addresses) string { return cmp.Or(a.LocalURL, a.URL) }
