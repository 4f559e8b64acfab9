package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
)

// The defaults of Settings (workos-api.md §2.2, §2.3; the last two are ours).
const (
	defaultIssuer      = "https://api.workos.com/user_management/" + clientPlaceholder
	defaultAccess      = 300 * time.Second
	defaultReuse       = 30 * time.Second
	defaultSession     = 30 * 24 * time.Hour
	defaultInactivity  = 14 * 24 * time.Hour
	shortIssuer        = "https://api.workos.com"
	clientPlaceholder  = "<clientId>"
	maxEnvironmentName = 100
)

// Prefixes of ids that are made in more than one place.
const (
	environmentPrefix = "environment_"
	clientPrefix      = "client_"
)

// purposeEnvironment binds the seal of an environment's secret.
const purposeEnvironment = "identity environment secret"

// Defaulted fills in what is not set.
func (s Settings) Defaulted() Settings {
	if s.IssuerTemplate == "" {
		s.IssuerTemplate = defaultIssuer
	}
	if s.AccessTokenLifetime <= 0 {
		s.AccessTokenLifetime = defaultAccess
	}
	if s.RefreshReuseWindow <= 0 {
		s.RefreshReuseWindow = defaultReuse
	}
	if s.SessionLifetime <= 0 {
		s.SessionLifetime = defaultSession
	}
	if s.InactivityTimeout <= 0 {
		s.InactivityTimeout = defaultInactivity
	}
	if s.DefaultRole == "" {
		s.DefaultRole = DefaultRole
	}
	return s
}

// ConfiguredSettings are those settings that a house's configuration may say: Settings'
// fields of the same names. What is not set is not said.
type ConfiguredSettings struct {
	IssuerTemplate      string
	AccessTokenLifetime time.Duration
	RefreshReuseWindow  time.Duration
}

// Configure makes the settings what a configuration says. What it does not say any more
// has its default again; what it never said stays as somebody has set it since.
func (s *Settings) Configure(c ConfiguredSettings) {
	was := s.Configured
	s.IssuerTemplate = configured(s.IssuerTemplate, was.IssuerTemplate, c.IssuerTemplate)
	s.AccessTokenLifetime = configured(s.AccessTokenLifetime, was.AccessTokenLifetime, c.AccessTokenLifetime)
	s.RefreshReuseWindow = configured(s.RefreshReuseWindow, was.RefreshReuseWindow, c.RefreshReuseWindow)
	s.Configured = c
}

// configured is a setting that the configuration says now; was is what it said before.
func configured[T comparable](now, was, says T) T {
	var unset T
	if says == unset && now != was {
		return now
	}
	return says
}

// Issuer is the iss claim of the environment's tokens.
func (e *Environment) Issuer() string {
	if e.Settings.IssuerTemplate == "" && e.Settings.Domain != "" {
		// The host changes and the path stays, so that discovery finds its way.
		return "https://" + e.Settings.Domain + "/user_management/" + string(e.ClientID)
	}
	return strings.ReplaceAll(e.Settings.Defaulted().IssuerTemplate, clientPlaceholder, string(e.ClientID))
}

// TokenAudience is the aud claim of the environment's tokens, and "" for none.
func (e *Environment) TokenAudience() string {
	switch e.Settings.Audience {
	case AudienceAlways:
		return string(e.ClientID)
	case AudienceNever:
		return ""
	}
	if strings.TrimRight(e.Issuer(), "/") == shortIssuer {
		return string(e.ClientID)
	}
	return ""
}

