package sso

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// house is a service over a real identity service on the in-memory store.
type house struct {
	*Service
	t   testing.TB
	env *identity.Environment
}

// newHouse makes one with an environment of a kind.
func newHouse(t testing.TB, kind identity.EnvironmentKind) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
	id := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("a master key of thirty-two bytes"))}
	must(t, id.Open(ctx))
	h := &house{t: t, Service: &Service{Identity: id, Sealer: id.Sealer, BaseURL: "https://auth.example.test/"}}
	must(t, h.Open(ctx))
	h.env, err = id.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup", Kind: kind})
	must(t, err)
	return h
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// organization makes one with verified domains.
func (h *house) organization(domains ...string) identity.OrganizationID {
	h.t.Helper()
	n := identity.NewOrganization{Name: "Soup Inc"}
	for _, d := range domains {
		n.Domains = append(n.Domains, identity.NewDomain{Name: d, State: identity.DomainVerified})
	}
	o, err := h.Identity.CreateOrganization(h.t.Context(), h.env.ID, n)
	must(h.t, err)
	return o.ID
}

// events are the names of the environment's events and the newest one's data.
func (h *house) events() (names []string, last string) {
	l, err := h.Identity.Events(h.t.Context(), h.env.ID, nil, identity.Page{Limit: 100})
	must(h.t, err)
	for _, e := range l.Data {
		names, last = append(names, e.Name), string(e.Data)
	}
	return names, last
}

// provider is an identity provider that publishes its metadata.
func provider(t testing.TB, entity string) (*connector.Asserter, []byte) {
	t.Helper()
	key, err := token.GenerateKey()
	must(t, err)
	cert, err := connector.SelfSigned(key, "idp", time.Now())
	must(t, err)
	a := &connector.Asserter{EntityID: entity, SSOURL: "https://idp.example.test/sso", Key: key, Certificate: cert}
	doc, err := a.Metadata()
	must(t, err)
	return a, doc
}

// yes is a pointer to a value.
func yes[T any](v T) *T { return &v }

func TestConnectionKeepsItsSecrets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Development)
	c, err := h.SetProvider(t.Context(), h.env.ID, "GitHubOAuth", Settings{ClientID: yes("id"), ClientSecret: yes("a very secret secret")})
	must(t, err)
	if c.State != Active || strings.Contains(c.secrets, "secret secret") {
		t.Errorf("%+v", c)
	}
	sec, err := h.open(c)
	if err != nil || sec.ClientSecret != "a very secret secret" {
		t.Errorf("%+v %v", sec, err)
	}
	// What is not said stays.
	if c, err = h.SetProvider(t.Context(), h.env.ID, "GitHubOAuth", Settings{ReturnTokens: yes(true)}); err != nil || !c.Config.ReturnTokens || c.Config.ClientID != "id" {
		t.Errorf("%+v %v", c, err)
	}
}

