package sso

import (
	"github.com/lentil-dev/lentil/internal/identity"
)

// authentication is the data of the events authentication.sso_* and
// authentication.oauth_* (workos-operations.md, EventSchema).
type authentication struct {
	Type      string             `json:"type"`
	Status    string             `json:"status"`
	IPAddress *string            `json:"ip_address"`
	UserAgent *string            `json:"user_agent"`
	UserID    *identity.UserID   `json:"user_id"`
	Email     *string            `json:"email"`
	SSO       *through           `json:"sso,omitempty"`
	Error     *identity.EventErr `json:"error,omitempty"`
}

// through says by which connection.
type through struct {
	Organization *identity.OrganizationID `json:"organization_id"`
	Connection   *ConnectionID            `json:"connection_id"`
	Session      *identity.SessionID      `json:"session_id"`
}

// orNull is s, or null if it is empty.
func orNull[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}

// about begins an event about a sign-in through a connection.
func about(c *Connection, status, ip, agent string) authentication {
	a := authentication{Type: "oauth", Status: status, IPAddress: orNull(ip), UserAgent: orNull(agent)}
	if !c.Social() {
		a.Type, a.SSO = "sso", &through{Organization: orNull(c.Organization), Connection: orNull(c.ID)}
	}
	return a
}

// recordFailed writes authentication.sso_failed or authentication.oauth_failed.
func recordFailed(tx *identity.Tx, e *identity.Environment, c *Connection, in Incoming, f *Failure) error {
	a := about(c, "failed", in.IPAddress, in.UserAgent)
	a.Error = &identity.EventErr{Code: f.Code, Message: f.Message}
	return tx.Record(e.ID, "authentication."+a.Type+"_failed", a)
}

// RecordStarted writes authentication.sso_started; social providers have no such
// event.
func (s *Service) RecordStarted(tx *identity.Tx, c *Connection, email, ip, agent string) error {
	if c.Social() {
		return nil
	}
	a := about(c, "started", ip, agent)
	a.Email = orNull(email)
	return tx.Record(c.Environment, "authentication.sso_started", a)
}

// recordSucceeded writes authentication.sso_succeeded or
// authentication.oauth_succeeded.
func recordSucceeded(tx *identity.Tx, c *Connection, user identity.UserID, email, ip, agent string) error {
	a := about(c, "succeeded", ip, agent)
	a.UserID, a.Email = orNull(user), &email
	return tx.Record(c.Environment, "authentication."+a.Type+"_succeeded", a)
}
