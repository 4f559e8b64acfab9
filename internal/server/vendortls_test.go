package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/server"
)

// vendorClient finds every host at the listener for the vendors' names.
func vendorClient(t *testing.T, a server.Addresses) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(a.VendorCA)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem)
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(a.VendorTLSPort)))
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestVendorNamesAreAnsweredOverTLS(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	inDir := func(c *server.Config) { c.Data = dir }
	s, stop := start(t, inDir)
	a := s.Addresses()
	c := vendorClient(t, a)
	ask := func(method, url, host, body string, header http.Header) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		for k, v := range header {
			req.Header[k] = v
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res, string(b)
	}
	key := http.Header{"Authorization": {"Bearer " + a.APIKey}, "Content-Type": {"application/json"}}
	if res, body := ask("POST", "https://api.workos.com/user_management/redirect_uris", "", `{"uri":"http://localhost:5173/callback"}`, key); res.StatusCode/100 != 2 {
		t.Errorf("redirect URI: %s %s", res.Status, body)
	}
	if res, body := ask("GET", "https://api.workos.com/sso/jwks/"+a.ClientID, "", "", nil); res.StatusCode != 200 || !strings.Contains(body, `"kid"`) {
		t.Errorf("keys: %s %s", res.Status, body)
	}
	for _, path := range []string{"/user_management/authorize?client_id=x&state=a%20b", "/user_management/sessions/logout?session_id=s"} {
		if res, _ := ask("GET", "https://api.workos.com"+path, "", "", nil); res.Header.Get("Location") != a.AuthKitURL+path {
			t.Errorf("people who visit %s are sent to %s", path, res.Header.Get("Location"))
		}
	}
	for path, want := range map[string]string{"/" + a.EnvironmentID + "/authentication": "/d/" + a.Deployment + "/sessions", "/" + a.EnvironmentID: "/d/" + a.Deployment, "/environment_x/users": "/", "/": "/"} {
		if res, _ := ask("GET", "https://dashboard.workos.com"+path, "", "", nil); res.Header.Get("Location") != a.ControlURL+want {
			t.Errorf("people who visit the dashboard's %s are sent to %s", path, res.Header.Get("Location"))
		}
	}
	for _, url := range []string{"https://api.convex.dev/version", "https://version.convex.dev/version", "https://auth.convex.dev/version"} {
		if res, body := ask("GET", url, "", "", nil); res.StatusCode != 200 || body != "test" {
			t.Errorf("%s: %s %s", url, res.Status, body)
		}
	}
	if res, body := ask("GET", "https://api.workos.com/", "localhost", "", nil); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another host name: %s %s", res.Status, body)
	}
	if _, err := c.Get("https://www.example.com/"); err == nil {
		t.Error("the listener had a certificate for another name")
	}
	before, err := os.ReadFile(a.VendorCA)
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ = start(t, inDir)
	again := s.Addresses()
	if after, err := os.ReadFile(again.VendorCA); err != nil || !bytes.Equal(before, after) || a.VendorKeyHash != again.VendorKeyHash {
		t.Errorf("the authority changed with a restart (%v)", err)
	}
}

func TestVendorNamesAreNotAnsweredForStrangers(t *testing.T) {
	t.Parallel()
	public, _ := start(t, func(c *server.Config) { c.AuthKitURL = "https://auth.example.com" })
	if a := public.Addresses(); a.VendorTLSPort != 0 {
		t.Errorf("a house for others answers at the vendors' names, on port %d", a.VendorTLSPort)
	}
	one, _ := start(t, nil)
	two, _ := start(t, nil)
	if a, b := one.Addresses(), two.Addresses(); a.VendorKeyHash == b.VendorKeyHash || a.VendorKeyHash == "" {
		t.Error("houses in memory share a key")
	}
}
