package sso

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// Bounds of connections; ours.
const (
	maxConnections = 100 // of one organisation
	maxName        = 100
	maxDomains     = 100
	maxSecret      = 8 << 10
	maxMapping     = 50
)

// Settings are what somebody says of a connection; nil leaves as it is.
type Settings struct {
	Name         *string              `json:"name"`
	State        *State               `json:"state"` // active or inactive
	Domains      *[]string            `json:"domains"`
	Protocol     *Protocol            `json:"protocol"` // of a test connection: oidc or saml
	Test         *bool                `json:"test"`     // of a social provider: the test identity provider stands in for it
	ClientID     *string              `json:"client_id"`
	ClientSecret *string              `json:"client_secret"`
	Issuer       *string              `json:"issuer"`
	Endpoints    *connector.Endpoints `json:"endpoints"`
	Scopes       *[]string            `json:"scopes"`
	AppleTeam    *string              `json:"team_id"`
	AppleKeyID   *string              `json:"key_id"`
	AppleKey     *string              `json:"private_key"`
	ReturnTokens *bool                `json:"return_oauth_tokens"`
	MetadataURL  *string              `json:"metadata_url"`
	Metadata     *string              `json:"metadata"` // XML
	EntityID     *string              `json:"idp_entity_id"`
	SSOURL       *string              `json:"idp_sso_url"`
	SLOURL       *string              `json:"idp_slo_url"`
	Certificates *[]string            `json:"idp_certificates"`
	SignRequests *bool                `json:"sign_requests"`
	Mapping      *map[string]string   `json:"attribute_mapping"`
	GroupRoles   *map[string]string   `json:"group_roles"`
	NoJIT        *bool                `json:"jit_disabled"`
	Optional     *bool                `json:"optional"`

	fetched *connector.IDPFacts // of MetadataURL or Metadata
	key     []byte              // for a new SAML connection
	cert    string
}

// NewConnection is what a caller says of a connection to be made.
type NewConnection struct {
	Organization identity.OrganizationID `json:"organization_id"`
	Type         string                  `json:"connection_type"`
	ExternalKey  string                  `json:"external_key"`
	Settings
}

// domainForm is what a connection's domain must look like.
var domainForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)
})

// prepare does what must not happen in a transaction: fetching, and making keys.
func (s *Service) prepare(ctx context.Context, e *identity.Environment, p Protocol, fresh bool, set *Settings) error {
	switch {
	case set.MetadataURL != nil && *set.MetadataURL != "":
		if err := e.Kind.Outbound().Check(*set.MetadataURL); err != nil {
			return identity.InvalidField("metadata_url", "invalid_url", "metadata_url: %s", message(err))
		}
		f, err := connector.FetchMetadata(ctx, s.client(e), *set.MetadataURL)
		if err != nil {
			return err
		}
		set.fetched = &f
	case set.Metadata != nil && *set.Metadata != "":
		f, err := connector.ParseMetadata([]byte(*set.Metadata))
		if err != nil {
			return err
		}
		set.fetched = &f
	}
	if set.Issuer != nil && *set.Issuer != "" {
		if err := e.Kind.Outbound().Check(*set.Issuer); err != nil {
			return identity.InvalidField("issuer", "invalid_url", "issuer: %s", message(err))
		}
		if p == OIDC {
			if _, err := connector.Discover(ctx, s.client(e), *set.Issuer); err != nil {
				return err
			}
		}
	}
	if fresh && p == SAML {
		key, err := token.GenerateKey()
		if err != nil {
			return err
		}
		cert, err := connector.SelfSigned(key, "Lentil "+string(e.ID), e.Created)
		if err != nil {
			return err
		}
		set.cert = base64.StdEncoding.EncodeToString(cert.Raw)
		if set.key, err = token.MarshalPrivateKey(key); err != nil {
			return err
		}
	}
	return nil
}

// message is what a refusal says.
func message(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Message
	}
	return "it cannot be used."
}

