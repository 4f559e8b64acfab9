package main

import (
	"context"
	"encoding/json"
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
	cmd := &cobra.Command{
		Use: "status [DIR]", Short: "Tell whether the house of the project in DIR is running, and where", Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			var a server.Addresses
			b, err := os.ReadFile(filepath.Join(dir, stateName, runningName))
			if err == nil {
				err = json.Unmarshal(b, &a)
			}
			if err != nil {
				return fmt.Errorf("no house was started in %s: run lentil dev there", dir)
			}
			if err := answers(cmd.Context(), a); err != nil {
				return err
			}
			return announce(e, newTalk(e), asJSON, a, "running", "")
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// answers asks the deployment for its name.
func answers(ctx context.Context, a server.Addresses) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/instance_name", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s is not running (nothing answers at %s)", a.Deployment, a.URL)
	}
	defer res.Body.Close()
	name, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil || strings.TrimSpace(string(name)) != a.Deployment {
		return fmt.Errorf("something else answers at %s; %s is not running", a.URL, a.Deployment)
	}
	return nil
}
