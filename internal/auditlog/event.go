package auditlog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Event is what somebody did.
type Event struct {
	Action   string         `json:"action"`
	Version  int            `json:"version"` // of the schema; 0 means 1
	Occurred time.Time      `json:"occurred_at"`
	Actor    Party          `json:"actor"`
	Targets  []Party        `json:"targets"`
	Context  Place          `json:"context"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Party is who did it or to what it was done.
type Party struct {
	ID       string         `json:"id"`
	Type     string         `json:"type"`
	Name     string         `json:"name,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Place is where it was done from.
type Place struct {
	Location  string `json:"location"`
	UserAgent string `json:"user_agent,omitempty"`
}

// Bounds of an event, ours.
const (
	maxTargets = 100
	maxText    = 500
	maxKey     = 255
)

// fit checks an event against its schema.
func (e *Event) fit(s *Schema) faults {
	var f faults
	metadata := func(path string, m map[string]any, raw json.RawMessage) {
		checkMetadata(path, m, &f)
		sh, err := parseShape(raw)
		if err != nil || sh == nil {
			return // CreateSchema has refused what cannot be read
		}
		if m == nil {
			m = map[string]any{}
		}
		sh.fit(path, m, &f)
	}
	if s.Actor != nil {
		metadata("/actor/metadata", e.Actor.Metadata, s.Actor.Metadata)
	} else {
		metadata("/actor/metadata", e.Actor.Metadata, nil)
	}
	kinds := map[string]json.RawMessage{}
	for _, t := range s.Targets {
		kinds[t.Type] = t.Metadata
	}
	for i, t := range e.Targets {
		path := fmt.Sprintf("/targets/%d", i)
		raw, ok := kinds[t.Type]
		if !ok {
			f.add(path+"/type", "enum", "must be equal to one of the allowed values")
		}
		metadata(path+"/metadata", t.Metadata, raw)
	}
	metadata("/metadata", e.Metadata, s.Metadata)
	return f
}

// check refuses an event that no schema could fit.
func (e *Event) check() error {
	var bad []field
	need := func(name, v string) {
		switch {
		case v == "":
			bad = append(bad, field{"required", name, name + " is required."})
		case len(v) > maxText:
			bad = append(bad, field{"too_long", name, fmt.Sprintf("%s has at most %d bytes.", name, maxText)})
		}
	}
	need("event.action", e.Action)
	if e.Occurred.IsZero() {
		bad = append(bad, field{"required", "event.occurred_at", "event.occurred_at is required."})
	}
	need("event.actor.id", e.Actor.ID)
	need("event.actor.type", e.Actor.Type)
	if len(e.Targets) == 0 || len(e.Targets) > maxTargets {
		bad = append(bad, field{"invalid", "event.targets", fmt.Sprintf("An event has 1 to %d targets.", maxTargets)})
	}
	for i, t := range e.Targets {
		need(fmt.Sprintf("event.targets.%d.id", i), t.ID)
		need(fmt.Sprintf("event.targets.%d.type", i), t.Type)
		if len(bad) > maxFaults {
			break
		}
	}
	need("event.context.location", e.Context.Location)
	if len(e.Actor.Name) > maxText || len(e.Context.UserAgent) > 4*maxText {
		bad = append(bad, field{"too_long", "event.actor.name", "A name or user agent is too long."})
	}
	if e.Version < 0 {
		bad = append(bad, field{"invalid", "event.version", "Versions begin at 1."})
	}
	if bad == nil {
		return nil
	}
	return apierr.New(apierr.BadRequest, "invalid_request_parameters", "Validation failed.").With(bad)
}

// Ingest stores an event of an organisation. A key, unless empty, makes sure that
// sending it again stores nothing again.
func (s *Service) Ingest(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID, e Event, key string) error {
	if err := e.check(); err != nil {
		return err
	}
	if len(key) > maxKey {
		return badField("idempotency-key", "An Idempotency-Key has at most %d bytes.", maxKey)
	}
	if e.Version == 0 {
		e.Version = 1 // docs/audit-logs/editing-events: later versions must be named
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("auditlog: encode event: %w", err)
	}
	sum := sha256.Sum256(append([]byte(string(org)+"\x00"), body...))
	digest := hex.EncodeToString(sum[:])
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		sc, err := schemaOf(tx, env, e.Action, e.Version)
		if err != nil {
			return err
		}
		if sc == nil {
			return errNoAction(e.Action, e.Version)
		}
		if f := e.fit(sc); f != nil {
			return apierr.New(apierr.BadRequest, "invalid_audit_log", "Audit Log could not be processed due to missing or incorrect data.").With([]Fault(f))
		}
		if done, err := once(tx, env, key, digest); err != nil || done {
			return err
		}
		if _, err := logOf(tx, env, org); err != nil {
			return err
		}
		kinds := make([]string, len(e.Targets))
		for i, t := range e.Targets {
			kinds[i] = t.Type
		}
		return tx.Add(tableEvents, identity.Row{
			identity.Text("id", tx.NewID("audit_log_event_")), identity.Text("environment", env), identity.Text("organization", org),
			identity.Time("occurred", e.Occurred), identity.Text("action", e.Action), identity.Text("actor_id", e.Actor.ID),
			identity.Text("actor_name", e.Actor.Name), identity.Texts("targets", kinds), identity.Text("body", string(body)),
			identity.Time("created", tx.Now()),
		})
	})
}

// once says whether a key was used for the same event before; another event under
// the same key is refused.
func once(tx *identity.Tx, env identity.EnvironmentID, key, digest string) (bool, error) {
	if key == "" {
		return false, nil
	}
	f, err := tx.First(tableKeys, "on_key", string(env), key)
	if err != nil {
		return false, err
	}
	row := identity.Row{identity.Text("environment", env), identity.Text("key", key), identity.Text("digest", digest), identity.Time("expires", tx.Now().Add(keepKeys))}
	switch {
	case f == nil:
		return false, tx.Add(tableKeys, row)
	case !tx.Now().Before(f.Time("expires")):
		return false, tx.Put(f.Doc, row)
	case f.Text("digest") != digest:
		return false, apierr.New(apierr.BadRequest, "idempotency_key_reused", "This Idempotency-Key was used for another event; choose a new one.")
	}
	return true, nil
}

// logOf finds the row of an organisation's log, or makes it.
func logOf(tx *identity.Tx, env identity.EnvironmentID, org identity.OrganizationID) (*identity.Found, error) {
	f, err := tx.First(tableLogs, "on_organization", string(env), string(org))
	if err != nil || f != nil {
		return f, err
	}
	return nil, tx.Add(tableLogs, identity.Row{identity.Text("environment", env), identity.Text("organization", org), identity.Time("created", tx.Now())})
}
