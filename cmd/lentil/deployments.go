package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/server"
)

// deploymentsCommand lists, makes and deletes the deployments of a house.
func deploymentsCommand(e *env) *cobra.Command {
	h := roster{env: e}
	cmd := &cobra.Command{
		Use: "deployments", Short: "List, make and delete the deployments of a house", Args: atMost(0),
		Long: `List, make and delete the deployments of the house of the project here, of the one
in --dir, or of the one of --data. A list can be had of a house that does not run, too.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.list(cmd.Context()) },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&h.dir, "dir", ".", "folder of the project")
	f.StringVar(&h.data, "data", "", "data directory of a house that was started with serve")
	f.BoolVar(&h.json, "json", false, "print JSON")
	var req server.CreateDeploymentRequest
	var kind string
	create := &cobra.Command{
		Use: "create", Short: "Make a deployment", Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req.Kind = platform.Kind(kind)
			var made server.DeploymentInfo
			if err := h.ask(cmd.Context(), http.MethodPost, "", &req, &made); err != nil {
				return err
			}
			return h.show([]server.DeploymentInfo{made}, made)
		},
	}
	create.Flags().StringVar(&kind, "type", string(platform.Dev), "dev, prod, preview or custom")
	create.Flags().StringVar(&req.Project, "project", "", "project, as project or team/project (default: the first one)")
	create.Flags().StringVar(&req.Reference, "reference", "", "what people call it in the project, as in preview/login-page (default: chosen)")
	create.Flags().StringVar(&req.Name, "name", "", "its name in the house (default: chosen)")
	var yes bool
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Delete a deployment with its data, its keys and its users", Args: exactly(1, "name the deployment"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return misused{fmt.Errorf("this deletes the data of %s for ever: say --yes if it shall go", args[0])}
			}
			if err := h.ask(cmd.Context(), http.MethodDelete, "/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return err
			}
			newTalk(e).notice("%s is deleted", args[0])
			return nil
		},
	}
	remove.Flags().BoolVar(&yes, "yes", false, "do not ask whether that is meant")
	var label string
	key := &cobra.Command{
		Use: "key NAME", Short: "Make a deploy key of a deployment, which is shown this once", Args: exactly(1, "name the deployment"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var made server.CreatedKey
			if err := h.ask(cmd.Context(), http.MethodPost, "/"+url.PathEscape(args[0])+"/keys?name="+url.QueryEscape(label), nil, &made); err != nil {
				return err
			}
			if h.json {
				return json.NewEncoder(e.stdout).Encode(made)
			}
			_, err := fmt.Fprintln(e.stdout, made.Key)
			return err
		},
	}
	key.Flags().StringVar(&label, "label", "", "what the key is for, in lists")
	cmd.AddCommand(create, remove, key)
	return cmd
}

// roster is the house that the command is about.
type roster struct {
	env       *env
	dir, data string
	json      bool
}

// state is the directory of the house.
func (h *roster) state() string {
	if h.data != "" {
		return h.data
	}
	return filepath.Join(h.dir, stateName)
}

// errStopped means that the house does not run.
var errStopped = errors.New("the house does not run: start it first")

// list shows all, of a house that does not run from its directory.
func (h *roster) list(ctx context.Context) error {
	list := []server.DeploymentInfo{}
	err := h.ask(ctx, http.MethodGet, "", nil, &list)
	if errors.Is(err, errStopped) {
		masters, merr := server.MasterKeys(h.env.getenv)
		if merr != nil {
			return misused{merr}
		}
		if list, err = server.DeploymentsStopped(ctx, h.state(), masters, newLog(h.env, false)); errors.Is(err, persistence.ErrLocked) {
			return fmt.Errorf("%w; it does not tell where it answers: is it still starting?", err)
		}
	}
	if err != nil {
		return err
	}
	return h.show(list, list)
}

// show prints a table, or what stands for JSON.
func (h *roster) show(list []server.DeploymentInfo, whole any) error {
	if h.json {
		return json.NewEncoder(h.env.stdout).Encode(whole)
	}
	w := tabwriter.NewWriter(h.env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTYPE\tPROJECT\tREFERENCE\tSTATE\tADDRESS\tEXPIRES")
	for _, d := range list {
		expires, state, address := "–", d.State, d.URL
		if d.Expires != nil {
			expires = d.Expires.Local().Format("2006-01-02 15:04")
		}
		if state == "" {
			state, address = "stopped", "–"
		}
		if d.Home {
			state += ", home"
		}
		if d.Reason != "" {
			state += ": " + d.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s/%s\t%s\t%s\t%s\t%s\n", d.Name, d.Kind, d.Team, d.Project, d.Reference, state, address, expires)
	}
	return w.Flush()
}

// ask makes a request of the running house, as its owner.
func (h *roster) ask(ctx context.Context, method, path string, body, into any) error {
	masters, err := server.MasterKeys(h.env.getenv)
	if err != nil {
		return misused{err}
	}
	var a server.Addresses
	b, err := os.ReadFile(filepath.Join(h.state(), runningName))
	if err != nil || json.Unmarshal(b, &a) != nil || a.LocalControlURL == "" {
		return errStopped
	}
	token, err := server.HouseToken(h.state(), masters)
	if err != nil {
		return err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a deletion goes through all users
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.LocalControlURL+server.DeploymentsPath+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if u, err := url.Parse(a.ControlURL); err == nil {
		r.Host = u.Host
	}
	r.Header.Set("Authorization", "Bearer "+token)
	// It is a loopback address; the certificate, if it has one, is for another name.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Do(r)
	if err != nil {
		return errStopped
	}
	defer res.Body.Close()
	answer := json.NewDecoder(io.LimitReader(res.Body, 16<<20))
	if res.StatusCode != http.StatusOK {
		var refusal struct{ Message string }
		if answer.Decode(&refusal) != nil || refusal.Message == "" {
			refusal.Message = "the house answered " + res.Status + ": is it another version?"
		}
		return errors.New(refusal.Message)
	}
	if into == nil {
		return nil
	}
	return answer.Decode(into)
}
