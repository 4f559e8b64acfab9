package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/server"
)

// start runs a house until the returned function is called, which gives what Run
// returned.
func start(t *testing.T, change func(*server.Config)) (*server.Server, func() error) {
	t.Helper()
	s, run := opened(t, change)
	stop := run()
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, stop
}

// opened is a house that does not run before run is called.
func opened(t *testing.T, change func(*server.Config)) (s *server.Server, run func() (stop func() error)) {
	t.Helper()
	any := server.Port{Fixed: true}
	cfg := server.Config{Port: any, SitePort: any, AuthKitPort: any, ControlPort: any, Workers: 1, Version: "test", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	s, err := server.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() func() error {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		stop := func() error {
			cancel()
			select {
			case err := <-ended:
				ended <- err
				return err
			case <-time.After(time.Minute):
				t.Fatal("the house does not stop")
				return nil
			}
		}
		t.Cleanup(func() { stop() })
		return stop
	}
}

// spare are ports that nobody has, and that the system gives to nobody who takes any
// (Linux: those from 32768), so that a house finds them again when it is started again.
func spare(t *testing.T, n int) (ports []server.Port) {
	t.Helper()
	for len(ports) < n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 22000+rand.IntN(10_000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, server.Port{Number: l.Addr().(*net.TCPAddr).Port, Fixed: true})
	}
	return ports
}

