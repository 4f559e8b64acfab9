package diagnosis

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// LeadsElsewhere is the cause of Elsewhere. Nothing is refused by then.
const LeadsElsewhere = "leads-elsewhere"

// Elsewhere explains a sign-in that a page of this machine began and that leads to
// another place on it: mostly a development server that moved because its usual port
// was taken, so that people end up in the program that has it. referrer is where the
// browser came from, uri where the sign-in leads; ok is false if all is as usual.
func Elsewhere(referrer, uri string) (r Refusal, ok bool) {
	from, err := url.Parse(referrer)
	if err != nil || !loopback(from) {
		return r, false
	}
	to, err := url.Parse(uri)
	if err != nil || !loopback(to) || to.Scheme == from.Scheme && strings.EqualFold(to.Host, from.Host) {
		return r, false
	}
	here, there := clip(from.Scheme+"://"+from.Host, maxShownOrigin), clip(to.Scheme+"://"+to.Host, maxShownOrigin)
	moved := clip(here+to.EscapedPath(), maxShownURI)
	if to.Scheme == from.Scheme && portOf(to) == portOf(from) {
		return Refusal{Kind: RedirectURI, Cause: LeadsElsewhere, Check: "redirect-uri", Value: moved,
			Said: fmt.Sprintf("This sign-in began at %s and leads to %s. For a browser these are two sites, and the second does not know what the first began.", here, there),
			Why:  "What a sign-in needs to be finished is kept for the site that began it, by the name in the address bar.",
			Fix:  fmt.Sprintf("Open the app at %s.", there),
		}, true
	}
	return Refusal{Kind: RedirectURI, Cause: LeadsElsewhere, Check: "redirect-uri", Value: moved,
		Said: fmt.Sprintf("This sign-in began at %s and leads to %s. If another program answers there, it gets the sign-in and cannot use it.", here, there),
		Why: "Development servers take the next port when theirs is taken; the redirect URI in .env.local still names the first. " +
			"The program at that port did not begin the sign-in, so it refuses the code.",
		Fix: fmt.Sprintf("End the other program, or let the redirect URI of .env.local (or convex.json) be %s, and start again what runs the app. "+
			"The origin %s has to be registered, too; lentil dev does that.", moved, here),
	}, true
}

// loopback reports whether an address leads to this machine.
func loopback(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