// apply lays settings over a connection and its secrets, and refuses what could
// not work.
func (s *Service) apply(e *identity.Environment, c *Connection, sec *secrets, set *Settings) error {
	put := func(to *string, from *string) {
		if from != nil {
			*to = strings.TrimSpace(*from)
		}
	}
	k := &c.Config
	put(&c.Name, set.Name)
	put(&k.ClientID, set.ClientID)
	put(&k.Issuer, set.Issuer)
	put(&k.AppleTeam, set.AppleTeam)
	put(&k.AppleKey, set.AppleKeyID)
	put(&k.MetadataURL, set.MetadataURL)
	put(&k.IDP.EntityID, set.EntityID)
	put(&k.IDP.SSOURL, set.SSOURL)
	put(&k.IDP.SLOURL, set.SLOURL)
	put(&sec.ClientSecret, set.ClientSecret)
	put(&sec.AppleKey, set.AppleKey)
	for _, b := range []struct{ to, from *bool }{{&k.Test, set.Test}, {&k.ReturnTokens, set.ReturnTokens}, {&k.SignRequests, set.SignRequests}, {&k.NoJIT, set.NoJIT}, {&k.Optional, set.Optional}} {
		if b.from != nil {
			*b.to = *b.from
		}
	}
	if set.Endpoints != nil {
		k.Endpoints = *set.Endpoints
	}
	if set.Scopes != nil {
		k.Scopes = *set.Scopes
	}
	if set.Certificates != nil {
		k.IDP.Certificates = *set.Certificates
	}
	if set.fetched != nil {
		k.IDP = *set.fetched
	}
	if set.Mapping != nil {
		k.Mapping = *set.Mapping
	}
	if set.GroupRoles != nil {
		k.GroupRoles = *set.GroupRoles
	}
	if set.key != nil {
		sec.SAMLKey, k.Certificate = set.key, set.cert
	}
	if k.Test && e.Kind == identity.Production {
		return identity.InvalidField("test", "not_in_production", "The test identity provider lets anybody be anybody; production environments have none.")
	}
	if err := check(e, c, sec); err != nil {
		return err
	}
	complete := complete(c, sec)
	if complete && c.Config.Protocol == SAML && !k.Test {
		if err := k.IDP.Check(); err != nil {
			return err
		}
	}
	switch {
	case set.State != nil && *set.State == Inactive:
		c.State = Inactive
	case set.State != nil && *set.State != Active:
		return identity.InvalidField("state", "invalid_state", "state is active or inactive.")
	case !complete && set.State != nil:
		return identity.InvalidField("state", "connection_incomplete", "The connection lacks what it needs to be active: client_id, client_secret and issuer for OpenID Connect; metadata, or entity id, address and certificate, for SAML.")
	case !complete:
		c.State = Draft
	case set.State != nil || c.State == Draft || c.State == "":
		c.State = Active
	}
	return nil
}