func TestProductionEnvironmentsAreGuarded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Production)
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	org := h.organization()
	for name, n := range map[string]NewConnection{
		"an issuer on this machine":      {Type: "GenericOIDC", Settings: Settings{Issuer: &srv.URL}},
		"metadata on this machine":       {Type: "GenericSAML", Settings: Settings{MetadataURL: &srv.URL}},
		"an endpoint on this machine":    {Type: "GenericOIDC", Settings: Settings{Endpoints: &connector.Endpoints{Token: srv.URL}}},
		"a cloud's credentials":          {Type: "GenericOIDC", Settings: Settings{Issuer: yes("http://169.254.169.254/latest")}},
		"the test identity provider":     {Type: TestType},
		"a social provider made to test": {Type: "GoogleOAuth", Settings: Settings{Test: yes(true)}},
	} {
		n.Organization = org
		var err error
		if n.Type == "GoogleOAuth" {
			_, err = h.SetProvider(t.Context(), h.env.ID, n.Type, n.Settings)
		} else {
			_, err = h.CreateConnection(t.Context(), h.env.ID, n)
		}
		if k := apierr.KindOf(err); err == nil || k != apierr.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefreshFollowsMetadata(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Development)
	idp, doc := provider(t, "https://idp.example.test/metadata")
	published := doc
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(published) }))
	t.Cleanup(srv.Close)
	c, err := h.CreateConnection(t.Context(), h.env.ID, NewConnection{Organization: h.organization("example.test"), Type: "OktaSAML", Settings: Settings{MetadataURL: &srv.URL}})
	must(t, err)
	if c.State != Active || c.Config.IDP.EntityID != idp.EntityID {
		t.Fatalf("%+v", c)
	}
	now := func() *Connection {
		var out *Connection
		must(t, h.Identity.View(t.Context(), func(tx *identity.Tx) (err error) {
			out, err = h.Connection(tx, h.env.ID, c.ID)
			return err
		}))
		return out
	}
	// Not due yet.
	next, doc := provider(t, idp.EntityID)
	published = doc
	must(t, h.Refresh(t.Context(), time.Now()))
	if got := now().Config.IDP.Certificates; !slices.Equal(got, c.Config.IDP.Certificates) {
		t.Error("refreshed too early")
	}
	due := time.Now().Add(refreshEvery + time.Hour)
	must(t, h.Refresh(t.Context(), due))
	if got := now().Config.IDP.Certificates; len(got) != 1 || got[0] != base64.StdEncoding.EncodeToString(next.Certificate.Raw) {
		t.Error("the new certificate did not come in")
	}
	if names, last := h.events(); !slices.Contains(names, "connection.saml_certificate_renewed") {
		t.Errorf("%v %s", names, last)
	}
	// Another entity's document is not taken.
	_, published = provider(t, "https://evil.example.test/metadata")
	must(t, h.Refresh(t.Context(), due.Add(2*refreshEvery)))
	if got := now().Config.IDP; got.EntityID != idp.EntityID || got.Certificates[0] != base64.StdEncoding.EncodeToString(next.Certificate.Raw) {
		t.Errorf("took %+v", got)
	}
	// What cannot be fetched stays, and its end is told.
	srv.Close()
	must(t, h.Refresh(t.Context(), next.Certificate.NotAfter.Add(-24*time.Hour)))
	if names, last := h.events(); names[len(names)-1] != "connection.saml_certificate_renewal_required" || !strings.Contains(last, `"days_until_expiry":1`) {
		t.Errorf("%v %s", names, last)
	}
}

// come settles somebody who came through a connection.
func (h *house) come(c *Connection, p connector.Person, user identity.UserID) (s *Settled, err error) {
	err = h.Identity.Update(h.t.Context(), func(tx *identity.Tx) error {
		address, err := h.Leave(tx, h.env, c, Departure{Purpose: ForAttempt, Browser: "b", Subject: "attempt_1"}, connector.Endpoints{})
		if err != nil {
			return err
		}
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		state := u.Query().Get("state") + u.Query().Get("RelayState")
		f, _, err := h.pending(tx, state)
		if err != nil || f == nil {
			return errors.Join(err, errors.New("no departure"))
		}
		s, err = h.Settle(tx, &Outcome{Departure: readDeparture(f.Record), Via: c, Person: &p, row: f}, user, "192.0.2.1", "test")
		return err
	})
	return s, err
}

