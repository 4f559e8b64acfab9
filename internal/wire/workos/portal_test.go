package workos

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// portalVisit opens the portal for an organisation, as its administrator would.
func (s *street) portalVisit(org identity.OrganizationID, intent string) *surfer {
	s.t.Helper()
	body := map[string]any{"organization": org}
	if intent != "" {
		body["intent"] = intent
	}
	link := s.call("POST", "/portal/generate_link", body).want(201).text("link")
	b := newSurfer(s.t)
	at := strings.Replace(link, "http://localhost:4100", s.url, 1)
	if p := b.submit(at, b.get(at)); p.location != "/portal/" {
		s.t.Fatalf("not let in: %d %s", p.status, p.body)
	}
	return b
}

func TestPortalLinkWorksOnce(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	org := s.organization("example.com")
	link := strings.Replace(s.call("POST", "/portal/generate_link", map[string]any{"organization": org, "intent": "sso", "return_url": "https://app.example.com/"}).want(201).text("link"), "http://localhost:4100", s.url, 1)
	b := newSurfer(t)
	form := b.get(link)
	if p := b.get(s.url + "/portal/sso"); p.status != 401 {
		t.Errorf("without a visit: %d", p.status)
	}
	if p := b.submit(link, form); p.location != "/portal/" {
		t.Fatalf("%d %s", p.status, p.body)
	}
	if p := newSurfer(t).submit(link, form); p.status != 404 {
		t.Errorf("a second time: %d", p.status)
	}
	p, _ := b.follow(s.url + "/portal/")
	if p.status != 200 || !strings.Contains(p.body, "https://app.example.com/") || !strings.Contains(p.body, "Soup Inc") {
		t.Errorf("%d %s", p.status, p.body)
	}
	for _, path := range []string{"/portal/directory", "/portal/domains", "/portal/sso/conn_x", "/portal/nothing"} {
		if p := b.get(s.url + path); p.status != 404 {
			t.Errorf("%s, which the link is not for: %d", path, p.status)
		}
	}
	for _, bad := range []map[string]any{{"organization": org, "intent": "soup"}, {"organization": org, "return_url": "javascript:alert(1)"}} {
		s.call("POST", "/portal/generate_link", bad).want(422)
	}
	s.call("POST", "/portal/generate_link", map[string]any{"organization": "org_x"}).want(404)
}

func TestPortalSetsUpSAML(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	org, other := s.organization("example.com"), s.organization()
	b := s.portalVisit(org, "sso")
	at := s.url + "/portal/sso"
	made := b.submit(at, b.get(at), "connection_type", "OktaSAML", "name", "Our Okta")
	at = s.url + made.location
	p := b.get(at)
	if !strings.Contains(p.body, s.url+"/sso/saml/acs/conn_") || !strings.Contains(p.body, ">draft<") {
		t.Fatalf("%d %s", p.status, p.body)
	}
	if bad := b.submit(at, p, "metadata", "<nonsense/>"); bad.status != 422 || !strings.Contains(bad.body, "&lt;nonsense/&gt;") {
		t.Errorf("poor metadata: %d", bad.status)
	}
	key, err := token.GenerateKey()
	check(t, err)
	cert, err := connector.SelfSigned(key, "Okta", s.env.Created)
	check(t, err)
	idp := &connector.Asserter{EntityID: "https://okta.example.com/metadata", SSOURL: "https://okta.example.com/sso", Key: key, Certificate: cert}
	doc, err := idp.Metadata()
	check(t, err)
	if saved := b.submit(at, p, "metadata", string(doc)); saved.location == "" {
		t.Fatalf("not saved: %s", saved.body)
	}
	if p = b.get(at); !strings.Contains(p.body, ">active<") || !strings.Contains(p.body, "CN=Okta") {
		t.Errorf("%s", p.body)
	}
	out := b.get(at + "/test")
	if !strings.HasPrefix(out.location, "https://okta.example.com/sso?SAMLRequest=") {
		t.Errorf("a try leads to %s", out.location)
	}
	if p := s.portalVisit(other, "sso").get(at); p.status != 404 {
		t.Errorf("another organization's visit: %d", p.status)
	}
	renewal := s.portalVisit(org, "certificate_renewal")
	if p := renewal.get(s.url + "/portal/sso"); strings.Contains(p.body, "New connection") {
		t.Error("a renewal offers new connections")
	}
	list := s.call("GET", "/connections?organization_id="+string(org), nil).want(200)
	if list.size("data") != 1 || list.text("data", 0, "state") != "active" || list.text("data", 0, "name") != "Our Okta" {
		t.Errorf("%s", list.raw)
	}
	if !slices.Contains(s.events(), "connection.activated") {
		t.Errorf("%v", s.events())
	}
}

func TestPortalTriesAConnection(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	org := s.organization("example.com")
	c := s.call("POST", "/_lentil/v1/connections", map[string]any{"organization_id": org, "connection_type": "TestIdp"}).want(201)
	b := s.portalVisit(org, "")
	p, at := b.follow(s.url + "/portal/sso/" + c.text("id") + "/test")
	p, at = b.follow(b.submit(at, p, "email", "ada@example.com", "first_name", "Ada").location)
	if p.status != 200 || !strings.Contains(p.body, "It works") || !strings.Contains(p.body, "ada@example.com") {
		t.Errorf("%d %s", p.status, p.body)
	}
	if again := b.get(at); again.status == 200 {
		t.Error("the outcome can be seen twice")
	}
	p, _ = b.follow(s.url + "/portal/sso/" + c.text("id") + "/test")
	deny := regexp.MustCompile(`href="([^"]*error=access_denied[^"]*)"`).FindStringSubmatch(p.body)
	if p, _ = b.follow(unescape(deny[1])); !strings.Contains(p.body, "It did not work") {
		t.Errorf("%d %s", p.status, p.body)
	}
}

func TestPortalDirectoryAndDomains(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	org := s.organization()
	b := s.portalVisit(org, "dsync")
	at := s.url + "/portal/directory"
	p := b.submit(at, b.get(at), "type", "okta scim v2.0", "name", "Okta")
	if !strings.Contains(p.body, "/scim/v2.0/directory_") || !strings.Contains(p.body, "dsync_") {
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := b.get(at); strings.Contains(p.body, "dsync_") {
		t.Error("the token is shown again")
	}
	b = s.portalVisit(org, "domain_verification")
	at = s.url + "/portal/domains"
	if p := b.read(b.client.PostForm(at, url.Values{"domain": {"no domain"}})); p.status != 422 {
		t.Errorf("no domain: %d", p.status)
	}
	if p := b.read(b.client.PostForm(at, url.Values{"domain": {"example.com"}})); p.location != "/portal/domains" {
		t.Fatalf("%d %s", p.status, p.body)
	}
	p = b.get(at)
	if !strings.Contains(p.body, "lentil-domain-verification-") {
		t.Errorf("%s", p.body)
	}
	if p := b.submit(at, p); p.location != "/portal/domains" { // development: asking is enough
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := b.get(at); !strings.Contains(p.body, ">verified<") {
		t.Errorf("%s", p.body)
	}
}
