package server

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/platform"
)

// localDomain is where the deployments of a house answer by host name on the machine
// it runs on: browsers resolve all names in it to the loopback address (RFC 6761 §6.3).
const localDomain = "localhost"

// siteLabel stands between a deployment's name and the domain in the host of its
// HTTP actions.
const siteLabel = ".site"

// named finds the deployment that a host name means: NAME.localhost or NAME in the
// house's domain, with .site after the name for its HTTP actions; "" if it means none.
func (f *fleet) named(host string) (name string, site bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if slices.Contains(f.own, host) {
		return "", false
	}
	for _, domain := range []string{localDomain, f.server.cfg.DeploymentsDomain} {
		if domain == "" {
			continue
		}
		name, ok := strings.CutSuffix(host, "."+domain)
		if !ok {
			continue
		}
		name, site = strings.CutSuffix(name, siteLabel)
		if platform.ValidName(name) {
			return name, site
		}
	}
	return "", false
}

// share makes the names of deployments in the house's domain names of the listener
// that all host names share.
func (f *fleet) share(h *hosts) {
	domain := f.server.cfg.DeploymentsDomain
	if domain == "" {
		return
	}
	at := func(front func(*berth) http.Handler) func(context.Context, string) http.Handler {
		return func(ctx context.Context, name string) http.Handler {
			b, err := f.berth(ctx, name)
			if err != nil {
				return nil
			}
			return front(b)
		}
	}
	h.addDomain(domain, "a deployment", at((*berth).functions))
	h.addDomain(strings.TrimPrefix(siteLabel, ".")+"."+domain, "HTTP actions of a deployment", at((*berth).site))
}

// ownNames are the host names of the house's own addresses, which may lie in the
// domain of its deployments.
func (c *Config) ownNames() (names []string) {
	for _, own := range []string{c.URL, c.SiteURL} {
		if u, err := url.Parse(own); err == nil && u.Host != "" {
			names = append(names, strings.ToLower(u.Hostname()))
		}
	}
	return names
}

// checkDomain says whether deployments can have names in the domain.
func (c *Config) checkDomain() error {
	c.DeploymentsDomain = strings.ToLower(strings.Trim(c.DeploymentsDomain, "."))
	for label := range strings.SplitSeq(c.DeploymentsDomain, ".") {
		if c.DeploymentsDomain != "" && (len(label) > 63 || !domainLabel.MatchString(label)) {
			return fmt.Errorf("deployments-domain must look like convex.example.com, not %q", c.DeploymentsDomain)
		}
	}
	return nil
}

// domainLabel is one part of a host name (RFC 1123 §2.1).
var domainLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// addresses are the public ones of a berth: in the house's domain, if it has one, with
// scheme and port as its own address has them; else those of its ports.
func (f *fleet) addresses(b *berth) (public, siteURL string) {
	cfg := &f.server.cfg
	if b.home {
		public, siteURL = cfg.URL, cfg.SiteURL
	}
	if cfg.DeploymentsDomain == "" {
		return address(public, cfg.Host, b.sockets[0].number), address(siteURL, cfg.Host, b.sockets[1].number)
	}
	scheme, port := "https", ""
	switch own, err := url.Parse(cfg.URL); {
	case cfg.URL != "" && err == nil:
		scheme, port = own.Scheme, own.Port()
	case cfg.DeploymentsDomain == localDomain:
		scheme, port = "http", strconv.Itoa(f.server.deploymentSocket.number)
	}
	if port != "" {
		port = ":" + port
	}
	return cmp.Or(public, scheme+"://"+b.name+"."+cfg.DeploymentsDomain+port),
		cmp.Or(siteURL, scheme+"://"+b.name+siteLabel+"."+cfg.DeploymentsDomain+port)
}

// functions and site are what answers on the house's main listeners: the home
// deployment, or the one that the host name means.
func (f *fleet) functions() http.Handler { return f.byHost((*berth).functions, f.home.functions()) }

func (f *fleet) site() http.Handler { return f.byHost((*berth).site, f.home.site()) }

// byHost hands a request to the deployment that its host name means, else to home.
func (f *fleet) byHost(front func(*berth) http.Handler, home http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, site := f.named(r.Host)
		if name == "" {
			home.ServeHTTP(w, r)
			return
		}
		b, err := f.berth(r.Context(), name)
		if err != nil {
			refuse(w, r, err)
			return
		}
		if site {
			b.site().ServeHTTP(w, r)
			return
		}
		front(b).ServeHTTP(w, r)
	})
}

// moorAll makes the berths of all deployments, so that they answer where they did.
// One that cannot have its ports is left out, and tried again when it is asked for.
func (f *fleet) moorAll(ctx context.Context) error {
	rows, err := f.server.platform.Deployments(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		if _, err := f.moor(ctx, &rows[i]); err != nil {
			f.server.log.Error("deployment does not answer on its own ports", "deployment", rows[i].Name, "err", err)
		}
	}
	return nil
}
