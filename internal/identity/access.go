package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// accessClaims is the payload of an access token (workos-api.md §2.1). It is kept
// small: sealed into a cookie together with the user it must stay under 4 KB.
type accessClaims struct {
	Issuer       string         `json:"iss"`
	Subject      UserID         `json:"sub"`
	Audience     string         `json:"aud,omitempty"`
	Session      SessionID      `json:"sid"`
	ID           string         `json:"jti"`
	Client       ClientID       `json:"client_id"`
	Organization OrganizationID `json:"org_id,omitempty"`
	AuthTime     int64          `json:"auth_time,omitempty"`
	Expires      int64          `json:"exp"`
	Issued       int64          `json:"iat"`
}

// AccessToken signs a fresh access token for a session. Signing takes most of a
// millisecond: call it outside of transactions.
func AccessToken(e *Environment, sg *token.Signer, s *Session, now time.Time) (string, error) {
	c := accessClaims{
		Issuer: e.Issuer(), Subject: s.User, Audience: e.TokenAudience(), Session: s.ID, ID: NewULID(), Client: e.ClientID, Organization: s.Organization,
		Issued: now.Unix(), Expires: now.Add(e.Settings.Defaulted().AccessTokenLifetime).Unix(),
	}
	if !s.Authenticated.IsZero() {
		c.AuthTime = s.Authenticated.Unix()
	}
	return sg.Sign(c)
}

// Derive makes 32 bytes that only this house can make, for one purpose, from the
// environment's sealed secret. The parts are told apart by their lengths.
func (tx *Tx) Derive(e *Environment, purpose string, parts ...string) ([]byte, error) {
	key, err := tx.s.secretOf(e)
	if err != nil {
		return nil, err
	}
	m := hmac.New(sha256.New, key)
	for _, p := range append([]string{"lentil derive v1", purpose}, parts...) {
		n := len(p)
		m.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		m.Write([]byte(p))
	}
	return m.Sum(nil), nil
}
