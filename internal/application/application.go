package application

import (
	"context"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Kind says who an application acts for.
type Kind string

// The kinds of application.
const (
	OAuth Kind = "oauth" // people who sign in and consent
	M2M   Kind = "m2m"   // itself, within one organisation
)

// Application is somebody's program that may get tokens of an environment.
type Application struct {
	ID           string
	Environment  identity.EnvironmentID
	ClientID     string
	Kind         Kind
	Name         string
	Description  string
	Scopes       []string
	RedirectURIs []string // OAuth only; the first is the default
	UsesPKCE     bool     // OAuth only: a code is bound to its verifier, a secret is not needed
	FirstParty   bool     // OAuth only: nobody is asked for consent
	Dynamic      bool     // registered itself
	Organization identity.OrganizationID
	Created      time.Time
	Updated      time.Time
}

// Bounds of an application, ours.
const (
	maxName        = 255
	maxDescription = 2000
	maxScopes      = 100
	maxRedirects   = 100
)

// scopeShape is a scope (RFC 6749 §3.3), of a sensible length.
var scopeShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,128}$`) })

// applicationRow writes an application.
func applicationRow(a *Application) identity.Row {
	return identity.Row{
		identity.Text("id", a.ID), identity.Text("environment", a.Environment), identity.Text("client_id", a.ClientID), identity.Text("kind", a.Kind),
		identity.Text("name", a.Name), identity.Text("description", a.Description), identity.Texts("scopes", a.Scopes),
		identity.Texts("redirect_uris", a.RedirectURIs), identity.Flag("uses_pkce", a.UsesPKCE), identity.Flag("first_party", a.FirstParty),
		identity.Flag("dynamic", a.Dynamic), identity.Text("organization", a.Organization), identity.Time("created", a.Created),
		identity.Time("updated", a.Updated),
	}
}

// readApplication is the reverse of applicationRow.
func readApplication(r identity.Record) *Application {
	a := &Application{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")), ClientID: r.Text("client_id"),
		Kind: Kind(r.Text("kind")), Name: r.Text("name"), Description: r.Text("description"), Scopes: r.Texts("scopes"),
		RedirectURIs: r.Texts("redirect_uris"), UsesPKCE: r.Flag("uses_pkce"), FirstParty: r.Flag("first_party"), Dynamic: r.Flag("dynamic"),
		Organization: identity.OrganizationID(r.Text("organization")), Created: r.Time("created"), Updated: r.Time("updated")}
	a.fill()
	return a
}

// fill makes empty lists of missing ones.
func (a *Application) fill() {
	if a.Scopes == nil {
		a.Scopes = []string{}
	}
	if a.RedirectURIs == nil {
		a.RedirectURIs = []string{}
	}
}

// check refuses an application that breaks a rule.
func (a *Application) check(tx *identity.Tx) error {
	switch {
	case a.Kind != OAuth && a.Kind != M2M:
		return badField("application_type", "An application is of the type oauth or m2m.")
	case strings.TrimSpace(a.Name) == "" || utf8.RuneCountInString(a.Name) > maxName:
		return badField("name", "An application needs a name of at most %d characters.", maxName)
	case utf8.RuneCountInString(a.Description) > maxDescription:
		return badField("description", "A description has at most %d characters.", maxDescription)
	case len(a.Scopes) > maxScopes || slices.ContainsFunc(a.Scopes, func(s string) bool { return !scopeShape().MatchString(s) }):
		return badField("scopes", "An application has at most %d scopes of visible ASCII characters without quotes and backslashes.", maxScopes)
	case len(a.RedirectURIs) > maxRedirects:
		return badField("redirect_uris", "An application has at most %d redirect URIs.", maxRedirects)
	case a.Kind == M2M && a.Organization == "":
		return badField("organization_id", "An M2M application belongs to an organization.")
	case a.Kind == OAuth && !a.FirstParty && !a.Dynamic && a.Organization == "":
		return badField("organization_id", "An application of a third party belongs to an organization.")
	}
	e, err := tx.Environment(a.Environment)
	if err != nil {
		return err
	}
	for _, u := range a.RedirectURIs {
		if !redirectLooksRight(u, e.Kind) {
			return badField("redirect_uris", "%.200q is not an address that codes can go to: https, http on this machine outside production, or an app's own scheme; no fragment, no wildcard.", u)
		}
	}
	if a.Organization != "" {
		_, err = tx.Organization(a.Environment, a.Organization)
	}
	return err
}

// redirectLooksRight says whether codes may go to an address: RFC 9700 §2.1 and, for
// apps with a scheme of their own, RFC 8252 §7.1.
func redirectLooksRight(s string, kind identity.EnvironmentKind) bool {
	u, err := url.Parse(s)
	if err != nil || len(s) > 2000 || u.Fragment != "" || strings.ContainsAny(s, "*#\\ \t\r\n\"<>") || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		ip := net.ParseIP(u.Hostname())
		loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
		return u.Host != "" && (loopback || kind != identity.Production)
	case "", "javascript", "data", "vbscript", "file", "blob", "about":
		return false
	}
	return strings.Contains(u.Scheme, ".") || kind != identity.Production
}

// pinnedClient is what a client id that a seed chooses may look like.
var pinnedClient = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^client_[A-Za-z0-9_-]{1,100}$`) })

