package authflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
)

// claims is the payload of an access token (workos-api.md §2.1). It is kept small:
// sealed into a cookie together with the user it must stay under 4 KB.
type claims struct {
	Issuer       string                  `json:"iss"`
	Subject      identity.UserID         `json:"sub"`
	Audience     string                  `json:"aud,omitempty"`
	Actor        *actor                  `json:"act,omitempty"`
	Session      identity.SessionID      `json:"sid"`
	ID           string                  `json:"jti"`
	Client       identity.ClientID       `json:"client_id"`
	Organization identity.OrganizationID `json:"org_id,omitempty"`
	Role         string                  `json:"role,omitempty"`
	Roles        []string                `json:"roles,omitempty"`
	Permissions  *[]string               `json:"permissions,omitempty"` // with an organization always, and if empty as []
	Entitlements []string                `json:"entitlements,omitempty"`
	Flags        []string                `json:"feature_flags,omitempty"`
	Methods      []string                `json:"amr,omitempty"`
	AuthTime     int64                   `json:"auth_time,omitempty"`
	Expires      int64                   `json:"exp"`
	Issued       int64                   `json:"iat"`
}

// actor is who acts as the subject (RFC 8693 §4.1).
type actor struct {
	Subject string `json:"sub"`
}

// ours are the claims that a template cannot set: what applications decide by them
// is the house's to say.
var ours = []string{"iss", "sub", "exp", "iat", "nbf", "jti", "act", "sid", "client_id", "org_id", "role", "roles", "permissions", "entitlements", "feature_flags", "amr", "auth_time"}

// FlagSource tells which feature flags are on for a user, in an organization or in
// none; *featureflag.Service is one.
type FlagSource interface {
	Enabled(tx *identity.Tx, env identity.EnvironmentID, user identity.UserID, org identity.OrganizationID) ([]string, error)
}

// tell collects what the access token of a session says, in the transaction that
// hands it out; a template that renders too large refuses the grant.
func (f *Flow) tell(tx *identity.Tx, g *grantCall) error {
	e, s := g.environment, g.session
	c := &claims{Issuer: e.Issuer(), Subject: s.User, Audience: e.TokenAudience(), Session: s.ID, Client: e.ClientID, Organization: s.Organization}
	if s.Impersonator != nil {
		c.Actor = &actor{s.Impersonator.Email}
	}
	if !s.Authenticated.IsZero() {
		c.AuthTime = s.Authenticated.Unix()
	}
	if e.Settings.AMR {
		c.Methods = s.AMR()
	}
	if f.Flags != nil {
		flags, err := f.Flags.Enabled(tx, e.ID, s.User, s.Organization)
		if err != nil {
			return err
		}
		slices.Sort(flags)
		c.Flags = flags
	}
	g.claims, g.custom = c, nil
	var member *identity.Membership
	var err error
	if s.Organization != "" {
		if member, err = tx.Membership(e.ID, s.User, s.Organization); err != nil {
			return err
		}
		if member == nil || member.Status != identity.MembershipActive {
			return errNotMember
		}
		if err := c.join(tx, member); err != nil {
			return err
		}
	}
	if e.Settings.JWTTemplate.Content == "" {
		return nil
	}
	return f.render(tx, g, member)
}

// join adds what an organization's member may do.
func (c *claims) join(tx *identity.Tx, m *identity.Membership) error {
	roles, permissions, err := tx.RolesOf(m)
	if err != nil {
		return err
	}
	if len(roles) > 0 {
		c.Role, c.Roles = roles[0], roles
	}
	if permissions == nil {
		permissions = []string{}
	}
	c.Permissions = &permissions
	c.Entitlements, err = tx.Entitlements(m.Environment, m.Organization)
	return err
}

