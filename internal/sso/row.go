package sso

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// purposeSecrets binds the seal of a connection's secrets.
const purposeSecrets = "sso connection secrets"

// connectionRow writes a connection; its domains have rows of their own.
func connectionRow(c *Connection) identity.Row {
	config, err := json.Marshal(c.Config)
	if err != nil {
		panic("sso: encode configuration: " + err.Error()) // plain data always encodes
	}
	r := identity.Row{
		identity.Text("id", c.ID), identity.Text("environment", c.Environment), identity.Text("organization", c.Organization), identity.Text("type", c.Type),
		identity.Text("name", c.Name), identity.Text("state", c.State), identity.Text("external_key", c.ExternalKey), identity.Text("config", string(config)),
		identity.Text("secrets", c.secrets), identity.Time("created", c.Created), identity.Time("updated", c.Updated),
	}
	if c.Config.Protocol == SAML { // others have nothing to be fetched again
		r = append(r, identity.Time("refresh", c.Updated.Add(refreshEvery)))
	}
	return r
}

// readConnection is the reverse of connectionRow.
func readConnection(r identity.Record) (*Connection, error) {
	c := &Connection{
		ID: ConnectionID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Organization: identity.OrganizationID(r.Text("organization")),
		Type: r.Text("type"), Name: r.Text("name"), State: State(r.Text("state")), ExternalKey: r.Text("external_key"),
		secrets: r.Text("secrets"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
	if err := json.Unmarshal([]byte(r.Text("config")), &c.Config); err != nil {
		return nil, fmt.Errorf("sso: decode configuration of %s: %w", c.ID, err)
	}
	return c, nil
}

// withDomains reads a connection's row together with its domains.
func withDomains(tx *identity.Tx, f *identity.Found) (*Connection, error) {
	c, err := readConnection(f.Record)
	if err != nil {
		return nil, err
	}
	rows, err := tx.All(tableDomains, "on_connection", string(c.ID))
	for _, d := range rows {
		c.Domains = append(c.Domains, Domain{ID: d.Text("id"), Name: d.Text("domain")})
	}
	return c, err
}

// connectionOf finds a connection of the environment.
func connectionOf(tx *identity.Tx, env identity.EnvironmentID, id ConnectionID) (*identity.Found, *Connection, error) {
	f, err := tx.First(tableConnections, "on_environment", string(env), string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("Connection", string(id))
	}
	c, err := withDomains(tx, f)
	return f, c, err
}

// Connection finds a connection of the environment.
func (s *Service) Connection(tx *identity.Tx, env identity.EnvironmentID, id ConnectionID) (*Connection, error) {
	_, c, err := connectionOf(tx, env, id)
	return c, err
}

// OfOrganization lists an organisation's connections, oldest first.
func (s *Service) OfOrganization(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID) ([]Connection, error) {
	return connectionsAt(tx, "on_organization", string(env), string(org))
}

// connectionsAt reads the connections at an index.
func connectionsAt(tx *identity.Tx, index string, values ...string) ([]Connection, error) {
	var out []Connection
	err := tx.Each(tableConnections, index, database.Prefix(identity.Key(values...)), database.Asc, func(f identity.Found) (bool, error) {
		c, err := withDomains(tx, &f)
		if err == nil {
			out = append(out, *c)
		}
		return err == nil && len(out) < maxConnections, err
	})
	return out, err
}

// Social finds the environment's connection to a social provider; nil if there is
// none.
func (s *Service) Social(tx *identity.Tx, env identity.EnvironmentID, kind string) (*Connection, error) {
	f, err := tx.First(tableConnections, "on_type", string(env), kind)
	if err != nil || f == nil {
		return nil, err
	}
	return withDomains(tx, f)
}

// Socials lists the environment's connections to social providers.
func (s *Service) Socials(tx *identity.Tx, env identity.EnvironmentID) ([]Connection, error) {
	return connectionsAt(tx, "on_organization", string(env), "")
}

// open unseals a connection's secrets.
func (s *Service) open(c *Connection) (sec secrets, err error) {
	if c.secrets == "" {
		return sec, nil
	}
	b, err := s.Sealer.Open(purposeSecrets, c.secrets)
	if err != nil {
		return sec, fmt.Errorf("sso: unseal secrets of %s: %w (was the house's master key replaced?)", c.ID, err)
	}
	return sec, json.Unmarshal(b, &sec)
}

// seal seals a connection's secrets.
func (s *Service) seal(sec secrets) (string, error) {
	b, err := json.Marshal(sec)
	if err != nil {
		return "", fmt.Errorf("sso: encode secrets: %w", err)
	}
	return s.Sealer.Seal(purposeSecrets, b), nil
}

// Data is a connection as the API and events show it (workos-operations.md).
func (c *Connection) Data() map[string]any {
	domains := []any{}
	for _, d := range c.Domains {
		domains = append(domains, map[string]any{"object": "connection_domain", "id": d.ID, "domain": d.Name})
	}
	status := "unlinked" // the older way of saying so
	if c.State == Active {
		status = "linked"
	}
	m := map[string]any{
		"object": "connection", "id": c.ID, "connection_type": c.Type, "name": c.Name, "state": c.State, "status": status, "domains": domains,
		"created_at": identity.FormatTime(c.Created), "updated_at": identity.FormatTime(c.Updated),
	}
	if c.Organization != "" {
		m["organization_id"] = c.Organization
	}
	return m
}

// record writes connection.activated, .deactivated or .deleted.
func record(tx *identity.Tx, c *Connection, what string) error {
	d := c.Data()
	if what == "deleted" {
		delete(d, "domains")
		delete(d, "status")
	} else {
		d["external_key"] = c.ExternalKey
	}
	return tx.Record(c.Environment, "connection."+what, d)
}

// later is the present time, or the least that is after t.
func later(tx *identity.Tx, t time.Time) time.Time {
	if now := tx.Now(); now.After(t) {
		return now
	}
	return t.Add(time.Millisecond)
}