// pin refuses a client id that cannot be chosen, or that is somebody's.
func pin(tx *identity.Tx, client string) error {
	if !pinnedClient().MatchString(client) {
		return badField("client_id", "A client id begins with client_ and consists of letters, digits, _ and -.")
	}
	f, err := tx.First(tableApplications, "on_client", client)
	if err != nil {
		return err
	}
	if f == nil {
		if _, err = tx.EnvironmentByClient(identity.ClientID(client)); apierr.KindOf(err) == apierr.NotFound {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return apierr.New(apierr.Conflict, "client_id_already_used", "The client id %s is in use.", client)
}

// Create makes an application; id and times are chosen here, the client id unless it
// is given, which only seeds may do.
func (s *Service) Create(ctx context.Context, env identity.EnvironmentID, a Application) (*Application, error) {
	a.Environment = env
	if a.Kind == M2M {
		a.RedirectURIs, a.UsesPKCE, a.FirstParty = nil, false, false
	}
	a.Scopes = distinct(a.Scopes)
	a.fill()
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if err := a.check(tx); err != nil {
			return err
		}
		if a.ID = tx.NewID("conn_app_"); a.ClientID == "" {
			a.ClientID = tx.NewID("client_")
		} else if err := pin(tx, a.ClientID); err != nil {
			return err
		}
		a.Created, a.Updated = tx.Now(), tx.Now()
		return tx.Add(tableApplications, applicationRow(&a))
	})
	if err != nil {
		return nil, err
	}
	s.Log.Info("application created", "application", a.ID, "kind", a.Kind, "environment", env)
	return &a, nil
}

// distinct drops repetitions, keeping the order.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// find finds an application by its id or its client id.
func find(tx *identity.Tx, env identity.EnvironmentID, id string) (*identity.Found, *Application, error) {
	var f *identity.Found
	var err error
	if strings.HasPrefix(id, "client_") {
		f, err = tx.First(tableApplications, "on_client", id)
	} else {
		f, err = tx.First(tableApplications, "on_environment", string(env), id)
	}
	if err != nil {
		return nil, nil, err
	}
	if f == nil || f.Text("environment") != string(env) {
		return nil, nil, identity.NotFound("Application", id)
	}
	return f, readApplication(f.Record), nil
}

// Get finds an application by its id or its client id.
func (s *Service) Get(ctx context.Context, env identity.EnvironmentID, id string) (a *Application, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, a, err = find(tx, env, id)
		return err
	})
	return a, err
}

// ByClient finds the application of a client id, in whichever environment; nil if
// there is none.
func (s *Service) ByClient(tx *identity.Tx, client string) (*Application, error) {
	f, err := tx.First(tableApplications, "on_client", client)
	if err != nil || f == nil {
		return nil, err
	}
	return readApplication(f.Record), nil
}

// Change names the fields of an application to change; nil ones stay.
type Change struct {
	Name         *string
	Description  *string
	Scopes       *[]string
	RedirectURIs *[]string
}

// Update changes an application.
func (s *Service) Update(ctx context.Context, env identity.EnvironmentID, id string, c Change) (a *Application, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, a, err = find(tx, env, id); err != nil {
			return err
		}
		if c.Name != nil {
			a.Name = *c.Name
		}
		if c.Description != nil {
			a.Description = *c.Description
		}
		if c.Scopes != nil {
			a.Scopes = distinct(*c.Scopes)
		}
		if c.RedirectURIs != nil {
			if a.Kind == M2M {
				return badField("redirect_uris", "An M2M application has no redirect URIs.")
			}
			a.RedirectURIs = *c.RedirectURIs
		}
		a.fill()
		if err := a.check(tx); err != nil {
			return err
		}
		a.Updated = tx.Now()
		return tx.Put(f.Doc, applicationRow(a))
	})
	return a, err
}

// Delete removes an application with its secrets and grants; its tokens end with it as far as
// anybody asks the house about them.
func (s *Service) Delete(ctx context.Context, env identity.EnvironmentID, id string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, a, err := find(tx, env, id)
		if err != nil {
			return err
		}
		if err := removeAll(tx, tableSecrets, "on_application", string(env), a.ID); err != nil {
			return err
		}
		grants, err := tx.All(tableGrants, "on_application", string(env), a.ID)
		if err != nil {
			return err
		}
		for i := range grants {
			if err := s.endGrant(tx, &grants[i]); err != nil {
				return err
			}
		}
		return tx.Remove(f)
	})
}

// removeAll deletes the rows of an index whose first fields have the given values.
func removeAll(tx *identity.Tx, table, index string, values ...string) error {
	rows, err := tx.All(table, index, values...)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// Query narrows a list of applications. Without registration kinds all are listed.
type Query struct {
	identity.Page
	Organization  identity.OrganizationID
	Dynamic       bool // those that registered themselves
	Authenticated bool // those that somebody made
}

// List lists an environment's applications.
func (s *Service) List(ctx context.Context, env identity.EnvironmentID, q Query) (l *identity.List[Application], err error) {
	index, prefix := "on_environment", []string{string(env)}
	if q.Organization != "" {
		index, prefix = "on_organization", []string{string(env), string(q.Organization)}
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableApplications, index, prefix, q.Page, func(r identity.Record) (Application, string, bool) {
			a := readApplication(r)
			wanted := q.Dynamic == q.Authenticated || a.Dynamic == q.Dynamic
			return *a, a.ID, wanted
		})
		return err
	})
	return l, err
}

// RedirectTo is a redirect URI as it is told to the house.
type RedirectTo struct {
	URI     string `json:"uri"`
	Default bool   `json:"default"`
}

// InOrder puts the default first, as an Application has its redirect URIs.
func InOrder(list []RedirectTo) []string {
	var out []string
	for _, u := range list {
		if u.Default {
			out = append([]string{u.URI}, out...)
		} else {
			out = append(out, u.URI)
		}
	}
	return distinct(out)
}
