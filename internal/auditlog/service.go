package auditlog

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableActions = "audit_actions"
	tableSchemas = "audit_schemas"
	tableEvents  = "audit_events"
	tableKeys    = "audit_idempotency_keys"
	tableLogs    = "audit_logs" // one per organisation that has events or a retention
	tableExports = "audit_exports"
	tableParts   = "audit_export_parts" // of CSV files
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableActions, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_name", Fields: []string{"environment", "name"}},
	}},
	{Name: tableSchemas, Indexes: []database.IndexDef{
		{Name: "on_action", Fields: []string{"environment", "action", "id"}},
		{Name: "on_version", Fields: []string{"environment", "action", "version"}},
	}},
	{Name: tableEvents, Indexes: []database.IndexDef{
		{Name: "on_organization", Fields: []string{"environment", "organization", "occurred", "id"}},
	}},
	{Name: tableKeys, Indexes: []database.IndexDef{
		{Name: "on_key", Fields: []string{"environment", "key"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableLogs, Indexes: []database.IndexDef{
		{Name: "on_organization", Fields: []string{"environment", "organization"}},
	}},
	{Name: tableExports, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_state", Fields: []string{"state", "id"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableParts, Indexes: []database.IndexDef{
		{Name: "on_export", Fields: []string{"environment", "export", "number"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
}

// How long things are kept, and how often the sweep looks around. DefaultRetention
// is ours; that of keys is the usual day of the protocol's other operations.
const (
	DefaultRetention = 365 // days
	keepKeys         = 24 * time.Hour
	keepExports      = 7 * 24 * time.Hour
	sweepEvery       = time.Minute
	sweepBatch       = 200
)

// Service keeps the audit logs of one house. Identity is filled by whoever
// assembles the house; call Open once, then Run beside all else.
type Service struct {
	Identity *identity.Service
	Log      *slog.Logger

	wake chan struct{} // an export waits; capacity one
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("auditlog: Identity must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.wake = make(chan struct{}, 1)
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Run writes the files of exports and sweeps what is older than it should be,
// until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := s.writeExports(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("audit log exports not written", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-t.C:
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("sweep of audit logs failed", "err", err)
			}
		}
	}
}

// field names a member that is wrong.
type field struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// badField refuses one member of a request.
func badField(name, format string, args ...any) error {
	e := apierr.New(apierr.BadRequest, "invalid_request_parameters", format, args...)
	return e.With([]field{{"invalid", name, e.Message}})
}