// environmentRow writes an environment; secret is sealed already.
func environmentRow(e *Environment, secret string) Row {
	return append(e.Settings.signInFields(),
		Text("id", e.ID), Text("client_id", e.ClientID), Text("name", e.Name), Text("kind", e.Kind),
		Text("issuer", e.Settings.IssuerTemplate), Text("audience", e.Settings.Audience), Text("homepage", e.Settings.HomepageURL),
		Duration("access_lifetime", e.Settings.AccessTokenLifetime), Duration("reuse_window", e.Settings.RefreshReuseWindow),
		Duration("session_lifetime", e.Settings.SessionLifetime), Duration("inactivity", e.Settings.InactivityTimeout),
		Flag("sign_up_disabled", e.Settings.SignUpDisabled), Texts("logout_redirects", e.Settings.LogoutRedirects),
		Text("default_role", e.Settings.DefaultRole), Flag("single_role", e.Settings.SingleRole),
		Flag("amr", e.Settings.AMR), Duration("key_rotation", e.Settings.KeyRotation), Text("domain", e.Settings.Domain), Text("jwt_template", e.Settings.JWTTemplate.Content),
		Time("jwt_template_created", e.Settings.JWTTemplate.Created), Time("jwt_template_updated", e.Settings.JWTTemplate.Updated),
		Time("created", e.Created), Time("updated", e.Updated), Text("secret", secret),
		Duration("clock", e.Settings.Clock), Text("fixed_code", e.Settings.FixedCode), Flag("emulator_payloads", e.Settings.EmulatorPayloads),
		Flag("end_with_token", e.Settings.EndWithToken),
		Text("configured_issuer", e.Settings.Configured.IssuerTemplate), Duration("configured_access", e.Settings.Configured.AccessTokenLifetime),
		Duration("configured_reuse", e.Settings.Configured.RefreshReuseWindow),
	)
}

// readEnvironment is the reverse of environmentRow.
func readEnvironment(r Record) *Environment {
	e := &Environment{
		ID: EnvironmentID(r.Text("id")), ClientID: ClientID(r.Text("client_id")), Name: r.Text("name"), Kind: EnvironmentKind(r.Text("kind")),
		Settings: Settings{
			IssuerTemplate: r.Text("issuer"), Audience: AudienceSetting(r.Text("audience")), HomepageURL: r.Text("homepage"),
			AccessTokenLifetime: r.Duration("access_lifetime"), RefreshReuseWindow: r.Duration("reuse_window"),
			SessionLifetime: r.Duration("session_lifetime"), InactivityTimeout: r.Duration("inactivity"),
			SignUpDisabled: r.Flag("sign_up_disabled"), LogoutRedirects: r.Texts("logout_redirects"),
			DefaultRole: r.Text("default_role"), SingleRole: r.Flag("single_role"),
			AMR: r.Flag("amr"), KeyRotation: r.Duration("key_rotation"), Domain: r.Text("domain"),
			JWTTemplate: JWTTemplate{Content: r.Text("jwt_template"), Created: r.Time("jwt_template_created"), Updated: r.Time("jwt_template_updated")},
		},
		Created: r.Time("created"), Updated: r.Time("updated"), sealed: r.Text("secret"),
	}
	e.Settings.EmulatorPayloads, e.Settings.EndWithToken = r.Flag("emulator_payloads"), r.Flag("end_with_token")
	e.Settings.Configured = ConfiguredSettings{r.Text("configured_issuer"), r.Duration("configured_access"), r.Duration("configured_reuse")}
	e.Settings.Clock, e.Settings.FixedCode = r.Duration("clock"), r.Text("fixed_code")
	e.Settings.readSignIn(r)
	return e
}

