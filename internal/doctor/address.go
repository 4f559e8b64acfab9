package doctor

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/diagnosis"
)

// loopback reports whether a host name means this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// originOf is an address's origin; "" if it has none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return u.Scheme + "://" + strings.ToLower(u.Host)
}

// allowed reports whether an address is one of a list, or fits a wildcard in it.
func allowed(address string, list []string) bool {
	return slices.ContainsFunc(list, func(known string) bool {
		before, after, wild := strings.Cut(known, "*")
		return known == address || wild && len(address) > len(before)+len(after) && strings.HasPrefix(address, before) &&
			strings.HasSuffix(address, after) && !strings.ContainsAny(address[len(before):len(address)-len(after)], "./:?#")
	})
}

// refused are the refusals of a kind that the house remembers.
func (p *Patient) refused(kind diagnosis.Kind) []diagnosis.Entry {
	var list []diagnosis.Entry
	for _, e := range p.House.Facts.Refusals {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// times says how often something happened.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// ours reports whether an address that somebody sent can only be the developer's own.
// Strangers send addresses, too, and one that was registered for them would get
// people's codes: such a thing is said, and never repaired.
func (p *Patient) ours(address string) bool {
	u, err := url.Parse(address)
	return err == nil && loopback(u.Hostname()) && p.House.Facts.Environment.Kind != "production"
}

// seen is the status of a refusal of an address that the project does not name.
func (p *Patient) seen(address string) Status {
	if p.ours(address) {
		return Problem
	}
	return Warning
}

// register is the repair that registers an address with the environment.
func (p *Patient) register(f *finding, what, member, address string) {
	if p.House.Variables["WORKOS_API_KEY"] == "" {
		return
	}
	path := "/user_management/" + what
	f.Repairs = append(f.Repairs, Repair{
		Call: fmt.Sprintf("POST %s%s {%q: %q}", p.House.Facts.AuthKitURL, path, member, address),
		Do: func(ctx context.Context) error {
			return p.House.workos(ctx, "POST", path, map[string]string{member: address})
		},
	})
}

// checkRedirectURI holds the app's redirect URI against the registered ones.
func checkRedirectURI(_ context.Context, p *Patient, f *finding) {
	facts := p.House.Facts
	env := facts.Environment
	uri, from := p.redirectURI()
	if uri == "" {
		f.say(Skipped, "the app's redirect URI is not set in .env.local")
	} else {
		u, err := url.Parse(uri)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			f.say(Problem, "%s (%s) is not an absolute address", uri, from)
			f.fix("Write scheme, host and path:\n%s=%s/callback", p.Framework.Redirect, p.Framework.Origin)
		case allowed(uri, env.RedirectURIs):
			f.say(OK, "%s is registered", uri)
		case env.Kind != "production" && loopback(u.Hostname()):
			f.say(OK, "%s leads to this machine, which a %s environment allows", uri, env.Kind)
		default:
			r := diagnosis.RefusedRedirect(uri, facts.AuthKitURL, env.RedirectURIs)
			f.say(Problem, "%s (%s)", r.Said, from)
			f.fix("%s", r.Fix)
			p.register(f, "redirect_uris", "uri", uri)
		}
	}
	for _, e := range p.refused(diagnosis.RedirectURI) {
		if e.Value == uri || allowed(e.Value, env.RedirectURIs) {
			continue
		}
		if e.Cause == diagnosis.LeadsElsewhere {
			f.say(Warning, "%s (%s, last %v ago)", e.Said, times(e.Times), facts.Now.Sub(e.Last).Round(time.Second))
			f.fix("%s", e.Fix)
			continue
		}
		f.say(p.seen(e.Value), "refused %s since the house started: %s", times(e.Times), e.Said)
		f.fix("%s", e.Fix)
		if p.ours(e.Value) {
			p.register(f, "redirect_uris", "uri", e.Value)
		}
	}
}

// appOrigins are the origins at which the app's pages are, as far as its settings
// tell.
func (p *Patient) appOrigins() []string {
	var list []string
	uri, _ := p.redirectURI()
	c := p.configured()
	for _, a := range append([]string{uri, c.AppHomepageURL}, c.CORSOrigins...) {
		if o := originOf(a); o != "" && !strings.Contains(a, "${") && !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}

// checkCORS holds the origins of the app's pages against the registered ones, and
// shows those that were refused.
func checkCORS(_ context.Context, p *Patient, f *finding) {
	facts := p.House.Facts
	env := facts.Environment
	miss := func(s Status, origin, more string, repair bool) {
		r := diagnosis.RefusedOrigin(origin, facts.AuthKitURL, env.CORSOrigins)
		f.say(s, "%s%s", r.Said, more)
		f.fix("%s", r.Fix)
		if repair {
			p.register(f, "cors_origins", "origin", origin)
		}
	}
	seen := map[string]bool{}
	for _, o := range p.appOrigins() {
		seen[o] = true
		if allowed(o, env.CORSOrigins) || o == originOf(facts.AuthKitURL) {
			f.say(OK, "%s is registered", o)
			continue
		}
		more := ""
		for _, e := range p.refused(diagnosis.Origin) {
			if e.Value == o {
				more = fmt.Sprintf(" It was refused %s since the house started.", times(e.Times))
			}
		}
		miss(Problem, o, more, true)
	}
	for _, e := range p.refused(diagnosis.Origin) {
		if !seen[e.Value] && !allowed(e.Value, env.CORSOrigins) {
			miss(p.seen(e.Value), e.Value, fmt.Sprintf(" It was refused %s since the house started.", times(e.Times)), p.ours(e.Value))
		}
	}
	if len(f.Detail) == 0 {
		f.say(Warning, "no origin of the app is known; registered are: %s", orNone(strings.Join(env.CORSOrigins, ", ")))
		f.fix("Name the app's pages in convex.json:\n{ \"authKit\": { \"dev\": { \"configure\": { \"corsOrigins\": [\"%s\"] } } } }", p.Framework.Origin)
	}
}

// orNone shows an absent value.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// checkHomepage looks for where a sign-out leads that names no address.
func checkHomepage(_ context.Context, p *Patient, f *finding) {
	env := p.House.Facts.Environment
	if env.Homepage != "" || len(env.RedirectURIs) > 0 {
		f.say(OK, "a sign-out leads to %s", firstOf(env.Homepage, originOf(append(env.RedirectURIs, "")[0])))
		return
	}
	f.say(Warning, "the environment has no homepage and no redirect URI, so a sign-out without return_to ends on an empty page")
	f.fix("Name it in convex.json:\n{ \"authKit\": { \"dev\": { \"configure\": { \"appHomepageUrl\": \"%s\" } } } }", p.Framework.Origin)
}

// blockedPorts are those to which browsers and fetch refuse to connect and that a
// person might choose (https://fetch.spec.whatwg.org/#port-blocking).
var blockedPorts = []int{1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}

// checkPorts looks for ports that browsers refuse, and for taken ones.
func checkPorts(_ context.Context, p *Patient, f *finding) {
	look := func(what, address string) {
		u, err := url.Parse(address)
		if address == "" || err != nil || u.Host == "" {
			return
		}
		port, _ := strconv.Atoi(u.Port())
		if slices.Contains(blockedPorts, port) {
			f.say(Problem, "%s: browsers and fetch refuse port %d (%s)", what, port, address)
			f.fix("Take another port, such as %d.", port+1)
			return
		}
		f.say(OK, "%s: %s", what, address)
	}
	uri, from := p.redirectURI()
	look(from, uri)
	url, from := p.env(p.Framework.Prefix + "CONVEX_URL")
	look(p.Framework.Prefix+"CONVEX_URL in "+from, url)
	if p.House != nil {
		if p.House.Facts != nil {
			look("the house's sign-in", p.House.Facts.AuthKitURL)
		}
		return
	}
	if p.opts.Free == nil {
		return
	}
	for _, port := range []struct {
		number int
		what   string
	}{{3210, "the deployment"}, {3211, "HTTP actions"}, {4100, "sign-in"}} {
		if !p.opts.Free(port.number) {
			f.say(Warning, "port %d, usual for %s, is taken by another program; lentil dev takes the next free one", port.number, port.what)
			f.fix("See who has it:\nss -ltnp 'sport = :%d'", port.number)
		}
	}
}

// checkSameSite looks for pages whose cookies the sign-in service will not see.
func checkSameSite(_ context.Context, p *Patient, f *finding) {
	uri, _ := p.redirectURI()
	app, err1 := url.Parse(uri)
	auth, err2 := url.Parse(p.House.Facts.AuthKitURL)
	switch {
	case uri == "" || err1 != nil || err2 != nil:
		return
	case app.Hostname() == "localhost" || app.Hostname() == "127.0.0.1":
		f.say(OK, "pages at %s keep their session themselves (devMode)", app.Hostname())
	case site(app.Hostname()) == site(auth.Hostname()):
		f.say(OK, "%s and %s are one site", app.Hostname(), auth.Hostname())
	default:
		f.say(Warning, "the pages are at %s and sign-in at %s: browsers block the cookie between two sites, so everybody is signed out by a reload", app.Hostname(), auth.Hostname())
		f.fix("Serve the sign-in service at a name of the app's site, behind a proxy:\nlentil serve --authkit-url https://auth.%s", site(app.Hostname()))
	}
}

// site is the last two labels of a name: right for most names, and where it is
// not, a warning is missing.
func site(host string) string {
	labels := strings.Split(host, ".")
	if len(labels) <= 2 || net.ParseIP(host) != nil {
		return host
	}
	return strings.Join(labels[len(labels)-2:], ".")
}