// fetch makes one request and gives status and body.
func fetch(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
		if k == "Host" {
			req.Host = v
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestServerAnswersOnEveryListener(t *testing.T) {
	t.Parallel()
	s, stop := start(t, nil)
	a := s.Addresses()
	admin := map[string]string{"Authorization": "Convex " + a.AdminKey}
	for _, tt := range []struct {
		name, method, url, body string
		header                  map[string]string
		status                  int
		contains                string
	}{
		{"name", "GET", a.URL + "/instance_name", "", nil, 200, a.Deployment},
		{"version", "GET", a.URL + "/version", "", nil, 200, "test"},
		{"canonical URLs", "GET", a.URL + "/api/v1/get_canonical_urls", "", admin, 200, a.SiteURL},
		{"without a key", "GET", a.URL + "/api/v1/get_canonical_urls", "", nil, 401, "admin key"},
		{"variables", "GET", a.URL + "/api/v1/list_environment_variables", "", admin, 200, a.ClientID},
		{"unknown function", "POST", a.URL + "/api/query", `{"path":"no:thing","args":{}}`, nil, 200, "Could not find"},
		{"HTTP actions", "GET", a.SiteURL + "/hook", "", nil, 404, "HTTP actions"},
		{"keys", "GET", a.AuthKitURL + "/sso/jwks/" + a.ClientID, "", nil, 200, `"kid"`},
		{"outbox", "GET", a.OutboxURL + "?to=a@example.com", "", nil, 200, "[]"},
		{"API key", "GET", a.AuthKitURL + "/user_management/users", "", map[string]string{"Authorization": "Bearer " + a.APIKey}, 200, `"data"`},
		{"another host's name", "GET", a.OutboxURL, "", map[string]string{"Host": "evil.example"}, 421, "host name"},
	} {
		status, body := fetch(t, tt.method, tt.url, tt.body, tt.header)
		if status != tt.status || !strings.Contains(body, tt.contains) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := http.Get(a.URL + "/version"); err == nil {
		t.Error("it answers after it was stopped")
	}
	select {
	case <-s.Stopping():
	default:
		t.Error("Stopping is open")
	}
}

func TestServerKeepsItselfOverRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(c *server.Config) {
		c.Data = dir
		c.Project = &server.Project{Name: "shop", RedirectURIs: []string{"http://localhost:5173/callback"}, CORSOrigins: []string{"http://localhost:5173"}}
	}
	s, stop := start(t, func(c *server.Config) {
		in(c)
		ports := spare(t, 4)
		c.Port, c.SitePort, c.AuthKitPort, c.ControlPort = ports[0], ports[1], ports[2], ports[3]
	})
	first := s.Addresses()
	if _, err := server.Open(t.Context(), server.Config{Data: dir, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "already open") {
		t.Errorf("opened twice: %v", err)
	}
	person := `{"email":"ada@example.com","password":"correct horse battery staple","email_verified":true}`
	key := map[string]string{"Authorization": "Bearer " + first.APIKey, "Content-Type": "application/json"}
	if status, body := fetch(t, "POST", first.AuthKitURL+"/user_management/users", person, key); status != 201 {
		t.Fatalf("create user: %d %s", status, body)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// Without a wish for ports it comes back where it was.
	s, _ = start(t, func(c *server.Config) {
		in(c)
		c.Port, c.SitePort, c.AuthKitPort, c.ControlPort = server.Port{}, server.Port{}, server.Port{}, server.Port{}
		c.Notice = func(format string, args ...any) { t.Logf(format, args...) }
	})
	got := s.Addresses()
	if got.DashboardLink == "" || got.DashboardLink == first.DashboardLink {
		t.Errorf("link to the dashboard %q, before %q: nobody has signed in yet", got.DashboardLink, first.DashboardLink)
	}
	if got.DashboardLink = first.DashboardLink; got != first {
		t.Errorf("addresses = %+v, before %+v", got, first)
	}
	status, body := fetch(t, "GET", first.AuthKitURL+"/user_management/users?email=ada@example.com", "", key)
	var list struct{ Data []struct{ Email string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 || len(list.Data) != 1 || list.Data[0].Email != "ada@example.com" {
		t.Errorf("users: %d %s", status, body)
	}
}

// TestServerKnowsItsOwnKeys: tokens of the house are verified without a network,
// also when auth.config.ts names the vendor's JWKS URL.
func TestServerKnowsItsOwnKeys(t *testing.T) {
	t.Parallel()
	s, _ := start(t, func(c *server.Config) { c.Data = t.TempDir() })
	a := s.Addresses()
	for _, own := range []string{
		"https://api.workos.com/sso/jwks/" + a.ClientID,
		a.AuthKitURL + "/sso/jwks/" + a.ClientID,
		strings.Replace(a.AuthKitURL, "localhost", "127.0.0.1", 1) + "/sso/jwks/" + a.ClientID,
	} {
		if s.HouseKeys(own) == nil {
			t.Errorf("%s is not known as ours", own)
		}
	}
	for _, foreign := range []string{
		"https://api.workos.com/sso/jwks/client_01H00000000000000000000000", "https://api.workos.com/sso/jwks/", "https://api.workos.com/other/" + a.ClientID,
		"http://api.workos.com/sso/jwks/" + a.ClientID, "https://example.com/sso/jwks/" + a.ClientID, "https://api.workos.com/sso/jwks/" + a.ClientID + "/x", "::",
	} {
		if s.HouseKeys(foreign) != nil {
			t.Errorf("%s is taken for ours", foreign)
		}
	}
}

func TestServerTellsItsStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, func(c *server.Config) { c.Data, c.Limits.Sockets = dir, 77 })
	a := s.Addresses()
	if key, err := server.AdminKey(dir, a.Deployment, nil); err != nil || key != a.AdminKey {
		t.Errorf("the key from the directory is %q, %v", key, err)
	}
	code, body := fetch(t, http.MethodGet, a.URL+"/_lentil/status", "", map[string]string{"Authorization": "Convex " + a.AdminKey})
	var st server.Status
	if err := json.Unmarshal([]byte(body), &st); code != 200 || err != nil {
		t.Fatalf("%d %s, %v", code, body, err)
	}
	if st.Sockets.Limit != 77 || st.Requests.Used != 1 || st.RetentionSeconds != 4*3600 || st.Workers.Limit == 0 || st.MemoryBytes == 0 || st.StoreBytes == 0 || st.Files.Used == 0 {
		t.Errorf("%+v", st)
	}
	if code, _ := fetch(t, http.MethodGet, a.URL+"/_lentil/status", "", nil); code != 401 {
		t.Errorf("a stranger got %d", code)
	}
	if code, body := fetch(t, http.MethodGet, a.URL+"/health", "", nil); code != 200 || !strings.Contains(body, `"status":"`) {
		t.Errorf("%d %s", code, body)
	}
}
