package identity

import (
	"net"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxURI bounds a registered address; browsers and proxies give up soon above.
const maxURI = 2048

// errURI is the refusal of an address that cannot be registered.
func errURI(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalid_redirect_uri", format, args...)
}

// plainURI reports whether uri consists of the printable ASCII that RFC 3986
// allows, without the characters in whose reading browsers and libraries differ.
// Everything else that looks at an address may rely on it.
func plainURI(uri string) bool {
	if uri == "" || len(uri) > maxURI {
		return false
	}
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' || c == '^' || c == '`' || c == '{' || c == '|' || c == '}' {
			return false
		}
	}
	return true
}

// splitURI parses an address that passed plainURI. The port may be "*". ok is
// false for anything without scheme and host, or with user info or a fragment.
func splitURI(uri string) (u *url.URL, host, port string, ok bool) {
	if !plainURI(uri) || strings.Contains(uri, "#") {
		return nil, "", "", false
	}
	scheme, rest, found := strings.Cut(uri, "://")
	if !found || scheme == "" {
		return nil, "", "", false
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if authority == "" || strings.Contains(authority, "@") {
		return nil, "", "", false
	}
	// url.Parse refuses "*" as a port; it is cut off before and judged by us.
	if h, p, found := strings.Cut(authority, ":*"); found && p == "" {
		authority, port = h, "*"
	}
	u, err := url.Parse(scheme + "://" + authority + tail)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil, "", "", false
	}
	if port == "" {
		port = u.Port()
	}
	return u, strings.ToLower(u.Hostname()), port, true
}

// loopbackHost reports whether a host name can only mean this machine.
func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// checkRedirectURI says whether uri may be registered in an environment of the
// given kind (workos-api.md §1.7): http or https with a host, no fragment, no
// user info; "*" at most once, within the left-most label of a name of three or
// more; a "*" port only on loopback; https in production, except for
// http://127.0.0.1 of native apps. A private scheme needs a dot in it (RFC 8252 §7.1).
func checkRedirectURI(uri string, kind EnvironmentKind) error {
	u, host, port, ok := splitURI(uri)
	if !ok {
		return errURI("%.200q is not a usable redirect URI; it must be absolute, like https://app.example.com/callback, without a fragment.", uri)
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		if !strings.Contains(u.Scheme, ".") || strings.Contains(uri, "*") {
			return errURI("Redirect URIs begin with https:// or http://; a native app's own scheme must contain a dot, like com.example.app://callback.")
		}
		return nil
	}
	if port == "*" && !loopbackHost(host) {
		return errURI("Only localhost and loopback addresses may have any port; write the port of %s out.", host)
	}
	n := strings.Count(uri, "*")
	if n > 1 {
		return errURI("A redirect URI may hold one wildcard.")
	}
	if n == 1 && port != "*" {
		label, rest, _ := strings.Cut(host, ".")
		if !strings.Contains(label, "*") || !strings.Contains(rest, ".") || strings.Contains(rest, "*") {
			return errURI("A wildcard may only stand in the left-most part of a name like *.example.com.")
		}
	}
	if kind == Production && u.Scheme == "http" && host != "127.0.0.1" {
		return errURI("Redirect URIs of a production environment use https, except http://127.0.0.1 for native apps.")
	}
	return nil
}

// matchRedirect reports whether the presented uri is the registered one, or fits
// the wildcard within it. The comparison is by bytes except for what the
// wildcard stands for: letters, digits and dashes of one label, or digits of a port.
func matchRedirect(registered, uri string) bool {
	if !plainURI(uri) {
		return false
	}
	star := strings.IndexByte(registered, '*')
	if star < 0 {
		return registered == uri
	}
	before, after := registered[:star], registered[star+1:]
	if len(uri) < len(before)+len(after)+1 || !strings.HasPrefix(uri, before) || !strings.HasSuffix(uri, after) {
		return false
	}
	middle := uri[len(before) : len(uri)-len(after)]
	_, _, port, ok := splitURI(registered)
	if !ok {
		return false
	}
	if port == "*" {
		return len(middle) <= 5 && digits(middle)
	}
	for i := range len(middle) {
		if c := middle[i]; c != '-' && !alphanumeric(c) {
			return false
		}
	}
	return len(middle) <= 63 // the longest label there is (RFC 1035 §2.3.4)
}

// digits reports whether s is one or more decimal digits.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// alphanumeric reports whether c is an ASCII letter or digit.
func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// loopbackRedirect reports whether uri leads to this machine over http, which
// environments that are not production accept unregistered.
func loopbackRedirect(uri string) bool {
	u, host, port, ok := splitURI(uri)
	return ok && (u.Scheme == "http" || u.Scheme == "https") && port != "*" && !strings.Contains(host, "*") && loopbackHost(host)
}

// originOf is the web origin of an address, and "" if it has none.
func originOf(uri string) string {
	u, host, port, ok := splitURI(uri)
	if !ok || u.Scheme != "http" && u.Scheme != "https" || port == "*" || strings.Contains(host, "*") {
		return ""
	}
	return joinOrigin(u.Scheme, host, port)
}

// joinOrigin writes an origin as browsers do: lower case, default port left out.
func joinOrigin(scheme, host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host
	}
	return scheme + "://" + host + ":" + port
}

// normalOrigin reads an origin to be registered: scheme, host and port alone, a
// final slash forgiven.
func normalOrigin(s string) (string, error) {
	u, _, _, ok := splitURI(strings.TrimSuffix(s, "/"))
	if ok && u.Path == "" && u.RawQuery == "" && !strings.Contains(s, "?") {
		if o := originOf(strings.TrimSuffix(s, "/")); o != "" {
			return o, nil
		}
	}
	return "", apierr.New(apierr.BadRequest, "invalid_cors_origin",
		"%.200q is not a web origin; write scheme, host and port alone, like http://localhost:5173.", s)
}

// checkHomepage says whether url can be an application's homepage.
func checkHomepage(uri string) error {
	if originOf(uri) == "" {
		return apierr.New(apierr.BadRequest, "invalid_app_homepage_url",
			"%.200q is not a usable homepage; it must be absolute, like https://app.example.com/.", uri)
	}
	return nil
}