// check refuses settings that could not work.
func (s Settings) check(kind EnvironmentKind) error {
	bad := func(format string, args ...any) error {
		return apierr.New(apierr.BadRequest, "invalid_settings", format, args...)
	}
	if s.IssuerTemplate != "" && !plainURI(strings.ReplaceAll(s.IssuerTemplate, clientPlaceholder, "x")) {
		return bad("The issuer must be an address; %q is none.", s.IssuerTemplate)
	}
	switch s.Audience {
	case AudienceAuto, AudienceAlways, AudienceNever:
	default:
		return bad("The audience setting must be empty, %q or %q.", AudienceAlways, AudienceNever)
	}
	if err := s.checkTest(kind); err != nil {
		return err
	}
	if err := s.checkSignIn(kind); err != nil {
		return err
	}
	if s.HomepageURL != "" {
		if err := checkHomepage(s.HomepageURL); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
		max  time.Duration
	}{
		{"access token lifetime", s.AccessTokenLifetime, 24 * time.Hour},
		{"refresh reuse window", s.RefreshReuseWindow, time.Hour},
		{"session lifetime", s.SessionLifetime, 400 * 24 * time.Hour}, // browsers cap cookies at 400 days
		{"inactivity timeout", s.InactivityTimeout, 400 * 24 * time.Hour},
		{"age of signing keys", s.KeyRotation, 400 * 24 * time.Hour},
	} {
		if d.d < 0 || d.d > 0 && d.d < time.Second || d.d > d.max {
			return bad("The %s must lie between 1 s and %s.", d.name, d.max)
		}
	}
	if s.KeyRotation > 0 && s.KeyRotation < 2*(keyLead+keyOverlap) {
		return bad("Signing keys cannot be replaced more often than every %s.", 2*(keyLead+keyOverlap))
	}
	if s.Domain != "" && !domainName(s.Domain) {
		return bad("The authentication domain must be a host name such as auth.example.com; %q is none.", s.Domain)
	}
	if s.JWTTemplate.Content != "" {
		if _, err := token.ParseTemplate(s.JWTTemplate.Content); err != nil {
			return err
		}
	}
	for _, uri := range s.LogoutRedirects {
		if err := checkRedirectURI(uri, kind); err != nil {
			return err
		}
	}
	return nil
}

// checkTest refuses what only test environments have.
func (s Settings) checkTest(kind EnvironmentKind) error {
	switch {
	case kind == Production && s.FixedCode != "":
		return errTestOnly("A fixed code")
	case kind == Production && s.EmulatorPayloads:
		return errTestOnly("Secrets in events")
	case kind == Production && s.Clock != 0:
		return errTestOnly("The clock")
	case s.FixedCode != "" && !sixDigitCode(s.FixedCode):
		return apierr.New(apierr.BadRequest, "invalid_settings", "The fixed code must have six digits.")
	}
	return nil
}

// CreateEnvironment makes an environment with its first signing key.
func (s *Service) CreateEnvironment(ctx context.Context, n NewEnvironment) (*Environment, error) {
	if n.Kind == "" {
		n.Kind = Development
	}
	switch n.Kind {
	case Development, Staging, Production:
	default:
		return nil, apierr.New(apierr.BadRequest, "invalid_environment_kind", "An environment is %q, %q or %q.", Development, Staging, Production)
	}
	n.Name = strings.TrimSpace(n.Name)
	if n.Name == "" || len(n.Name) > maxEnvironmentName {
		return nil, apierr.New(apierr.BadRequest, "invalid_environment_name", "An environment needs a name of at most %d characters.", maxEnvironmentName)
	}
	if n.ID == "" {
		n.ID = EnvironmentID(NewID(environmentPrefix))
	}
	if n.ClientID == "" {
		n.ClientID = ClientID(NewID(clientPrefix))
	}
	if !strings.HasPrefix(string(n.ID), environmentPrefix) || !strings.HasPrefix(string(n.ClientID), clientPrefix) || !plainURI(string(n.ID)+string(n.ClientID)) {
		return nil, apierr.New(apierr.BadRequest, "invalid_id", "Environment ids begin with %q, client ids with %q.", environmentPrefix, clientPrefix)
	}
	if err := n.Settings.check(n.Kind); err != nil {
		return nil, err
	}
	key, err := s.spares.take(s.FirstKey)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	e := &Environment{ID: n.ID, ClientID: n.ClientID, Name: n.Name, Kind: n.Kind, Settings: n.Settings, sealed: s.Sealer.Seal(purposeEnvironment, secret)}
	err = s.Update(ctx, func(tx *Tx) error {
		for _, taken := range []struct{ index, id string }{{"on_id", string(n.ID)}, {"on_client", string(n.ClientID)}} {
			f, err := tx.First(tableEnvironments, taken.index, taken.id)
			if err != nil {
				return err
			}
			if f != nil {
				return apierr.New(apierr.Conflict, "environment_exists", "There is an environment %s already.", taken.id)
			}
		}
		if err := tx.domainFree(e); err != nil {
			return err
		}
		e.Created, e.Updated = tx.now, tx.now
		if err := tx.Add(tableEnvironments, environmentRow(e, e.sealed)); err != nil {
			return err
		}
		if err := tx.firstRoles(e.ID); err != nil {
			return err
		}
		_, err := tx.addSigningKey(e.ID, key, tx.now)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Log.Info("environment created", "environment", e.ID, "client", e.ClientID, "kind", e.Kind)
	return e, nil
}

// environmentBy finds the row of an environment.
func (tx *Tx) environmentBy(index, id string) (*Found, *Environment, error) {
	f, err := tx.First(tableEnvironments, index, id)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("Environment", id)
	}
	e := readEnvironment(f.Record)
	tx.follow(e)
	return f, e, nil
}

// Environment finds an environment.
func (tx *Tx) Environment(id EnvironmentID) (*Environment, error) {
	_, e, err := tx.environmentBy("on_id", string(id))
	return e, err
}

// EnvironmentByClient finds the environment of a client id.
func (tx *Tx) EnvironmentByClient(client ClientID) (*Environment, error) {
	_, e, err := tx.environmentBy("on_client", string(client))
	return e, err
}

// Environments lists all environments, oldest first.
func (tx *Tx) Environments() ([]Environment, error) {
	var out []Environment
	err := tx.Each(tableEnvironments, "on_id", database.Interval{}, database.Asc, func(f Found) (bool, error) {
		out = append(out, *readEnvironment(f.Record))
		return true, nil
	})
	return out, err
}

// Environment finds an environment; an *apierr.Error NotFound if there is none.
func (s *Service) Environment(ctx context.Context, id EnvironmentID) (e *Environment, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		e, err = tx.Environment(id)
		return err
	})
	return e, err
}

