package authkit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// User is somebody who is signed in.
type User struct {
	ID                string            `json:"id"`
	Email             string            `json:"email"`
	EmailVerified     bool              `json:"emailVerified"`
	FirstName         string            `json:"firstName"`
	LastName          string            `json:"lastName"`
	ProfilePictureURL string            `json:"profilePictureUrl"`
	Locale            string            `json:"locale"`
	ExternalID        string            `json:"externalId"`
	Metadata          map[string]string `json:"metadata"`
	LastSignInAt      string            `json:"lastSignInAt"`
	CreatedAt         string            `json:"createdAt"`
	UpdatedAt         string            `json:"updatedAt"`
}

// Impersonator is the person of the application's staff who acts as the user.
type Impersonator struct {
	Email  string `json:"email"`
	Reason string `json:"reason"`
}

// Session is what is known of whoever sent a request.
type Session struct {
	User           User
	ID             string // "session_…"
	OrganizationID string // "" outside of organizations
	Role           string
	Roles          []string
	Permissions    []string
	Entitlements   []string
	FeatureFlags   []string
	Impersonator   *Impersonator
	// AccessToken proves all this to others, a Convex deployment for one, until Expires.
	AccessToken string
	Expires     time.Time
}

// sealedUser is a user as the official package's cookie has it: with null for what
// is not known.
type sealedUser struct {
	Object            string            `json:"object"`
	ID                string            `json:"id"`
	Email             string            `json:"email"`
	EmailVerified     bool              `json:"emailVerified"`
	FirstName         *string           `json:"firstName"`
	LastName          *string           `json:"lastName"`
	ProfilePictureURL *string           `json:"profilePictureUrl"`
	Locale            *string           `json:"locale"`
	ExternalID        *string           `json:"externalId"`
	Metadata          map[string]string `json:"metadata"`
	LastSignInAt      *string           `json:"lastSignInAt"`
	CreatedAt         string            `json:"createdAt"`
	UpdatedAt         string            `json:"updatedAt"`
}

// sealedSession is what the cookie holds, member by member what the official package
// puts there.
type sealedSession struct {
	AccessToken          string        `json:"accessToken"`
	RefreshToken         string        `json:"refreshToken"`
	User                 sealedUser    `json:"user"`
	Impersonator         *Impersonator `json:"impersonator,omitempty"`
	AuthenticationMethod string        `json:"authenticationMethod,omitempty"`
}

// claims are those of an access token that a session shows (workos-api.md §2.1).
type claims struct {
	SessionID      string   `json:"sid"`
	OrganizationID string   `json:"org_id"`
	Role           string   `json:"role"`
	Roles          []string `json:"roles"`
	Permissions    []string `json:"permissions"`
	Entitlements   []string `json:"entitlements"`
	FeatureFlags   []string `json:"feature_flags"`
	Issuer         string   `json:"iss"`
	Expires        float64  `json:"exp"`
}

// readClaims decodes an access token without checking anything.
func readClaims(jwt string) (c claims, ok bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return c, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	return c, err == nil && json.Unmarshal(b, &c) == nil
}

// text is a string that may be null.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// open shows a sealed session whose access token has been verified, or has just come
// from the identity service.
func (s *sealedSession) open() *Session {
	c, _ := readClaims(s.AccessToken)
	u := s.User
	return &Session{
		User: User{ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, FirstName: text(u.FirstName), LastName: text(u.LastName),
			ProfilePictureURL: text(u.ProfilePictureURL), Locale: text(u.Locale), ExternalID: text(u.ExternalID), Metadata: u.Metadata,
			LastSignInAt: text(u.LastSignInAt), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt},
		ID: c.SessionID, OrganizationID: c.OrganizationID, Role: c.Role, Roles: c.Roles, Permissions: c.Permissions,
		Entitlements: c.Entitlements, FeatureFlags: c.FeatureFlags, Impersonator: s.Impersonator,
		AccessToken: s.AccessToken, Expires: time.UnixMilli(int64(c.Expires * 1000)),
	}
}

// algorithm is how access tokens are signed.
const algorithm = "RS256"

// verify says whether an access token was signed for this application and is good
// now. The issuer may be any: the keys are this application's alone.
func (k *Kit) verify(ctx context.Context, jwt string) error {
	c, _ := readClaims(jwt)
	found, err := k.verifier.Verify(ctx, []token.Provider{{
		Type: token.TypeCustomJWT, Issuer: c.Issuer, Algorithm: algorithm, JWKS: k.cfg.APIURL + "/sso/jwks/" + k.cfg.ClientID,
	}}, jwt)
	if err == nil && !found.Expires.After(k.now()) {
		err = token.ErrExpired
	}
	return err
}

// fromCookie reads the sealed session of a request; nil if there is none.
func (k *Kit) fromCookie(r *http.Request) *sealedSession {
	c, err := r.Cookie(k.cfg.CookieName)
	if err != nil || c.Value == "" {
		return nil
	}
	var s sealedSession
	if err := unseal(c.Value, k.cfg.CookiePassword, k.now(), &s); err != nil || s.AccessToken == "" {
		return nil // of another password, or forged: nobody is signed in
	}
	return &s
}

// maxCookie is what browsers keep of a cookie, name and all, at the least
// (RFC 6265 §6.1).
const maxCookie = 4096

// save puts a session into the browser.
func (k *Kit) save(w http.ResponseWriter, s *sealedSession) error {
	sealed, err := seal(s, k.cfg.CookiePassword, 0, k.now())
	if err != nil {
		return err
	}
	c := k.cookie(k.cfg.CookieName, sealed, k.cfg.CookieMaxAge)
	if n := len(c.Name) + len(c.Value); n > maxCookie {
		k.log.Warn("authkit: the session's cookie is larger than browsers keep, so that signing in seems to do nothing: make the JWT template or the user's metadata smaller",
			"bytes", n, "most", maxCookie, "access_token_bytes", len(s.AccessToken))
	}
	http.SetCookie(w, c)
	return nil
}

// cookie makes a cookie of ours; a life of 0 removes it.
func (k *Kit) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Domain: k.cfg.CookieDomain, HttpOnly: true, Secure: k.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(life / time.Second)}
	if life <= 0 {
		c.MaxAge = -1
	}
	return c
}
