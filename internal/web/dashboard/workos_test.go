package dashboard_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// provisioned gives a deployment its environment, through the page.
func (p *person) provisioned(d *platform.Deployment) *identity.Environment {
	p.Helper()
	if text := p.get("/d/" + d.Name + "/users"); !strings.Contains(text, "Provision an environment") {
		p.Fatalf("a deployment without an environment: %s", brief(text))
	}
	if r := p.post("/d/"+d.Name+"/users", "provision"); r.StatusCode != http.StatusSeeOther {
		p.Fatalf("provision: %d %s", r.StatusCode, brief(r.text))
	}
	row, err := p.platform.Deployment(p.Context(), d.Name)
	must(p.T, err)
	env, err := p.identity.Environment(p.Context(), row.Environment)
	must(p.T, err)
	return env
}

func TestSignInPagesShowAndChangeTheEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as(platform.Developer)
	env := p.provisioned(w.dev)
	at := "/d/" + w.dev.Name
	hostile := `"><script>alert(1)</script>`

	if r := p.post(at+"/users", "create", "email", "ada@example.com", "first", hostile, "verified", "yes"); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("create user: %d %s", r.StatusCode, brief(r.text))
	}
	if r := p.post(at+"/users", "create", "email", "no address"); r.StatusCode/100 != 4 || !strings.Contains(r.text, `role="alert"`) || !strings.Contains(r.text, `value="no address"`) {
		t.Errorf("a bad address: %d %s", r.StatusCode, brief(r.text))
	}
	u, err := w.identity.UserByEmail(t.Context(), env.ID, "ada@example.com")
	must(t, err)
	for _, path := range []string{"/users", "/users?email=ada@example.com", "/users/" + string(u.ID)} {
		if text := p.get(at + path); strings.Contains(text, "<script>alert") || !strings.Contains(text, "ada@example.com") {
			t.Errorf("%s: %s", path, brief(text))
		}
	}
	if r := p.post(at+"/users/"+string(u.ID), "edit", "first", "Ada"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("edit: %d", r.StatusCode)
	}
	if r := p.post(at+"/users/"+string(u.ID), "delete", "confirm", "ada"); r.StatusCode/100 != 4 {
		t.Errorf("delete without the whole address: %d", r.StatusCode)
	}
	if r := p.post(at+"/users/"+string(u.ID), "delete", "confirm", "ada@example.com"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("delete: %d", r.StatusCode)
	}

	// The guide's steps: Sessions > CORS > Manage > add the domain. What was refused is offered.
	refused := diagnosis.Entry{Refusal: diagnosis.Refusal{Kind: diagnosis.Origin, Value: "https://app.example.com"}, Times: 2}
	w.site.Refusals = func(*platform.Deployment) []diagnosis.Entry { return []diagnosis.Entry{refused} }
	if text := p.get(at + "/sessions"); !strings.Contains(text, "Cross-Origin Resource Sharing (CORS)") || !strings.Contains(text, "Add https://app.example.com") {
		t.Errorf("sessions: %s", brief(text))
	}
	if r := p.post(at+"/sessions", "origin", "origin", "https://app.example.com"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("add origin: %d %s", r.StatusCode, brief(r.text))
	}
	if text := p.get(at + "/sessions?manage=1"); strings.Contains(text, "Add https://app.example.com") || !strings.Contains(text, "Remove https://app.example.com") {
		t.Errorf("with the origin: %s", brief(text))
	}
	if r := p.post(at+"/sessions", "origin", "origin", "not an origin"); r.StatusCode/100 != 4 || !strings.Contains(r.text, "aria-invalid") {
		t.Errorf("a bad origin: %d", r.StatusCode)
	}
	if r := p.post(at+"/sessions", "times", "access", "90s", "inactivity", "", "length", "", "reuse", ""); r.StatusCode != http.StatusSeeOther {
		t.Errorf("times: %d %s", r.StatusCode, brief(r.text))
	}
	if r := p.post(at+"/redirects", "uri", "uri", "https://app.example.com/callback"); r.StatusCode != http.StatusSeeOther {
		t.Errorf("redirect: %d %s", r.StatusCode, brief(r.text))
	}
	if r := p.post(at+"/jwt-template", "template", "content", `{"email": "{{user.email}}"}`); r.StatusCode != http.StatusSeeOther {
		t.Errorf("template: %d %s", r.StatusCode, brief(r.text))
	}
	if r := p.post(at+"/jwt-template", "template", "content", `{"sub": "x"}`); r.StatusCode/100 != 4 {
		t.Errorf("a template that says who it is: %d", r.StatusCode)
	}
	now, err := w.identity.Environment(t.Context(), env.ID)
	must(t, err)
	if now.Settings.AccessTokenLifetime.Seconds() != 90 || !strings.Contains(now.Settings.JWTTemplate.Content, "user.email") {
		t.Errorf("settings = %+v", now.Settings)
	}
	// Whose doing it was is in the history.
	l, err := w.identity.Events(t.Context(), env.ID, []string{"user.created"}, identity.Page{})
	must(t, err)
	if len(l.Data) != 1 || !strings.Contains(string(l.Data[0].Context)+string(l.Data[0].Data), "ada@example.com") {
		t.Errorf("events = %+v", l.Data)
	}
}

func TestUsersOfOtherEnvironmentsDoNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	dev := p.provisioned(w.dev)
	p.provisioned(w.prod)
	u, err := w.identity.CreateUser(t.Context(), dev.ID, identity.NewUser{Email: "ada@example.com"})
	must(t, err)
	if r := p.do(http.MethodGet, "/d/"+w.prod.Name+"/users/"+string(u.ID), nil); r.StatusCode != http.StatusNotFound {
		t.Errorf("a user of development in production: %d", r.StatusCode)
	}
	if text := p.get("/d/" + w.prod.Name + "/api-keys"); !strings.Contains(text, "sk_live_") || strings.Contains(text, string(dev.ClientID)) {
		t.Errorf("production's keys: %s", brief(text))
	}
	r := p.do(http.MethodPost, "/d/"+w.dev.Name+"/api-keys", url.Values{"form": {p.form}, "do": {"create"}, "name": {"CI"}})
	if r.StatusCode != http.StatusOK || strings.Count(r.text, "sk_test_") < 2 {
		t.Errorf("make a key: %d %s", r.StatusCode, brief(r.text))
	}
	if text := p.get("/d/" + w.dev.Name + "/api-keys"); strings.Contains(text, `data-testid="fresh"`) {
		t.Error("the key is shown twice")
	}
}

func TestEveryPageOfAnEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.site.Webhooks = &webhook.Service{Identity: w.identity, Log: w.identity.Log}
	must(t, w.site.Webhooks.Open(t.Context()))
	w.site.Outbox = &mail.Outbox{}
	invited := ""
	w.site.MailInvitation = func(_ *identity.Environment, i *identity.Invitation, organization string) error {
		invited = i.Email + " into " + organization
		return w.site.Outbox.Send(t.Context(), mail.Message{To: i.Email, Subject: "Come", Text: "code 424242", Code: "424242", Owner: string(i.Environment)})
	}
	p, viewer := w.as(platform.Developer), w.as(platform.Viewer)
	env := p.provisioned(w.dev)
	at := "/d/" + w.dev.Name
	hostile := `<img src=x onerror=alert(1)>`
	created := p.done(at+"/organizations", "create", "name", hostile)
	l, err := w.identity.Organizations(t.Context(), env.ID, identity.OrganizationQuery{})
	must(t, err)
	if len(l.Data) != 1 || !strings.Contains(created, string(l.Data[0].ID)) {
		t.Fatalf("organizations = %+v, then %s", l.Data, created)
	}
	org := at + "/organizations/" + string(l.Data[0].ID)
	_, err = w.identity.CreateUser(t.Context(), env.ID, identity.NewUser{Email: "ada@example.com"})
	must(t, err)
	p.done(org, "domain", "domain", "acme.example", "verified", "yes")
	p.done(org, "member", "email", "ada@example.com", "role", "member")
	if r := p.post(org, "member", "email", "nobody@example.com"); r.StatusCode/100 != 4 || !strings.Contains(r.text, "Invite them instead") {
		t.Errorf("an unknown member: %d %s", r.StatusCode, brief(r.text))
	}
	if text := p.get(org); !strings.Contains(text, `<option value="member" selected>`) || strings.Contains(text, `<option value="admin" selected>`) {
		t.Error("whoever is added to an organization is not offered the default role")
	}
	p.done(at+"/invitations", "invite", "email", "bob@example.com", "organization", string(l.Data[0].ID))
	if invited != "bob@example.com into "+hostile {
		t.Errorf("mailed: %q", invited)
	}
	p.done(at+"/roles", "permission", "name", "Read orders", "slug", "orders:read")
	p.done(at+"/roles", "create", "name", "Clerk", "slug", "clerk")
	p.done(at+"/roles", "permit", "slug", "clerk", "permission", "orders:read")
	p.done(at+"/methods", "methods", "password", "yes", "signup", "yes", "mfa", "required")
	p.done(at+"/branding", "branding", "name", hostile, "light", "#2f6140", "dark", "")
	p.done(at+"/webhooks", "endpoint", "url", "http://127.0.0.1:9/hook", "events", "user.created, user.deleted")
	if r := p.post(at+"/webhooks", "endpoint", "url", "http://127.0.0.1:9/hook", "events", "no.such"); r.StatusCode/100 != 4 {
		t.Errorf("an unknown event: %d", r.StatusCode)
	}
	now, err := w.identity.Environment(t.Context(), env.ID)
	must(t, err)
	if now.Settings.MFA != identity.MFARequired || !now.Settings.SignIn.NoMagicCode || now.Settings.SignUpDisabled {
		t.Errorf("methods = %+v", now.Settings)
	}
	for path, want := range map[string]string{
		"/users": "ada@example.com", "/organizations": "onerror", "/organizations?search=acme": "acme.example", "/invitations": "bob@example.com", "/roles": "orders:read",
		"/methods": "required of everybody", "/sessions": "CORS", "/redirects": "Redirect URIs", "/jwt-template": env.Issuer(), "/branding": "#2f6140", "/api-keys": "sk_test_",
		"/mail": "424242", "/events": "organization.created", "/events?name=user.created": "ada@example.com", "/webhooks": "127.0.0.1:9/hook",
		"/organizations/" + string(l.Data[0].ID): "acme.example",
	} {
		text := p.get(at + path)
		if !strings.Contains(text, want) || strings.Contains(text, "<img src=x") {
			t.Errorf("%s without %q: %s", path, want, brief(text))
		}
		if seen := viewer.get(at + path); path == "/mail" && strings.Contains(seen, "424242") {
			t.Error("a viewer reads codes")
		}
	}
	admin := w.as(platform.Administrator)
	team := "/t/" + w.team.Slug + "/-/workspace"
	if text := viewer.get(team); !strings.Contains(text, string(env.ClientID)) || strings.Contains(text, "Disconnect") {
		t.Errorf("the workspace as a viewer: %s", brief(text))
	}
	admin.done(team, "disconnect")
	if text := admin.get("/d/" + w.prod.Name + "/users"); !strings.Contains(text, "provision-team") {
		t.Errorf("provisioning without a workspace: %s", brief(text))
	}
	admin.done(team, "provision", "email", "it@example.com")
	if e := w.site.Webhooks; e != nil {
		hooks, err := e.Endpoints(t.Context(), env.ID, identity.Page{})
		must(t, err)
		secret := hooks.Data[0].Secret
		reveal := at + "/webhooks?reveal=" + string(hooks.Data[0].ID)
		if strings.Contains(p.get(at+"/webhooks"), secret) || !strings.Contains(p.get(reveal), secret) || strings.Contains(viewer.get(reveal), secret) {
			t.Error("the secret is shown unasked, not shown, or shown to a viewer")
		}
	}
}

func TestActingAsAUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked authflow.NewImpersonation
	w.site.Impersonate = func(_ context.Context, e *identity.Environment, n authflow.NewImpersonation) (string, error) {
		if n.Reason == "" {
			return "", apierr.New(apierr.BadRequest, "reason_required", "A reason is required.")
		}
		asked = n
		return "http://localhost:4100/impersonate?token=" + string(e.ID), nil
	}
	p, viewer := w.as(platform.Developer), w.as(platform.Viewer)
	env := p.provisioned(w.dev)
	u, err := w.identity.CreateUser(t.Context(), env.ID, identity.NewUser{Email: "ada@example.com"})
	must(t, err)
	at, link := "/d/"+w.dev.Name, "http://localhost:4100/impersonate?token="+string(env.ID)
	path := at + "/users/" + string(u.ID)
	if text := p.get(path); !strings.Contains(text, "Act as this user") || strings.Contains(text, link) {
		t.Errorf("the page: %s", brief(text))
	}
	p.refused(path, "impersonate", "A reason is required.", "reason", "")
	r := p.post(path, "impersonate", "reason", "ticket 7")
	if r.StatusCode != http.StatusOK || !strings.Contains(r.text, `href="`+link+`"`) || !strings.Contains(r.text, "It leads to the default redirect URI") {
		t.Errorf("the link: %d %s", r.StatusCode, brief(r.text))
	}
	if want := (authflow.NewImpersonation{User: u.ID, Email: "developer@example.com", Reason: "ticket 7"}); asked != want {
		t.Errorf("asked for %+v", asked)
	}
	if strings.Contains(p.get(path), link) {
		t.Error("the link is shown again")
	}
	if strings.Contains(viewer.get(path), "Act as this user") {
		t.Error("a viewer is offered it")
	}
	viewer.refused(path, "impersonate", "role", "reason", "ticket 7")

	// With a sign-in endpoint it leads straight in.
	p.refused(at+"/redirects", "begin", "cannot begin a sign-in", "begin", "somewhere")
	p.done(at+"/redirects", "begin", "begin", "http://localhost:3000/sign-in")
	if text := p.get(at + "/redirects"); !strings.Contains(text, `value="http://localhost:3000/sign-in"`) {
		t.Errorf("the endpoint: %s", brief(text))
	}
	if r := p.post(path, "impersonate", "reason", "ticket 7"); strings.Contains(r.text, "It leads to") {
		t.Errorf("with an endpoint: %s", brief(r.text))
	}
	p.done(at+"/redirects", "begin", "begin", "")
	now, err := w.identity.Environment(t.Context(), env.ID)
	must(t, err)
	if now.Settings.InitiateLoginURI != "" {
		t.Errorf("taken back: %q", now.Settings.InitiateLoginURI)
	}
	_, err = w.identity.ChangeSettings(t.Context(), env.ID, func(s *identity.Settings) { s.ImpersonationOff = true })
	must(t, err)
	if strings.Contains(p.get(path), "Act as this user") {
		t.Error("offered where it is off")
	}
}

func TestUsersPageNamesBrowsersAndLinksOrganizations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	env := p.provisioned(w.dev)
	u, err := w.identity.CreateUser(t.Context(), env.ID, identity.NewUser{Email: "ada@example.com"})
	must(t, err)
	o, err := w.identity.CreateOrganization(t.Context(), env.ID, identity.NewOrganization{Name: "Soup Inc"})
	must(t, err)
	const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	must(t, w.identity.Update(t.Context(), func(tx *identity.Tx) error {
		if _, err := tx.AddMembership(env.ID, identity.NewMembership{User: u.ID, Organization: o.ID}); err != nil {
			return err
		}
		_, _, err := tx.StartSession(env, identity.NewSession{User: u.ID, Method: identity.MethodPassword, Authenticated: tx.Now(), UserAgent: agent})
		return err
	}))
	text := p.get("/d/" + w.dev.Name + "/users/" + string(u.ID))
	if !strings.Contains(text, `title="`+agent+`">Chrome on Linux<`) {
		t.Errorf("the browser: %s", brief(text))
	}
	if !strings.Contains(text, `<a href="/d/`+w.dev.Name+`/organizations/`+string(o.ID)+`">Soup Inc</a>`) {
		t.Errorf("the organization: %s", brief(text))
	}
}