func TestSettleMakesMembersWithRoles(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Development)
	org := h.organization("example.test")
	c, err := h.CreateConnection(t.Context(), h.env.ID, NewConnection{Organization: org, Type: TestType, Settings: Settings{GroupRoles: yes(map[string]string{"bosses": "admin", "old": "gone"})}})
	must(t, err)
	u, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.test", EmailVerified: true})
	must(t, err)
	member := func() (m *identity.Membership) {
		must(t, h.Identity.View(t.Context(), func(tx *identity.Tx) (err error) {
			m, err = tx.Membership(h.env.ID, u.ID, org)
			return err
		}))
		return m
	}
	_, err = h.come(c, connector.Person{ID: "1", Email: u.Email, Groups: []string{"cooks", "old"}}, u.ID)
	must(t, err)
	if m := member(); m == nil || m.Status != identity.MembershipActive || !slices.Equal(m.Roles, []string{"member"}) {
		t.Fatalf("%+v", m)
	}
	_, err = h.come(c, connector.Person{ID: "1", Email: u.Email, Groups: []string{"bosses"}}, u.ID)
	must(t, err)
	if m := member(); !slices.Equal(m.Roles, []string{"admin"}) {
		t.Errorf("%+v", m)
	}
	must(t, h.Identity.Update(t.Context(), func(tx *identity.Tx) error {
		_, err := tx.SetMembershipActive(h.env.ID, member().ID, false)
		return err
	}))
	if _, err = h.come(c, connector.Person{ID: "1", Email: u.Email}, u.ID); err != errInactive {
		t.Errorf("an inactive member: %v", err)
	}
	// Who is deleted leaves nothing behind; the same account elsewhere starts anew.
	must(t, h.Identity.DeleteUser(t.Context(), h.env.ID, u.ID))
	must(t, h.Identity.View(t.Context(), func(tx *identity.Tx) error {
		own, err := h.Owner(tx, &Outcome{Via: c, Person: &connector.Person{ID: "1", Email: "ada@example.test"}})
		if own.User != "" || !own.Trusted {
			t.Errorf("%+v", own)
		}
		return err
	}))
	must(t, h.Identity.DeleteOrganization(t.Context(), h.env.ID, org))
	if names, _ := h.events(); !slices.Contains(names, "connection.deleted") {
		t.Errorf("%v", names)
	}
}

func TestOwnerTrustsWhoMayVouch(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Development)
	own := h.organization("example.test")
	enterprise, err := h.CreateConnection(t.Context(), h.env.ID, NewConnection{Organization: own, Type: TestType, Settings: Settings{Domains: yes([]string{"partner.test"})}})
	must(t, err)
	social, err := h.SetProvider(t.Context(), h.env.ID, "GoogleOAuth", Settings{Test: yes(true)})
	must(t, err)
	for name, c := range map[string]struct {
		via     *Connection
		email   string
		claimed bool
		trusted bool
		code    string
	}{
		"social, said to be verified":            {social, "ada@example.org", true, true, ""},
		"social, not said":                       {social, "ada@example.org", false, false, ""},
		"social, without address":                {social, "", true, false, "email_missing"},
		"enterprise, own domain":                 {enterprise, "ada@example.test", false, true, ""},
		"enterprise, a domain that it only says": {enterprise, "ada@partner.test", true, false, ""},
		"enterprise, another domain":             {enterprise, "ada@example.org", true, false, "profile_not_allowed_outside_organization"},
		"enterprise, a domain that looks alike":  {enterprise, "ada@evil-example.test", true, false, "profile_not_allowed_outside_organization"},
		"enterprise, a domain below":             {enterprise, "ada@sub.example.test", true, false, "profile_not_allowed_outside_organization"},
	} {
		must(t, h.Identity.View(t.Context(), func(tx *identity.Tx) error {
			got, err := h.Owner(tx, &Outcome{Via: c.via, Person: &connector.Person{ID: "1", Email: c.email, EmailVerified: c.claimed}})
			code := ""
			if e, ok := apierr.As(err); ok {
				code = e.Code
			}
			if got.Trusted != c.trusted || code != c.code {
				t.Errorf("%s: %+v %v", name, got, err)
			}
			return nil
		}))
	}
}

func TestAssertionsAreSeenOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Development)
	until := time.Now().Add(time.Minute)
	must(t, h.see(t.Context(), h.env.ID, "conn_1", "a", until))
	if err := h.see(t.Context(), h.env.ID, "conn_1", "a", until); !errors.Is(err, connector.ErrSeen) {
		t.Errorf("again: %v", err)
	}
	must(t, h.see(t.Context(), h.env.ID, "conn_2", "a", until)) // another provider's ids are its own
	if h.see(t.Context(), h.env.ID, "conn_1", strings.Repeat("a", 300), until) == nil {
		t.Error("an id without end was noted")
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, identity.Development)
	now := time.Now()
	sealed := h.Context(&Connection{ID: "conn_1"}, now)
	if h.FromContext(sealed, now) != "conn_1" || h.FromContext(sealed, now.Add(time.Hour)) != "" || h.FromContext(sealed+"x", now) != "" || h.FromContext("", now) != "" {
		t.Error("a context is not what it should be")
	}
}
