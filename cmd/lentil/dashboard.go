package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/server"
)

// dashboardCommand makes a link that signs in to the dashboard of a running house.
func dashboardCommand(e *env) *cobra.Command {
	var asJSON, open bool
	var data string
	cmd := &cobra.Command{
		Use: "dashboard [DIR]", Short: "Print a link that signs you in to the dashboard, once", Args: atMost(1),
		Long: `Print a link that signs the owner in to the dashboard of the house of the project
in DIR (default: here), or of --data. The house must be running. The link is good
for one time and 15 minutes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			state, start := filepath.Join(dir, stateName), "lentil dev"
			if data != "" {
				state, start = data, "lentil serve --data "+data
			}
			var a server.Addresses
			b, err := os.ReadFile(filepath.Join(state, runningName))
			if err == nil {
				err = json.Unmarshal(b, &a)
			}
			if err != nil || a.ControlURL == "" {
				return fmt.Errorf("no house with a dashboard was started from %s: run %s", state, start)
			}
			link, err := askLink(cmd.Context(), e, state, a)
			if err != nil {
				return err
			}
			if open {
				if err := openBrowser(cmd.Context(), link); err != nil {
					newTalk(e).notice("no browser could be started (%v); open the link yourself", err)
				}
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(map[string]string{"url": link})
			}
			_, err = fmt.Fprintln(e.stdout, link)
			return err
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "data directory of a house that was started with serve")
	cmd.Flags().BoolVar(&open, "open", false, "open it in the browser, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// askLink asks a running house for a link, with the owner's rights.
func askLink(ctx context.Context, e *env, state string, a server.Addresses) (string, error) {
	masters, err := server.MasterKeys(e.getenv)
	if err != nil {
		return "", err
	}
	token, err := server.HouseToken(state, masters)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	near := cmp.Or(a.LocalControlURL, a.ControlURL) // the public name may lead elsewhere from here, or nowhere
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, near+"/-/link", nil)
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(a.ControlURL); err == nil {
		req.Host = u.Host
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("the house is not running: nothing answers at %s", near)
	}
	defer res.Body.Close()
	var answer struct {
		URL string `json:"url"`
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the house at %s gave no link (%s): is it another one?", a.ControlURL, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&answer); err != nil || answer.URL == "" {
		return "", errors.New("the house's answer is not understood: is it another version?")
	}
	return answer.URL, nil
}

// openBrowser asks the desktop to open an address.
func openBrowser(ctx context.Context, link string) error {
	name, args := "xdg-open", []string{link}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", link}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, name, args...).Run()
}
