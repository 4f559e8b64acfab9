package main

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// redirectVariable is the variable by which the project's sign-in package knows where
// a sign-in leads; "" without such a package.
func (f framework) redirectVariable() string {
	switch {
	case f.signIn == browserSignIn:
		return "VITE_WORKOS_REDIRECT_URI"
	case f.signIn == serverSignIn && strings.HasPrefix(f.convex, "VITE_"):
		return "WORKOS_REDIRECT_URI"
	case f.signIn == serverSignIn:
		return "NEXT_PUBLIC_WORKOS_REDIRECT_URI"
	}
	return ""
}

// adopt takes over what a person wrote into .env.local about where their app is, so
// that an app which moved to another port is registered there without a word in
// convex.json. Only addresses of this machine are: others' would get people's codes.
// What we wrote ourselves follows convex.json.
func (p *project) adopt(f *envLocal) {
	name := p.framework.redirectVariable()
	if name == "" || p.configure == nil {
		return
	}
	uri, _ := f.file.Get(name)
	u, err := url.Parse(uri)
	if uri == f.wrote[name] || err != nil || !loopbackURL(u) || slices.Contains(p.configure.RedirectURIs, uri) {
		return
	}
	origin := u.Scheme + "://" + u.Host
	c := *p.configure
	if !p.configured {
		c = configure{AppHomepageURL: origin}
	}
	c.RedirectURIs = append([]string{uri}, c.RedirectURIs...)
	if !slices.Contains(c.CORSOrigins, origin) {
		c.CORSOrigins = append(slices.Clip(c.CORSOrigins), origin)
	}
	p.configure, p.adopted = &c, true
}

// loopbackURL reports whether an address leads to this machine.
func loopbackURL(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return (u.Scheme == "http" || u.Scheme == "https") && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// appPlace is the address at which the project's pages are awaited.
func (p *project) appPlace() *url.URL {
	if p.configure == nil || p.framework.signIn == noSignIn || len(p.configure.RedirectURIs) == 0 {
		return nil
	}
	u, err := url.Parse(p.configure.RedirectURIs[0])
	if err != nil || !loopbackURL(u) || u.Port() == "" {
		return nil
	}
	return u
}

// portsTried is how many ports are looked at for one that is free.
const portsTried = 20

// noteAppPort says so if another program is where the app is awaited. A development
// server takes the next port then, or fails, and sign-ins lead to the other program.
func (d *dev) noteAppPort(ctx context.Context) {
	u := d.project.appPlace()
	if u == nil || !answersAt(ctx, u.Port()) {
		return
	}
	from, _ := strconv.Atoi(u.Port())
	for port := from + 1; port <= from+portsTried; port++ {
		if answersAt(ctx, strconv.Itoa(port)) {
			continue
		}
		moved := *u
		moved.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
		d.out.notice("another program answers on port %d, to which sign-ins of this app lead; end it, or put %s=%s into .env.local and start again (the app has to answer there)",
			from, d.project.framework.redirectVariable(), moved.String())
		return
	}
}

// answersAt reports whether anybody listens on a port of this machine.
func answersAt(ctx context.Context, port string) bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		dialer := net.Dialer{Timeout: time.Second}
		if c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port)); err == nil {
			c.Close()
			return true
		}
	}
	return false
}
