package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/certificate"
)

// HostNames are the names under which a house is reached where one listener is for
// all of them; none means that each thing has a port of its own.
type HostNames struct {
	Deployment, Site, AuthKit, Control []string
}

// all are the names with what answers there, in the order of the listeners.
func (h *HostNames) all() []struct {
	what  string
	names []string
} {
	return []struct {
		what  string
		names []string
	}{{"deployment", h.Deployment}, {"site", h.Site}, {"authkit", h.AuthKit}, {"control", h.Control}}
}

// any says whether there are names.
func (h *HostNames) any() bool {
	return len(h.Deployment)+len(h.Site)+len(h.AuthKit)+len(h.Control) > 0
}

// TLS says how the shared listener proves who it is.
type TLS struct {
	// Certificates and Keys are PEM files, the first of one with the first of the
	// other.
	Certificates, Keys []string
	// ByProxy says that a proxy in front speaks TLS, and plain HTTP with us.
	ByProxy bool
	// HSTS is how long browsers shall insist on https, or off; "" is half a year where
	// the port is 443.
	HSTS string

	hsts time.Duration
}

// ACME says how certificates are got from an authority.
type ACME struct {
	// AcceptTerms says that whoever runs the house has read and accepts the terms of
	// the authority; nothing is asked of it before.
	AcceptTerms                            bool
	Email, Directory, Roots, KeyID, MACKey string
}

// given says whether anything was said of ACME.
func (a *ACME) given() bool {
	return a.AcceptTerms || a.Email != "" || a.Directory != "" || a.Roots != "" || a.KeyID != "" || a.MACKey != ""
}

// The ports of the web, and how long browsers insist on https there by default: the
// half year that https://hstspreload.org accepts at the least.
const (
	defaultHTTPS = 443
	defaultHTTP  = 80
	defaultHSTS  = 180 * 24 * time.Hour
)

// off is what a setting is set to that has a default and shall not be.
const off = "off"

// preparePublic checks what is said of names and certificates.
func (c *Config) preparePublic() error {
	switch {
	case c.ProxyProtocol && !c.Hosts.any():
		return errors.New("proxies.protocol is for the listeners that host names share: name the hosts too (hosts.deployment, hosts.site, hosts.authkit)")
	case c.ProxyProtocol && c.TrustedProxies == "":
		return errors.New("proxies.protocol is set, but no proxy is trusted: name their addresses in proxies.trusted")
	}
	if !c.Hosts.any() {
		if len(c.TLS.Certificates)+len(c.TLS.Keys) > 0 || c.TLS.ByProxy || c.ACME.given() || c.TLS.HSTS != "" {
			return errors.New("certificates are for the listener that host names share: name the hosts too (hosts.deployment, hosts.site, hosts.authkit)")
		}
		return nil
	}
	seen := map[string]string{}
	for _, h := range c.Hosts.all() {
		if len(h.names) == 0 && h.what != "control" {
			return fmt.Errorf("hosts.%s is missing: deployment, site and authkit need a name each, because pages of one must not read those of another", h.what)
		}
		for i, name := range h.names {
			if err := checkHostName(name); err != nil {
				return fmt.Errorf("hosts.%s: %w", h.what, err)
			}
			h.names[i] = hostName(name)
			if before := seen[h.names[i]]; before != "" {
				return fmt.Errorf("%s stands for both hosts.%s and hosts.%s", name, before, h.what)
			}
			seen[h.names[i]] = h.what
		}
	}
	switch {
	case len(c.TLS.Keys) == 0: // each file holds both
		c.TLS.Keys = c.TLS.Certificates
	case len(c.TLS.Keys) != len(c.TLS.Certificates):
		return fmt.Errorf("there are %d files of certificates and %d of keys; name as many in tls.key as in tls.certificate, in the same order", len(c.TLS.Certificates), len(c.TLS.Keys))
	}
	if c.ACME.given() && !c.ACME.AcceptTerms {
		return errors.New("an authority gives certificates only to those who accept its terms: read them (Let's Encrypt: https://letsencrypt.org/repository/) and set acme.accept-terms to true")
	}
	own := len(c.TLS.Certificates) > 0 || c.ACME.AcceptTerms
	switch {
	case own && c.TLS.ByProxy:
		return errors.New("tls.by-proxy says that a proxy speaks TLS, but there are certificates, too; keep one of both")
	case !own && !c.TLS.ByProxy:
		return errors.New("hosts are reached over https: name files in tls.certificate and tls.key, or set acme.accept-terms for certificates from an authority, or tls.by-proxy if a proxy in front speaks TLS")
	}
	c.TLS.hsts = 0
	switch c.TLS.HSTS {
	case off:
	case "":
		if own && (!c.HTTPSPort.Fixed || c.HTTPSPort.Number == defaultHTTPS) {
			c.TLS.hsts = defaultHSTS
		}
	default:
		days, ok := strings.CutSuffix(c.TLS.HSTS, "d")
		n, err := strconv.Atoi(days)
		if !ok || err != nil || n < 1 || n > 3650 {
			return fmt.Errorf("tls.hsts is a number of days such as 180d, or off, not %q", c.TLS.HSTS)
		}
		c.TLS.hsts = time.Duration(n) * 24 * time.Hour
	}
	c.Host = "127.0.0.1"
	return nil
}