// check refuses settings of a wrong form.
func check(e *identity.Environment, c *Connection, sec *secrets) error {
	k := &c.Config
	for _, t := range []struct {
		field, text string
		most        int
	}{
		{"name", c.Name, maxName}, {"external_key", c.ExternalKey, maxName}, {"client_id", k.ClientID, 1000}, {"client_secret", sec.ClientSecret, maxSecret},
		{"private_key", sec.AppleKey, maxSecret}, {"team_id", k.AppleTeam, maxName}, {"key_id", k.AppleKey, maxName},
	} {
		if len(t.text) > t.most {
			return identity.InvalidField(t.field, t.field+"_too_long", "%s is longer than %d bytes.", t.field, t.most)
		}
	}
	if len(k.Scopes) > maxMapping || len(k.Mapping) > maxMapping || len(k.GroupRoles) > maxMapping*10 {
		return identity.InvalidField("attribute_mapping", "too_many", "There are too many scopes, mappings or groups.")
	}
	for _, a := range []struct{ field, address string }{
		{"endpoints.authorization_endpoint", k.Endpoints.Authorize}, {"endpoints.token_endpoint", k.Endpoints.Token}, {"endpoints.userinfo_endpoint", k.Endpoints.Userinfo},
		{"endpoints.emails_endpoint", k.Endpoints.Emails}, {"endpoints.jwks_uri", k.Endpoints.JWKS}, {"endpoints.end_session_endpoint", k.Endpoints.Logout},
		{"idp_sso_url", k.IDP.SSOURL}, {"idp_slo_url", k.IDP.SLOURL},
	} {
		if a.address == "" {
			continue
		}
		if !connector.IsWeb(a.address) {
			return identity.InvalidField(a.field, "invalid_url", "%s is no web address.", a.field)
		}
		if err := e.Kind.Outbound().Check(a.address); err != nil {
			return identity.InvalidField(a.field, "invalid_url", "%s: %s", a.field, message(err))
		}
	}
	if sec.AppleKey != "" {
		if _, err := connector.ParseAppleKey(k.AppleTeam, k.AppleKey, sec.AppleKey); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether a connection has what its protocol needs.
func complete(c *Connection, sec *secrets) bool {
	k := &c.Config
	switch {
	case k.Test:
		return true
	case k.Protocol == SAML:
		return k.IDP.EntityID != "" && k.IDP.SSOURL != "" && len(k.IDP.Certificates) > 0
	case k.ClientID == "" || sec.ClientSecret == "" && sec.AppleKey == "":
		return false
	case k.Protocol == OIDC:
		return k.Issuer != ""
	}
	return true
}

// CreateConnection makes a connection of an organisation.
func (s *Service) CreateConnection(ctx context.Context, env identity.EnvironmentID, n NewConnection) (*Connection, error) {
	p, ok := protocolOf(n.Type)
	switch {
	case n.Type == "":
		return nil, identity.InvalidField("connection_type", "connection_type_required", "The member connection_type is missing.")
	case !ok:
		return nil, identity.InvalidField("connection_type", "connection_type_unknown", "There is no connection type %.60q.", n.Type)
	case p == OAuth:
		return nil, identity.InvalidField("connection_type", "connection_type_social", "%s is a provider of the whole environment: use PUT /_lentil/v1/providers/%s.", n.Type, n.Type)
	case n.Organization == "":
		return nil, identity.InvalidField("organization_id", "organization_id_required", "The member organization_id is missing.")
	}
	if n.Type == TestType {
		yes := true
		n.Test = &yes
		if p = OIDC; n.Protocol != nil {
			p = *n.Protocol
		}
		if p != OIDC && p != SAML {
			return nil, identity.InvalidField("protocol", "invalid_protocol", "protocol is oidc or saml.")
		}
	}
	c := &Connection{Environment: env, Organization: n.Organization, Type: n.Type, ExternalKey: n.ExternalKey, Config: Config{Protocol: p}}
	return s.save(ctx, env, "", c, &n.Settings)
}

// SetProvider makes or changes the environment's connection to a social provider.
func (s *Service) SetProvider(ctx context.Context, env identity.EnvironmentID, kind string, set Settings) (*Connection, error) {
	f, ok := connector.FamilyOf(kind)
	if !ok {
		return nil, notFound("Provider", kind)
	}
	var have *Connection
	err := s.Identity.View(ctx, func(tx *identity.Tx) (err error) {
		have, err = s.Social(tx, env, f.Type)
		return err
	})
	if err != nil {
		return nil, err
	}
	if have != nil {
		return s.save(ctx, env, have.ID, nil, &set)
	}
	return s.save(ctx, env, "", &Connection{Environment: env, Type: f.Type, Config: Config{Protocol: OAuth}}, &set)
}

// UpdateConnection changes a connection.
func (s *Service) UpdateConnection(ctx context.Context, env identity.EnvironmentID, id ConnectionID, set Settings) (*Connection, error) {
	return s.save(ctx, env, id, nil, &set)
}

// save makes the connection fresh, or changes the one with the id.
func (s *Service) save(ctx context.Context, env identity.EnvironmentID, id ConnectionID, fresh *Connection, set *Settings) (out *Connection, err error) {
	var e *identity.Environment
	p := Protocol("")
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if e, err = tx.Environment(env); err != nil {
			return err
		}
		if fresh != nil {
			p = fresh.Config.Protocol
			return nil
		}
		c, err := s.Connection(tx, env, id)
		if err == nil {
			p = c.Config.Protocol
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, e, p, fresh != nil, set); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		out, err = s.store(tx, e, id, fresh, set)
		return err
	})
	if err == nil && out.Config.Test {
		_, _, err = s.testKey(ctx, out.ID)
	}
	return out, err
}

