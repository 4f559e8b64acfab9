package login

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
)

// explain turns a refusal of the rules into a page. The two that somebody setting
// up an app meets first say exactly what to do.
func (p *Pages) explain(r *http.Request, e *apierr.Error) Refusal {
	f := Refusal{Kind: e.Kind, Code: e.Code, Heading: headings[e.Kind], What: e.Message}
	switch e.Code {
	case "redirect_uri_not_allowed":
		if d, ok := e.Details.(*authflow.RefusedRedirect); ok {
			p.explainRedirect(r, &f, d)
		}
	case "unknown_client":
		f.Heading = "No app has this client id"
		f.What = "The app sent a client id that does not exist here:"
		f.Subject = clip(r.FormValue("client_id"), 256)
		f.Remedies = []Remedy{{Heading: "If this is your app",
			Text: "The client id of your environment is in the .env.local of your project. lentil dev writes it there " +
				"when it starts, but leaves a line alone that you wrote yourself. Compare it with what the browser " +
				"sent, and restart your app's dev server after a change."}}
		if known := p.knownClients(r); len(known) > 0 {
			f.KnownHeading, f.Known = "Client ids here", known
		}
	}
	if f.Heading == "" {
		f.Heading = "This did not work"
	}
	return f
}

// fromField names the page that began a sign-in, where it leads elsewhere.
const (
	fromField = "from"
	maxFrom   = 512
)

// elsewhere explains to a developer a sign-in that leads to another program than the
// one whose page, from, began it; nil if all is as usual.
func (p *Pages) elsewhere(r *http.Request, from string, s *authflow.Screen) *diagnosis.Refusal {
	if s == nil || p.Outbox == nil || s.Environment.Kind == identity.Production ||
		from == "" || strings.HasPrefix(from+"/", p.origin(r)+"/") { // from a page of ours
		return nil
	}
	why, ok := diagnosis.Elsewhere(from, s.LeadsTo)
	if !ok {
		return nil
	}
	return &why
}

// noteElsewhere tells of it on the first page of the attempt, and in the log.
func (p *Pages) noteElsewhere(r *http.Request, s *authflow.Screen) {
	why := p.elsewhere(r, clip(r.URL.Query().Get(fromField), maxFrom), s)
	if why == nil {
		return
	}
	if s.Notice == "" {
		s.Notice = why.Said + " " + why.Fix
	}
	if p.Refusals.Note(string(s.Environment.ID), *why, time.Now()) {
		p.Log.Warn("a sign-in leads elsewhere than to the page that began it", "because", why.Said, "fix", why.Fix, "look", why.Look())
	}
}

// clientsShown bounds the list of client ids on a page.
const clientsShown = 20

// knownClients are the client ids that a developer may have meant.
func (p *Pages) knownClients(r *http.Request) (list []string) {
	if p.Outbox == nil {
		return nil
	}
	envs, err := p.Identity.Environments(r.Context())
	if err != nil {
		return nil // the page says enough without
	}
	for _, e := range envs {
		if e.Kind != identity.Production && len(list) < clientsShown {
			list = append(list, string(e.ClientID)+" · "+e.Name)
		}
	}
	return list
}

// explainRedirect fills in the page for an address that is not registered.
func (p *Pages) explainRedirect(r *http.Request, f *Refusal, d *authflow.RefusedRedirect) {
	f.Heading = "This redirect URI is not registered"
	f.What = "After signing in, the app wants you sent to the address below. It is not on the list of its environment, " +
		"so you were sent nowhere. It has to match exactly, to the last slash."
	f.Subject = clip(d.URI, 2048)
	why := diagnosis.RefusedRedirect(d.URI, p.baseURL(r), d.Registered)
	if near, how := diagnosis.Nearest(why.Value, d.Registered); near != "" {
		f.What += " Closest is " + near + ": " + how + "."
	}
	if p.Refusals.Note(string(d.Environment.ID), why, time.Now()) {
		p.Log.Warn("refused a sign-in because its redirect URI is not registered", "redirect_uri", why.Value, "because", why.Said, "fix", why.Fix, "look", why.Look())
	}
	call := Remedy{Heading: "Register it",
		Text: "With the API key of the environment, from a terminal:",
		Snippet: "curl -X POST " + p.baseURL(r) + "/user_management/redirect_uris \\\n" +
			"  -H \"Authorization: Bearer $WORKOS_API_KEY\" \\\n" +
			"  -H 'Content-Type: application/json' \\\n  -d " + shellQuote("{\"uri\": "+quoteJSON(f.Subject)+"}")}
	if d.Environment.Kind == identity.Production {
		f.Remedies = []Remedy{call}
		return
	}
	f.Remedies = []Remedy{
		{Heading: "In your project",
			Text: "Put it into convex.json, then start lentil dev again:",
			Snippet: "{\n  \"authKit\": { \"dev\": { \"configure\": {\n    \"redirectUris\": [" + quoteJSON(f.Subject) +
				"]\n  } } }\n}"},
		call,
	}
	f.Remedies[1].Heading = "Or right now"
	if len(d.Registered) > 0 {
		f.KnownHeading, f.Known = "Registered at present", d.Registered
	}
}

// quoteJSON writes s as a JSON string that a person can read: without escapes meant
// for HTML.
func quoteJSON(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// shellQuote quotes s for a POSIX shell.
func shellQuote(s string) string {
	out := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' {
			out = append(out, `'\''`...)
		} else {
			out = append(out, s[i])
		}
	}
	return string(append(out, '\''))
}

// headings head the pages of refusals that have no page of their own.
var headings = map[apierr.Kind]string{
	apierr.Internal:        "Something went wrong",
	apierr.BadRequest:      "This request is not right",
	apierr.Unauthenticated: "Please sign in first",
	apierr.Forbidden:       "This is not allowed",
	apierr.NotFound:        "Nothing here",
	apierr.Conflict:        "This does not fit",
	apierr.TooLarge:        "This is too large",
	apierr.RateLimited:     "Too many tries",
	apierr.Overloaded:      "Busy right now",
	apierr.Unavailable:     "Busy right now",
	apierr.Unsupported:     "Not offered here",
}
