package workos

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// street is a house that listens, and a browser in front of it.
type street struct {
	*house
	url string
}

// newStreet makes a house that identity providers and browsers can reach.
func newStreet(t testing.TB) *street {
	t.Helper()
	h := newHouse(t, &scripted{})
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	h.SSO.BaseURL = srv.URL
	return &street{h, srv.URL}
}

// surfer is a browser without script.
type surfer struct {
	t      testing.TB
	client *http.Client
}

// newSurfer makes a browser that follows no redirect by itself.
func newSurfer(t testing.TB) *surfer {
	jar, err := cookiejar.New(nil)
	check(t, err)
	return &surfer{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page is what a browser got.
type page struct {
	status   int
	location string
	body     string
}

// read ends a request.
func (s *surfer) read(res *http.Response, err error) *page {
	s.t.Helper()
	check(s.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	check(s.t, err)
	return &page{res.StatusCode, res.Header.Get("Location"), string(b)}
}

// get visits an address.
func (s *surfer) get(address string) *page { s.t.Helper(); return s.read(s.client.Get(address)) }

// follow visits an address and goes where redirects lead, as long as they stay on
// the same host; the last page and its address.
func (s *surfer) follow(address string) (*page, string) {
	s.t.Helper()
	for range 10 {
		p := s.get(address)
		if p.location == "" {
			return p, address
		}
		from, _ := url.Parse(address)
		to, err := from.Parse(p.location)
		check(s.t, err)
		if to.Host != from.Host {
			return p, to.String()
		}
		address = to.String()
	}
	s.t.Fatalf("going in circles at %s", address)
	return nil, ""
}

var (
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// unescape undoes what templates do to values.
func unescape(s string) string {
	return strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#43;", "+", "&#39;", "'", "&lt;", "<", "&gt;", ">").Replace(s)
}

// submit posts the form of a page with more fields.
func (s *surfer) submit(at string, p *page, fields ...string) *page {
	s.t.Helper()
	action := formAction.FindStringSubmatch(p.body)
	if action == nil {
		s.t.Fatalf("no form at %s: %d %s", at, p.status, p.body)
	}
	f := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(p.body, -1) {
		f.Set(m[1], unescape(m[2]))
	}
	for i := 0; i+1 < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	from, _ := url.Parse(at)
	to, err := from.Parse(unescape(action[1]))
	check(s.t, err)
	return s.read(s.client.PostForm(to.String(), f))
}

// organization makes an organisation with verified domains.
func (s *street) organization(domains ...string) identity.OrganizationID {
	s.t.Helper()
	n := identity.NewOrganization{Name: "Soup Inc"}
	for _, d := range domains {
		n.Domains = append(n.Domains, identity.NewDomain{Name: d, State: identity.DomainVerified})
	}
	o, err := s.Identity.CreateOrganization(s.t.Context(), s.env.ID, n)
	check(s.t, err)
	return o.ID
}

// callback is where the application of the tests gets its codes.
const callback = "http://localhost:5173/callback"

// authorizeURL is an address that begins a sign-in for a profile.
func (s *street) authorizeURL(more ...string) string {
	q := url.Values{"client_id": {string(s.env.ClientID)}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"s t&x"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return s.url + "/sso/authorize?" + q.Encode()
}

// exchange turns a code into a profile.
func (s *street) exchange(code string, more ...string) *answer {
	f := url.Values{"client_id": {string(s.env.ClientID)}, "client_secret": {s.key}, "grant_type": {"authorization_code"}, "code": {code}}
	for i := 0; i+1 < len(more); i += 2 {
		f.Set(more[i], more[i+1])
	}
	res := s.do("POST", "/sso/token", f.Encode(), "Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
	b, err := io.ReadAll(res.Body)
	check(s.t, err)
	out := &answer{t: s.t, status: res.StatusCode, header: res.Header, raw: b}
	check(s.t, json.Unmarshal(b, &out.body))
	return out
}

// back checks that the browser is sent to the application, and gives what it brings.
func back(t testing.TB, at string) url.Values {
	t.Helper()
	u, err := url.Parse(at)
	check(t, err)
	if !strings.HasPrefix(at, callback+"?") {
		t.Fatalf("not at the application: %s", at)
	}
	q := u.Query()
	if q.Get("state") != "s t&x" {
		t.Errorf("state came back as %q", q.Get("state"))
	}
	return q
}

func TestSSOProfileThroughSocialProvider(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	_, err := s.Identity.AddRedirectURI(t.Context(), s.env.ID, callback)
	check(t, err)
	s.call("PUT", "/_lentil/v1/providers/GoogleOAuth", map[string]any{"test": true, "return_oauth_tokens": true}).want(200)
	b := newSurfer(t)
	p, at := b.follow(s.authorizeURL("provider", "GoogleOAuth", "login_hint", "ada@example.com"))
	if !strings.Contains(p.body, `value="ada@example.com"`) {
		t.Fatalf("no page of the provider: %s", p.body)
	}
	_, at = b.follow(b.submit(at, p, "email", "ada@example.com", "first_name", "Ada", "last_name", "Lovelace", "verified", "yes").location)
	code := back(t, at).Get("code")
	got := s.exchange(code).want(200)
	if got.text("profile", "email") != "ada@example.com" || got.text("profile", "first_name") != "Ada" || got.text("profile", "connection_type") != "GoogleOAuth" || got.at("profile", "organization_id") != nil {
		t.Errorf("profile: %s", got.raw)
	}
	if got.text("oauth_tokens", "provider") != "GoogleOAuth" || got.text("oauth_tokens", "access_token") == "" {
		t.Errorf("tokens: %s", got.raw)
	}
	if again := s.exchange(code); again.status != 400 || again.text("error") != "invalid_grant" {
		t.Errorf("a code twice: %s", again.raw)
	}
	res := s.do("GET", "/sso/profile", "", "Authorization", "Bearer "+got.text("access_token"))
	if res.StatusCode != 200 {
		t.Errorf("profile: %d", res.StatusCode)
	}
	for _, bad := range []string{"", "Bearer x", "Bearer " + s.key} {
		if res := s.do("GET", "/sso/profile", "", "Authorization", bad); res.StatusCode != 401 {
			t.Errorf("profile with %.10q: %d", bad, res.StatusCode)
		}
	}
	if !slices.Contains(s.events(), "authentication.oauth_succeeded") || !slices.Contains(s.events(), "connection.activated") {
		t.Errorf("events: %v", s.events())
	}
}

func TestSSOProfileThroughOrganization(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"oidc", "saml"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s := newStreet(t)
			_, err := s.Identity.AddRedirectURI(t.Context(), s.env.ID, callback)
			check(t, err)
			org := s.organization("example.com")
			c := s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "TestIdp", "protocol": protocol, "group_roles": map[string]string{"cooks": "admin"}}).want(201)
			b := newSurfer(t)
			verifier := strings.Repeat("v", 50)
			sum := sha256.Sum256([]byte(verifier))
			p, at := b.follow(s.authorizeURL("organization", string(org), "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method", "S256"))
			p = b.submit(at, p, "email", "ada@example.com", "groups", "cooks, poets")
			if protocol == "saml" {
				p = b.submit(at, p)
			}
			first := p.location
			from, _ := url.Parse(at)
			next, err := from.Parse(first)
			check(t, err)
			// Somebody else's browser cannot finish what this one began.
			if strings.Contains(next.Path, "/sso/continue") {
				if stolen := newSurfer(t).get(next.String()); stolen.location != "" {
					t.Errorf("another browser was sent to %s", stolen.location)
				}
			}
			_, at = b.follow(next.String())
			code := back(t, at).Get("code")
			if bad := s.exchange(code, "code_verifier", strings.Repeat("w", 50)); bad.status != 400 || bad.text("error") != "invalid_grant" {
				t.Errorf("a wrong verifier: %s", bad.raw)
			}
			got := s.exchange(code, "code_verifier", verifier, "client_secret", "").want(200)
			if got.text("profile", "organization_id") != string(org) || got.text("profile", "connection_id") != c.text("id") || got.text("profile", "role", "slug") != "admin" || got.size("profile", "groups") != 2 {
				t.Errorf("profile: %s", got.raw)
			}
			out := s.call("POST", "/sso/logout/authorize", map[string]any{"profile_id": got.text("profile", "id")}).want(200)
			p, at = b.follow(out.text("logout_url"))
			if !strings.Contains(at, "/_lentil/test-idp/") || p.status != 200 {
				t.Errorf("logged out at %s: %d", at, p.status)
			}
			if used := b.get(out.text("logout_url")); used.status != 404 {
				t.Errorf("a logout token twice: %d", used.status)
			}
			if !slices.Contains(s.events(), "authentication.sso_started") || !slices.Contains(s.events(), "authentication.sso_succeeded") {
				t.Errorf("events: %v", s.events())
			}
		})
	}
}

func TestSSOAuthorizeTellsTheApplicationWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	_, err := s.Identity.AddRedirectURI(t.Context(), s.env.ID, callback)
	check(t, err)
	org := s.organization()
	b := newSurfer(t)
	for name, c := range map[string]struct {
		more []string
		want string
	}{
		"no selector":          {nil, "invalid_connection_selector"},
		"two selectors":        {[]string{"provider", "GoogleOAuth", "organization", string(org)}, "ambiguous_connection_selector"},
		"an unknown provider":  {[]string{"provider", "SoupOAuth"}, "connection_strategy_invalid"},
		"one not set up":       {[]string{"provider", "GoogleOAuth"}, "connection_strategy_invalid"},
		"no such connection":   {[]string{"connection", "conn_01HXNOTHINGNOTHINGNOTHIN"}, "connection_invalid"},
		"no such organization": {[]string{"organization", "org_x"}, "organization_invalid"},
		"without connection":   {[]string{"organization", string(org)}, "organization_invalid"},
		"an unknown domain":    {[]string{"domain", "example.org"}, "connection_invalid"},
		"another response":     {[]string{"response_type", "token"}, "unsupported_response_type"},
		"a poor challenge":     {[]string{"provider", "GoogleOAuth", "code_challenge", "x"}, "invalid_request"},
	} {
		_, at := b.follow(s.authorizeURL(c.more...))
		if got := back(t, at); got.Get("error") != c.want || got.Get("error_description") == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, more := range [][]string{{"client_id", "client_x"}, {"redirect_uri", "https://evil.example.com/"}} {
		if p := b.get(s.authorizeURL(more...)); p.location != "" || p.status != 400 {
			t.Errorf("%v: %d %s", more, p.status, p.location)
		}
	}
}

func TestSSORefusals(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	_, err := s.Identity.AddRedirectURI(t.Context(), s.env.ID, callback)
	check(t, err)
	org := s.organization("example.com")
	c := s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "TestIdp"}).want(201)
	b := newSurfer(t)
	start := func() (*page, string) { return b.follow(s.authorizeURL("connection", c.text("id"))) }
	t.Run("somebody of another domain", func(t *testing.T) {
		p, at := start()
		_, at = b.follow(b.submit(at, p, "email", "eve@example.org").location)
		if got := back(t, at); got.Get("error") != "profile_not_allowed_outside_organization" {
			t.Errorf("%v", got)
		}
	})
	t.Run("who says no", func(t *testing.T) {
		p, _ := start()
		deny := regexp.MustCompile(`href="([^"]*error=access_denied[^"]*)"`).FindStringSubmatch(p.body)
		if deny == nil {
			t.Fatalf("no way to say no: %s", p.body)
		}
		_, at := b.follow(unescape(deny[1]))
		if got := back(t, at); got.Get("error") != "access_denied" {
			t.Errorf("%v", got)
		}
	})
	t.Run("a state nobody has", func(t *testing.T) {
		p := b.get(s.url + "/sso/oidc/" + c.text("id") + "/callback?code=x&state=" + strings.Repeat("A", 52))
		if p.status != 400 || p.location != "" {
			t.Errorf("%d %s", p.status, p.location)
		}
	})
	t.Run("the answer of another issuer", func(t *testing.T) {
		p, at := start()
		to, _ := url.Parse(b.submit(at, p, "email", "ada@example.com").location)
		q := to.Query()
		q.Set("iss", "https://evil.example.com")
		to.RawQuery = q.Encode()
		_, at = b.follow(to.String())
		if got := back(t, at); got.Get("error") != "oauth_failed" {
			t.Errorf("%v", got)
		}
	})
	t.Run("the answer at another connection's address", func(t *testing.T) {
		other := s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "TestIdp"}).want(201)
		p, at := start()
		to := strings.Replace(b.submit(at, p, "email", "ada@example.com").location, c.text("id"), other.text("id"), 1)
		if p := b.get(to); p.status != 400 || p.location != "" {
			t.Errorf("%d %s", p.status, p.location)
		}
	})
	t.Run("a code from elsewhere", func(t *testing.T) { // RFC 9700 §4.5: the verifier of one sign-in does not fit another's code
		p, at := start()
		first, _ := url.Parse(b.submit(at, p, "email", "eve@example.com").location)
		p, at = start()
		second, _ := url.Parse(b.submit(at, p, "email", "ada@example.com").location)
		q := second.Query()
		q.Set("code", first.Query().Get("code"))
		second.RawQuery = q.Encode()
		_, at = b.follow(second.String())
		if got := back(t, at); got.Get("error") != "oauth_failed" {
			t.Errorf("%v", got)
		}
	})
	t.Run("once inactive", func(t *testing.T) {
		s.call("PATCH", "/_lentil/v1/connections/"+c.text("id"), map[string]any{"state": "inactive"}).want(200)
		_, at := start()
		if got := back(t, at); got.Get("error") != "connection_unlinked" {
			t.Errorf("%v", got)
		}
	})
}

