package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/server"
)

// TestHouseLeavesNothingBehind does what a house does all day a hundred times, and finds
// as many goroutines afterwards as after the first few times. It does not run beside
// other tests, whose goroutines it would count.
func TestHouseLeavesNothingBehind(t *testing.T) {
	const warm, rounds = 5, 100
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data, c.DeploymentIdle = dir, time.Millisecond })
	a := s.Addresses()
	other := create(t, s, platform.NewDeployment{Kind: platform.Dev})
	cookie := signIn(t, a)
	vendors := vendorClient(t, a)
	vendors.Transport.(*http.Transport).DisableKeepAlives = true
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	fetch := func(c *http.Client, url string, header ...string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %s", url, res.Status)
		}
		if req.Header.Get("Accept") == "text/event-stream" {
			if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil { // it is live; it ends with ctx
				t.Fatalf("stream of %s: %v", url, err)
			}
			return
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"a deployment opens and closes", func() {
			within(t, s, other.Name, func(context.Context, *database.DB) {})
			await(t, "closed", func() bool { return !isOpen(s, other.Name) })
		}},
		{"a page of the dashboard and its live view", func() {
			fetch(plain, a.ControlURL+"/", "Cookie", cookie)
			fetch(plain, a.ControlURL+"/", "Cookie", cookie, "Accept", "text/event-stream")
		}},
		{"a socket with a query", func() {
			w := dial(t, a.URL, a.AdminKey)
			if _, _, err := w.conn.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.conn.CloseNow()
		}},
		{"a request at a vendor's name", func() {
			fetch(vendors, "https://api.workos.com/user_management/"+a.ClientID+"/.well-known/openid-configuration")
		}},
	} {
		for range warm {
			c.do()
		}
		before := runtime.NumGoroutine()
		for range rounds {
			c.do()
		}
		// What ends, ends soon after its request; a leak would leave a hundred.
		most := before + rounds/10
		await(t, fmt.Sprintf("%s: %d goroutines at most", c.name, most), func() bool { return runtime.NumGoroutine() <= most })
	}
}

// signIn follows the link to the dashboard and gives the session's cookie.
func signIn(t *testing.T, a server.Addresses) string {
	t.Helper()
	res, err := http.Get(a.DashboardLink)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		return fmt.Sprintf("%s=%s", c.Name, c.Value)
	}
	t.Fatalf("no cookie: %s", res.Status)
	return ""
}

// TestFirstStartHoldsNoStore finds no store of a new house that a loss of power would
// still undo, once the house has opened.
func TestFirstStartHoldsNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data = dir })
	create(t, s, platform.NewDeployment{Kind: platform.Dev})
	stores := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // Pebble removes files meanwhile
		}
		if strings.HasPrefix(d.Name(), "MANIFEST-") {
			stores++
		}
		if d.Name() == "held" {
			t.Errorf("%s: still held", path)
		}
		return nil
	})
	if err != nil || stores < 2 {
		t.Errorf("%d stores, %v", stores, err)
	}
}
