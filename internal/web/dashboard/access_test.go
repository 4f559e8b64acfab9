package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/web/dashboard"
)

// at is a pattern's address in the world.
func (w *world) at(pattern string, d *platform.Deployment) string {
	return strings.NewReplacer("{$}", "", "{team}", w.team.Slug, "{project}", w.project.Slug, "{reference...}", "dev", "{deployment}", d.Name).Replace(pattern)
}

func TestEveryActionIsRefusedBelowItsRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := &person{world: w}
	people := map[platform.Role]*person{platform.Viewer: w.as(platform.Viewer), platform.Developer: w.as(platform.Developer), platform.Administrator: w.as(platform.Administrator)}
	checked := 0
	for _, a := range w.site.Actions() {
		if a.Scope == "public" {
			continue
		}
		if a.Scope != "house" && a.Need == "" {
			t.Errorf("%s %s needs no role: every change within a team needs one", a.Path, a.Name)
		}
		if !a.Need.Includes(platform.Developer) && a.Scope != "house" && a.Name != "pause" {
			t.Errorf("%s %s can be done by viewers", a.Path, a.Name)
		}
		for _, d := range []*platform.Deployment{w.dev, w.prod} {
			path := w.at(a.Path, d)
			if r := stranger.post(path, a.Name); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s %s, signed out: %d", path, a.Name, r.StatusCode)
			}
			need := a.Need
			if d.Kind == platform.Prod && a.Prod != "" {
				need = a.Prod
			}
			for role, p := range people {
				may := !a.Owner && (need == "" || role.Includes(need))
				if may {
					continue // what it then does is another test's
				}
				checked++
				if r := p.post(path, a.Name); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text, "NotAllowed") {
					t.Errorf("%s %s as %s: %d %s", path, a.Name, role, r.StatusCode, brief(r.text))
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d refusals were seen", checked)
	}
}

// TestAccountIsForOnesOwnAddress: whoever took somebody else's would be let into the
// teams that invite them later.
func TestAccountIsForOnesOwnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.as(platform.Viewer).refused("/you", "account", "invited at", "email", "boss@example.com")
	if _, err := w.platform.OperatorByEmail(t.Context(), "boss@example.com"); apierr.KindOf(err) != apierr.NotFound {
		t.Errorf("the address is taken: %v", err)
	}
}

func TestTeamsOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, err := w.platform.CreateTeam(t.Context(), "Others", w.owner.ID)
	must(t, err)
	o, err := w.platform.AddOperator(t.Context(), "eve@example.com", "", other.ID, platform.Administrator)
	must(t, err)
	_, session, err := w.platform.CreateCredential(t.Context(), platform.NewCredential{Kind: platform.SessionToken, Operator: o.ID})
	must(t, err)
	eve := &person{world: w, cookie: "lentil_dashboard=" + session}
	for _, pattern := range w.site.Paths() {
		if !strings.Contains(pattern, "{team}") && !strings.Contains(pattern, "{deployment}") {
			continue
		}
		path := w.at(pattern, w.dev)
		for _, accept := range []string{"text/html", "text/event-stream"} {
			if r := eve.do(http.MethodGet, path, nil, "Accept", accept); r.StatusCode != http.StatusNotFound {
				t.Errorf("GET %s (%s) as an administrator of another team: %d", path, accept, r.StatusCode)
			}
		}
	}
	if text := eve.get("/"); strings.Contains(text, w.project.Name) || !strings.Contains(text, "Others") {
		t.Errorf("the first page shows %s", brief(text))
	}
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	for name, c := range map[string]struct {
		form    url.Values
		headers []string
		want    int
	}{
		"no secret":         {url.Values{"do": {"team"}, "name": {"x"}}, nil, http.StatusForbidden},
		"wrong secret":      {url.Values{"do": {"team"}, "name": {"x"}, "form": {strings.Repeat("0", 32)}}, nil, http.StatusForbidden},
		"another site":      {url.Values{"do": {"team"}, "name": {"x"}, "form": {p.form}}, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"cross-site fetch":  {url.Values{"do": {"team"}, "name": {"x"}, "form": {p.form}}, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"no such action":    {url.Values{"do": {"nothing"}, "form": {p.form}}, nil, http.StatusBadRequest},
		"as it should be":   {url.Values{"do": {"team"}, "name": {"x"}, "form": {p.form}}, []string{"Sec-Fetch-Site", "same-origin"}, http.StatusSeeOther},
		"secret of another": {url.Values{"do": {"team"}, "name": {"x"}, "form": {w.as(platform.Viewer).form}}, nil, http.StatusForbidden},
	} {
		if r := p.do(http.MethodPost, "/", c.form, c.headers...); r.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, r.StatusCode, c.want)
		}
	}
	if r := p.do(http.MethodPost, "/sign-out", url.Values{}); r.StatusCode != http.StatusForbidden {
		t.Errorf("signing out without the secret: %d", r.StatusCode)
	}
}

func TestLinkSignsInOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link, err := w.site.FirstLink(t.Context())
	must(t, err)
	path := link[strings.Index(link, dashboard.LinkPath):]
	nobody := &person{world: w}
	if r := nobody.do(http.MethodGet, "/t/my-team?x=1", nil); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/sign-in?next=%2Ft%2Fmy-team%3Fx%3D1" {
		t.Errorf("signed out: %d %s", r.StatusCode, r.Header.Get("Location"))
	}
	if r := nobody.do(http.MethodGet, path, nil, "Sec-Purpose", "prefetch"); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("prefetched: %d", r.StatusCode)
	}
	r := nobody.do(http.MethodGet, path+"?next=%2F%2Fevil.example", nil)
	cookie := r.Header.Get("Set-Cookie")
	if r.StatusCode != http.StatusOK || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(r.text, "evil") {
		t.Fatalf("link: %d %q %s", r.StatusCode, cookie, brief(r.text))
	}
	in := &person{world: w, cookie: strings.SplitN(cookie, ";", 2)[0]}
	if text := in.get("/"); !strings.Contains(text, "My project") {
		t.Errorf("first page: %s", brief(text))
	}
	if r := nobody.do(http.MethodGet, path, nil); r.StatusCode != http.StatusUnauthorized || !strings.Contains(r.text, "lentil dashboard") {
		t.Errorf("used again: %d %s", r.StatusCode, brief(r.text))
	}
	if link, err := w.site.FirstLink(t.Context()); err != nil || link != "" {
		t.Errorf("a link although the owner has signed in: %q, %v", link, err)
	}
	for _, token := range []string{"", "Bearer nonsense", "Bearer " + strings.TrimPrefix(in.cookie, "lentil_dashboard=") + "x"} {
		if r := nobody.do(http.MethodPost, dashboard.NewLinkPath, url.Values{}, "Authorization", token); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("a link for %q: %d", token, r.StatusCode)
		}
	}
	if r := nobody.do(http.MethodPost, dashboard.NewLinkPath, url.Values{}, "Authorization", "Bearer "+w.platform.HouseToken); r.StatusCode != http.StatusOK || !strings.Contains(r.text, dashboard.LinkPath) {
		t.Errorf("a link for the house token: %d %s", r.StatusCode, r.text)
	}
	// A token of programs is not a browser's session.
	_, personal, err := w.platform.CreateCredential(t.Context(), platform.NewCredential{Kind: platform.PersonalToken, Name: "x", Operator: w.owner.ID})
	must(t, err)
	if r := (&person{world: w, cookie: "lentil_dashboard=" + personal}).do(http.MethodGet, "/", nil); r.StatusCode != http.StatusSeeOther {
		t.Errorf("a personal token as a cookie: %d", r.StatusCode)
	}
	req := in.do(http.MethodGet, "/you", nil)
	secret := req.text[strings.Index(req.text, `name="form" value="`)+19:][:32]
	if r := in.do(http.MethodPost, "/sign-out", url.Values{"form": {secret}}); r.StatusCode != http.StatusSeeOther {
		t.Errorf("sign out: %d", r.StatusCode)
	}
	if r := in.do(http.MethodGet, "/", nil); r.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out, and still there: %d", r.StatusCode)
	}
}

func TestOwnPathKeepsToThisFront(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/d/x?a=1": "/d/x?a=1", "": "/", "//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "/a\r\nb": "/", "d/x": "/",
		"/%2F/evil.example": "//evil.example",
	} {
		if want == "//evil.example" {
			want = "/"
		}
		if got := dashboard.OwnPath(in); got != want {
			t.Errorf("OwnPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEveryPageIsStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	for _, pattern := range w.site.Paths() {
		path := w.at(pattern, w.dev)
		r := p.do(http.MethodGet, path, nil)
		if r.StatusCode != http.StatusOK && r.StatusCode != http.StatusSeeOther {
			t.Errorf("GET %s: %d %s", path, r.StatusCode, brief(r.text))
		}
		csp := r.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: Content-Security-Policy lacks %s: %q", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers %v", path, r.Header)
		}
		for _, bad := range []string{" style=", "<style", " onclick=", "javascript:", "ZgotmplZ"} {
			if strings.Contains(r.text, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if strings.Count(r.text, "<script") != strings.Count(r.text, `<script type="module" src=`) {
			t.Errorf("%s has a script of its own", path)
		}
	}
}

func TestPageIsKeptUpToDateUntilTheSessionEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	l := w.as("").watch("/")
	l.until("swap", "My project")
	_, err := w.platform.CreateProject(t.Context(), w.team.ID, `Soup & <b>"bread"</b>`)
	must(t, err)
	if got := l.until("swap", "Soup &amp; &lt;b&gt;"); strings.Contains(got, "<b>\"bread") {
		t.Errorf("not escaped: %s", got)
	}
	all, err := w.platform.Credentials(t.Context(), w.owner.ID)
	must(t, err)
	for _, c := range all {
		must(t, w.platform.RevokeCredential(t.Context(), c.ID))
	}
	l.until("gone", "Sign in")
	if r := p.do(http.MethodGet, "/", nil, "Accept", "text/event-stream"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stream without a session: %d", r.StatusCode)
	}
}

func TestTeamsProjectsMembersAndTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.as("")
	at := p.done("/", "team", "name", "Kitchen")
	if at != "/t/kitchen" {
		t.Fatalf("team at %s", at)
	}
	p.refused("/", "team", "name of a team", "name", "")
	at = p.done(at, "project", "name", "Soups")
	p.refused("/t/kitchen", "project", "name of a project", "name", strings.Repeat("x", 200))
	d := p.done(at, "create", "kind", "preview", "reference", "Login Page")
	if text := p.get(at); !strings.Contains(text, "preview/login-page") {
		t.Errorf("project: %s", brief(text))
	}
	p.refused(at, "create", "of type dev, prod", "kind", "odd")
	if text := p.refused(at, "create", "already", "kind", "preview", "reference", "login page"); !strings.Contains(text, `value="login page"`) {
		t.Error("what was typed is lost")
	}
	p.refused(at, "delete", "Type soups", "confirm", "soup")
	p.refused(at, "delete", "has deployments", "confirm", "soups")
	p.done(at, "rename", "name", "Stews")
	if r := p.do(http.MethodGet, at+"/preview/login-page", nil); r.Header.Get("Location") != d {
		t.Errorf("reference leads to %q, not %q", r.Header.Get("Location"), d)
	}
	p.refused(at, "key", "what it is for", "name", "", "kind", "preview")
	p.refused(at, "key", "whole project", "name", "CI", "kind", "deploy")
	if r := p.post(at, "key", "name", "CI", "kind", "preview"); r.StatusCode != http.StatusOK || !strings.Contains(r.text, "preview:kitchen:soups|") {
		t.Errorf("project key: %d %s", r.StatusCode, brief(r.text))
	}
	p.refused(at, "default", "cannot name a variable", "name", "a b", "value", "1", "kind", "dev")
	p.refused(at, "default", "Choose which", "name", "A", "value", "1")
	p.done(at, "default", "name", "A", "value", "hush", "kind", "dev")
	if text := p.get(at); !strings.Contains(text, `id="default-A"`) || strings.Contains(text, "hush") {
		t.Errorf("default variable: %s", brief(text))
	}
	p.done(at, "default", "name", "A", "remove", "1")
	if text := p.get(at); strings.Contains(text, `id="default-A"`) {
		t.Error("a default variable that was removed is there")
	}
	members := "/t/kitchen/-/members"
	p.done(members, "invite", "email", "Ada@example.com", "role", "developer")
	p.refused(members, "invite", "not an e-mail address", "email", "ada", "role", "developer")
	p.refused(members, "invite", "role is", "email", "ada@example.com", "role", "queen")
	ada, err := w.platform.OperatorByEmail(t.Context(), "ada@example.com")
	must(t, err)
	p.done(members, "role", "id", string(ada.ID), "role", "viewer")
	p.refused(members, "role", "your own role", "id", string(w.owner.ID), "role", "viewer")
	p.done(members, "remove", "id", string(ada.ID))
	p.refused(members, "remove", "not in this team", "id", string(ada.ID))

	p.refused("/you", "create", "what it is for", "name", " ")
	r := p.post("/you", "create", "name", "CI")
	i := strings.Index(r.text, "lentil_")
	if r.StatusCode != http.StatusOK || i < 0 {
		t.Fatalf("token: %d %s", r.StatusCode, brief(r.text))
	}
	if strings.Contains(p.get("/you"), r.text[i:i+20]) {
		t.Error("the token is shown twice")
	}
	other := w.as(platform.Viewer)
	list, err := w.platform.Credentials(t.Context(), w.owner.ID)
	must(t, err)
	other.refused("/you", "revoke", "no such token", "id", list[0].ID)
	p.done("/you", "revoke", "id", list[0].ID)
}
