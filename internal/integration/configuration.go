package integration

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// Configuration is what an organisation chose about an integration.
type Configuration struct {
	ID           string
	Organization identity.OrganizationID
	Integration  Integration
	Enabled      bool
	Scopes       []string // nil for the integration's
	Config       map[string]string
	ClientID     string
	SecretLast4  string
	Created      time.Time
	Updated      time.Time

	secret string // sealed
}

// configurationRow writes a configuration.
func configurationRow(env identity.EnvironmentID, c *Configuration) identity.Row {
	return identity.Row{
		identity.Text("id", c.ID), identity.Text("environment", env), identity.Text("organization", c.Organization), identity.Text("integration", c.Integration.ID),
		identity.Flag("enabled", c.Enabled), identity.Flag("has_scopes", c.Scopes != nil), identity.Texts("scopes", c.Scopes), identity.Map("config", c.Config),
		identity.Text("client_id", c.ClientID), identity.Text("secret", c.secret), identity.Text("last4", c.SecretLast4),
		identity.Time("created", c.Created), identity.Time("updated", c.Updated),
	}
}

// configuration finds what an organisation chose, or what holds if it chose nothing.
func configuration(tx *identity.Tx, i *Integration, org identity.OrganizationID) (*identity.Found, *Configuration, error) {
	c := &Configuration{Organization: org, Integration: *i, Enabled: i.Enabled, Config: map[string]string{}, Created: i.Created, Updated: i.Updated}
	f, err := tx.First(tableConfigurations, "on_organization", string(i.Environment), string(org), i.ID)
	if err != nil || f == nil {
		return nil, c, err
	}
	c.ID, c.Enabled, c.ClientID, c.SecretLast4, c.secret = f.Text("id"), f.Flag("enabled"), f.Text("client_id"), f.Text("last4"), f.Text("secret")
	c.Created, c.Updated = f.Time("created"), f.Time("updated")
	if f.Flag("has_scopes") {
		c.Scopes = append([]string{}, f.Texts("scopes")...)
	}
	if m := f.Map("config"); m != nil {
		c.Config = m
	}
	return f, c, nil
}

// on says whether an integration may be used, and in an organisation.
func (s *Service) on(tx *identity.Tx, i *Integration, org identity.OrganizationID) (bool, error) {
	if !i.Enabled || org == "" {
		return i.Enabled, nil
	}
	_, c, err := configuration(tx, i, org)
	return err == nil && c.Enabled, err
}

// Configurations lists what holds of every integration in an organisation.
func (s *Service) Configurations(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID) (list []Configuration, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = []Configuration{}
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		rows, err := tx.All(tableIntegrations, "on_environment", string(env))
		if err != nil {
			return err
		}
		for _, f := range rows {
			_, c, err := configuration(tx, readIntegration(f.Record), org)
			if err != nil {
				return err
			}
			if c.ID == "" {
				c.ID = c.Integration.ID // nothing was chosen yet
			}
			list = append(list, *c)
		}
		return nil
	})
	return list, err
}

// Choice names what an organisation changes; nil members stay.
type Choice struct {
	Enabled      *bool
	SetScopes    bool
	Scopes       []string
	ClientID     string
	ClientSecret string
	Config       map[string]string
}

// Configure notes what an organisation chose about an integration.
func (s *Service) Configure(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID, slug string, ch Choice) (c *Configuration, err error) {
	if err := checkScopes(ch.Scopes); err != nil {
		return nil, err
	}
	if err := checkConfig(ch.Config); err != nil {
		return nil, err
	}
	if len(ch.ClientID) > maxSecret || len(ch.ClientSecret) > maxSecret {
		return nil, badField("client_secret", "A client id or secret is too long.")
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		_, i, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		if (ch.ClientID != "" || ch.ClientSecret != "") && i.Type != Organization {
			return badField("client_id", "The data integration %s does not take credentials of organizations.", slug)
		}
		f, now, err := configuration(tx, i, org)
		if err != nil {
			return err
		}
		c = now
		if f == nil {
			c.ID, c.Created = tx.NewID("data_integration_configuration_"), tx.Now()
		}
		if ch.Enabled != nil {
			c.Enabled = *ch.Enabled
		}
		if ch.SetScopes {
			c.Scopes = ch.Scopes
		}
		if ch.ClientID != "" {
			c.ClientID = ch.ClientID
		}
		if ch.ClientSecret != "" {
			c.secret, c.SecretLast4 = s.seal(ch.ClientSecret), last4(ch.ClientSecret)
		}
		if ch.Config != nil {
			c.Config = ch.Config
		}
		c.Updated = tx.Now()
		if f == nil {
			return tx.Add(tableConfigurations, configurationRow(env, c))
		}
		return tx.Put(f.Doc, configurationRow(env, c))
	})
	return c, err
}

// HasCredentials says whether there is a client to connect with.
func (c *Configuration) HasCredentials() bool {
	if c.Integration.Type == Organization {
		return c.ClientID != "" && c.secret != ""
	}
	return c.Integration.ClientID != "" && c.Integration.secret != ""
}
