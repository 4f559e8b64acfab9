package server_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/certificate/certificatetest"
	"github.com/lentil-dev/lentil/internal/server"
)

// TestHouseGetsItsCertificates lets an authority prove the names of a house on its
// port for plain HTTP, and takes the authority away before the house starts again.
func TestHouseGetsItsCertificates(t *testing.T) { // not parallel: the authority's switches are the process's
	plain, plainListener := holdPort(t)
	secure, secureListener := holdPort(t)
	const nobody = 1 // listens there
	dir := t.TempDir()
	authority := certificatetest.Open(t, plain, nobody, nil)
	run := func() (*server.Server, func() error) {
		return start(t, func(c *server.Config) {
			c.Data, c.Host = dir, "127.0.0.1"
			c.Hosts = server.HostNames{Deployment: []string{"api.example.com"}, Site: []string{"site.example.com"}, AuthKit: []string{"auth.example.com"}}
			c.Listeners = []net.Listener{plainListener(), secureListener()}
			c.HTTPSPort, c.HTTPPort = server.Port{Number: secure, Fixed: true}, server.Port{Number: plain, Fixed: true}
			c.ACME = server.ACME{AcceptTerms: true, Email: "ops@example.com", Directory: authority.Directory, Roots: authority.Roots}
		})
	}
	b := browser(authority.Issued)
	look := func(s *server.Server) {
		t.Helper()
		a := s.Addresses()
		if _, body := see(t, b, a.URL+"/instance_name"); body != a.Deployment {
			t.Errorf("%q", body)
		}
		if res, _ := see(t, b, a.AuthKitURL+"/health"); res.StatusCode != http.StatusOK {
			t.Errorf("%s", res.Status)
		}
		b.CloseIdleConnections()
	}
	s, stop := run()
	look(s)
	states := s.Status().Certificates
	if len(states) < 2 || states[0].Problem != "" || !states[0].Until.After(time.Now()) {
		t.Errorf("%+v", states)
	}
	if _, err := b.Get("https://stranger.example.com:" + itoa(secure)); err == nil || !strings.Contains(err.Error(), "tls: ") {
		t.Errorf("a name that is not ours: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	authority.Close()
	s, _ = run()
	look(s)
}
