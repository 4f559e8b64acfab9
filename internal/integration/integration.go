package integration

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Method is how accounts of an integration prove themselves to the service.
type Method string

// The methods.
const (
	ByOAuth       Method = "oauth"
	ByAPIKey      Method = "api_key"
	ByCredentials Method = "client_credentials"
)

// CredentialsType says whose OAuth client is used.
type CredentialsType string

// The types of credentials: the environment's own client, or each organisation's.
const (
	Custom       CredentialsType = "custom"
	Organization CredentialsType = "organization"
)

// Integration is a service that may be connected.
type Integration struct {
	ID           string
	Environment  identity.EnvironmentID
	Slug         string
	Description  string
	Enabled      bool
	Scopes       []string // nil if none were named
	Methods      []Method
	Config       map[string]string
	Type         CredentialsType // "" if no client was given
	ClientID     string
	SecretLast4  string
	Custom       *Provider // nil for a service of the house's list
	Installation string    // the account that came with it, by API key
	Created      time.Time
	Updated      time.Time

	secret string // sealed
}

// slugShape is what a slug looks like.
var slugShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`) })

// Bounds of an integration, ours.
const (
	maxIntegrations = 200
	maxScopes       = 100
	maxConfig       = 20
	maxSecret       = 4096
)

// integrationRow writes an integration.
func integrationRow(i *Integration) identity.Row {
	return identity.Row{
		identity.Text("id", i.ID), identity.Text("environment", i.Environment), identity.Text("slug", i.Slug), identity.Text("description", i.Description),
		identity.Flag("enabled", i.Enabled), identity.Flag("has_scopes", i.Scopes != nil), identity.Texts("scopes", i.Scopes),
		identity.Text("methods", asText(i.Methods)), identity.Map("config", i.Config), identity.Text("type", i.Type), identity.Text("client_id", i.ClientID),
		identity.Text("secret", i.secret), identity.Text("last4", i.SecretLast4), identity.Text("custom", asText(i.Custom)),
		identity.Text("installation", i.Installation), identity.Time("created", i.Created), identity.Time("updated", i.Updated),
	}
}

// readIntegration is the reverse of integrationRow.
func readIntegration(r identity.Record) *Integration {
	i := &Integration{ID: r.Text("id"), Environment: identity.EnvironmentID(r.Text("environment")), Slug: r.Text("slug"), Description: r.Text("description"),
		Enabled: r.Flag("enabled"), Config: r.Map("config"), Type: CredentialsType(r.Text("type")), ClientID: r.Text("client_id"),
		SecretLast4: r.Text("last4"), Installation: r.Text("installation"), Created: r.Time("created"), Updated: r.Time("updated"), secret: r.Text("secret")}
	if r.Flag("has_scopes") {
		i.Scopes = append([]string{}, r.Texts("scopes")...)
	}
	_ = json.Unmarshal([]byte(r.Text("methods")), &i.Methods) // both written by integrationRow
	_ = json.Unmarshal([]byte(r.Text("custom")), &i.Custom)
	if i.Config == nil {
		i.Config = map[string]string{}
	}
	return i
}

// Provider is how the service is reached, with the config filled in.
func (i *Integration) Provider() Provider {
	p := providers[i.Slug]
	if i.Custom != nil {
		p = *i.Custom
	}
	if p.Separator == "" {
		p.Separator = " "
	}
	if p.BodyType == "" {
		p.BodyType = typeForm
	}
	if p.Via == "" {
		p.Via = ViaBody
	}
	for _, u := range []*string{&p.AuthorizationURL, &p.TokenURL, &p.RefreshURL} {
		*u = i.fill(*u)
	}
	if p.RefreshURL == "" {
		p.RefreshURL = p.TokenURL
	}
	return p
}

// fill puts config values into an address.
func (i *Integration) fill(address string) string {
	for k, v := range i.Config {
		address = strings.ReplaceAll(address, "{"+k+"}", v)
	}
	return address
}

// Valid says whether the integration has what its methods need.
func (i *Integration) Valid() bool {
	if !slices.Contains(i.Methods, ByOAuth) {
		return true
	}
	p := i.Provider()
	if p.AuthorizationURL == "" || p.TokenURL == "" || strings.Contains(p.AuthorizationURL+p.TokenURL, "{") {
		return false
	}
	return i.Type == Organization || i.Type == Custom && i.ClientID != "" && (i.secret != "" || !p.SecretRequired && i.Custom != nil)
}

// configShape is what a config value may be: it goes into host names.
var configShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`) })

