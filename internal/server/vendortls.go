package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/lentil-dev/lentil/internal/forward"
	"github.com/lentil-dev/lentil/internal/identity"
)

// authorityName is the file of a data directory with the certificate of the
// authority for the vendors' names. It is no secret, and made anew when it is missing.
const authorityName = "vendor-ca.pem"

// bindVendorTLS binds the port at which programs of this machine find the house under
// the vendors' names. There is one where functions, too, find it at the vendor's host,
// or where a port was asked for; last is that of last time.
func (s *Server) bindVendorTLS(ctx context.Context, last int) (err error) {
	wish := s.cfg.VendorTLSPort
	if !wish.Fixed && !answersForVendor(s.cfg.VendorHost, s.private()) {
		return nil
	}
	// Always the loopback address: nobody else may take this house for the vendors.
	const host, purpose = "127.0.0.1", "the vendors' names"
	if !wish.Fixed && last != 0 {
		s.vendorTLSSocket, _ = bind(ctx, host, purpose, last) // or any other
	}
	if s.vendorTLSSocket == nil {
		if s.vendorTLSSocket, err = bind(ctx, host, purpose, wish.Number); err != nil {
			return err
		}
	}
	s.onClose(func() error { s.vendorTLSSocket.close(); return nil })
	return nil
}

// openVendorTLS answers there, over TLS.
func (s *Server) openVendorTLS(secret []byte) error {
	if s.vendorTLSSocket == nil {
		return nil
	}
	authority, err := s.openAuthority(secret)
	if err != nil {
		return err
	}
	if s.addresses.VendorKeyHash, err = authority.KeyHash(); err != nil {
		return err
	}
	s.addresses.VendorTLSPort = s.vendorTLSSocket.number
	s.fronts = append(s.fronts, front{socket: s.vendorTLSSocket, handler: s.vendorHosts(), tls: authority.TLS()})
	return nil
}

// openAuthority makes the authority of this house, whose key follows from the
// house's secret, and leaves its certificate where those find it who shall trust it.
func (s *Server) openAuthority(secret []byte) (*forward.Authority, error) {
	if s.data == nil {
		secret = make([]byte, 32) // what a house in memory has in its place is known to all
		rand.Read(secret)
		return forward.NewAuthority(secret, nil)
	}
	path := filepath.Join(s.data.path, authorityName)
	kept, _ := os.ReadFile(path) // or it is made anew
	authority, err := forward.NewAuthority(secret, kept)
	if err != nil {
		return nil, err
	}
	s.addresses.VendorCA = path
	if bytes.Equal(kept, authority.PEM()) {
		return authority, nil
	}
	return authority, s.data.writeFile(authorityName, authority.PEM())
}

// vendorHosts are who answers at each of the vendors' names.
func (s *Server) vendorHosts() *hosts {
	h := &hosts{}
	h.add(forward.WorkOSAPI, "sign-in", s.vendorAPI())
	h.add(forward.WorkOSDashboard, "the dashboard", http.HandlerFunc(s.vendorDashboard))
	for _, name := range []string{forward.ConvexAPI, forward.ConvexVersion, forward.ConvexAuth} {
		h.add(name, "the management API", s.control)
	}
	return h
}

// vendorAPI is the sign-in service's API, for its vendor's name. People are sent on
// to the house's own address: its pages and cookies are there, as the vendor's are
// at another host than its API.
func (s *Server) vendorAPI() http.Handler {
	base := s.authKitURL()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && (r.Header.Get("Sec-Fetch-Mode") == "navigate" || visited(r.URL.Path)) {
			http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
			return
		}
		s.api.ServeHTTP(w, r)
	})
}

// vendorDashboard sends on those who follow a link such as the one that the official
// CLI leaves in .env.local, https://dashboard.workos.com/ENVIRONMENT/authentication:
// in this house's dashboard an environment is part of its deployment.
func (s *Server) vendorDashboard(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	name, err := s.platform.DeploymentOf(r.Context(), identity.EnvironmentID(first))
	if err != nil {
		s.log.Error("deployment of an environment could not be read", "environment", first, "err", err)
	}
	to := s.controlURL() + "/"
	if name != "" {
		to += "d/" + name
		switch rest { // the pages that the official tools and the guide name
		case "authentication", "authentication/sessions":
			to += "/sessions"
		case "users", "organizations", "redirects", "events", "webhooks", "branding", "api-keys":
			to += "/" + rest
		}
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// visited says whether a path is one that browsers are sent to.
func visited(path string) bool {
	return strings.HasSuffix(path, "/authorize") || strings.HasSuffix(path, "/logout")
}
