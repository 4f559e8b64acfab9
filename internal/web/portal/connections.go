package portal

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
)

// own finds the visit's organisation's connections.
func (p *Portal) own(r *http.Request, v *visitor) (list []sso.Connection, err error) {
	if !v.may(sso.IntentSSO, sso.IntentCertificate) {
		return nil, nothing()
	}
	err = p.SSO.Identity.View(r.Context(), func(tx *identity.Tx) error {
		list, err = p.SSO.OfOrganization(tx, v.Environment, v.Organization)
		return err
	})
	return list, err
}

// one finds one of them.
func (p *Portal) one(r *http.Request, v *visitor) (*sso.Connection, error) {
	list, err := p.own(r, v)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if string(list[i].ID) == r.PathValue("id") {
			return &list[i], nil
		}
	}
	return nil, nothing()
}

// connectionsPage lists connections and offers a new one.
type connectionsPage struct {
	Connections []sso.Connection
	Types       []string
	May         bool // make a new one
}

// connections is the list.
func (p *Portal) connections(w http.ResponseWriter, r *http.Request, v *visitor) error {
	return p.showConnections(w, r, v, http.StatusOK, "")
}

// showConnections prints the list.
func (p *Portal) showConnections(w http.ResponseWriter, r *http.Request, v *visitor, status int, alert string) error {
	list, err := p.own(r, v)
	if err != nil {
		return err
	}
	types := slices.DeleteFunc(sso.Types(), func(t string) bool { return t == sso.TestType })
	return p.show(w, status, "connections.html", v, "Single sign-on", alert, connectionsPage{list, types, v.may(sso.IntentSSO)})
}

// addConnection makes a draft.
func (p *Portal) addConnection(w http.ResponseWriter, r *http.Request, v *visitor) error {
	if !v.may(sso.IntentSSO) {
		return nothing()
	}
	kind := r.PostForm.Get("connection_type")
	if kind == sso.TestType { // for developers, who have the operator's routes
		return nothing()
	}
	name := strings.TrimSpace(r.PostForm.Get("name"))
	c, err := p.SSO.CreateConnection(r.Context(), v.Environment, sso.NewConnection{Organization: v.Organization, Type: kind, Settings: sso.Settings{Name: &name}})
	if err != nil {
		if text, ok := problem(err); ok {
			return p.showConnections(w, r, v, http.StatusUnprocessableEntity, text)
		}
		return err
	}
	return to(w, "/portal/sso/"+string(c.ID))
}

// certificate is one of the identity provider's, as the page shows it.
type certificate struct {
	Subject, Until string
	Ended          bool
}

// connectionPage is one connection with its form.
type connectionPage struct {
	*sso.Connection
	SAML                                       bool
	ACS, EntityID, Callback                    string
	Certificates                               []certificate
	HasSecret                                  bool
	TypedURL, TypedMetadata, TypedCertificates string // what was typed and not taken
}

// connection is the page of one.
func (p *Portal) connection(w http.ResponseWriter, r *http.Request, v *visitor) error {
	c, err := p.one(r, v)
	if err != nil {
		return err
	}
	return p.showConnection(w, v, c, http.StatusOK, "", nil)
}

// showConnection prints it; typed is a form that was not taken.
func (p *Portal) showConnection(w http.ResponseWriter, v *visitor, c *sso.Connection, status int, alert string, typed map[string]string) error {
	page := connectionPage{Connection: c, SAML: c.Config.Protocol == sso.SAML, TypedURL: c.Config.MetadataURL, TypedMetadata: typed["metadata"], TypedCertificates: typed["idp_certificate"]}
	if page.SAML {
		page.ACS, page.EntityID = p.SSO.ACSURL(c), p.SSO.EntityID(c)
	} else {
		page.Callback = p.SSO.CallbackURL(c)
	}
	if u := typed["metadata_url"]; u != "" {
		page.TypedURL = u
	}
	for _, text := range c.Config.IDP.Certificates {
		if cert, err := connector.ParseCertificate(text); err == nil {
			page.Certificates = append(page.Certificates, certificate{cert.Subject.String(), cert.NotAfter.Format(time.DateOnly), time.Now().After(cert.NotAfter)})
		}
	}
	return p.show(w, status, "connection.html", v, c.Name, alert, page)
}

