package application

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// refreshLife is how long a refresh token may be exchanged; each exchange gives
// another.
const refreshLife = 30 * 24 * time.Hour

// about is what tokens for a person are about.
type about struct {
	app           *Application
	environment   *identity.Environment
	user          *identity.User
	grant         string
	scopes        []string
	organization  identity.OrganizationID
	resource      string
	nonce         string
	authenticated time.Time
	family        string
}

// errCode is the refusal of a code that is not good, for whatever reason.
func errCode() error {
	return Refuse("invalid_grant", "The code is not valid: it is unknown, used, expired, or was given to another client.")
}

// RedeemCode exchanges a code (RFC 6749 §4.1.3). A code that comes again ends what the
// first use gave (§4.1.2).
func (s *Service) RedeemCode(ctx context.Context, issuer string, c Client, code, redirectURI, verifier string) (t *Tokens, err error) {
	var no error
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		t, no = nil, nil
		a, e, err := s.authenticate(tx, c)
		if err != nil {
			return err
		}
		if code == "" || len(code) > 256 {
			return errCode()
		}
		f, err := tx.First(tableCodes, "on_hash", secretHash("code", code))
		if err != nil {
			return err
		}
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if !fresh || f.Text("application") != a.ID {
			return errCode()
		}
		if family := f.Text("family"); family != "" {
			no = errCode()
			return s.endFamily(tx, family)
		}
		if redirectURI != "" && redirectURI != f.Text("redirect_uri") {
			return Refuse("invalid_grant", "redirect_uri is not the one that the code was sent to.")
		}
		challenge := f.Text("challenge")
		switch {
		case challenge == "" && verifier != "":
			return Refuse("invalid_grant", "The code was asked for without code_challenge; code_verifier must not be sent.")
		case challenge != "" && subtle.ConstantTimeCompare([]byte(challengeOf(verifier)), []byte(challenge)) != 1:
			return Refuse("invalid_grant", "code_verifier does not match the code_challenge.")
		case challenge == "" && c.Secret == "":
			return errCode()
		}
		u, err := tx.User(e.ID, identity.UserID(f.Text("user")))
		if err != nil {
			return ended(err)
		}
		what := &about{app: a, environment: e, user: u, grant: f.Text("grant"), scopes: f.Texts("scopes"), organization: identity.OrganizationID(f.Text("organization")),
			resource: f.Text("resource"), nonce: f.Text("nonce"), authenticated: f.Time("authenticated"), family: identity.NewULID()}
		if err := tx.Patch(f, identity.Row{identity.Text("family", what.family)}); err != nil {
			return err
		}
		t, err = s.tokens(tx, issuer, what)
		return err
	})
	if err == nil {
		err = no
	}
	return t, err
}

// ended makes the refusal of a grant whose user is gone.
func ended(err error) error {
	if apierr.KindOf(err) == apierr.NotFound {
		return errCode()
	}
	return err
}

// endFamily ends the refresh tokens that came of one code.
func (s *Service) endFamily(tx *identity.Tx, family string) error {
	return tx.Each(tableRefresh, "on_family", database.Prefix(identity.Key(family)), database.Asc, func(f identity.Found) (bool, error) {
		return true, tx.Remove(&f)
	})
}

// Refresh exchanges a refresh token for new tokens. scope may ask for less.
func (s *Service) Refresh(ctx context.Context, issuer string, c Client, text, scope string) (t *Tokens, err error) {
	gone := Refuse("invalid_grant", "The refresh token is not valid: it is unknown, used, expired, or was taken back.")
	var no error
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		t, no = nil, nil
		a, e, err := s.authenticate(tx, c)
		if err != nil {
			return err
		}
		if text == "" || len(text) > 256 {
			return gone
		}
		f, err := tx.First(tableRefresh, "on_hash", secretHash("refresh token", text))
		if err != nil {
			return err
		}
		fresh, err := tx.Fresh(f)
		if err != nil {
			return err
		}
		if !fresh || f.Text("application") != a.ID {
			return gone
		}
		if f.Flag("used") { // two have it: neither may go on
			no = gone
			s.Log.Warn("refresh token came again", "application", a.ID, "user", f.Text("user"))
			return s.endFamily(tx, f.Text("family"))
		}
		g, err := tx.First(tableGrants, "on_application", string(e.ID), a.ID, f.Text("user"))
		if err != nil {
			return err
		}
		if g == nil || g.Text("id") != f.Text("grant") {
			return gone
		}
		u, err := tx.User(e.ID, identity.UserID(f.Text("user")))
		if err != nil {
			return ended(err)
		}
		scopes := f.Texts("scopes")
		if asked := distinct(strings.Fields(scope)); len(asked) > 0 {
			for _, sc := range asked {
				if !contains(scopes, sc) {
					return Refuse("invalid_scope", "The scope %.100q was not granted.", sc)
				}
			}
			scopes = asked
		}
		if err := tx.Patch(f, identity.Row{identity.Flag("used", true)}); err != nil {
			return err
		}
		what := &about{app: a, environment: e, user: u, grant: f.Text("grant"), scopes: scopes, organization: identity.OrganizationID(f.Text("organization")),
			resource: f.Text("resource"), authenticated: f.Time("authenticated"), family: f.Text("family")}
		if what.organization != "" {
			m, err := tx.Membership(e.ID, u.ID, what.organization)
			if err != nil {
				return err
			}
			if m == nil || m.Status != identity.MembershipActive {
				return gone
			}
		}
		t, err = s.tokens(tx, issuer, what)
		return err
	})
	if err == nil {
		err = no
	}
	return t, err
}

