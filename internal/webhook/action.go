package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// ActionKind is what an action decides about.
type ActionKind string

// The kinds of action.
const (
	ActionAuthentication   ActionKind = "authentication"
	ActionUserRegistration ActionKind = "user_registration"
)

// actionTolerance is how old an answer may be by its own timestamp, and how far ahead a
// clock may be (workos-api.md §6.5).
const actionTolerance = 30 * time.Second

// maxMessage bounds what an action says to the person.
const maxMessage = 500

// VerdictName is "Allow" or "Deny".
type VerdictName string

// The verdicts.
const (
	Allow VerdictName = "Allow"
	Deny  VerdictName = "Deny"
)

// ActionContext is what an action is told. Which of the nouns are set depends on the
// kind: User for an authentication, the others of it if they are known; Email and
// names for a registration.
type ActionContext struct {
	User         *identity.User
	Organization *identity.Organization
	Membership   *identity.Membership

	Email, FirstName, LastName string
	Invitation                 any                     // as events show it; nil if there is none
	InvitedTo                  identity.OrganizationID // by that invitation

	Method    string // as grants tell it, "Password"; may be empty
	IPAddress string
	UserAgent string
}

// Verdict is what an action decided.
type Verdict struct {
	Denied  bool
	Message string // for the person; may be empty
}