// checkConfig refuses config values that could lead an address elsewhere.
func checkConfig(config map[string]string) error {
	if len(config) > maxConfig {
		return badField("config", "A config has at most %d values.", maxConfig)
	}
	for k, v := range config {
		if !slugShape().MatchString(strings.ToLower(k)) || !configShape().MatchString(v) {
			return badField("config", "The config value of %.60q is not made of letters, digits, dots, - and _.", k)
		}
	}
	return nil
}

// checkScopes refuses scopes that no request could carry.
func checkScopes(scopes []string) error {
	bad := func(s string) bool { return s == "" || len(s) > 256 || strings.ContainsAny(s, " \t\r\n\"\\") }
	if len(scopes) > maxScopes || slices.ContainsFunc(scopes, bad) {
		return badField("scopes", "There are at most %d scopes, of visible characters.", maxScopes)
	}
	return nil
}

// check refuses an integration that breaks a rule.
func (i *Integration) check(e *identity.Environment) error {
	switch {
	case !slugShape().MatchString(i.Slug):
		return badField("provider", "A provider's slug has up to 100 lower-case letters, digits, - and _.")
	case i.Custom == nil && providers[i.Slug].Name == "":
		return badField("provider", "There is no provider %s; define it with custom_provider, or name one of %s.", i.Slug, strings.Join(slices.Sorted(maps.Keys(providers)), ", "))
	case utf8.RuneCountInString(i.Description) > 1000:
		return badField("description", "A description has at most 1000 characters.")
	case len(i.Methods) == 0:
		return badField("auth_methods", "An integration has at least one of oauth, api_key and client_credentials.")
	case i.Type != "" && i.Type != Custom && i.Type != Organization:
		return badField("credentials.type", "Credentials are custom or organization.")
	case len(i.ClientID) > maxSecret:
		return badField("credentials.client_id", "The client id is too long.")
	}
	for _, m := range i.Methods {
		if m != ByOAuth && m != ByAPIKey && m != ByCredentials {
			return badField("auth_methods", "There is no method %.40q; there are oauth, api_key and client_credentials.", m)
		}
	}
	if err := checkScopes(i.Scopes); err != nil {
		return err
	}
	if err := checkConfig(i.Config); err != nil {
		return err
	}
	p := i.Custom
	if p == nil {
		return nil
	}
	if p.Name == "" || len(p.Name) > 200 {
		return badField("custom_provider.name", "A provider has a name of at most 200 characters.")
	}
	if p.Via != "" && p.Via != ViaBody && p.Via != ViaHeader {
		return badField("custom_provider.authenticate_via", "A client's secret goes by request_body or basic_auth_header.")
	}
	if p.BodyType != "" && p.BodyType != typeForm && p.BodyType != typeJSON {
		return badField("custom_provider.token_body_content_type", "Token requests are %s or %s.", typeForm, typeJSON)
	}
	if len(p.Parameters) > maxConfig || len(p.Separator) > 3 {
		return badField("custom_provider", "A provider has at most %d more parameters and a short separator.", maxConfig)
	}
	for name, u := range map[string]string{"authorization_url": p.AuthorizationURL, "token_url": p.TokenURL, "refresh_token_url": p.RefreshURL} {
		if u == "" && (name == "refresh_token_url" || !slices.Contains(i.Methods, ByOAuth)) {
			continue
		}
		if err := policy(e).Check(i.fill(u)); err != nil {
			return badField("custom_provider."+name, "%s", message(err))
		}
	}
	return nil
}

// message is what an error says to a caller.
func message(err error) string {
	if e, ok := apierr.As(err); ok {
		return e.Message
	}
	return err.Error()
}

// find finds the integration of a slug.
func find(tx *identity.Tx, env identity.EnvironmentID, slug string) (*identity.Found, *Integration, error) {
	f, err := tx.First(tableIntegrations, "on_slug", string(env), slug)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Data integration", slug)
	}
	return f, readIntegration(f.Record), nil
}

// SetClient gives an integration an OAuth client; an empty secret leaves the present
// one.
func (s *Service) SetClient(i *Integration, t CredentialsType, id, secret string) {
	i.Type = t
	if id != "" {
		i.ClientID = id
	}
	if secret != "" {
		i.secret, i.SecretLast4 = s.seal(secret), last4(secret)
	}
}

