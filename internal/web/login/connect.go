package login

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// ConnectPath is where applications send people to be authorized, and where the
// consent form is posted to.
const ConnectPath = "/oauth2/authorize"

// sentParameter marks a browser that comes back from signing in.
const sentParameter = "lentil_signed_in"

// consentPage asks whether an application may have what it wants.
type consentPage struct {
	frame
	Application string
	Email       string
	Scopes      []string // in words
	Action      string
	Request     string // sealed
	Host        string // where the person goes from here
	Resource    string // what the access is to, if the application says so
	Unsure      bool   // nobody knows that it is this application that asks
	SwitchLink  string
}

// template is the page's template.
func (consentPage) template() string { return "consent.html" }

// words are the scopes of OpenID Connect as people read them; others stand as they
// are.
var words = map[string]string{
	"openid":         "Know who you are on this service",
	"profile":        "See your name and picture",
	"email":          "See your e-mail address",
	"offline_access": "Keep this access while you are away",
}

// connect is GET /oauth2/authorize: whoever is signed in is asked, whoever is not
// signs in first.
func (p *Pages) connect(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	mark := q.Get(sentParameter)
	for _, own := range []string{sentParameter, "code"} { // "code" is what the sign-in came back with
		q.Del(own)
	}
	for name, values := range q {
		if len(values) > 1 && name != "resource" {
			return apierr.New(apierr.BadRequest, "parameter_twice", "The parameter %.60q came twice.", name)
		}
	}
	a, err := p.Connect.Ask(r.Context(), application.ReadRequest(q))
	if err != nil {
		return err
	}
	if a.Fault != nil {
		return p.back(w, r, a, http.StatusFound, "error", a.Fault.Code, "error_description", a.Fault.Message)
	}
	since := p.Connect.SentAt(mark, a.Client, a.Environment.Now())
	if no := q.Get("error"); no != "" && !since.IsZero() { // how the sign-in ended
		return p.back(w, r, a, http.StatusFound, "error", "access_denied", "error_description", "The user did not sign in.")
	}
	who, err := p.Connect.Who(r.Context(), a, p.visitor(r, a.Environment.ClientID).SSO, since)
	if err != nil {
		return err
	}
	none := a.Prompts("none")
	switch {
	case who == nil && none:
		return p.back(w, r, a, http.StatusFound, "error", "login_required", "error_description", "The user is not signed in.")
	case who == nil && !since.IsZero():
		return apierr.New(apierr.BadRequest, "not_signed_in", "This browser did not keep the sign-in. Allow cookies for this site, then go back to the application and begin again.")
	case who == nil:
		return p.signInFirst(w, r, a, q)
	}
	ask, err := p.Connect.Consent(r.Context(), a, who)
	if err != nil {
		return err
	}
	if !ask {
		return p.authorized(w, r, a, who, http.StatusFound)
	}
	if none {
		return p.back(w, r, a, http.StatusFound, "error", "consent_required", "error_description", "The user has to consent first.")
	}
	q.Del("prompt")
	look, _, err := p.Identity.BrandingOf(r.Context(), a.Environment.ClientID)
	if err != nil {
		return err
	}
	pg := consentPage{frame: p.frame("Authorize " + a.Application.Name), Application: a.Application.Name, Email: who.User.Email, Action: ConnectPath,
		Request: p.Connect.SealConsent(q, who, a.Environment.Now()), Host: hostOf(a.RedirectURI), Resource: a.Resource, Unsure: !a.Sure()}
	pg.Brand = brandOf(&authflow.Screen{Environment: *a.Environment, Brand: look})
	again := cloneWith(q, "prompt", "login")
	pg.SwitchLink = ConnectPath + "?" + again.Encode()
	for _, sc := range a.Scopes {
		if text, ok := words[sc]; ok {
			pg.Scopes = append(pg.Scopes, text)
		} else {
			pg.Scopes = append(pg.Scopes, sc)
		}
	}
	return p.print().print(w, http.StatusOK, pg)
}

// cloneWith is q with one parameter more.
func cloneWith(q url.Values, name, value string) url.Values {
	out := url.Values{}
	for k, v := range q {
		out[k] = slices.Clone(v)
	}
	out.Set(name, value)
	return out
}

// hostOf is where an address leads, for people.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return u.Host
}

// signInFirst begins an attempt to sign in that leads back to the request, or sends
// the browser to the application's own sign-in if it has one.
func (p *Pages) signInFirst(w http.ResponseWriter, r *http.Request, a *application.Asked, q url.Values) error {
	login, err := p.Connect.LoginURI(r.Context(), a.Environment.ID)
	if err != nil {
		return err
	}
	if login != "" {
		return p.sendOut(w, r, a, q, login)
	}
	q = cloneWith(q, sentParameter, p.Connect.Sent(a.Client, a.Environment.Now()))
	ask := authflow.AuthorizeRequest{ClientID: string(a.Environment.ClientID), RedirectURI: p.baseURL(r) + ConnectPath + "?" + q.Encode(), Own: true,
		ResponseType: "code", LoginHint: q.Get("login_hint"), ScreenHint: q.Get("screen_hint"), MaxAge: a.MaxAge, OrganizationID: string(a.Organization)}
	if a.Prompts("login") {
		ask.Prompt = "login"
	}
	return p.Authorize(w, r, ask)
}

// answerConsent is POST /oauth2/authorize: the consent form.
func (p *Pages) answerConsent(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return apierr.New(apierr.BadRequest, "malformed_form", "The form could not be read. Go back and try again.").Wrap(err)
	}
	asked, err := p.Connect.OpenConsent(r.PostForm.Get("request"))
	if err != nil {
		return err
	}
	a, err := p.Connect.Ask(r.Context(), application.ReadRequest(asked.Query))
	if err != nil {
		return err
	}
	if err := asked.Fresh(a.Environment.Now()); err != nil {
		return err
	}
	if a.Fault != nil {
		return p.back(w, r, a, http.StatusSeeOther, "error", a.Fault.Code, "error_description", a.Fault.Message)
	}
	who, err := p.Connect.Who(r.Context(), a, p.visitor(r, a.Environment.ClientID).SSO, time.Unix(0, 0))
	if err != nil {
		return err
	}
	if who == nil || who.Browser != asked.Browser {
		return apierr.New(apierr.Forbidden, "signed_out_meanwhile", "You are not signed in any more as the person who was asked. Go back to the application and begin again.")
	}
	switch r.PostForm.Get("answer") {
	case "allow":
		return p.authorized(w, r, a, who, http.StatusSeeOther)
	case "deny":
		return p.back(w, r, a, http.StatusSeeOther, "error", "access_denied", "error_description", "The user said no.")
	}
	return apierr.New(apierr.BadRequest, "malformed_form", "The form is not one of ours. Go back and try again.")
}

// authorized sends the browser back with a code.
func (p *Pages) authorized(w http.ResponseWriter, r *http.Request, a *application.Asked, who *application.Person, status int) error {
	code, err := p.Connect.Grant(r.Context(), a, who)
	if e, ok := apierr.As(err); ok && e.Kind == apierr.BadRequest {
		return p.back(w, r, a, status, "error", e.Code, "error_description", e.Message)
	}
	if err != nil {
		return err
	}
	return p.back(w, r, a, status, "code", code)
}

// back sends the browser back to the application.
func (p *Pages) back(w http.ResponseWriter, r *http.Request, a *application.Asked, status int, parameters ...string) error {
	return p.done(w, r, &authflow.Done{RedirectTo: a.Back(p.baseURL(r), parameters...), Client: identity.ClientID(a.Environment.ClientID)}, status)
}