// body is the request's body.
func (k ActionKind) body(execution string, c *ActionContext) ([]byte, error) {
	m := map[string]any{"id": execution, "object": string(k) + "_action_context"}
	set := func(name, value string) {
		if value != "" {
			m[name] = value
		}
	}
	set("authentication_method", c.Method)
	set("ip_address", c.IPAddress)
	set("user_agent", c.UserAgent)
	switch k {
	case ActionAuthentication:
		m["user"] = identity.ShowUser(c.User)
		if c.Organization != nil {
			m["organization"] = identity.ShowOrganization(c.Organization)
		}
		if c.Membership != nil {
			m["organization_membership"] = identity.ShowMembership(c.Membership)
		}
	case ActionUserRegistration:
		m["user_data"] = map[string]any{"object": "user_data", "email": c.Email, "first_name": c.FirstName, "last_name": c.LastName}
		if c.Invitation != nil {
			m["invitation"] = c.Invitation
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("webhook: encode action: %w", err)
	}
	return canonical(b)
}

// Asks reports whether an action of the kind is asked in an environment.
func (s *Service) Asks(tx *identity.Tx, env identity.EnvironmentID, kind ActionKind) (bool, error) {
	f, err := tx.First(tableActions, "on_environment", string(env), string(kind))
	return f != nil && f.Flag("enabled"), err
}

// Action asks an environment's action, if it has one of the kind, whether something
// may go on. It makes a request: never within a transaction. What happens when there
// is no usable answer in time is the endpoint's setting. A denial is an event.
func (s *Service) Action(ctx context.Context, env *identity.Environment, kind ActionKind, c ActionContext) (Verdict, error) {
	e, err := s.actionEndpoint(ctx, env.ID, kind)
	if err != nil || e == nil || !e.Enabled {
		return Verdict{}, err
	}
	execution := identity.NewID("action_execution_")
	body, err := kind.body(execution, &c)
	if err != nil {
		return Verdict{}, err
	}
	within, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	a, answer := s.send(within, env, e.URL, e.Secret, body)
	var v Verdict
	if a.Error == "" {
		v, err = e.read(answer, time.Now())
		if err != nil {
			a.Error = err.Error()
		}
	}
	if ctx.Err() != nil {
		return Verdict{}, ctx.Err() // nobody waits any more
	}
	if a.Error != "" {
		s.Log.Warn("action gave no verdict", "action", e.ID, "kind", kind, "status", a.Status, "took", a.Took, "reason", a.Error, "then", e.OnFailure)
		v = Verdict{Denied: e.OnFailure == Deny}
	}
	if !v.Denied {
		return v, nil
	}
	return v, s.Identity.Update(ctx, func(tx *identity.Tx) error {
		return tx.Record(env.ID, "action."+string(kind)+".denied", denied(e, execution, &c))
	})
}

// read takes a verdict from an answer.
func (e *ActionEndpoint) read(answer []byte, now time.Time) (Verdict, error) {
	var r struct {
		Object    string          `json:"object"`
		Payload   json.RawMessage `json:"payload"`
		Signature string          `json:"signature"`
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return Verdict{}, fmt.Errorf("the answer is not JSON")
	}
	var p struct {
		Timestamp int64       `json:"timestamp"`
		Verdict   VerdictName `json:"verdict"`
		Message   string      `json:"error_message"`
	}
	payload, err := canonical(r.Payload)
	if err != nil || json.Unmarshal(payload, &p) != nil {
		return Verdict{}, fmt.Errorf("the answer has no payload with timestamp and verdict")
	}
	age := now.Sub(time.UnixMilli(p.Timestamp))
	switch {
	case r.Object != string(e.Kind)+"_action_response":
		return Verdict{}, fmt.Errorf("the answer's object is not %s_action_response", e.Kind)
	case !genuine(e.Secret, p.Timestamp, payload, r.Signature):
		return Verdict{}, fmt.Errorf("the answer's signature does not match; does it use this action's secret?")
	case age > actionTolerance || age < -actionTolerance:
		return Verdict{}, fmt.Errorf("the answer's timestamp is not of now")
	case p.Verdict != Allow && p.Verdict != Deny:
		return Verdict{}, fmt.Errorf("the verdict is neither Allow nor Deny")
	}
	if runes := []rune(p.Message); len(runes) > maxMessage {
		p.Message = string(runes[:maxMessage])
	}
	return Verdict{Denied: p.Verdict == Deny, Message: p.Message}, nil
}

// denied is the data of the event that tells of a denial.
func denied(e *ActionEndpoint, execution string, c *ActionContext) map[string]any {
	orNull := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	m := map[string]any{"action_endpoint_id": e.ID, "action_execution_id": execution, "type": e.Kind, "verdict": Deny, "organization_id": nil,
		"email": c.Email, "ip_address": orNull(c.IPAddress), "user_agent": orNull(c.UserAgent)}
	if c.User != nil {
		m["user_id"], m["email"] = c.User.ID, c.User.Email
	}
	if c.Organization != nil {
		m["organization_id"] = c.Organization.ID
	}
	if c.InvitedTo != "" {
		m["organization_id"] = c.InvitedTo
	}
	return m
}

// ActionID is "action_endpoint_…".
type ActionID string

// ActionEndpoint is the address that decides about one kind of thing.
type ActionEndpoint struct {
	ID          ActionID
	Environment identity.EnvironmentID
	Kind        ActionKind
	URL         string
	Secret      string
	Enabled     bool
	OnFailure   VerdictName   // what counts when there is no usable answer; Deny unless set
	Timeout     time.Duration // of one request
	Created     time.Time
	Updated     time.Time
}

// Bounds of actions: a person waits.
const (
	defaultActionTimeout = 5 * time.Second
	maxActionTimeout     = 10 * time.Second
	purposeAction        = "action endpoint secret"
)

// actionRow writes an action endpoint.
func (s *Service) actionRow(e *ActionEndpoint) identity.Row {
	return identity.Row{
		identity.Text("id", e.ID), identity.Text("environment", e.Environment), identity.Text("kind", e.Kind), identity.Text("url", e.URL),
		identity.Text("secret", s.Identity.Sealer.Seal(purposeAction, []byte(e.Secret))), identity.Flag("enabled", e.Enabled),
		identity.Text("on_failure", e.OnFailure), identity.Duration("timeout", e.Timeout), identity.Time("created", e.Created), identity.Time("updated", e.Updated),
	}
}

// readAction is the reverse of actionRow.
func (s *Service) readAction(r identity.Record) (*ActionEndpoint, error) {
	secret, err := s.Identity.Sealer.Open(purposeAction, r.Text("secret"))
	if err != nil {
		return nil, fmt.Errorf("webhook: unseal secret of %s: %w", r.Text("id"), err)
	}
	return &ActionEndpoint{
		ID: ActionID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Kind: ActionKind(r.Text("kind")), URL: r.Text("url"),
		Secret: string(secret), Enabled: r.Flag("enabled"), OnFailure: VerdictName(r.Text("on_failure")), Timeout: r.Duration("timeout"),
		Created: r.Time("created"), Updated: r.Time("updated"),
	}, nil
}

// actionEndpoint finds an environment's action of a kind; nil if there is none.
func (s *Service) actionEndpoint(ctx context.Context, env identity.EnvironmentID, kind ActionKind) (e *ActionEndpoint, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableActions, "on_environment", string(env), string(kind))
		if err != nil || f == nil {
			return err
		}
		e, err = s.readAction(f.Record)
		return err
	})
	return e, err
}