// Create makes an integration. key, unless nil, is an account by API key that comes
// with it.
func (s *Service) Create(ctx context.Context, env identity.EnvironmentID, i Integration, key *Installed) (*Integration, error) {
	i.Environment = env
	if len(i.Methods) == 0 {
		i.Methods = []Method{ByOAuth}
		if key != nil {
			i.Methods = []Method{ByAPIKey}
		}
	}
	if i.Config == nil {
		i.Config = map[string]string{}
	}
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		e, err := tx.Environment(env)
		if err != nil {
			return err
		}
		if err := i.check(e); err != nil {
			return err
		}
		all, err := tx.All(tableIntegrations, "on_slug", string(env))
		if err != nil {
			return err
		}
		if len(all) >= maxIntegrations {
			return apierr.New(apierr.BadRequest, "too_many_integrations", "An environment has at most %d data integrations.", maxIntegrations)
		}
		if slices.ContainsFunc(all, func(f identity.Found) bool { return f.Text("slug") == i.Slug }) {
			return apierr.New(apierr.Conflict, "data_integration_exists", "There is a data integration %s already; update it.", i.Slug)
		}
		i.ID, i.Created, i.Updated = tx.NewID("data_integration_"), tx.Now(), tx.Now()
		if err := s.install(tx, &i, key); err != nil {
			return err
		}
		return tx.Add(tableIntegrations, integrationRow(&i))
	})
	if err != nil {
		return nil, err
	}
	return &i, nil
}

// install connects the account that comes with an integration.
func (s *Service) install(tx *identity.Tx, i *Integration, key *Installed) error {
	if key == nil {
		return nil
	}
	a, err := s.connectKey(tx, i, key.Owner, key.Secret)
	if err != nil {
		return err
	}
	i.Installation = a.ID
	return nil
}

// Installed is an account by API key that comes with an integration.
type Installed struct {
	Owner  Owner
	Secret string
}

// Update lets change edit an integration; change may run more than once.
func (s *Service) Update(ctx context.Context, env identity.EnvironmentID, slug string, key *Installed, change func(*Integration) error) (i *Integration, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var f *identity.Found
		if f, i, err = find(tx, env, slug); err != nil {
			return err
		}
		if err := change(i); err != nil {
			return err
		}
		e, err := tx.Environment(env)
		if err != nil {
			return err
		}
		if err := i.check(e); err != nil {
			return err
		}
		if err := s.install(tx, i, key); err != nil {
			return err
		}
		i.Updated = tx.Now()
		return tx.Put(f.Doc, integrationRow(i))
	})
	return i, err
}

// Delete removes an integration with its accounts, attempts and configurations.
func (s *Service) Delete(ctx context.Context, env identity.EnvironmentID, slug string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, i, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		for table, index := range map[string]string{tableAccounts: "on_owner", tableAttempts: "on_integration", tableConfigurations: "on_integration"} {
			err := tx.Each(table, index, database.Prefix(identity.Key(string(env), i.ID)), database.Asc, func(f identity.Found) (bool, error) {
				if table == tableAccounts {
					if err := record(tx, "disconnected", i, readAccount(f.Record)); err != nil {
						return false, err
					}
				}
				return true, tx.Remove(&f)
			})
			if err != nil {
				return err
			}
		}
		return tx.Remove(f)
	})
}

// Get finds the integration of a slug and, if it came with an account, that.
func (s *Service) Get(ctx context.Context, env identity.EnvironmentID, slug string) (i *Integration, a *Account, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, i, err = find(tx, env, slug); err != nil {
			return err
		}
		a, err = installation(tx, i)
		return err
	})
	return i, a, err
}

// installation is the account that came with an integration; nil if none.
func installation(tx *identity.Tx, i *Integration) (*Account, error) {
	if i.Installation == "" {
		return nil, nil
	}
	f, err := tx.First(tableAccounts, "on_environment", string(i.Environment), i.Installation)
	if err != nil || f == nil {
		return nil, err
	}
	return readAccount(f.Record), nil
}

// Listed is an integration and the account that came with it.
type Listed struct {
	Integration
	Account *Account
}

// List lists an environment's integrations.
func (s *Service) List(ctx context.Context, env identity.EnvironmentID, p identity.Page) (l *identity.List[Listed], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableIntegrations, "on_environment", []string{string(env)}, p, func(r identity.Record) (Listed, string, bool) {
			i := readIntegration(r)
			return Listed{Integration: *i}, i.ID, true
		})
		if err != nil {
			return err
		}
		for n := range l.Data {
			if l.Data[n].Account, err = installation(tx, &l.Data[n].Integration); err != nil {
				return err
			}
		}
		return nil
	})
	return l, err
}
