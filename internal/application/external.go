package application

import (
	"context"
	"crypto/subtle"
	"net/url"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// externalLife is how long a person may take to sign in at the application's own
// pages.
const externalLife = 15 * time.Minute

// LoginURI is where people sign in who authorize applications of the environment, if
// not on the house's pages; "" for there.
func (s *Service) LoginURI(ctx context.Context, env identity.EnvironmentID) (uri string, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableSettings, "on_environment", string(env))
		if uri = ""; err == nil && f != nil {
			uri = f.Text("login_uri")
		}
		return err
	})
	return uri, err
}

// SetLoginURI chooses where people sign in; "" for the house's own pages.
func (s *Service) SetLoginURI(ctx context.Context, env identity.EnvironmentID, uri string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		e, err := tx.Environment(env)
		if err != nil {
			return err
		}
		u, err := url.Parse(uri)
		if uri != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || !redirectLooksRight(uri, e.Kind)) {
			return badField("login_uri", "%.200q is not an https address, nor an http one of this machine.", uri)
		}
		f, err := tx.First(tableSettings, "on_environment", string(env))
		if err != nil {
			return err
		}
		row := identity.Row{identity.Text("environment", env), identity.Text("login_uri", uri)}
		if f == nil {
			return tx.Add(tableSettings, row)
		}
		return tx.Put(f.Doc, row)
	})
}

// BeginExternal notes that a browser is sent to the application's own sign-in with a
// request, and gives the id with which the application answers and the secret by
// which the browser is known when it comes back.
func (s *Service) BeginExternal(ctx context.Context, a *Asked, query url.Values) (id, secret string, err error) {
	id, secret = identity.NewID("external_auth_"), newSecret()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		return tx.Add(tableExternal, identity.Row{
			identity.Text("id", id), identity.Text("environment", a.Environment.ID), identity.Text("query", query.Encode()), identity.Text("client", a.Client),
			identity.Text("hash", secretHash("external sign-in", secret)), identity.Text("user", ""), identity.Time("authenticated", time.Time{}),
			identity.Time("expires", tx.Now().Add(externalLife)),
		})
	})
	return id, secret, err
}

// ExternalUser is somebody whom the application's own sign-in knows.
type ExternalUser struct {
	ID        string // the application's
	Email     string
	FirstName *string
	LastName  *string
	Metadata  map[string]string
}

// Complete notes who signed in at the application's own pages; the user is made or
// brought up to date.
func (s *Service) Complete(ctx context.Context, env identity.EnvironmentID, id string, who ExternalUser) error {
	if who.ID == "" {
		return badField("user.id", "The user's id is missing.")
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableExternal, "on_id", id)
		if err != nil {
			return err
		}
		if f == nil || f.Text("environment") != string(env) || !tx.Now().Before(f.Time("expires")) {
			return identity.NotFound("External auth session", id)
		}
		if f.Text("user") != "" {
			return apierr.New(apierr.BadRequest, "external_auth_session_already_completed", "This external auth session was completed already.")
		}
		u, err := upsert(tx, env, who)
		if err != nil {
			return err
		}
		return tx.Patch(f, identity.Row{identity.Text("user", u.ID), identity.Time("authenticated", tx.Now())})
	})
}

// upsert finds the user of an application's id, or by the address if that one has no
// such id yet, or makes one. The application's word is taken for the address.
func upsert(tx *identity.Tx, env identity.EnvironmentID, who ExternalUser) (*identity.User, error) {
	if _, _, ok := identity.ParseEmail(who.Email); !ok {
		return nil, apierr.New(apierr.BadRequest, "invalid_email", "The email address is not valid.")
	}
	taken := apierr.New(apierr.BadRequest, "email_not_available", "This email address belongs to another user.")
	u, err := tx.UserByExternalID(env, who.ID)
	if err != nil {
		return nil, err
	}
	owner, err := tx.UserByEmail(env, who.Email)
	if err != nil {
		return nil, err
	}
	verified := true
	change := identity.UserChange{FirstName: who.FirstName, LastName: who.LastName, Metadata: who.Metadata}
	switch {
	case u == nil && owner == nil:
		n := identity.NewUser{Email: who.Email, EmailVerified: true, ExternalID: who.ID, Metadata: who.Metadata}
		if who.FirstName != nil {
			n.FirstName = *who.FirstName
		}
		if who.LastName != nil {
			n.LastName = *who.LastName
		}
		return tx.CreateUser(env, n)
	case u == nil && owner.ExternalID != "", u != nil && owner != nil && owner.ID != u.ID:
		return nil, taken
	case u == nil:
		u, change.ExternalID = owner, &who.ID
	case !strings.EqualFold(u.Email, who.Email):
		change.Email = &who.Email
	}
	if !u.EmailVerified || change.Email != nil {
		change.EmailVerified = &verified
	}
	return tx.UpdateUser(env, u.ID, change)
}

// External is a browser that comes back from the application's own sign-in.
type External struct {
	Environment *identity.Environment
	Query       url.Values // of the request that it goes on with
	Client      string
	Secret      string // of the browser's sign-in
	Since       time.Time
}

// FinishExternal signs the browser in that the session was begun for, as the user of
// whom the application told. It works once.
func (s *Service) FinishExternal(ctx context.Context, id, secret string) (x *External, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		gone := apierr.New(apierr.BadRequest, "external_auth_session_over", "This sign-in was not begun in this browser, or took too long. Go back to the application and begin again.")
		f, err := tx.First(tableExternal, "on_id", id)
		if err != nil {
			return err
		}
		hash := secretHash("external sign-in", secret)
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if !fresh || f.Text("user") == "" || subtle.ConstantTimeCompare([]byte(hash), []byte(f.Text("hash"))) != 1 {
			return gone
		}
		if err := tx.Remove(f); err != nil {
			return err
		}
		x = &External{Client: f.Text("client"), Since: f.Time("authenticated")}
		if x.Query, err = url.ParseQuery(f.Text("query")); err != nil {
			return err
		}
		if x.Environment, err = tx.Environment(identity.EnvironmentID(f.Text("environment"))); err != nil {
			return err
		}
		u, err := tx.User(x.Environment.ID, identity.UserID(f.Text("user")))
		if apierr.KindOf(err) == apierr.NotFound {
			return gone
		}
		if err != nil {
			return err
		}
		_, x.Secret, err = tx.StartBrowser(x.Environment, identity.BrowserSession{User: u.ID, Method: identity.MethodExternal, Authenticated: f.Time("authenticated")})
		return err
	})
	return x, err
}
