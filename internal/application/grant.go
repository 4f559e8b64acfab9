package application

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Grant is what a user allowed an application, until one of them takes it back.
type Grant struct {
	ID           string
	Environment  identity.EnvironmentID
	Application  string
	User         identity.UserID
	Organization identity.OrganizationID // in which it was granted last; "" for none
	Scopes       []string                // all that were ever granted together
	Resource     string
	Created      time.Time
	Updated      time.Time
}

// grantRow writes a grant.
func grantRow(g *Grant) identity.Row {
	return identity.Row{
		identity.Text("id", g.ID), identity.Text("environment", g.Environment), identity.Text("application", g.Application), identity.Text("user", g.User),
		identity.Text("organization", g.Organization), identity.Texts("scopes", g.Scopes), identity.Text("resource", g.Resource),
		identity.Time("created", g.Created), identity.Time("updated", g.Updated),
	}
}

// readGrant is the reverse of grantRow.
func readGrant(r identity.Record) *Grant {
	g := &Grant{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")), Application: r.Text("application"),
		User: identity.UserID(r.Text("user")), Organization: identity.OrganizationID(r.Text("organization")), Scopes: r.Texts("scopes"),
		Resource: r.Text("resource"), Created: r.Time("created"), Updated: r.Time("updated")}
	if g.Scopes == nil {
		g.Scopes = []string{}
	}
	return g
}

// grantOf finds what a user granted an application; nil if nothing.
func grantOf(tx *identity.Tx, a *Application, user identity.UserID) (*identity.Found, *Grant, error) {
	f, err := tx.First(tableGrants, "on_application", string(a.Environment), a.ID, string(user))
	if err != nil || f == nil {
		return nil, nil, err
	}
	return f, readGrant(f.Record), nil
}

// grant notes what a user grants beyond what was granted before.
func (s *Service) grant(tx *identity.Tx, a *Asked, user identity.UserID) (*Grant, error) {
	f, g, err := grantOf(tx, a.Application, user)
	if err != nil {
		return nil, err
	}
	if g == nil {
		g = &Grant{ID: identity.NewID("connect_grant_"), Environment: a.Environment.ID, Application: a.Application.ID, User: user,
			Organization: a.Organization, Scopes: slices.Clone(a.Scopes), Resource: a.Resource, Created: tx.Now(), Updated: tx.Now()}
		return g, tx.Add(tableGrants, grantRow(g))
	}
	g.Scopes, g.Updated = distinct(append(g.Scopes, a.Scopes...)), tx.Now()
	if a.Organization != "" {
		g.Organization = a.Organization
	}
	if a.Resource != "" {
		g.Resource = a.Resource
	}
	return g, tx.Put(f.Doc, grantRow(g))
}

// Authorized is a grant and its application.
type Authorized struct {
	Grant
	Application Application
}

// authorized lists the grants of an index with their applications.
func (s *Service) authorized(tx *identity.Tx, index string, prefix []string, p identity.Page) (*identity.List[Authorized], error) {
	l, err := identity.PageOf(tx, tableGrants, index, prefix, p, func(r identity.Record) (Authorized, string, bool) {
		g := readGrant(r)
		return Authorized{Grant: *g}, g.ID, true
	})
	if err != nil {
		return nil, err
	}
	for i := range l.Data {
		_, a, err := find(tx, l.Data[i].Environment, l.Data[i].Grant.Application)
		if err != nil {
			return nil, err
		}
		l.Data[i].Application = *a
	}
	return l, nil
}

// OfUser lists the applications that a user let in.
func (s *Service) OfUser(ctx context.Context, env identity.EnvironmentID, user identity.UserID, p identity.Page) (l *identity.List[Authorized], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, err := tx.User(env, user); err != nil {
			return err
		}
		l, err = s.authorized(tx, "on_user", []string{string(env), string(user)}, p)
		return err
	})
	return l, err
}

// OfOrganization lists the applications that somebody let into an organisation.
func (s *Service) OfOrganization(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID, p identity.Page) (l *identity.List[Authorized], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		l, err = s.authorized(tx, "on_organization", []string{string(env), string(org)}, p)
		return err
	})
	return l, err
}

// Withdraw takes back what a user granted an application, named by its id or its
// client id; its refresh tokens end.
func (s *Service) Withdraw(ctx context.Context, env identity.EnvironmentID, user identity.UserID, application string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.User(env, user); err != nil {
			return err
		}
		_, a, err := find(tx, env, application)
		if err != nil {
			return err
		}
		f, g, err := grantOf(tx, a, user)
		if err != nil {
			return err
		}
		if g == nil {
			return identity.NotFound("Authorized application", application)
		}
		return s.endGrant(tx, f)
	})
}

// endGrant removes a grant with its codes and refresh tokens.
func (s *Service) endGrant(tx *identity.Tx, f *identity.Found) error {
	for _, t := range []string{tableCodes, tableRefresh} {
		err := tx.Each(t, "on_grant", database.Prefix(identity.Key(f.Text("id"))), database.Asc, func(row identity.Found) (bool, error) {
			return true, tx.Remove(&row)
		})
		if err != nil {
			return err
		}
	}
	return tx.Remove(f)
}
