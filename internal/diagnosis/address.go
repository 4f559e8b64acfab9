package diagnosis

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The lengths to which addresses are shown.
const (
	maxShownOrigin = 256
	maxShownURI    = 2048
)

// RefusedOrigin explains why a page's browser may not call the sign-in service at
// base. registered are the origins that may; nil if they are not to be told.
func RefusedOrigin(origin, base string, registered []string) Refusal {
	origin = clip(origin, maxShownOrigin)
	r := Refusal{Kind: Origin, Cause: "origin-not-registered", Check: "cors-origin", Value: origin,
		Said: fmt.Sprintf("The origin %s is not registered, so its pages may not call the sign-in service.", origin),
		Why: "A browser lets a page read another origin's answers only if that one says so (CORS). The sign-in service says so " +
			"for registered origins only; scheme, host and port must all be equal.",
		Fix: fmt.Sprintf("If the page is yours, register its origin (in the vendor's dashboard: Authentication > Sessions > CORS), or add it to "+
			"authKit.dev.configure.corsOrigins in convex.json and start lentil dev again:\n%s", registerCall(base, "cors_origins", "origin", origin)),
	}
	if origin == "null" {
		r.Cause = "origin-hidden"
		r.Said = "The page hides its origin, as files and sandboxed frames do, so it may not call the sign-in service."
		r.Fix = "Serve the page over http and register that origin."
		return r
	}
	if near, how := Nearest(origin, registered); near != "" {
		r.Said = fmt.Sprintf("The origin %s is not registered, so its pages may not call the sign-in service; registered is %s (%s).", origin, near, how)
	}
	return r
}

// RefusedRedirect explains why a sign-in may not return to uri. registered are the
// addresses to which it may; nil if they are not to be told.
func RefusedRedirect(uri, base string, registered []string) Refusal {
	uri = clip(uri, maxShownURI)
	r := Refusal{Kind: RedirectURI, Cause: "redirect-not-registered", Check: "redirect-uri", Value: uri,
		Said: fmt.Sprintf("The redirect URI %s is not registered, so no sign-in returns there.", uri),
		Why: "Codes of sign-ins go to registered addresses only, else whoever sends a link could have them. The comparison is exact: " +
			"scheme, host, port, path and the last slash.",
		Fix: fmt.Sprintf("If the address is yours, register it, or add it to authKit.dev.configure.redirectUris in convex.json and start lentil dev again:\n%s",
			registerCall(base, "redirect_uris", "uri", uri)),
	}
	if near, how := Nearest(uri, registered); near != "" {
		r.Said = fmt.Sprintf("The redirect URI %s is not registered, so no sign-in returns there; registered is %s (%s).", uri, near, how)
	}
	return r
}

// registerCall is a command that registers something with the sign-in service.
func registerCall(base, what, name, value string) string {
	return fmt.Sprintf(`curl -X POST %s/user_management/%s -H "Authorization: Bearer $WORKOS_API_KEY" -H 'Content-Type: application/json' -d '{"%s": "%s"}'`,
		base, what, name, strings.NewReplacer(`'`, `%27`, `"`, `%22`, `\`, `%5C`).Replace(value))
}

// Nearest finds the registered address that differs least from the one used, and
// says in what. Both are empty if none comes near.
func Nearest(used string, registered []string) (near, how string) {
	u, err := url.Parse(used)
	if err != nil || u.Host == "" {
		return "", ""
	}
	best := 3 // as many differences are no likeness
	for _, candidate := range registered {
		c, err := url.Parse(candidate)
		if err != nil || c.Host == "" || strings.Contains(candidate, "*") {
			continue
		}
		d := differences(u, c)
		if len(d) > 0 && len(d) < best {
			best, near, how = len(d), candidate, strings.Join(d, ", ")
		}
	}
	return near, how
}

// differences says in words in what two addresses differ.
func differences(used, known *url.URL) []string {
	var d []string
	differ := func(what, a, b string) {
		if a != b {
			d = append(d, fmt.Sprintf("the %s differs: %s here, %s there", what, orNone(a), orNone(b)))
		}
	}
	differ("scheme", used.Scheme, known.Scheme)
	differ("host", strings.ToLower(used.Hostname()), strings.ToLower(known.Hostname()))
	differ("port", portOf(used), portOf(known))
	switch {
	case used.Path == known.Path:
	case strings.TrimSuffix(used.Path, "/") == strings.TrimSuffix(known.Path, "/"):
		d = append(d, "only the slash at the end differs")
	default:
		differ("path", used.Path, known.Path)
	}
	differ("query", used.RawQuery, known.RawQuery)
	return slices.Clip(d)
}

// orNone shows an absent part.
func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// portOf is the port that an address means.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	}
	return ""
}
