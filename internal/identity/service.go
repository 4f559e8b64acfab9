package identity

import (
	"context"
	"errors"
	"log/slog"
)

// Service is the identity half of one house. The exported fields are filled by
// whoever assembles the house; call Open once, then Run beside all else.
type Service struct {
	// Seal protects what is secret at rest; see Sealer.
	Seal Sealer
	// Log receives what a person would want to know tomorrow.
	Log *slog.Logger
}

// Sealer encrypts small secrets for one purpose each (token.Sealer).
type Sealer interface {
	Seal(purpose string, b []byte) string
	Open(purpose, s string) ([]byte, error)
}

// errUnfinished marks what is declared and not yet written.
var errUnfinished = errors.New("identity: not finished")

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error { return errUnfinished }

// Run sweeps what has expired until ctx ends.
func (s *Service) Run(ctx context.Context) error { return errUnfinished }

// CreateEnvironment makes an environment with its first signing key.
func (s *Service) CreateEnvironment(ctx context.Context, n NewEnvironment) (*Environment, error) {
	return nil, errUnfinished
}

// Environment finds an environment; an *apierr.Error NotFound if there is none.
func (s *Service) Environment(ctx context.Context, id EnvironmentID) (*Environment, error) {
	return nil, errUnfinished
}

// EnvironmentByClient finds the environment of a client id.
func (s *Service) EnvironmentByClient(ctx context.Context, client ClientID) (*Environment, error) {
	return nil, errUnfinished
}

// Environments lists all environments, oldest first.
func (s *Service) Environments(ctx context.Context) ([]Environment, error) { return nil, errUnfinished }

// ChangeSettings lets change edit the settings of an environment in one
// transaction; change may run more than once.
func (s *Service) ChangeSettings(ctx context.Context, id EnvironmentID, change func(*Settings)) (*Environment, error) {
	return nil, errUnfinished
}

// SetHomepage is PUT app_homepage_url: where a sign-out leads by default.
func (s *Service) SetHomepage(ctx context.Context, id EnvironmentID, url string) error {
	return errUnfinished
}

// CreateAPIKey makes a key and returns its text, which is shown this once: only a
// hash stays. A given secret (sk_…) is taken as it is, so that a development
// house can keep its key over restarts.
func (s *Service) CreateAPIKey(ctx context.Context, id EnvironmentID, name, secret string) (*APIKey, string, error) {
	return nil, "", errUnfinished
}

// AuthenticateKey finds the environment of an API key's text, in the form of the
// bearer token; Unauthenticated if there is none.
func (s *Service) AuthenticateKey(ctx context.Context, secret string) (*Environment, *APIKey, error) {
	return nil, nil, errUnfinished
}

// APIKeys lists an environment's keys, oldest first.
func (s *Service) APIKeys(ctx context.Context, id EnvironmentID) ([]APIKey, error) {
	return nil, errUnfinished
}

// DeleteAPIKey ends a key.
func (s *Service) DeleteAPIKey(ctx context.Context, id EnvironmentID, key APIKeyID) error {
	return errUnfinished
}

// AddRedirectURI registers an address; Conflict with code
// "duplicate_redirect_uri" if it is registered already.
func (s *Service) AddRedirectURI(ctx context.Context, id EnvironmentID, uri string) (*RedirectURI, error) {
	return nil, errUnfinished
}

// RedirectURIs lists the registered addresses.
func (s *Service) RedirectURIs(ctx context.Context, id EnvironmentID, p Page) (*List[RedirectURI], error) {
	return nil, errUnfinished
}

// DeleteRedirectURI removes one; Conflict if it is the default one.
func (s *Service) DeleteRedirectURI(ctx context.Context, id EnvironmentID, uri RedirectURIID) error {
	return errUnfinished
}

// RedirectAllowed reports whether codes of this environment may go to uri.
func (s *Service) RedirectAllowed(ctx context.Context, e *Environment, uri string) (bool, error) {
	return false, errUnfinished
}

// AddCORSOrigin registers an origin; Conflict with code "duplicate_cors_origin"
// if it is registered already.
func (s *Service) AddCORSOrigin(ctx context.Context, id EnvironmentID, origin string) (*CORSOrigin, error) {
	return nil, errUnfinished
}

// CORSOrigins lists the registered origins.
func (s *Service) CORSOrigins(ctx context.Context, id EnvironmentID, p Page) (*List[CORSOrigin], error) {
	return nil, errUnfinished
}

// DeleteCORSOrigin removes one.
func (s *Service) DeleteCORSOrigin(ctx context.Context, id EnvironmentID, origin CORSOriginID) error {
	return errUnfinished
}

// OriginAllowed reports whether the origin is registered with the environment.
func (s *Service) OriginAllowed(ctx context.Context, id EnvironmentID, origin string) (bool, error) {
	return false, errUnfinished
}

// OriginKnown reports whether any environment of the house registered the
// origin. A preflight names no client, so this is all that can be asked then.
func (s *Service) OriginKnown(ctx context.Context, origin string) (bool, error) {
	return false, errUnfinished
}

// JWKS is the public key set document of a client id, ready to be served, and a
// strong ETag for it.
func (s *Service) JWKS(ctx context.Context, client ClientID) (document []byte, etag string, err error) {
	return nil, "", errUnfinished
}

// RotateSigningKey makes a new key and signs with it once verifiers had time to
// see it; the old one stays published until its last token has expired.
func (s *Service) RotateSigningKey(ctx context.Context, id EnvironmentID) (KeyID, error) {
	return "", errUnfinished
}

// CreateUser makes a user; BadRequest "user_creation_error" if the address is taken.
func (s *Service) CreateUser(ctx context.Context, id EnvironmentID, n NewUser) (*User, error) {
	return nil, errUnfinished
}

// User finds a user of the environment.
func (s *Service) User(ctx context.Context, id EnvironmentID, user UserID) (*User, error) {
	return nil, errUnfinished
}

// UserByEmail finds a user by address, whatever its case.
func (s *Service) UserByEmail(ctx context.Context, id EnvironmentID, email string) (*User, error) {
	return nil, errUnfinished
}

// UserQuery narrows a list of users.
type UserQuery struct {
	Page
	Email string // exactly this address, if not empty
}

// Users lists users.
func (s *Service) Users(ctx context.Context, id EnvironmentID, q UserQuery) (*List[User], error) {
	return nil, errUnfinished
}

// UpdateUser changes a user.
func (s *Service) UpdateUser(ctx context.Context, id EnvironmentID, user UserID, c UserChange) (*User, error) {
	return nil, errUnfinished
}

// DeleteUser removes a user with credentials and sessions.
func (s *Service) DeleteUser(ctx context.Context, id EnvironmentID, user UserID) error {
	return errUnfinished
}

// Session finds a session of the environment, ended or not.
func (s *Service) Session(ctx context.Context, id EnvironmentID, session SessionID) (*Session, error) {
	return nil, errUnfinished
}

// Sessions lists a user's sessions.
func (s *Service) Sessions(ctx context.Context, id EnvironmentID, user UserID, p Page) (*List[Session], error) {
	return nil, errUnfinished
}

// RevokeSession ends a session now; ending it twice is no error.
func (s *Service) RevokeSession(ctx context.Context, id EnvironmentID, session SessionID) error {
	return errUnfinished
}

// Events lists an environment's history, oldest first, strictly after the cursor.
func (s *Service) Events(ctx context.Context, id EnvironmentID, names []string, p Page) (*List[Event], error) {
	return nil, errUnfinished
}
