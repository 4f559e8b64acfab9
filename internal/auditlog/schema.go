package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Schema is one version of what the events of an action look like.
type Schema struct {
	Version  int             `json:"-"`
	Actor    *ActorSchema    `json:"actor,omitempty"`
	Targets  []TargetSchema  `json:"targets"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Created  time.Time       `json:"-"`
}

// ActorSchema describes the metadata of an actor.
type ActorSchema struct {
	Metadata json.RawMessage `json:"metadata"`
}

// TargetSchema describes a kind of target.
type TargetSchema struct {
	Type     string          `json:"type"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

// Action is a kind of event and its newest schema.
type Action struct {
	ID      string
	Name    string
	Schema  Schema
	Created time.Time
	Updated time.Time
}

// actionShape is what the name of an action looks like.
var actionShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$`) })

// Bounds of a schema, ours.
const (
	maxSchemaTargets = 50
	maxSchemaSize    = 64 << 10
)

// check refuses a schema that is none.
func (s *Schema) check() error {
	if len(s.Targets) == 0 || len(s.Targets) > maxSchemaTargets {
		return badField("targets", "A schema names 1 to %d kinds of target.", maxSchemaTargets)
	}
	seen := map[string]bool{}
	for _, t := range s.Targets {
		if t.Type == "" || utf8.RuneCountInString(t.Type) > 100 || seen[t.Type] {
			return badField("targets", "Every kind of target has a type of its own of at most 100 characters.")
		}
		seen[t.Type] = true
		if err := checkShape("targets", t.Metadata); err != nil {
			return err
		}
	}
	if s.Actor != nil {
		if err := checkShape("actor", s.Actor.Metadata); err != nil {
			return err
		}
	}
	return checkShape("metadata", s.Metadata)
}

// checkShape refuses a JSON Schema that the house does not understand in full.
func checkShape(name string, raw json.RawMessage) error {
	sh, err := parseShape(raw)
	if err == nil && sh != nil {
		err = sh.check(0)
	}
	if err != nil {
		return badField(name, "The metadata schema of %s is not usable: %s.", name, err)
	}
	return nil
}

// CreateSchema gives an action, which is made if need be, a new schema.
func (s *Service) CreateSchema(ctx context.Context, env identity.EnvironmentID, action string, schema Schema) (*Schema, error) {
	if !actionShape().MatchString(action) {
		return nil, badField("action", "The name of an action has up to 100 letters, digits and . _ : -.")
	}
	if err := schema.check(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(schema)
	if err != nil {
		return nil, badField("metadata", "The schema is not JSON.")
	}
	if len(body) > maxSchemaSize {
		return nil, badField("metadata", "A schema has at most %d bytes.", maxSchemaSize)
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableActions, "on_name", string(env), action)
		if err != nil {
			return err
		}
		schema.Version, schema.Created = 1, tx.Now()
		if f == nil {
			err = tx.Add(tableActions, identity.Row{
				identity.Text("id", tx.NewID("audit_log_action_")), identity.Text("environment", env), identity.Text("name", action),
				identity.Number("version", 1), identity.Time("created", tx.Now()), identity.Time("updated", tx.Now()),
			})
		} else {
			schema.Version = int(f.Number("version")) + 1
			err = tx.Patch(f, identity.Row{identity.Number("version", schema.Version), identity.Time("updated", tx.Now())})
		}
		if err != nil {
			return err
		}
		return tx.Add(tableSchemas, identity.Row{
			identity.Text("id", fmt.Sprintf("%010d", schema.Version)), identity.Text("environment", env), identity.Text("action", action),
			identity.Number("version", schema.Version), identity.Text("body", string(body)), identity.Time("created", tx.Now()),
		})
	})
	if err != nil {
		return nil, err
	}
	return &schema, nil
}

// readSchema reads a row of audit_schemas.
func readSchema(r identity.Record) Schema {
	var s Schema
	_ = json.Unmarshal([]byte(r.Text("body")), &s) // written by CreateSchema
	s.Version, s.Created = int(r.Number("version")), r.Time("created")
	return s
}

// schemaOf finds a version of an action's schema; nil if there is none.
func schemaOf(tx *identity.Tx, env identity.EnvironmentID, action string, version int) (*Schema, error) {
	f, err := tx.First(tableSchemas, "on_action", string(env), action, fmt.Sprintf("%010d", version))
	if err != nil || f == nil {
		return nil, err
	}
	s := readSchema(f.Record)
	return &s, nil
}

// Actions lists an environment's actions, each with its newest schema.
func (s *Service) Actions(ctx context.Context, env identity.EnvironmentID, p identity.Page) (l *identity.List[Action], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableActions, "on_environment", []string{string(env)}, p, func(r identity.Record) (Action, string, bool) {
			return Action{ID: r.Text("id"), Name: r.Text("name"), Schema: Schema{Version: int(r.Number("version"))},
				Created: r.Time("created"), Updated: r.Time("updated")}, r.Text("id"), true
		})
		if err != nil {
			return err
		}
		for i := range l.Data {
			sc, err := schemaOf(tx, env, l.Data[i].Name, l.Data[i].Schema.Version)
			if err != nil {
				return err
			}
			if sc != nil {
				l.Data[i].Schema = *sc
			}
		}
		return nil
	})
	return l, err
}

// Schemas lists the versions of an action's schema. Cursors are version numbers.
func (s *Service) Schemas(ctx context.Context, env identity.EnvironmentID, action string, p identity.Page) (l *identity.List[Schema], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableActions, "on_name", string(env), action)
		if err != nil {
			return err
		}
		if f == nil {
			return identity.NotFound("Audit log action", action)
		}
		l, err = identity.PageOf(tx, tableSchemas, "on_action", []string{string(env), action}, p, func(r identity.Record) (Schema, string, bool) {
			return readSchema(r), r.Text("id"), true
		})
		return err
	})
	return l, err
}

// errNoAction is the refusal of an action or a version without a schema.
func errNoAction(action string, version int) error {
	return apierr.New(apierr.NotFound, "entity_not_found",
		"Audit log action '%.100s' has no schema of version %d; create it before sending events.", action, version)
}