// checkHostName refuses what is no name of a host.
func checkHostName(name string) error {
	switch {
	case strings.Contains(name, "://") || strings.Contains(name, "/"):
		return fmt.Errorf("%q is an address; name the host alone, as in app.example.com", name)
	case strings.Contains(name, ":"):
		return fmt.Errorf("%q has a port; name the host alone, the port is listen.https-port", name)
	case strings.Contains(name, "*"):
		return fmt.Errorf("%q would be many names; list them", name)
	case strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.Trim(name, ".") == "":
		return fmt.Errorf("%q is no host name; write names with other letters as the DNS has them (xn--…)", name)
	}
	return nil
}

// keeper makes the keeper of certificates that the configuration asks for; nil for
// none.
func (c *Config) keeper() *certificate.Keeper {
	if !c.Hosts.any() || c.TLS.ByProxy {
		return nil
	}
	k := &certificate.Keeper{Log: c.Log}
	for i, file := range c.TLS.Certificates {
		k.Files = append(k.Files, certificate.Pair{Certificate: file, Key: c.TLS.Keys[i]})
	}
	if c.ACME.AcceptTerms {
		k.ACME = &certificate.ACME{
			Directory: c.ACME.Directory, Email: c.ACME.Email, Roots: c.ACME.Roots, KeyID: c.ACME.KeyID, MACKey: c.ACME.MACKey, Agent: "lentil/" + c.Version,
		}
		for _, h := range c.Hosts.all() {
			k.ACME.Hosts = append(k.ACME.Hosts, h.names...)
		}
	}
	return k
}

// bindPublic binds what the host names share, and makes the public addresses of the
// names. It comes before all other listeners, which are for this machine alone then.
func (s *Server) bindPublic(ctx context.Context) (err error) {
	c := &s.cfg
	if !c.Hosts.any() {
		return nil
	}
	host := c.publicHost
	if c.TLS.ByProxy {
		if host == "" {
			host = "127.0.0.1" // the proxy is on this machine unless somebody says otherwise
		}
		if s.httpSocket, err = s.bindShared(ctx, host, "the proxy", c.HTTPPort, defaultHTTP); err != nil {
			return err
		}
		s.setPublic("")
		return nil
	}
	if s.httpsSocket, err = s.bindShared(ctx, host, "https", c.HTTPSPort, defaultHTTPS); err != nil {
		return err
	}
	if !c.HTTPPort.Off {
		if s.httpSocket, err = s.bindShared(ctx, host, "http", c.HTTPPort, defaultHTTP); err != nil {
			return err
		}
	}
	port := ""
	if n := s.httpsSocket.number; n != defaultHTTPS {
		port = ":" + strconv.Itoa(n)
	}
	s.setPublic(port)
	return nil
}

// bindShared binds a port that must not be another, or takes it over from whoever
// started us.
func (s *Server) bindShared(ctx context.Context, host, purpose string, wish Port, byDefault int) (*socket, error) {
	number := wish.Number
	if !wish.Fixed {
		number = byDefault
	}
	sock := s.inherit(purpose, number)
	if sock == nil {
		var err error
		if sock, err = bind(ctx, host, purpose, number); err != nil {
			return nil, err
		}
	}
	s.onClose(func() error { sock.close(); return nil })
	return sock, nil
}

// inherit takes over the sockets of a port that somebody bound for us; nil if nobody
// did.
func (s *Server) inherit(purpose string, number int) *socket {
	var sock *socket
	rest := s.cfg.Listeners[:0:0]
	for _, l := range s.cfg.Listeners {
		if a, ok := l.Addr().(*net.TCPAddr); !ok || number == 0 || a.Port != number {
			rest = append(rest, l)
			continue
		}
		if sock == nil {
			sock = &socket{purpose: purpose, number: number}
		}
		sock.listeners = append(sock.listeners, l)
	}
	s.cfg.Listeners = rest
	return sock
}