func TestUnsolicitedSAMLBeginsAtTheApplication(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	org := s.organization("example.com")
	c := s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "TestIdp", "protocol": "saml"}).want(201)
	b := newSurfer(t)
	at := c.text("test_idp_url") + "/saml"
	begin := func() *page { return b.submit(at, b.submit(at, b.get(at), "email", "ada@example.com")) }
	if p := begin(); p.status != 400 || p.location != "" {
		t.Errorf("without an address: %d %s", p.status, p.location)
	}
	s.call("PATCH", "/_lentil/v1/settings", map[string]any{"initiate_login_uri": "http://localhost:5173/login?x=1"}).want(200)
	form := b.submit(at, b.get(at), "email", "ada@example.com")
	p := b.submit(at, form)
	u, err := url.Parse(p.location)
	check(t, err)
	if !strings.HasPrefix(p.location, "http://localhost:5173/login?") || u.Query().Get("x") != "1" || s.SSO.FromContext(u.Query().Get("context"), s.env.Created) != sso.ConnectionID(c.text("id")) {
		t.Errorf("sent to %s", p.location)
	}
	if got, want := s.Pages.(*pages).kept, string(s.env.ClientID)+" context."+u.Query().Get("context"); got != want {
		t.Errorf("kept for an app that forgets it: %q, not %q", got, want)
	}
	if p := b.submit(at, form); p.location != "" {
		t.Errorf("the same response twice: %s", p.location)
	}
}

