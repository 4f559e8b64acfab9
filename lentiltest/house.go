package lentiltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

// Options are what can be set about a house.
type Options struct {
	// Functions is the folder with Convex functions to push; "" pushes nothing.
	Functions string
	// Variables are environment variables to set in the deployment before the push.
	Variables map[string]string
	// AccessTokenLifetime is how long access tokens are good for; 5 minutes if 0.
	AccessTokenLifetime time.Duration
	// Log receives what the house has to say; nil is nobody.
	Log *slog.Logger
}

// House is a running house.
type House struct {
	// URL is the deployment's address, SiteURL that of its HTTP actions, and
	// AuthKitURL that of the identity service.
	URL, SiteURL, AuthKitURL string
	// Deployment is the deployment's name, AdminKey the key to everything in it.
	Deployment, AdminKey string
	// ClientID and APIKey are those of the identity environment.
	ClientID, APIKey string
}

// stopTime bounds how long a house may take to stop.
const stopTime = 20 * time.Second

// Start runs a house until the test ends.
func Start(t testing.TB, o Options) *House {
	t.Helper()
	free := server.Port{Fixed: true}
	cfg := server.Config{Port: free, SitePort: free, AuthKitPort: free, ControlPort: free, Version: "test", Log: o.Log, AccessTokenLifetime: o.AccessTokenLifetime}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s, err := server.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("lentiltest: the house failed: %v", err)
			}
		case <-time.After(stopTime):
			t.Errorf("lentiltest: the house did not stop within %v", stopTime)
		}
	})
	if err := s.Ready(t.Context()); err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
	a := s.Addresses()
	h := &House{URL: a.URL, SiteURL: a.SiteURL, AuthKitURL: a.AuthKitURL, Deployment: a.Deployment, AdminKey: a.AdminKey, ClientID: a.ClientID, APIKey: a.APIKey}
	if len(o.Variables) > 0 {
		h.SetVariables(t, o.Variables)
	}
	if o.Functions != "" {
		h.Push(t, o.Functions)
	}
	return h
}

// SetVariables sets environment variables of the deployment.
func (h *House) SetVariables(t testing.TB, vars map[string]string) {
	t.Helper()
	type change struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var list []change
	for name, v := range vars {
		list = append(list, change{name, v})
	}
	h.deployment(t, "/api/update_environment_variables", map[string]any{"changes": list}, nil)
}

// deployment posts JSON to the deployment with the admin key.
func (h *House) deployment(t testing.TB, path string, body, out any) {
	t.Helper()
	if err := post(t.Context(), h.URL+path, "Convex "+h.AdminKey, body, out); err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
}

// API calls the identity service's REST API with the environment's key, as the
// official SDKs do, and decodes the answer into out, which may be nil. It ends the
// test if the call fails.
func (h *House) API(t testing.TB, method, path string, body, out any) {
	t.Helper()
	if err := call(t.Context(), method, h.AuthKitURL+path, "Bearer "+h.APIKey, body, out); err != nil {
		t.Fatalf("lentiltest: %v", err)
	}
}

// callTime bounds one call.
const callTime = 30 * time.Second

func post(ctx context.Context, url, authorization string, body, out any) error {
	return call(ctx, http.MethodPost, url, authorization, body, out)
}

// call sends JSON and reads JSON.
func call(ctx context.Context, method, url, authorization string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, send)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, req.URL.Path, res.Status, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, req.URL.Path, err)
	}
	return nil
}
