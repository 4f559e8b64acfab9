package workos_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// operate sends a request with the environment's key and wants it to go well.
func (h *house) operate(method, path string, body any) map[string]any {
	h.t.Helper()
	status, m := h.try(method, path, body)
	if status >= 300 {
		h.t.Fatalf("%s %s: %d %v", method, path, status, m)
	}
	return m
}

// try sends a request with the environment's key.
func (h *house) try(method, path string, body any) (int, map[string]any) {
	h.t.Helper()
	b, err := json.Marshal(body)
	check(h.t, err)
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, bytes.NewReader(b))
	check(h.t, err)
	r.Header.Set("Authorization", "Bearer "+h.key)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	check(h.t, err)
	defer res.Body.Close()
	var m map[string]any
	_ = json.NewDecoder(res.Body).Decode(&m) // lists and nothing at all are for others
	return res.StatusCode, m
}

// organization makes one with a verified domain, if one is given.
func (h *house) organization(domain string) identity.OrganizationID {
	h.t.Helper()
	n := identity.NewOrganization{Name: "Soup Inc"}
	if domain != "" {
		n.Domains = []identity.NewDomain{{Name: domain, State: identity.DomainVerified}}
	}
	o, err := h.identity.CreateOrganization(h.t.Context(), h.env.ID, n)
	check(h.t, err)
	return o.ID
}

// connect gives an organization the test identity provider.
func (h *house) connect(org identity.OrganizationID, protocol string, more map[string]any) string {
	body := map[string]any{"organization_id": org, "connection_type": "TestIdp", "protocol": protocol}
	for k, v := range more {
		body[k] = v
	}
	return h.operate("POST", "/_lentil/v1/connections", body)["id"].(string)
}

// be fills in the test identity provider's page, and the one with the assertion if
// there is one.
func (b *browser) be(email string, more ...string) *browser {
	b.h.t.Helper()
	if b.heading() != "Test identity provider" {
		b.h.t.Fatalf("at %s: %s %s", b.at, b.heading(), b.alert())
	}
	fields := map[string]string{"Email": email}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	b.fill(fields)
	if b.left == nil && b.heading() == "Test identity provider" {
		b.fill(nil)
	}
	return b
}

// events are the names of the environment's events.
func (h *house) events() (names []string) {
	l, err := h.identity.Events(h.t.Context(), h.env.ID, nil, identity.Page{Limit: 100})
	check(h.t, err)
	for _, e := range l.Data {
		names = append(names, e.Name)
	}
	return names
}

func TestJourneySocialButton(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.operate("PUT", "/_lentil/v1/providers/GoogleOAuth", map[string]any{"test": true, "return_oauth_tokens": true})
	b := h.browser()
	b.visit(h.authorize("1")).follow("Continue with Google").be("ada@example.com", "First name", "Ada", "Last name", "Lovelace")
	g := h.exchange(b.arrived())
	user := g["user"].(map[string]any)
	if g["authentication_method"] != "GoogleOAuth" || user["email"] != "ada@example.com" || user["email_verified"] != true || user["first_name"] != "Ada" {
		t.Errorf("%v", g)
	}
	if tokens, _ := g["oauth_tokens"].(map[string]any); tokens["provider"] != "GoogleOAuth" || tokens["access_token"] == "" {
		t.Errorf("tokens: %v", g["oauth_tokens"])
	}
	// The same account again, from the application straight to the provider.
	again := h.browser()
	again.visit(h.authorize("2", "provider", "GoogleOAuth")).be("ada@example.com")
	if second := h.exchange(again.arrived())["user"].(map[string]any); second["id"] != user["id"] {
		t.Errorf("another user: %v", second)
	}
	res, err := http.NewRequestWithContext(t.Context(), "GET", h.url+"/user_management/users/"+user["id"].(string)+"/identities", nil)
	check(t, err)
	res.Header.Set("Authorization", "Bearer "+h.key)
	out, err := http.DefaultClient.Do(res)
	check(t, err)
	defer out.Body.Close()
	var list []map[string]string
	check(t, json.NewDecoder(out.Body).Decode(&list))
	if len(list) != 1 || list[0]["provider"] != "GoogleOAuth" || list[0]["type"] != "OAuth" || list[0]["idp_id"] == "" {
		t.Errorf("identities: %v", list)
	}
	if e := h.events(); !slices.Contains(e, "authentication.oauth_succeeded") || !slices.Contains(e, "user.created") || !slices.Contains(e, "session.created") {
		t.Errorf("events: %v", e)
	}
}

