package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Record writes an event in the transaction of what it tells. data is encoded as
// JSON in the shape that webhooks and the events API show (workos-api.md §6.3), and
// never holds a secret.
func (tx *Tx) Record(id EnvironmentID, name string, data any) error {
	return tx.RecordWith(id, name, data, nil)
}

// RecordChange is Record for a noun that was there already; before is the data of
// the noun as it was. The event's context tells what the members that differ were.
func (tx *Tx) RecordChange(id EnvironmentID, name string, data, before any) error {
	old, err := members(before)
	if err != nil {
		return err
	}
	now, err := members(data)
	if err != nil {
		return err
	}
	previous := map[string]json.RawMessage{}
	for k, v := range old {
		if k != "updated_at" && !bytes.Equal(v, now[k]) {
			previous[k] = v
		}
	}
	if len(previous) == 0 {
		return tx.Record(id, name, data)
	}
	return tx.RecordWith(id, name, data, map[string]any{"previous_attributes": previous})
}

// RecordWith is Record with further members of the event's context. The client id
// and the actor, if one is known, are added to it.
func (tx *Tx) RecordWith(id EnvironmentID, name string, data any, more map[string]any) error {
	return tx.record(id, name, data, more, "")
}

// record writes an event, with what it keeps to itself sealed.
func (tx *Tx) record(id EnvironmentID, name string, data any, more map[string]any, sealed string) error {
	if !KnownEvent(name) {
		return fmt.Errorf("identity: there is no event %q in the catalogue", name)
	}
	if tx.quiet {
		return nil
	}
	if tx.rec == nil {
		return fmt.Errorf("identity: event %s in a transaction that writes nothing", name)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("identity: encode event %s: %w", name, err)
	}
	about, err := tx.eventContext(id, name, more)
	if err != nil {
		return err
	}
	event, at, err := tx.s.events.next(tx.rec, id, tx.now)
	if err != nil {
		return err
	}
	tx.rec.names = append(tx.rec.names, name)
	if at.Sub(tx.now) > time.Second { // a test's clock was put back: ids go on, times do not
		at = tx.now
	}
	return tx.Add(tableEvents, Row{Text("id", event), Text("environment", id), Text("event", name), Text("organization", organizationOf(text)),
		Text("data", string(text)), Text("context", string(about)), Text("sealed", sealed), Time("created", at)})
}

// eventContext makes the context of an event; nil for none, since null is not an
// answer that clients take (workos-api.md §6.2).
func (tx *Tx) eventContext(id EnvironmentID, name string, more map[string]any) ([]byte, error) {
	actor, known := tx.ctx.Value(actorKey{}).(Actor)
	switch {
	case known:
	case strings.HasPrefix(name, "flag."): // whose context is not optional
		actor, known = Actor{ID: string(id), Source: "system"}, true
	case len(more) == 0:
		return nil, nil
	}
	client, err := tx.clientOf(id)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(more)
	if all == nil {
		all = map[string]any{}
	}
	all["client_id"] = client
	if known {
		all["actor"] = actor
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("identity: encode context of %s: %w", name, err)
	}
	return b, nil
}

// clientOf is the client id of an environment, which never changes.
func (tx *Tx) clientOf(id EnvironmentID) (ClientID, error) {
	tx.s.mu.Lock()
	client, ok := tx.s.clients[id]
	tx.s.mu.Unlock()
	if ok {
		return client, nil
	}
	e, err := tx.Environment(id)
	if err != nil {
		return "", err
	}
	tx.s.mu.Lock()
	tx.s.clients[id] = e.ClientID
	tx.s.mu.Unlock()
	return e.ClientID, nil
}

// actorKey is the context key of the actor.
type actorKey struct{}

// WithActor says who acts in the transactions of ctx.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// members takes the JSON of v apart.
func members(v any) (map[string]json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("identity: encode: %w", err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("identity: the data of an event is an object: %w", err)
	}
	return m, nil
}

// organizationOf finds the organization that an event is about by where the shapes
// of the catalogue name it; "" if it is about none.
func organizationOf(data []byte) string {
	type named struct {
		Type, Object   string
		ID             string
		OrganizationID *string `json:"organization_id"`
	}
	var d struct {
		named
		Owner, Connection, SSO, User *named
		OrganizationDomain           *named `json:"organization_domain"`
	}
	_ = json.Unmarshal(data, &d) // a member of another kind is none of these
	switch {
	case d.Object == "organization":
		return d.ID
	case d.Owner != nil && d.Owner.Type == "organization":
		return d.Owner.ID
	}
	for _, n := range []*named{&d.named, d.Owner, d.OrganizationDomain, d.Connection, d.SSO, d.User} {
		if n != nil && n.OrganizationID != nil && *n.OrganizationID != "" {
			return *n.OrganizationID
		}
	}
	return ""
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
	if c.Code != "" {
		return tx.recordSecret(id, name, c, map[string]string{"code": c.Code})
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
	Code      string  `json:"-"`                    // no part of the data, see recordSecret
}

// nullable is s as JSON wants it: null when empty.
func nullable[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
