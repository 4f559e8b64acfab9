package workos

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Browsers that do not keep the refresh token themselves (every app outside
// devMode) get it as a cookie that script cannot read, and beside it a readable
// one that tells the client there is a session to resume (workos-api.md §1.1.4).

// hasSessionCookie is the readable cookie: client ids with dots between them.
const hasSessionCookie = "workos-has-session"

// refreshCookieName is the cookie of one client's refresh token.
func refreshCookieName(client identity.ClientID) string {
	sum := sha256.Sum256([]byte(client))
	return "lentil_refresh_" + hex.EncodeToString(sum[:4])
}

// refreshCookie is the refresh token that a browser brings along. Without an
// Origin it is ignored: the origin check is what keeps other sites from using it.
func refreshCookie(r *http.Request, client string) (string, bool) {
	if r.Header.Get("Origin") == "" {
		return "", false
	}
	c, err := r.Cookie(refreshCookieName(identity.ClientID(client)))
	if err != nil || c.Value == "" || len(c.Value) > 4096 {
		return "", false
	}
	return c.Value, true
}

// rememberBrowser sets both cookies after a grant to a page. A devMode client
// sends no credentials, so its browser drops them.
func (a *API) rememberBrowser(w http.ResponseWriter, r *http.Request, g *authflow.Grant) {
	domain, sameSite := sharedDomain(hostOf(a.baseURL(r)), hostOf(r.Header.Get("Origin")))
	if !sameSite && !a.secure(r) {
		return // a cross-site cookie must be Secure; there is no cookie to be had here
	}
	client := g.Environment.ClientID
	a.setRefreshCookie(w, r, client, g.RefreshToken, sameSite, g.Environment.Settings.Defaulted().SessionLifetime)
	if sameSite {
		a.setHasSession(w, r, domain, append(otherClients(r, client), string(client)))
	}
}

// forgetBrowser clears both cookies of a client for the pages of origins. Whether
// there is a refresh cookie cannot be seen everywhere: browsers send it to
// authenticate alone.
func (a *API) forgetBrowser(w http.ResponseWriter, r *http.Request, client identity.ClientID, origins ...string) {
	a.setRefreshCookie(w, r, client, "", true, -time.Second)
	c, err := r.Cookie(hasSessionCookie)
	if err != nil || !slices.Contains(strings.Split(c.Value, "."), string(client)) {
		return
	}
	var done []string
	for _, origin := range origins {
		domain, sameSite := sharedDomain(hostOf(a.baseURL(r)), hostOf(origin))
		if sameSite && !slices.Contains(done, domain) {
			done = append(done, domain)
			a.setHasSession(w, r, domain, otherClients(r, client))
		}
	}
}

// setRefreshCookie sets the refresh cookie, for this host only. A negative age
// clears it.
func (a *API) setRefreshCookie(w http.ResponseWriter, r *http.Request, client identity.ClientID, token string,
	sameSite bool, age time.Duration) {
	c := &http.Cookie{Name: refreshCookieName(client), Value: token, Path: authenticatePath,
		MaxAge: int(age / time.Second), HttpOnly: true, Secure: a.secure(r), SameSite: http.SameSiteLaxMode}
	if !sameSite {
		c.SameSite = http.SameSiteNoneMode
	}
	http.SetCookie(w, c)
}

// setHasSession sets the readable cookie to the given client ids, or clears it.
func (a *API) setHasSession(w http.ResponseWriter, r *http.Request, domain string, clients []string) {
	c := &http.Cookie{Name: hasSessionCookie, Value: strings.Join(clients, "."), Path: "/", Domain: domain,
		MaxAge: int(hasSessionAge / time.Second), Secure: a.secure(r), SameSite: http.SameSiteLaxMode}
	if len(clients) == 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// hasSessionAge is how long the readable cookie is kept: it is only a hint, and a
// stale one costs one refused refresh.
const hasSessionAge = 30 * 24 * time.Hour

// maxHasSession is how many client ids the readable cookie may hold.
const maxHasSession = 10

// otherClients are the client ids in the request's readable cookie besides client.
func otherClients(r *http.Request, client identity.ClientID) []string {
	c, err := r.Cookie(hasSessionCookie)
	if err != nil || len(c.Value) > 1024 {
		return nil
	}
	var ids []string
	for id := range strings.SplitSeq(c.Value, ".") {
		if strings.HasPrefix(id, "client_") && id != string(client) && strings.Trim(id, idAlphabet) == "" {
			ids = append(ids, id)
		}
	}
	if len(ids) >= maxHasSession {
		ids = ids[len(ids)-maxHasSession+1:]
	}
	return ids
}

// idAlphabet holds the characters of client ids.
const idAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// hostOf is the host name within an origin, without the port.
func hostOf(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// sharedDomain is the domain whose cookies pages of both hosts see: empty, for a
// host-only cookie, if they are the same host; else the longest ending of at least two
// labels that they share. It knows no public suffixes: on one, the browser
// refuses the cookie, which is what would have to happen.
func sharedDomain(api, app string) (domain string, sameSite bool) {
	if api == "" || app == "" {
		return "", false
	}
	if api == app {
		return "", true
	}
	if net.ParseIP(api) != nil || net.ParseIP(app) != nil {
		return "", false
	}
	x, y := strings.Split(api, "."), strings.Split(app, ".")
	n := 0
	for n < len(x) && n < len(y) && x[len(x)-1-n] == y[len(y)-1-n] {
		n++
	}
	if n < 2 {
		return "", false
	}
	return strings.Join(x[len(x)-n:], "."), true
}