// store is save within its transaction.
func (s *Service) store(tx *identity.Tx, e *identity.Environment, id ConnectionID, fresh *Connection, set *Settings) (*Connection, error) {
	var row *identity.Found
	var c *Connection
	var sec secrets
	var err error
	if fresh != nil {
		one := *fresh
		c = &one
		c.ID, c.Created = ConnectionID(tx.NewID(connectionPrefix)), tx.Now()
		if c.Organization != "" {
			if _, err := tx.Organization(e.ID, c.Organization); err != nil {
				return nil, err
			}
			all, err := s.OfOrganization(tx, e.ID, c.Organization)
			if err != nil {
				return nil, err
			}
			if len(all) >= maxConnections {
				return nil, apierr.New(apierr.BadRequest, "too_many_connections", "An organization has at most %d connections.", maxConnections)
			}
		} else if again, err := s.Social(tx, e.ID, c.Type); err != nil || again != nil {
			return nil, apierr.New(apierr.Conflict, "provider_changed", "The provider %s was set up just now by somebody else.", c.Type).Wrap(err)
		}
	} else {
		if row, c, err = connectionOf(tx, e.ID, id); err != nil {
			return nil, err
		}
		if sec, err = s.open(c); err != nil {
			return nil, err
		}
	}
	was := c.State
	if err := s.apply(e, c, &sec, set); err != nil {
		return nil, err
	}
	if c.Name == "" {
		if c.Name = c.Type; c.Social() {
			f, _ := connector.FamilyOf(c.Type)
			c.Name = f.Name
		}
	}
	if c.ExternalKey == "" {
		c.ExternalKey = rand.Text()
	}
	if c.secrets, err = s.seal(sec); err != nil {
		return nil, err
	}
	c.Updated = later(tx, c.Updated)
	if row == nil {
		err = tx.Add(tableConnections, connectionRow(c))
	} else {
		err = tx.Put(row.Doc, connectionRow(c))
	}
	if err != nil {
		return nil, err
	}
	if set.Domains != nil {
		if err := s.setDomains(tx, c, *set.Domains); err != nil {
			return nil, err
		}
	}
	switch {
	case c.State == Active && was != Active:
		return c, record(tx, c, "activated")
	case c.State != Active && was == Active:
		return c, record(tx, c, "deactivated")
	}
	return c, nil
}

// setDomains replaces the domains of a connection.
func (s *Service) setDomains(tx *identity.Tx, c *Connection, names []string) error {
	if len(names) > maxDomains {
		return identity.InvalidField("domains", "too_many_domains", "A connection has at most %d domains.", maxDomains)
	}
	for i := range names {
		names[i] = strings.ToLower(strings.TrimSpace(names[i]))
		if !domainForm().MatchString(names[i]) || len(names[i]) > 253 {
			return identity.InvalidField("domains", "invalid_domain", "%.100q is no domain.", names[i])
		}
	}
	rows, err := tx.All(tableDomains, "on_connection", string(c.ID))
	if err != nil {
		return err
	}
	kept := map[string]Domain{}
	for i := range rows {
		if name := rows[i].Text("domain"); slices.Contains(names, name) {
			kept[name] = Domain{ID: rows[i].Text("id"), Name: name}
		} else if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	c.Domains = nil
	for _, name := range names {
		d, ok := kept[name]
		if !ok {
			d = Domain{ID: tx.NewID(domainPrefix), Name: name}
			if err := tx.Add(tableDomains, identity.Row{identity.Text("id", d.ID), identity.Text("environment", c.Environment), identity.Text("domain", name), identity.Text("connection", c.ID)}); err != nil {
				return err
			}
			kept[name] = d
		} else if slices.Contains(c.Domains, d) {
			continue
		}
		c.Domains = append(c.Domains, d)
	}
	return nil
}

// DeleteConnection removes a connection with its domains. Profiles and links to
// users stay harmless: nothing leads to them without it.
func (s *Service) DeleteConnection(ctx context.Context, env identity.EnvironmentID, id ConnectionID) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error { return s.remove(tx, env, id) })
}

