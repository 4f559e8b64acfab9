package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lentil-dev/lentil/internal/server"
)

// emulateKey is the API key of the official emulator.
const emulateKey = "sk_test_default"

// emulated is the line that the official emulator prints for programs, and what ours
// needs beyond it.
type emulated struct {
	URL      string `json:"url"`
	Port     int    `json:"port"`
	APIKey   string `json:"apiKey"`
	Health   string `json:"health"`
	ClientID string `json:"clientId"`
}

// emulateCommand runs the sign-in service alone, in memory, in place of the official
// emulator: same flags, same seed files, same line for programs.
func emulateCommand(e *env) *cobra.Command {
	var h houseFlags
	var key, client string
	var redirects []string
	cmd := &cobra.Command{
		Use: "emulate", Short: "Run the sign-in service in memory, for tests, in place of the official WorkOS emulator", Args: atMost(0),
		Long: `Run the sign-in service in memory, for tests, in place of the official WorkOS
emulator: the same flags, seed files and line for programs. People sign in on real
pages, and clients, secrets and redirect URIs are checked: say --client-id and
--redirect-uri, or set WORKOS_CLIENT_ID and WORKOS_REDIRECT_URI.

Without --seed, workos-emulate.config.yaml, .yml or .json here is used if it exists.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := cmd.Flags()
			out := newTalk(e)
			cfg, err := h.config(e, f, out)
			if err != nil {
				return err
			}
			if h.seed == "" {
				for _, name := range seedNames {
					if _, err := os.Stat(name); err == nil {
						h.seed = name
						break
					}
				}
			}
			if err := h.checkSeed(); err != nil || h.validate {
				return err
			}
			port := server.DefaultAuthKitPort
			if f.Changed("port") {
				port = h.cfg.Port.Number
			}
			cfg.AuthKitPort = server.Port{Number: port, Fixed: true}
			any := server.Port{Fixed: true}
			cfg.Port, cfg.SitePort, cfg.ControlPort = any, any, any
			cfg.Data, cfg.Client = "", client
			cfg.Project = &server.Project{Name: "emulate", RedirectURIs: redirects}
			return runHouse(cmd.Context(), cfg, func(ctx context.Context, a server.Addresses) error {
				if key != a.APIKey {
					body, err := json.Marshal(map[string]string{"name": "emulate", "value": key})
					if err != nil {
						return err
					}
					var made struct{ Value string }
					if err := post(ctx, a.AuthKitURL+"/_lentil/v1/api_keys", a.APIKey, body, &made); err != nil {
						return err
					}
				}
				a.APIKey, a.ControlURL, a.DashboardLink = key, "", ""
				if err := h.sow(ctx, out, a); err != nil {
					return err
				}
				if h.json {
					return json.NewEncoder(e.stdout).Encode(emulated{a.AuthKitURL, a.Port, key, a.Health, a.ClientID})
				}
				out.addresses(a, "sign-in in memory, API key "+key, "")
				return nil
			}, nil)
		},
	}
	f := cmd.Flags()
	h.register(f)
	f.Lookup("port").Usage = "port of sign-in and its API (default: " + strconv.Itoa(server.DefaultAuthKitPort) + ")"
	for _, other := range []string{"site-port", "authkit-port", "control-port", "url", "site-url", "control-url", "node", "workers"} {
		f.Lookup(other).Hidden = true
	}
	f.StringVar(&key, "api-key", emulateKey, "API key that servers use")
	f.StringVar(&client, "client-id", e.getenv("WORKOS_CLIENT_ID"), "client id of the app (default: WORKOS_CLIENT_ID, or chosen)")
	f.StringArrayVar(&redirects, "redirect-uri", usualRedirects(e.getenv), "redirect URI of the app; may be said again")
	f.BoolP("interactive", "i", true, "accepted for the official emulator's sake: people always sign in on pages")
	return cmd
}

// usualRedirects are where apps of the official frameworks come back to.
func usualRedirects(getenv func(string) string) []string {
	var list []string
	for _, name := range []string{"WORKOS_REDIRECT_URI", "NEXT_PUBLIC_WORKOS_REDIRECT_URI"} {
		if u, err := url.Parse(getenv(name)); err == nil && u.Host != "" {
			list = append(list, getenv(name))
		}
	}
	for _, path := range []string{"/callback", "/auth/callback", "/api/auth/callback", "/api/callback"} {
		list = append(list, "http://localhost:*"+path)
	}
	return list
}

// checkSeed checks the file of --seed.
func (h *houseFlags) checkSeed() error {
	if h.seed == "" {
		if h.validate {
			return misused{errors.New("--validate-config needs --seed")}
		}
		return nil
	}
	text, err := readSeed(h.seed)
	h.seedText = text
	return err
}

// sow applies the file of --seed to a house that is ready.
func (h *houseFlags) sow(ctx context.Context, out *talk, a server.Addresses) error {
	if h.seedText == nil {
		return nil
	}
	report, err := postSeed(ctx, a.AuthKitURL, a.APIKey, h.seedText)
	if err != nil {
		return err
	}
	if !h.json {
		out.seeded(report)
	}
	return nil
}
