package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Record writes an event in the transaction of what it tells. data is encoded as
// JSON in the shape that webhooks and the events API show (workos-api.md §6.3).
func (tx *Tx) Record(id EnvironmentID, name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("identity: encode event %s: %w", name, err)
	}
	ulid, err := tx.s.events.next()
	if err != nil {
		return err
	}
	return tx.Add(tableEvents, Row{Text("id", "event_"+ulid), Text("environment", id), Text("event", name), Text("data", string(b)), Time("created", tx.now)})
}

// Authentication is what authentication.* events tell.
type Authentication struct {
	Type      string    `json:"type"` // "password"
	Status    string    `json:"status"`
	IPAddress *string   `json:"ip_address"`
	UserAgent *string   `json:"user_agent"`
	UserID    *UserID   `json:"user_id"`
	Email     string    `json:"email"`
	Error     *EventErr `json:"error,omitempty"`
}

// EventErr says why an authentication failed.
type EventErr struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// RecordAuthentication writes authentication.<type>_<status>.
func (tx *Tx) RecordAuthentication(id EnvironmentID, a Authentication) error {
	return tx.Record(id, "authentication."+a.Type+"_"+a.Status, a)
}

// RecordCode writes that a code or link was made for an address: name is
// "email_verification.created" or "password_reset.created". The code itself is
// not in it. CreateCode and CreatePasswordReset do so by themselves.
func (tx *Tx) RecordCode(id EnvironmentID, name string, c CodeMade) error {
	if c.UpdatedAt == "" && c.Object != "password_reset" {
		c.UpdatedAt = c.CreatedAt
	}
	return tx.Record(id, name, c)
}

// CodeMade is the data of RecordCode.
type CodeMade struct {
	Object    string  `json:"object"`
	ID        string  `json:"id"`
	UserID    *UserID `json:"user_id"`
	Email     string  `json:"email"`
	ExpiresAt string  `json:"expires_at"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at,omitempty"` // not of password resets
}

// Events lists an environment's history, oldest first unless told otherwise,
// strictly after the cursor; only the named kinds if any are named.
func (s *Service) Events(ctx context.Context, id EnvironmentID, names []string, p Page) (l *List[Event], err error) {
	if p.Order == "" {
		p.Order = OldestFirst
	}
	err = s.View(ctx, func(tx *Tx) error {
		l, err = page(tx, tableEvents, "on_environment", []string{string(id)}, p, func(r Record) (Event, string, bool) {
			e := Event{ID: EventID(r.Text("id")), Name: r.Text("event"), Data: []byte(r.Text("data")), Created: r.Time("created")}
			return e, string(e.ID), len(names) == 0 || slices.Contains(names, e.Name)
		})
		return err
	})
	return l, err
}

// nullable is s as JSON wants it: null when empty.
func nullable[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