func TestConnectionsAreListed(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	org, other := s.organization("example.com"), s.organization()
	first := s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "GenericSAML", "name": "Soup SAML", "domains": []string{"Example.com"}}).want(201)
	if first.text("state") != "draft" || first.text("acs_url") == "" || first.text("sp_entity_id") == "" {
		t.Errorf("a draft: %s", first.raw)
	}
	s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": other, "connection_type": "OktaOIDC", "client_id": "x"}).want(201)
	s.call("PUT", "/_lentil/v1/providers/github", map[string]any{"client_id": "x", "client_secret": "y"}).want(200)
	for query, want := range map[string]int{"": 3, "?organization_id=" + string(org): 1, "?connection_type=GithubOAuth": 1, "?domain=example.com": 1, "?domain=example.org": 0,
		"?search=soup": 1, "?limit=1": 1, "?connection_type=OktaOIDC": 1, "?domain=example.com&connection_type=OktaOIDC": 0} {
		if got := s.call("GET", "/connections"+query, nil).want(200); got.size("data") != want {
			t.Errorf("%q: %s", query, got.raw)
		}
	}
	s.call("GET", "/connections/"+first.text("id"), nil).want(200)
	s.call("PATCH", "/_lentil/v1/connections/"+first.text("id"), map[string]any{"state": "active"}).want(422)
	s.call("PATCH", "/_lentil/v1/connections/"+first.text("id"), map[string]any{"metadata": "<x/>"}).want(400)
	if res := s.do("GET", "/sso/saml/metadata/"+first.text("id"), ""); res.StatusCode != 200 {
		t.Errorf("metadata: %d", res.StatusCode)
	}
	s.call("DELETE", "/connections/"+first.text("id"), nil).want(204)
	s.call("GET", "/connections/"+first.text("id"), nil).want(404)
	if res := s.do("GET", "/sso/saml/metadata/"+first.text("id"), ""); res.StatusCode != 404 {
		t.Errorf("metadata of nothing: %d", res.StatusCode)
	}
	for _, bad := range []map[string]any{{"organization_id": org}, {"connection_type": "GenericSAML"}, {"organization_id": org, "connection_type": "GoogleOAuth"},
		{"organization_id": org, "connection_type": "SoupSAML"}, {"organization_id": org, "connection_type": "GenericOIDC", "domains": []string{"no domain"}},
		{"organization_id": org, "connection_type": "TestIdp", "protocol": "x"}, {"organization_id": org, "connection_type": "GenericOIDC", "issuer": "http://169.254.169.254/"}} {
		if got := s.call("POST", "/_lentil/v1/connections", bad); got.status != 422 {
			t.Errorf("%v: %d %s", bad, got.status, got.raw)
		}
	}
	s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": "org_x", "connection_type": "GenericSAML"}).want(404)
	if text := string(s.call("GET", "/_lentil/v1/providers", nil).want(200).raw); strings.Contains(text, `"y"`) {
		t.Errorf("a secret is shown: %s", text)
	}
}