// Actions lists an environment's actions.
func (s *Service) Actions(ctx context.Context, env identity.EnvironmentID) (list []ActionEndpoint, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		rows, err := tx.All(tableActions, "on_environment", string(env))
		list = list[:0]
		for _, f := range rows {
			e, err := s.readAction(f.Record)
			if err != nil {
				return err
			}
			list = append(list, *e)
		}
		return err
	})
	return list, err
}

// ActionChange is what an action is to be; nil and empty fields stay, or are chosen.
type ActionChange struct {
	URL       string
	Secret    string
	Enabled   *bool
	OnFailure VerdictName
	Timeout   time.Duration
}

// PutAction makes or changes an environment's action of a kind.
func (s *Service) PutAction(ctx context.Context, env *identity.Environment, kind ActionKind, c ActionChange) (e *ActionEndpoint, err error) {
	switch {
	case kind != ActionAuthentication && kind != ActionUserRegistration:
		return nil, identity.NotFound("Action", string(kind))
	case c.OnFailure != "" && c.OnFailure != Allow && c.OnFailure != Deny:
		return nil, invalid("on_failure", "on_failure is %q or %q.", Allow, Deny)
	case c.Timeout < 0 || c.Timeout > maxActionTimeout || c.Timeout > 0 && c.Timeout < 100*time.Millisecond:
		return nil, invalid("timeout_ms", "The timeout lies between 100 and %d ms.", maxActionTimeout.Milliseconds())
	case c.Secret != "" && (len(c.Secret) < minSecret || len(c.Secret) > maxSecret):
		return nil, invalid("secret", "An action's secret has %d to %d characters.", minSecret, maxSecret)
	}
	if c.URL != "" {
		if err := env.Kind.Outbound().Check(c.URL); err != nil {
			return nil, err
		}
	}
	id, secret := ActionID(identity.NewID("action_endpoint_")), newSecret()
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableActions, "on_environment", string(env.ID), string(kind))
		if err != nil {
			return err
		}
		if f != nil {
			if e, err = s.readAction(f.Record); err != nil {
				return err
			}
		} else {
			e = &ActionEndpoint{ID: id, Environment: env.ID, Kind: kind, Secret: secret, Enabled: true, OnFailure: Deny, Timeout: defaultActionTimeout, Created: tx.Now()}
		}
		if c.URL != "" {
			e.URL = c.URL
		}
		if c.Secret != "" {
			e.Secret = c.Secret
		}
		if c.Enabled != nil {
			e.Enabled = *c.Enabled
		}
		if c.OnFailure != "" {
			e.OnFailure = c.OnFailure
		}
		if c.Timeout != 0 {
			e.Timeout = c.Timeout
		}
		if e.URL == "" {
			return apierr.New(apierr.BadRequest, "invalid_url", "An action needs the address that decides.")
		}
		if e.Updated = tx.Now(); f != nil {
			return tx.Put(f.Doc, s.actionRow(e))
		}
		return tx.Add(tableActions, s.actionRow(e))
	})
	return e, err
}

// DeleteAction ends an environment's action of a kind.
func (s *Service) DeleteAction(ctx context.Context, env identity.EnvironmentID, kind ActionKind) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableActions, "on_environment", string(env), string(kind))
		if err != nil {
			return err
		}
		if f == nil {
			return identity.NotFound("Action", string(kind))
		}
		return tx.Remove(f)
	})
}