// render adds the claims of the environment's template.
func (f *Flow) render(tx *identity.Tx, g *grantCall, m *identity.Membership) error {
	e := g.environment
	t, err := f.templates.parsed(e.Settings.JWTTemplate.Content)
	if err != nil {
		return fmt.Errorf("authflow: template of %s: %w", e.ID, err)
	}
	var o *identity.Organization
	if m != nil {
		if o, err = tx.Organization(e.ID, m.Organization); err != nil {
			return err
		}
	}
	context, err := identity.Shown(g.user, o, m)
	if err != nil {
		return err
	}
	custom, strays, err := t.Render(context)
	if err != nil {
		return err
	}
	if strays > 0 && f.seldom.now("template "+string(e.ID), tx.Now()) {
		f.Log.Warn("jwt template put an object or a list into a string, which was left empty", "environment", e.ID, "places", strays)
	}
	for _, claim := range custom {
		if slices.Contains(ours, claim.Name) {
			continue
		}
		if claim.Name == "aud" {
			g.claims.Audience = ""
		}
		g.custom = append(g.custom, claim)
	}
	return nil
}

// sign makes the access token that tell collected. Signing takes a fraction of a
// millisecond, so it stays outside of transactions.
func (g *grantCall) sign(now time.Time) (string, error) {
	c := *g.claims
	c.ID, c.Issued = identity.NewULID(), now.Unix()
	c.Expires = now.Add(g.environment.Settings.Defaulted().AccessTokenLifetime).Unix()
	if s := g.session; s.Impersonator != nil && c.Expires > s.Expires.Unix() {
		c.Expires = s.Expires.Unix() // nobody acts as somebody else for longer than was meant
	}
	if len(g.custom) == 0 {
		return g.signer.Sign(c)
	}
	b, err := g.payload(c)
	if err != nil {
		return "", err
	}
	return g.signer.Sign(b)
}

// payload writes claims and those of the template.
func (g *grantCall) payload(c claims) (json.RawMessage, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("authflow: encode claims: %w", err)
	}
	b = b[:len(b)-1]
	for _, m := range g.custom {
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, fmt.Errorf("authflow: encode claims: %w", err)
		}
		b = append(append(append(append(b, ','), name...), ':'), m.Value...)
	}
	return append(b, '}'), nil
}

// templateCache keeps parsed templates by their text.
type templateCache struct {
	mu   sync.Mutex // leaf
	kept map[string]*token.Template
}

// maxTemplates bounds the cache; a full one begins anew.
const maxTemplates = 256

// parsed is the template of a text.
func (c *templateCache) parsed(text string) (*token.Template, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.kept[text]; t != nil {
		return t, nil
	}
	t, err := token.ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	if c.kept == nil || len(c.kept) >= maxTemplates {
		c.kept = map[string]*token.Template{}
	}
	c.kept[text] = t
	return t, nil
}

// seldom says which of the things worth a line in the log were logged of late.
type seldom struct {
	mu   sync.Mutex // leaf
	last map[string]time.Time
}

// seldomEvery is how often the same thing is logged, and maxSeldom how many things
// are remembered; beyond that everything may be logged once more.
const (
	seldomEvery = time.Hour
	maxSeldom   = 1000
)

// now reports whether it is time for what again.
func (s *seldom) now(what string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.Sub(s.last[what]) < seldomEvery {
		return false
	}
	if s.last == nil || len(s.last) >= maxSeldom {
		s.last = map[string]time.Time{}
	}
	s.last[what] = at
	return true
}

// maxCookie is what browsers keep of a cookie, name and value and attributes
// (RFC 6265 §6.1). A larger one is dropped without a word, and the person is sent to
// sign in for ever (workos-api.md §8).
const maxCookie = 4096

// cookieSize estimates the cookie that server packages seal a session into: JSON of
// token, refresh token and user, encrypted and in base64, with some 300 bytes of
// seal, name and attributes.
func cookieSize(access, refresh string, u *identity.User) int {
	shown, _ := identity.Shown(u, nil, nil)
	user, _ := json.Marshal(shown["user"]) // what came of JSON becomes JSON
	return (len(access)+len(refresh)+len(user)+100)*4/3 + 300
}

// warnOfSize logs that the sessions of an environment are about to be lost in
// cookies that are too large.
func (f *Flow) warnOfSize(g *grantCall, access string) {
	if len(access) < maxCookie/3 {
		return // nothing short of an absurd user fills the rest
	}
	if n := cookieSize(access, g.refresh, g.user); n > maxCookie && f.seldom.now("cookie "+string(g.environment.ID), time.Now()) {
		f.Log.Warn("session too large for a cookie: shorten the jwt template, or give users fewer roles and permissions",
			"environment", g.environment.ID, "user", g.user.ID, "bytes", n, "most", maxCookie, "access_token", len(access))
	}
}