func TestJourneySocialLinksByProvenAddressOnly(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.operate("PUT", "/_lentil/v1/providers/GitHubOAuth", map[string]any{"test": true})
	h.browser().signUp("bob@example.com", "0")
	bob, err := h.identity.UserByEmail(t.Context(), h.env.ID, "bob@example.com")
	check(t, err)
	// The provider does not vouch for the address: its mailbox decides.
	first := h.code("bob@example.com")
	b := h.browser()
	b.visit(h.authorize("1")).follow("Continue with GitHub").be("bob@example.com", "Email is verified", "")
	if b.heading() != "Check your email" {
		t.Fatalf("at %s: %s", b.at, b.heading())
	}
	g := h.exchange(b.fill(map[string]string{"Code": h.code("bob@example.com", first)}).arrived())
	if g["user"].(map[string]any)["id"] != string(bob.ID) || g["authentication_method"] != "GitHubOAuth" {
		t.Errorf("%v", g)
	}
	if again := h.exchange(h.browser().visit(h.authorize("1b", "provider", "GitHubOAuth")).be("bob@example.com", "Email is verified", "").arrived()); again["user"].(map[string]any)["id"] != string(bob.ID) {
		t.Errorf("the account is not tied: %v", again)
	}
	// Somebody who made an account with another's address and a password loses both
	// when its owner comes through a provider.
	_, err = h.identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "carol@example.com", PasswordHash: "$argon2id$v=19$m=65536,t=1,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 43)})
	check(t, err)
	g = h.exchange(h.browser().visit(h.authorize("2")).follow("Continue with GitHub").be("carol@example.com").arrived())
	carol := g["user"].(map[string]any)
	check(t, h.identity.View(t.Context(), func(tx *identity.Tx) error {
		hash, err := tx.Password(identity.UserID(carol["id"].(string)))
		if hash != "" {
			t.Errorf("the stranger's password is still there")
		}
		return err
	}))
	if carol["email_verified"] != true {
		t.Errorf("%v", carol)
	}
}

func TestJourneySaysNoAtTheProvider(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.operate("PUT", "/_lentil/v1/providers/GoogleOAuth", map[string]any{"test": true})
	b := h.browser()
	b.visit(h.authorize("1")).follow("Continue with Google").follow("Say no")
	if b.heading() != "Sign in" || b.alert() == "" {
		t.Errorf("at %s: %s %q", b.at, b.heading(), b.alert())
	}
	b.visit(h.authorize("2", "provider", "GoogleOAuth")).follow("Say no")
	if b.left == nil || b.left.Query().Get("error") != "access_denied" || b.left.Query().Get("state") != "2" {
		t.Errorf("sent to %v", b.left)
	}
	b.visit(h.authorize("3", "provider", "AppleOAuth"))
	if b.left == nil || b.left.Query().Get("error") != "connection_strategy_invalid" {
		t.Errorf("sent to %v", b.left)
	}
}