// setPublic makes the public addresses from the names, where no other was given.
func (s *Server) setPublic(port string) {
	c := &s.cfg
	for _, a := range []struct {
		into  *string
		names []string
	}{{&c.URL, c.Hosts.Deployment}, {&c.SiteURL, c.Hosts.Site}, {&c.AuthKitURL, c.Hosts.AuthKit}, {&c.ControlURL, c.Hosts.Control}} {
		if *a.into == "" && len(a.names) > 0 {
			*a.into = "https://" + a.names[0] + port
		}
	}
}

// openPublic puts what answers under each name on the shared listeners.
func (s *Server) openPublic(ctx context.Context) error {
	c := &s.cfg
	if !c.Hosts.any() {
		return nil
	}
	for _, l := range c.Listeners {
		c.Notice("%s was handed over by the service manager, but nothing here is set to answer there", l.Addr())
	}
	handlers := map[string]http.Handler{"control": s.probed(s.control)}
	for _, f := range s.fronts {
		switch f.socket {
		case s.deploymentSocket:
			handlers["deployment"] = f.handler
		case s.siteSocket:
			handlers["site"] = f.handler
		case s.authKitSocket:
			handlers["authkit"] = f.handler
		}
	}
	for _, h := range c.Hosts.all() {
		for _, name := range h.names {
			if handlers[h.what] == nil {
				return fmt.Errorf("hosts.%s: this version has nothing that answers there", h.what)
			}
			s.hosts.add(name, h.what, handlers[h.what])
		}
	}
	s.hosts.addFinder(func(ctx context.Context, host string) http.Handler {
		if e, err := s.identity.EnvironmentAt(ctx, host); err == nil && e != nil {
			return handlers["authkit"]
		}
		return nil
	})
	s.fleet.share(&s.hosts)
	s.hosts.anywhere = s.probe
	s.addresses.LocalURL = address("", c.Host, s.deploymentSocket.number)
	if c.TLS.ByProxy {
		s.fronts = append(s.fronts, front{socket: s.httpSocket, handler: &s.hosts, proxied: c.ProxyProtocol})
		return nil
	}
	s.keeper = c.keeper()
	if a := s.keeper.ACME; a != nil {
		rows := &certificate.Rows{DB: s.db, Sealer: s.identity.Sealer}
		if err := rows.Open(ctx); err != nil {
			return err
		}
		a.Cache = rows
		a.Allowed = func(ctx context.Context, host string) bool { return s.hosts.find(ctx, host) != nil }
	}
	if err := s.keeper.Open(); err != nil {
		return err
	}
	config := s.keeper.Config()
	s.fronts = append(s.fronts, front{socket: s.httpsSocket, handler: insist(c.TLS.hsts, &s.hosts), tls: config, proxied: c.ProxyProtocol})
	if s.httpSocket != nil {
		s.fronts = append(s.fronts, front{socket: s.httpSocket, handler: s.keeper.Challenge(s.toHTTPS()), proxied: c.ProxyProtocol})
	}
	return nil
}

// insist tells browsers to come by https alone for so long (RFC 6797).
func insist(for_ time.Duration, h http.Handler) http.Handler {
	if for_ <= 0 {
		return h
	}
	header := "max-age=" + strconv.Itoa(int(for_/time.Second))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", header)
		h.ServeHTTP(w, r)
	})
}

// toHTTPS sends whoever comes by http to the same place by https. 308 keeps method
// and body (RFC 9110 §15.4.9).
func (s *Server) toHTTPS() http.Handler {
	port := ""
	if u, err := url.Parse(s.cfg.URL); err == nil && u.Port() != "" { // not the listener's: a proxy may pass TLS on to it
		port = ":" + u.Port()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.hosts.find(r.Context(), r.Host) == nil {
			s.hosts.ServeHTTP(w, r) // a probe, or a name that is not ours
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "https://"+hostName(r.Host)+port+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
}

// Reloads says whether there are files that Reload would read.
func (s *Server) Reloads() bool { return s.keeper != nil }

// Reload reads files of certificates again. What cannot be used is told and leaves
// what is in use.
func (s *Server) Reload() error {
	if s.keeper == nil {
		return nil
	}
	return s.keeper.Reload()
}

// tlsListener wraps a listener where its front speaks TLS.
func tlsListener(l net.Listener, c *tls.Config) net.Listener {
	if c == nil {
		return l
	}
	return tls.NewListener(l, c)
}
