package sso

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Profile is a person as a connection describes them, at the last sign-in.
type Profile struct {
	ID           ProfileID
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID
	Connection   ConnectionID
	Type         string // of the connection
	IDP          string // the other side's id
	Email        string
	FirstName    string
	LastName     string
	Name         string
	Role         string // a slug, "" if no group gives one
	Groups       []string
	Raw          map[string]any
	SessionIndex string
	NameIDFormat string
	Created      time.Time
	Updated      time.Time
}

// profileRow writes a profile.
func profileRow(p *Profile) (identity.Row, error) {
	raw, err := json.Marshal(p.Raw)
	if err != nil {
		return nil, fmt.Errorf("sso: encode attributes: %w", err)
	}
	return identity.Row{
		identity.Text("id", p.ID), identity.Text("environment", p.Environment), identity.Text("organization", p.Organization), identity.Text("connection", p.Connection),
		identity.Text("type", p.Type), identity.Text("idp_id", p.IDP), identity.Text("email", p.Email), identity.Text("first_name", p.FirstName), identity.Text("last_name", p.LastName),
		identity.Text("name", p.Name), identity.Text("role", p.Role), identity.Texts("groups", p.Groups), identity.Text("raw", string(raw)),
		identity.Text("session_index", p.SessionIndex), identity.Text("name_id_format", p.NameIDFormat), identity.Time("created", p.Created), identity.Time("updated", p.Updated),
	}, nil
}

// readProfile is the reverse of profileRow.
func readProfile(r identity.Record) (*Profile, error) {
	p := &Profile{
		ID: ProfileID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Organization: identity.OrganizationID(r.Text("organization")),
		Connection: ConnectionID(r.Text("connection")), Type: r.Text("type"), IDP: r.Text("idp_id"), Email: r.Text("email"), FirstName: r.Text("first_name"),
		LastName: r.Text("last_name"), Name: r.Text("name"), Role: r.Text("role"), Groups: r.Texts("groups"), SessionIndex: r.Text("session_index"),
		NameIDFormat: r.Text("name_id_format"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
	if err := json.Unmarshal([]byte(r.Text("raw")), &p.Raw); err != nil {
		return nil, fmt.Errorf("sso: decode attributes of %s: %w", p.ID, err)
	}
	return p, nil
}

// Profile finds a profile of the environment.
func (s *Service) Profile(tx *identity.Tx, env identity.EnvironmentID, id ProfileID) (*Profile, error) {
	f, err := tx.First(tableProfiles, "on_id", string(env), string(id))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Profile", string(id))
	}
	return readProfile(f.Record)
}

// putProfile writes what a connection said of a person now.
func putProfile(tx *identity.Tx, c *Connection, from *connector.Person) (*Profile, error) {
	f, err := tx.First(tableProfiles, "on_idp", string(c.ID), from.ID)
	if err != nil {
		return nil, err
	}
	p := &Profile{
		Environment: c.Environment, Organization: c.Organization, Connection: c.ID, Type: c.Type, IDP: from.ID, Email: from.Email, FirstName: from.FirstName,
		LastName: from.LastName, Name: from.Name, Groups: from.Groups, Raw: from.Raw, SessionIndex: from.SessionIndex, NameIDFormat: from.NameIDFormat,
	}
	if p.Raw == nil {
		p.Raw = map[string]any{}
	}
	if roles := rolesOf(c, from); len(roles) > 0 {
		p.Role = roles[0]
	}
	if f != nil {
		p.ID, p.Created, p.Updated = ProfileID(f.Text("id")), f.Time("created"), later(tx, f.Time("updated"))
	} else {
		p.ID, p.Created, p.Updated = ProfileID(tx.NewID(profilePrefix)), tx.Now(), tx.Now()
	}
	row, err := profileRow(p)
	if err != nil {
		return nil, err
	}
	if f != nil {
		return p, tx.Put(f.Doc, row)
	}
	return p, tx.Add(tableProfiles, row)
}

// rolesOf are the slugs that a person's groups stand for, by the connection's
// mapping, each once.
func rolesOf(c *Connection, p *connector.Person) []string {
	var out []string
	seen := map[string]bool{}
	for _, g := range p.Groups {
		if slug := c.Config.GroupRoles[g]; slug != "" && !seen[slug] {
			seen[slug] = true
			out = append(out, slug)
		}
	}
	return out
}

// slim is a role in short.
type slim struct {
	Slug string `json:"slug"`
}

// Data is a profile as the API shows it (workos-operations.md, Profile).
func (p *Profile) Data() map[string]any {
	m := map[string]any{
		"object": "profile", "id": p.ID, "organization_id": orNull(p.Organization), "connection_id": p.Connection, "connection_type": p.Type, "idp_id": p.IDP,
		"email": p.Email, "first_name": orNull(p.FirstName), "last_name": orNull(p.LastName), "name": orNull(p.Name), "raw_attributes": p.Raw, "custom_attributes": map[string]any{},
	}
	if len(p.Groups) > 0 {
		m["groups"] = p.Groups
	}
	if p.Role != "" {
		m["role"], m["roles"] = slim{p.Role}, []slim{{p.Role}}
	}
	return m
}
