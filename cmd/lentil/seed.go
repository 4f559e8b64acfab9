package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/projectfile"
	"github.com/lentil-dev/lentil/internal/server"
	"github.com/lentil-dev/lentil/internal/transfer"
)

// seedNames are the files that the official emulator looks for.
var seedNames = []string{"workos-emulate.config.yaml", "workos-emulate.config.yml", "workos-emulate.config.json"}

// seedCommand fills a running house from a seed file.
func seedCommand(e *env) *cobra.Command {
	var address, key string
	var check, asJSON bool
	cmd := &cobra.Command{
		Use: "seed FILE [DIR]", Short: "Fill the sign-in service of a running house from a seed file", Args: atMost(2),
		Long: `Fill the sign-in service of the running house of the project in DIR (default: here)
from FILE, in the format of the official WorkOS emulator, YAML or JSON. What is
there already stays as it is, so a file can be used again. --validate-config only
checks the file.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused{errors.New("name the seed file")}
			}
			text, err := readSeed(args[0])
			if err != nil || check {
				return err
			}
			dir := "."
			if len(args) == 2 {
				dir = args[1]
			}
			if err := findHouse(e, dir, &address, &key); err != nil {
				return err
			}
			report, err := postSeed(cmd.Context(), address, key, text)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(e.stdout).Encode(report)
			}
			newTalk(e).seeded(report)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&address, "url", "", "address of the sign-in service (default: of the house that runs for DIR)")
	f.StringVar(&key, "api-key", "", "its API key (default: WORKOS_API_KEY, from the environment or DIR/.env.local)")
	f.BoolVar(&check, "validate-config", false, "check the file and do nothing else")
	f.BoolVar(&asJSON, "json", false, "print what was made as JSON")
	return cmd
}

// readSeed reads a seed file and refuses it with all that is wrong with it.
func readSeed(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, transfer.MaxSeed+1))
	if err != nil {
		return nil, err
	}
	if _, problems := transfer.Parse(text); problems != nil {
		var lines []string
		for _, p := range problems {
			lines = append(lines, "  "+p.Error())
		}
		return nil, fmt.Errorf("%s cannot be used:\n%s", name, strings.Join(lines, "\n"))
	}
	return text, nil
}

// findHouse fills in the address and the key of the house that runs for dir.
func findHouse(e *env, dir string, address, key *string) error {
	if *address == "" {
		var a server.Addresses
		b, err := os.ReadFile(filepath.Join(dir, stateName, runningName))
		if err == nil {
			err = json.Unmarshal(b, &a)
		}
		if err != nil {
			return fmt.Errorf("no house was started in %s: run lentil dev there, or say --url", dir)
		}
		*address = a.AuthKitURL
	}
	if *key = cmp.Or(*key, e.getenv("WORKOS_API_KEY")); *key == "" {
		if b, err := os.ReadFile(filepath.Join(dir, ".env.local")); err == nil {
			*key, _ = projectfile.ParseDotenv(b).Get("WORKOS_API_KEY")
		}
	}
	if *key == "" {
		return hinted{errors.New("no API key is known"), "say --api-key or set WORKOS_API_KEY; lentil dev --json prints it"}
	}
	return nil
}

// postSeed sends a seed to a house.
func postSeed(ctx context.Context, address, key string, text []byte) (*transfer.Report, error) {
	var report transfer.Report
	err := post(ctx, address+"/_lentil/v1/seed", key, text, &report)
	if err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	return &report, nil
}

// post sends a body to a house and decodes its answer.
func post(ctx context.Context, address, key string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // thousands of users are hashed
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("nothing answers at %s: %w", address, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var no struct{ Message string }
		if json.Unmarshal(b, &no) == nil && no.Message != "" {
			return errors.New(no.Message)
		}
		return fmt.Errorf("%s answers %s", address, res.Status)
	}
	return json.Unmarshal(b, answer)
}

// seeded says what became of a seed.
func (t *talk) seeded(r *transfer.Report) {
	list := func(what string, counts map[string]int) {
		var parts []string
		for _, kind := range slices.Sorted(maps.Keys(counts)) {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
		if parts != nil {
			fmt.Fprintf(t.w, "  %-12s %s\n", what, strings.Join(parts, ", "))
		}
	}
	list("Seeded", r.Made)
	list("Kept", r.Kept)
	for _, note := range r.Notes {
		t.notice("%s", note)
	}
}