// saveConnection takes the form of one.
func (p *Portal) saveConnection(w http.ResponseWriter, r *http.Request, v *visitor) error {
	c, err := p.one(r, v)
	if err != nil {
		return err
	}
	f := r.PostForm
	var set sso.Settings
	given := func(name string) *string { // an empty field leaves as it is: secrets are not shown
		if s := strings.TrimSpace(f.Get(name)); s != "" {
			return &s
		}
		return nil
	}
	switch state := sso.State(f.Get("state")); state {
	case sso.Active, sso.Inactive:
		set.State = &state
	default:
		set.MetadataURL, set.Metadata, set.EntityID, set.SSOURL = given("metadata_url"), given("metadata"), given("idp_entity_id"), given("idp_sso_url")
		if cert := given("idp_certificate"); cert != nil {
			list := []string{*cert}
			if parsed, err := connector.ParseCertificate(*cert); err == nil && f.Get("keep") != "" { // beside those there are, for a change of keys
				list = append(append([]string{}, c.Config.IDP.Certificates...), base64.StdEncoding.EncodeToString(parsed.Raw))
			}
			set.Certificates = &list
		}
		set.Issuer, set.ClientID, set.ClientSecret = given("issuer"), given("client_id"), given("client_secret")
	}
	if !v.may(sso.IntentSSO) { // a renewal changes certificates and nothing else
		set = sso.Settings{MetadataURL: set.MetadataURL, Metadata: set.Metadata, Certificates: set.Certificates}
	}
	saved, err := p.SSO.UpdateConnection(r.Context(), v.Environment, c.ID, set)
	if err != nil {
		if text, ok := problem(err); ok {
			return p.showConnection(w, v, c, http.StatusUnprocessableEntity, text, map[string]string{"metadata": f.Get("metadata"), "metadata_url": f.Get("metadata_url"), "idp_certificate": f.Get("idp_certificate")})
		}
		return err
	}
	return to(w, "/portal/sso/"+string(saved.ID))
}

// test sends the administrator through the connection.
func (p *Portal) test(w http.ResponseWriter, r *http.Request, v *visitor) error {
	c, err := p.one(r, v)
	if err != nil {
		return err
	}
	if r.Header.Get("Sec-Purpose") != "" || r.Method == http.MethodHead {
		return nothing()
	}
	out, err := p.SSO.Begin(r.Context(), v.Environment, c.ID, sso.Departure{Purpose: sso.ForTest, Browser: p.browser(w, r), Subject: string(v.Organization)})
	if err != nil {
		if text, ok := problem(err); ok {
			return p.showConnection(w, v, c, http.StatusUnprocessableEntity, text, nil)
		}
		return err
	}
	return to(w, out)
}

// testedPage tells what came back.
type testedPage struct {
	*sso.Outcome
	Raw string
}

// tested shows what came back.
func (p *Portal) tested(w http.ResponseWriter, r *http.Request, v *visitor) error {
	o, err := p.SSO.Tested(r.Context(), v.Environment, r.URL.Query().Get("key"), p.browser(w, r))
	if err != nil {
		return err
	}
	if o.Via.Organization != v.Organization {
		return nothing()
	}
	page := testedPage{Outcome: o}
	if o.Person != nil {
		b, err := json.MarshalIndent(o.Person.Raw, "", "  ")
		if err != nil {
			return err
		}
		page.Raw = string(b)
	}
	return p.show(w, http.StatusOK, "tested.html", v, o.Via.Name, "", page)
}