// remove is DeleteConnection within a transaction.
func (s *Service) remove(tx *identity.Tx, env identity.EnvironmentID, id ConnectionID) error {
	f, c, err := connectionOf(tx, env, id)
	if err != nil {
		return err
	}
	rows, err := tx.All(tableDomains, "on_connection", string(id))
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return record(tx, c, "deleted")
}

// gone takes away what belongs to somebody or something that is about to be
// deleted.
func (s *Service) gone(tx *identity.Tx, what identity.Gone) error {
	switch {
	case what.Membership != "" || what.Group != "":
	case what.User != "":
		rows, err := tx.All(tableIdentities, "on_user", string(what.Environment), string(what.User))
		if err != nil {
			return err
		}
		for i := range rows {
			if err := tx.Remove(&rows[i]); err != nil {
				return err
			}
		}
	case what.Organization != "":
		all, err := s.OfOrganization(tx, what.Environment, what.Organization)
		if err != nil {
			return err
		}
		for i := range all {
			if err := s.remove(tx, what.Environment, all[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// Query narrows a list of connections.
type Query struct {
	identity.Page
	Type         string
	Domain       string
	Organization identity.OrganizationID
	Search       string
}

// Connections lists connections.
func (s *Service) Connections(ctx context.Context, env identity.EnvironmentID, q Query) (l *identity.List[Connection], err error) {
	index, prefix := "on_environment", []string{string(env)}
	switch {
	case q.Domain != "":
		return s.connectionsOfDomain(ctx, env, q)
	case q.Organization != "":
		index, prefix = "on_organization", append(prefix, string(q.Organization))
	case q.Type != "":
		if f, ok := connector.FamilyOf(q.Type); ok {
			q.Type = f.Type // GitHub's has two spellings
		}
		index, prefix = "on_type", append(prefix, q.Type)
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		var fault error
		l, err = identity.PageOf(tx, tableConnections, index, prefix, q.Page, func(r identity.Record) (Connection, string, bool) {
			c, err := withDomains(tx, &identity.Found{Record: r})
			if err != nil {
				fault = err
				return Connection{}, "", false
			}
			return *c, string(c.ID), q.wants(c)
		})
		return errors.Join(fault, err)
	})
	return l, err
}

// connectionsOfDomain is Connections for a query that names a domain.
func (s *Service) connectionsOfDomain(ctx context.Context, env identity.EnvironmentID, q Query) (l *identity.List[Connection], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		var fault error
		l, err = identity.PageOf(tx, tableDomains, "on_domain", []string{string(env), strings.ToLower(q.Domain)}, q.Page, func(r identity.Record) (Connection, string, bool) {
			_, c, err := connectionOf(tx, env, ConnectionID(r.Text("connection")))
			if err != nil {
				fault = err
				return Connection{}, "", false
			}
			return *c, string(c.ID), q.wants(c)
		})
		return errors.Join(fault, err)
	})
	return l, err
}

// wants reports whether a connection is one that was asked for.
func (q *Query) wants(c *Connection) bool {
	if q.Type != "" && c.Type != q.Type {
		return false
	}
	if q.Organization != "" && c.Organization != q.Organization {
		return false
	}
	return q.Search == "" || strings.Contains(strings.ToLower(c.Name), strings.ToLower(q.Search))
}