func TestJourneyAnotherBrowserCannotFinish(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.operate("PUT", "/_lentil/v1/providers/GoogleOAuth", map[string]any{"test": true})
	eve, ada := h.browser(), h.browser()
	eve.visit(h.authorize("1", "provider", "GoogleOAuth"))
	// Eve sends Ada the address at which her own sign-in goes on.
	eve.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.Contains(r.URL.Path, "/callback") {
			eve.left = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	eve.fill(map[string]string{"Email": "eve@example.com"})
	ada.visit(eve.left.String())
	if ada.left != nil || ada.heading() == "Sign in" {
		t.Errorf("Ada is at %s, %s, %v", ada.at, ada.heading(), ada.left)
	}
}

func TestJourneyEnterprise(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"oidc", "saml"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			org := h.organization("corp.example")
			h.connect(org, protocol, map[string]any{"group_roles": map[string]string{"bosses": "admin"}})
			b := h.browser()
			// By the address's domain: the password field stays empty.
			b.visit(h.authorize("1")).fill(map[string]string{"Email": "ada@corp.example"})
			b.be("ada@corp.example", "First name", "Ada", "Groups, with commas between", "bosses")
			g := h.exchange(b.arrived())
			c := claims(t, g["access_token"])
			if g["authentication_method"] != "SSO" || g["organization_id"] != string(org) || c["org_id"] != string(org) || c["role"] != "admin" {
				t.Errorf("%v %v", g, c)
			}
			user := g["user"].(map[string]any)
			// By the organization, and by the connection's domain.
			for _, more := range [][]string{{"organization_id", string(org), "provider", "authkit"}, {"domain_hint", "corp.example", "prompt", "login"}} {
				other := h.browser()
				other.visit(h.authorize("2", more...)).be("ada@corp.example")
				if again := h.exchange(other.arrived())["user"].(map[string]any); again["id"] != user["id"] {
					t.Errorf("%v: another user", more)
				}
			}
			// Whoever is signed in already is not sent away again.
			if b.visit(h.authorize("3", "organization_id", string(org))).arrived() == "" {
				t.Error("asked again")
			}
			if status, m := h.try("POST", "/user_management/authenticate", map[string]any{"client_id": h.env.ClientID, "client_secret": h.key, "grant_type": "refresh_token", "refresh_token": g["refresh_token"]}); status != 200 {
				t.Errorf("refresh: %d %v", status, m)
			}
			if e := h.events(); !slices.Contains(e, "authentication.sso_succeeded") || !slices.Contains(e, "organization_membership.created") {
				t.Errorf("events: %v", e)
			}
		})
	}
}

func TestJourneyOtherWaysAreClosedToAnOrganizationsPeople(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.operate("PUT", "/_lentil/v1/providers/GoogleOAuth", map[string]any{"test": true})
	h.browser().signUp("ada@corp.example", "0") // before the organization came
	org := h.organization("corp.example")
	connection := h.connect(org, "oidc", nil)
	for name, way := range map[string]func(*browser){
		"password": func(b *browser) { b.fill(map[string]string{"Email": "ada@corp.example", "Password": password}) },
		"sign-up": func(b *browser) {
			b.follow("Sign up").fill(map[string]string{"Email": "new@corp.example", "Password": password})
		},
		"forgotten": func(b *browser) {
			b.follow("Forgot your password?").fill(map[string]string{"Email": "ada@corp.example"})
		},
		"social": func(b *browser) {
			b.follow("Continue with Google").fill(map[string]string{"Email": "ada@corp.example"})
		},
	} {
		b := h.browser()
		b.visit(h.authorize("1"))
		way(b)
		if b.heading() != "Test identity provider" || !strings.Contains(b.at.Path, connection) {
			t.Errorf("%s: at %s, %d %v %s %s", name, b.at, b.status, b.left, b.heading(), b.alert())
		}
	}
	if status, m := h.grant(map[string]string{"grant_type": "password", "client_secret": h.key, "email": "ada@corp.example", "password": password}); status != 400 || m["error"] != "sso_required" {
		t.Errorf("password grant: %d %v", status, m)
	}
}

