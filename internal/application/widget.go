package application

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// widgetLife is how long the token of a page's widgets lasts; pages ask for another.
const widgetLife = time.Hour

// WidgetScopes are the scopes that widgets have (workos-operations.md). Each is also
// the slug of the permission that a user needs for it.
var WidgetScopes = []string{"widgets:users-table:manage", "widgets:domain-verification:manage", "widgets:sso:manage", "widgets:api-keys:manage",
	"widgets:dsync:manage", "widgets:audit-log-streaming:manage", "widgets:pipes:manage"}

// pageClaims are the claims of a token that a page of an application holds. Its
// issuer is another than that of access tokens, so that it is never taken for one.
type pageClaims struct {
	Issuer       string                  `json:"iss"`
	Subject      identity.UserID         `json:"sub,omitempty"`
	Audience     identity.ClientID       `json:"aud"`
	Organization identity.OrganizationID `json:"org_id,omitempty"`
	Scopes       []string                `json:"scopes,omitempty"`
	ID           string                  `json:"jti"`
	Issued       int64                   `json:"iat"`
	Expires      int64                   `json:"exp"`
}

// WidgetToken makes a token for the widgets of a page that a user looks at. The user
// must have the permission of each scope in the organisation.
func (s *Service) WidgetToken(ctx context.Context, issuer string, env identity.EnvironmentID, user identity.UserID, org identity.OrganizationID, scopes []string) (string, error) {
	scopes = distinct(scopes)
	for _, sc := range scopes {
		if !slices.Contains(WidgetScopes, sc) {
			return "", badField("scopes", "There is no scope %.100q of widgets; there are %s.", sc, strings.Join(WidgetScopes, ", "))
		}
	}
	if len(scopes) > 0 && (user == "" || org == "") {
		return "", badField("scopes", "Scopes are those of a user in an organization: send user_id and organization_id.")
	}
	return s.pageToken(ctx, env, user, org, func(tx *identity.Tx, m *identity.Membership) (pageClaims, error) {
		if m == nil {
			return pageClaims{Issuer: issuer + "/widgets"}, nil
		}
		_, permissions, err := tx.RolesOf(m)
		if err != nil {
			return pageClaims{}, err
		}
		for _, sc := range scopes {
			if !slices.Contains(permissions, sc) {
				return pageClaims{}, apierr.New(apierr.BadRequest, "bad_request", "The user has no role in this organization with the permission %s.", sc)
			}
		}
		return pageClaims{Issuer: issuer + "/widgets", Scopes: scopes}, nil
	})
}

// ClientToken makes a token with which a page calls the client API for a user within
// an organisation.
func (s *Service) ClientToken(ctx context.Context, issuer string, env identity.EnvironmentID, user identity.UserID, org identity.OrganizationID) (string, error) {
	if user == "" || org == "" {
		return "", badField("user_id", "A client token is of a user in an organization.")
	}
	return s.pageToken(ctx, env, user, org, func(*identity.Tx, *identity.Membership) (pageClaims, error) {
		return pageClaims{Issuer: issuer + "/client"}, nil
	})
}

// pageToken signs what claims says of a user and an organisation that are there; of a
// user in an organisation it is told the membership.
func (s *Service) pageToken(ctx context.Context, env identity.EnvironmentID, user identity.UserID, org identity.OrganizationID, claims func(*identity.Tx, *identity.Membership) (pageClaims, error)) (text string, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		e, err := tx.Environment(env)
		if err != nil {
			return err
		}
		if user != "" {
			if _, err := tx.User(env, user); err != nil {
				return err
			}
		}
		if org != "" {
			if _, err := tx.Organization(env, org); err != nil {
				return err
			}
		}
		var m *identity.Membership
		if user != "" && org != "" {
			if m, err = tx.Membership(env, user, org); err != nil {
				return err
			}
			if m == nil || m.Status != identity.MembershipActive {
				return identity.NotFound("Organization membership of user", string(user))
			}
		}
		c, err := claims(tx, m)
		if err != nil {
			return err
		}
		c.Subject, c.Organization, c.Audience, c.ID = user, org, e.ClientID, identity.NewULID()
		c.Issued, c.Expires = tx.Now().Unix(), tx.Now().Add(widgetLife).Unix()
		sg, err := tx.Signer(env)
		if err != nil {
			return err
		}
		text, err = sg.Sign(c)
		return err
	})
	return text, err
}
