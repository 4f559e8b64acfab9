package deploy

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// CLIs up to 1.25 push an app without convex.config.ts in three requests of
// their own: the schema first (prepare_schema), a look at it until it is ready
// (schema_state), and then all modules at once (push_config). Here they become
// the steps of a push as later CLIs make it: one of the schema alone, which is
// waited for and never finished, and one of the whole, which finds the indexes
// built. The first is over when the second begins to wait.

// PrepareSchemaRequest is the body of prepare_schema.
type PrepareSchemaRequest struct {
	Bundle Module `json:"bundle"`
	DryRun bool   `json:"dryRun"`
}

// PreparedSchema is the answer to prepare_schema.
type PreparedSchema struct {
	Added    []LegacyIndex `json:"added"`
	Dropped  []LegacyIndex `json:"dropped"`
	SchemaID string        `json:"schemaId"`
}

// LegacyIndex describes an index as these CLIs read it.
type LegacyIndex struct {
	Table    string         `json:"table"`
	Name     string         `json:"name"`
	Fields   []string       `json:"fields"`
	Backfill LegacyBackfill `json:"backfill"`
}

// LegacyBackfill is "in_progress" or "done".
type LegacyBackfill struct {
	State string `json:"state"`
}

// LegacySchemaState is the answer to schema_state.
type LegacySchemaState struct {
	Indexes     []LegacyIndex `json:"indexes"`
	SchemaState struct {
		State     string  `json:"state"` // "pending", "validated", "active", "overwritten" or "failed"
		Error     string  `json:"error,omitempty"`
		TableName *string `json:"tableName,omitempty"`
	} `json:"schemaState"`
}

// PushConfigRequest is the body of push_config.
type PushConfigRequest struct {
	Config           Config           `json:"config"`
	Modules          []Module         `json:"modules"`
	NodeDependencies []NodeDependency `json:"nodeDependencies"`
	UDFServerVersion string           `json:"udfServerVersion"`
	SchemaID         *string          `json:"schemaId"`
}

// legacyWait is how long one look at a schema's state may take: the client asks
// again at once, and nothing cuts the connection in such a time.
const legacyWait = 5 * time.Second

// emptyApp is the definition of an app without convex.config.ts, which CLIs of
// this age do not send.
func emptyApp() *Module {
	return &Module{Path: "convex.config.js", Environment: environmentIsolate, Source: `export default { export: () => JSON.stringify({` +
		`definitionType: { type: "app" }, childComponents: [], httpMounts: {}, exports: { type: "branch", branch: [] } }) };`}
}

// PrepareSchema begins to build the indexes of a schema and to check documents
// against it; a dry run only tells what would be built.
func (s *Service) PrepareSchema(ctx context.Context, r *PrepareSchemaRequest) (*PreparedSchema, error) {
	start := &StartPushRequest{DryRun: r.DryRun}
	start.AppDefinition.Definition, start.AppDefinition.Schema = emptyApp(), &r.Bundle
	p, err := s.StartPush(ctx, start)
	if err != nil {
		return nil, err
	}
	var now float64
	if _, err := s.WaitForSchema(ctx, &WaitRequest{SchemaChange: p.SchemaChange, TimeoutMS: &now}); err != nil {
		return nil, err
	}
	diff := p.SchemaChange.IndexDiffs[""]
	return &PreparedSchema{Added: legacyIndexes(diff.Added), Dropped: legacyIndexes(diff.Removed), SchemaID: p.SchemaChange.SchemaIDs[""]}, nil
}

// legacyIndexes writes indexes in the old form.
func legacyIndexes(list []IndexConfig) []LegacyIndex {
	out := []LegacyIndex{}
	for _, ix := range list {
		table, name, _ := strings.Cut(ix.Name, ".")
		out = append(out, LegacyIndex{Table: table, Name: name, Fields: ix.Fields, Backfill: LegacyBackfill{"in_progress"}})
	}
	return out
}

// SchemaState tells how far a schema is that PrepareSchema took. It waits a little.
func (s *Service) SchemaState(ctx context.Context, id string) (*LegacySchemaState, error) {
	change := SchemaChange{SchemaIDs: map[string]string{"": id}}
	ms := float64(legacyWait.Milliseconds())
	status, err := s.WaitForSchema(ctx, &WaitRequest{SchemaChange: change, TimeoutMS: &ms})
	if err != nil {
		return nil, err
	}
	out := &LegacySchemaState{Indexes: []LegacyIndex{}}
	switch status.Type {
	case StatusComplete:
		out.SchemaState.State = "validated"
		same, err := s.isActive(ctx, id)
		if err != nil {
			return nil, about("tell schema state", err)
		}
		if same {
			out.SchemaState.State = "active"
		}
	case StatusFailed:
		out.SchemaState.State, out.SchemaState.Error, out.SchemaState.TableName = "failed", status.Error, status.TableName
	case StatusRaceDetected:
		out.SchemaState.State = "overwritten"
	default:
		out.SchemaState.State = "pending"
	}
	return out, nil
}

// isActive tells whether the schema of a push is the one that is live already,
// which lets the client leave out a push that changes nothing.
func (s *Service) isActive(ctx context.Context, id string) (same bool, err error) {
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		active, err := udf.ActiveSchemaJSON(ctx, tx)
		if err != nil || active == nil || s.findDry(id) != nil {
			return err
		}
		p, err := load(ctx, tx, id)
		if err == nil && p != nil && p.parts[0].schema != nil {
			same = string(p.parts[0].schema.JSON()) == string(active)
		}
		return err
	})
	return same, err
}

// PushConfig pushes all modules, with the schema that PrepareSchema took before.
func (s *Service) PushConfig(ctx context.Context, r *PushConfigRequest) error {
	start := &StartPushRequest{Functions: r.Config.Functions, NodeDependencies: r.NodeDependencies}
	app := &start.AppDefinition
	app.Definition, app.ChangedModules, app.UDFServerVersion = emptyApp(), r.Modules, r.UDFServerVersion
	var err error
	if r.SchemaID != nil {
		if app.Schema, err = s.preparedSchema(ctx, *r.SchemaID); err != nil {
			return about("push config", err)
		}
	}
	p, err := s.StartPush(ctx, start)
	if err != nil {
		return err
	}
	ms := float64(longestWait.Milliseconds())
	status, err := s.WaitForSchema(ctx, &WaitRequest{SchemaChange: p.SchemaChange, TimeoutMS: &ms})
	switch {
	case err != nil:
		return err
	case status.Type == StatusFailed:
		return bad("SchemaValidationFailed", "Schema validation failed. %s", status.Error)
	case status.Type != StatusComplete:
		return race("Schema was overwritten by another push.")
	}
	var f FinishPushRequest
	f.StartPush.SchemaChange = p.SchemaChange
	_, err = s.FinishPush(ctx, &f)
	return err
}

// preparedSchema gives the schema that PrepareSchema took, as a module again.
func (s *Service) preparedSchema(ctx context.Context, id string) (*Module, error) {
	var text []byte
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err == nil && (p == nil || p.parts[0].schema == nil) {
			err = race("Schema was overwritten by another push.")
		}
		if err == nil {
			text = p.parts[0].schema.JSON()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	literal, err := json.Marshal(string(text))
	if err != nil {
		return nil, err
	}
	return &Module{Path: "schema.js", Environment: environmentIsolate, Source: "export default { isSchema: true, export: () => " + string(literal) + " };"}, nil
}