func TestJourneyStrangersAtAnOrganizationsProvider(t *testing.T) {
	t.Parallel()
	h := open(t)
	org := h.organization("corp.example")
	h.connect(org, "oidc", nil)
	b := h.browser()
	b.visit(h.authorize("1", "organization_id", string(org))).be("eve@example.org")
	if b.left == nil || b.left.Query().Get("error") != "profile_not_allowed_outside_organization" {
		t.Errorf("sent to %v, %s %s", b.left, b.heading(), b.alert())
	}
	// Without verified domains nobody vouches for anybody's address.
	free := h.organization("")
	h.connect(free, "saml", nil)
	h.browser().signUp("dan@example.net", "0")
	b = h.browser()
	b.visit(h.authorize("2", "organization_id", string(free))).be("dan@example.net")
	if b.heading() != "Check your email" {
		t.Errorf("at %s: %s", b.at, b.heading())
	}
	// And closed ones take only members.
	closed := h.organization("closed.example")
	h.connect(closed, "oidc", map[string]any{"jit_disabled": true})
	b = h.browser()
	b.visit(h.authorize("3", "organization_id", string(closed))).be("new@closed.example")
	if b.left == nil || b.left.Query().Get("error") != "organization_membership_not_found" {
		t.Errorf("sent to %v", b.left)
	}
	if _, err := h.identity.UserByEmail(t.Context(), h.env.ID, "new@closed.example"); err == nil {
		t.Error("an account was made")
	}
}

func TestJourneyUnsolicitedSAML(t *testing.T) {
	t.Parallel()
	h := open(t)
	org := h.organization("corp.example")
	id := h.connect(org, "saml", nil)
	h.operate("PATCH", "/_lentil/v1/settings", map[string]any{"initiate_login_uri": origin + "/login"})
	b := h.browser()
	b.visit(h.url + "/_lentil/test-idp/" + id + "/saml").be("ada@corp.example")
	if b.left == nil || !strings.HasPrefix(b.left.String(), origin+"/login?context=") {
		t.Fatalf("sent to %v", b.left)
	}
	b.visit(h.authorize("1", "context", b.left.Query().Get("context"))).be("ada@corp.example")
	if g := h.exchange(b.arrived()); g["organization_id"] != string(org) {
		t.Errorf("%v", g)
	}
}

// TestJourneyArrivalIsNobodyElses: somebody comes from a provider that does not vouch for
// the address, and then signs in as somebody else on the same pages. Nothing of the
// first may stick to the second.
func TestJourneyArrivalIsNobodyElses(t *testing.T) {
	t.Parallel()
	h := open(t)
	org := h.organization("")
	id := h.connect(org, "oidc", nil)
	h.browser().signUp("mallory@example.com", "0")
	b := h.browser()
	b.visit(h.authorize("1", "connection_id", id)).be("dan@example.net")
	if b.heading() != "Check your email" {
		t.Fatalf("at %s: %s", b.at, b.heading())
	}
	attempt := strings.Split(b.at.Path, "/")[2]
	b.visit(h.url + "/login/" + attempt + "/sign-in").fill(map[string]string{"Email": "mallory@example.com", "Password": password})
	if g := h.exchange(b.arrived()); g["organization_id"] != nil {
		t.Errorf("signed in for an organization that is not theirs: %v", g)
	}
	mallory, err := h.identity.UserByEmail(t.Context(), h.env.ID, "mallory@example.com")
	check(t, err)
	check(t, h.identity.View(t.Context(), func(tx *identity.Tx) error {
		m, err := tx.Membership(h.env.ID, mallory.ID, org)
		if m != nil {
			t.Errorf("became a member: %+v", m)
		}
		return err
	}))
}

func TestJourneySwitchingWantsTheProvider(t *testing.T) {
	t.Parallel()
	h := open(t)
	org := h.organization("corp.example")
	g := h.exchange(h.browser().signUp("ada@corp.example", "0"))
	check(t, h.identity.Update(t.Context(), func(tx *identity.Tx) error {
		_, err := tx.AddMembership(h.env.ID, identity.NewMembership{User: identity.UserID(g["user"].(map[string]any)["id"].(string)), Organization: org})
		return err
	}))
	id := h.connect(org, "oidc", nil)
	body := map[string]string{"grant_type": "refresh_token", "refresh_token": g["refresh_token"].(string), "organization_id": string(org)}
	status, m := h.grant(body)
	if list, _ := m["connection_ids"].([]any); status != 400 || m["error"] != "sso_required" || len(list) != 1 || list[0] != id || m["email"] != "ada@corp.example" {
		t.Errorf("%d %v", status, m)
	}
	delete(body, "organization_id")
	if status, m := h.grant(body); status != 200 { // and the session goes on where it was
		t.Errorf("%d %v", status, m)
	}
}