// contains reports whether list holds v.
func contains(list []string, v string) bool {
	for _, s := range list {
		if s == v {
			return true
		}
	}
	return false
}

// idClaims are the claims of an ID token (OpenID Connect Core §2) and of userinfo.
type idClaims struct {
	Issuer        string  `json:"iss,omitempty"`
	Subject       string  `json:"sub"`
	Audience      string  `json:"aud,omitempty"`
	Nonce         string  `json:"nonce,omitempty"`
	AuthTime      int64   `json:"auth_time,omitempty"`
	Issued        int64   `json:"iat,omitempty"`
	Expires       int64   `json:"exp,omitempty"`
	Organization  string  `json:"org_id,omitempty"`
	Email         string  `json:"email,omitempty"`
	EmailVerified *bool   `json:"email_verified,omitempty"`
	Name          string  `json:"name,omitempty"`
	GivenName     string  `json:"given_name,omitempty"`
	FamilyName    string  `json:"family_name,omitempty"`
	Picture       string  `json:"picture,omitempty"`
	Locale        string  `json:"locale,omitempty"`
	Updated       float64 `json:"updated_at,omitempty"`
}

// UserInfo is what an application is told of a user (OpenID Connect Core §5.3).
type UserInfo = idClaims

// tell says of a user what the scopes allow.
func tell(u *identity.User, scopes []string) idClaims {
	c := idClaims{Subject: string(u.ID)}
	if contains(scopes, "email") {
		c.Email, c.EmailVerified = u.Email, &u.EmailVerified
	}
	if contains(scopes, "profile") {
		c.Name, c.GivenName, c.FamilyName = strings.TrimSpace(u.FirstName+" "+u.LastName), u.FirstName, u.LastName
		c.Picture, c.Locale, c.Updated = u.ProfilePictureURL, u.Locale, float64(u.Updated.Unix())
	}
	return c
}

// tokens makes the tokens of a grant.
func (s *Service) tokens(tx *identity.Tx, issuer string, w *about) (*Tokens, error) {
	sg, err := tx.Signer(w.environment.ID)
	if err != nil {
		return nil, err
	}
	audience := string(w.environment.ClientID)
	if w.resource != "" {
		audience = w.resource
	}
	now := tx.Now()
	t := &Tokens{Expires: tokenLife, Scope: strings.Join(w.scopes, " ")}
	t.Access, err = sg.Sign(accessClaims{Issuer: issuer, Subject: string(w.user.ID), Audience: audience, Client: w.app.ClientID, Organization: w.organization,
		Scope: t.Scope, Grant: w.grant, ID: identity.NewULID(), Issued: now.Unix(), Expires: now.Add(tokenLife).Unix()})
	if err != nil {
		return nil, err
	}
	if contains(w.scopes, "openid") {
		c := tell(w.user, w.scopes)
		c.Issuer, c.Audience, c.Nonce, c.Organization = issuer, w.app.ClientID, w.nonce, string(w.organization)
		c.Issued, c.Expires, c.AuthTime = now.Unix(), now.Add(tokenLife).Unix(), w.authenticated.Unix()
		if t.ID, err = sg.Sign(c); err != nil {
			return nil, err
		}
	}
	if !contains(w.scopes, "offline_access") {
		return t, nil
	}
	t.Refresh = newSecret()
	return t, tx.Add(tableRefresh, identity.Row{
		identity.Text("hash", secretHash("refresh token", t.Refresh)), identity.Text("environment", w.environment.ID), identity.Text("application", w.app.ID),
		identity.Text("user", w.user.ID), identity.Text("grant", w.grant), identity.Text("family", w.family), identity.Texts("scopes", w.scopes),
		identity.Text("organization", w.organization), identity.Text("resource", w.resource), identity.Time("authenticated", w.authenticated),
		identity.Flag("used", false), identity.Time("expires", now.Add(refreshLife)),
	})
}

// UserInfo tells about the user of an access token.
func (s *Service) UserInfo(ctx context.Context, issuer, text string) (u *UserInfo, err error) {
	no := apierr.New(apierr.Unauthenticated, "invalid_token", "The access token is not valid, or not any more.")
	var claims accessClaims
	if err := peek(text, &claims); err != nil {
		return nil, no
	}
	var e *identity.Environment
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		a, err := s.ByClient(tx, claims.Client)
		if err != nil || a == nil {
			return err
		}
		e, err = tx.Environment(a.Environment)
		return err
	})
	if err != nil || e == nil {
		return nil, orElse(err, no)
	}
	c, err := s.verify(ctx, issuer, e, text)
	if err != nil || c == nil || c.Grant == "" || !contains(strings.Fields(c.Scope), "openid") {
		return nil, orElse(err, no)
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if err := s.stillGranted(tx, e, c); err != nil {
			return no
		}
		who, err := tx.User(e.ID, identity.UserID(c.Subject))
		if err != nil {
			return no
		}
		told := tell(who, strings.Fields(c.Scope))
		told.Organization = string(c.Organization)
		u = &told
		return nil
	})
	return u, err
}

// orElse is err, or no if there is none.
func orElse(err, no error) error {
	if err != nil {
		return err
	}
	return no
}
