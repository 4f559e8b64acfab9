package server

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// localDomain is where the deployments of a house answer by host name on the machine
// it runs on: browsers resolve all names in it to the loopback address (RFC 6761 §6.3).
const localDomain = "localhost"

// siteLabel stands between a deployment's name and the domain in the host of its
// HTTP actions.
const siteLabel = ".site"

// named finds the deployment that a host name means: NAME.localhost, or
// NAME.site.localhost for its HTTP actions; "" if it means none.
func (f *fleet) named(host string) (name string, site bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name, ok := strings.CutSuffix(strings.ToLower(host), "."+localDomain)
	if !ok {
		return "", false
	}
	name, site = strings.CutSuffix(name, siteLabel)
	if strings.Contains(name, ".") {
		return "", false
	}
	return name, site
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
