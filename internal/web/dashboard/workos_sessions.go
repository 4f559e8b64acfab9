package dashboard

import (
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
)

// listed is how many rows a list of settings shows; people keep them by hand.
const listed = 100

// sessionsView is the page that the guide calls Sessions: which sites may use the
// sign-in from the browser, and how long people stay signed in.
type sessionsView struct {
	*signIn
	Manage  bool
	Origins []identity.CORSOrigin
	Refusal []refusedRow
	Times   []timeField
}

// refusedRow is something that was refused lately and can be allowed with one click.
type refusedRow struct {
	Text  string
	Times int
	Last  time.Time
}

// timeField is a duration that can be set.
type timeField struct{ Name, Label, Value, Hint string }

func (sessionsView) template() string { return "workos-sessions" }
func (sessionsView) heading() string  { return "Sessions" }

// oneClick lists refused texts that are not allowed by now.
func (p *signIn) oneClick(kind diagnosis.Kind, allowed func(text string) bool) (list []refusedRow) {
	for _, e := range p.refusedLately(kind) {
		if e.Value != "" && e.Cause != diagnosis.LeadsElsewhere && !allowed(e.Value) {
			list = append(list, refusedRow{Text: e.Value, Times: e.Times, Last: e.Last})
		}
	}
	return list
}

// showSessions shows origins and lifetimes.
func (s *Site) showSessions(p *signIn) (view, error) {
	l, err := s.Identity.CORSOrigins(p.ctx, p.Env.ID, identity.Page{Limit: listed, Order: identity.OldestFirst})
	if err != nil {
		return nil, err
	}
	out := &sessionsView{signIn: p, Origins: l.Data, Manage: p.Q("manage") != "" || p.Posted == "origin" || p.Posted == "unorigin"}
	out.Refusal = p.oneClick(diagnosis.Origin, func(text string) bool {
		return slices.ContainsFunc(l.Data, func(o identity.CORSOrigin) bool { return o.Origin == text })
	})
	if len(out.Refusal) > 0 {
		out.Manage = true
	}
	st := p.Env.Settings.Defaulted()
	out.Times = []timeField{
		{"access", "Access token duration", short(st.AccessTokenLifetime), "How long a token proves who somebody is. Short is safe: clients renew it by themselves."},
		{"inactivity", "Inactivity timeout", short(st.InactivityTimeout), "A session that was not used for so long ends."},
		{"length", "Maximum session length", short(st.SessionLifetime), "After so long everybody signs in again."},
		{"reuse", "Refresh token reuse window", short(st.RefreshReuseWindow), "How long a refresh token that was used still answers with its successor, so that two tabs do not sign each other out."},
	}
	return out, nil
}

// short writes a duration without its zero parts: "5m", "336h".
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// addOrigin registers an origin.
func (s *Site) addOrigin(p *signIn) (string, error) {
	o, err := s.Identity.AddCORSOrigin(p.ctx, p.Env.ID, strings.TrimSpace(p.PostForm.Get("origin")))
	if err != nil {
		return "", err
	}
	p.Say("%s may use the sign-in now.", o.Origin)
	return p.Base() + "/sessions?manage=1", nil
}

// deleteOrigin removes one.
func (s *Site) deleteOrigin(p *signIn) (string, error) {
	if err := s.Identity.DeleteCORSOrigin(p.ctx, p.Env.ID, identity.CORSOriginID(p.PostForm.Get("id"))); err != nil {
		return "", err
	}
	p.Say("Removed.")
	return p.Base() + "/sessions?manage=1", nil
}

// setTimes changes lifetimes; an empty field is the default.
func (s *Site) setTimes(p *signIn) (string, error) {
	values := map[string]time.Duration{}
	for _, name := range []string{"access", "inactivity", "length", "reuse"} {
		text := strings.TrimSpace(p.PostForm.Get(name))
		if text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return "", apierr.New(apierr.BadRequest, "InvalidDuration", "%q is not a duration such as 300s, 5m or 720h.", text)
		}
		values[name] = d
	}
	_, err := s.Identity.ChangeSettings(p.ctx, p.Env.ID, func(st *identity.Settings) {
		st.AccessTokenLifetime, st.InactivityTimeout, st.SessionLifetime, st.RefreshReuseWindow = values["access"], values["inactivity"], values["length"], values["reuse"]
	})
	if err != nil {
		return "", err
	}
	p.Say("Saved. Sessions that run keep what they began with.")
	return "", nil
}

// redirectsView lists where sign-ins may come back to.
type redirectsView struct {
	*signIn
	URIs    []identity.RedirectURI
	Refusal []refusedRow
}

// BeginsAt is where the guide's apps begin sign-ins.
func (v *redirectsView) BeginsAt() string {
	home := v.Env.Settings.HomepageURL
	if home == "" {
		home = "https://app.example.com"
	}
	return strings.TrimRight(home, "/") + "/sign-in"
}

func (redirectsView) template() string { return "workos-redirects" }
func (redirectsView) heading() string  { return "Redirects" }

// showRedirects lists redirect URIs and the homepage.
func (s *Site) showRedirects(p *signIn) (view, error) {
	l, err := s.Identity.RedirectURIs(p.ctx, p.Env.ID, identity.Page{Limit: listed, Order: identity.OldestFirst})
	if err != nil {
		return nil, err
	}
	out := &redirectsView{signIn: p, URIs: l.Data}
	out.Refusal = p.oneClick(diagnosis.RedirectURI, func(text string) bool {
		return slices.ContainsFunc(l.Data, func(u identity.RedirectURI) bool { return u.URI == text })
	})
	return out, nil
}

// addRedirect registers an address.
func (s *Site) addRedirect(p *signIn) (string, error) {
	u, err := s.Identity.AddRedirectURI(p.ctx, p.Env.ID, strings.TrimSpace(p.PostForm.Get("uri")))
	if err != nil {
		return "", err
	}
	p.Say("Sign-ins may come back to %s now.", u.URI)
	return "", nil
}

// deleteRedirect removes one.
func (s *Site) deleteRedirect(p *signIn) (string, error) {
	if err := s.Identity.DeleteRedirectURI(p.ctx, p.Env.ID, identity.RedirectURIID(p.PostForm.Get("id"))); err != nil {
		return "", err
	}
	p.Say("Removed.")
	return "", nil
}

// setInitiateLogin says where the app begins sign-ins; nothing means that it does not say.
func (s *Site) setInitiateLogin(p *signIn) (string, error) {
	_, err := s.Identity.ChangeSettings(p.ctx, p.Env.ID, func(st *identity.Settings) { st.InitiateLoginURI = strings.TrimSpace(p.PostForm.Get("begin")) })
	if err != nil {
		return "", err
	}
	p.Say("Saved.")
	return "", nil
}

// setHomepage says where a sign-out without another address leads.
func (s *Site) setHomepage(p *signIn) (string, error) {
	if err := s.Identity.SetHomepage(p.ctx, p.Env.ID, strings.TrimSpace(p.PostForm.Get("url"))); err != nil {
		return "", err
	}
	p.Say("Saved.")
	return "", nil
}