// EnvironmentByClient finds the environment of a client id.
func (s *Service) EnvironmentByClient(ctx context.Context, client ClientID) (e *Environment, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		e, err = tx.EnvironmentByClient(client)
		return err
	})
	return e, err
}

// Environments lists all environments, oldest first.
func (s *Service) Environments(ctx context.Context) (list []Environment, err error) {
	err = s.View(ctx, func(tx *Tx) error {
		list, err = tx.Environments()
		return err
	})
	return list, err
}

// ChangeSettings lets change edit the settings of an environment in one
// transaction; change may run more than once.
func (s *Service) ChangeSettings(ctx context.Context, id EnvironmentID, change func(*Settings)) (e *Environment, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		var f *Found
		if f, e, err = tx.environmentBy("on_id", string(id)); err != nil {
			return err
		}
		change(&e.Settings)
		if err := e.Settings.check(e.Kind); err != nil {
			return err
		}
		if role := e.Settings.DefaultRole; role != "" {
			if f, err := tx.roleRowOf(id, "", role); err != nil {
				return err
			} else if f == nil {
				return apierr.New(apierr.BadRequest, "invalid_settings", "The default role must be one of the environment; %q is none.", role)
			}
		}
		if err := tx.domainFree(e); err != nil {
			return err
		}
		e.Updated = tx.later(e.Updated)
		return tx.Put(f.Doc, environmentRow(e, e.sealed))
	})
	return e, err
}

// SetHomepage is PUT app_homepage_url: where a sign-out leads by default.
func (s *Service) SetHomepage(ctx context.Context, id EnvironmentID, url string) error {
	if err := checkHomepage(url); err != nil {
		return err
	}
	_, err := s.ChangeSettings(ctx, id, func(set *Settings) { set.HomepageURL = url })
	return err
}

// later is the present time, or the least that is after t: what an updated
// timestamp must be so that readers who compare see every change.
func (tx *Tx) later(t time.Time) time.Time {
	if tx.now.After(t) {
		return tx.now
	}
	return t.Add(time.Millisecond)
}

// secretOf unseals the environment's secret, from which refresh tokens and codes
// are derived.
func (s *Service) secretOf(e *Environment) ([]byte, error) {
	b, err := s.Sealer.Open(purposeEnvironment, e.sealed)
	if err != nil {
		return nil, fmt.Errorf("identity: unseal secret of %s: %w (was the house's master key replaced?)", e.ID, err)
	}
	return b, nil
}
