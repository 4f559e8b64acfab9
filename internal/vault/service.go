package vault

import (
	"context"
	"errors"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableKeys     = "vault_keys"     // one per environment and key context, sealed
	tableObjects  = "vault_objects"  // names and where the present value lies
	tableVersions = "vault_versions" // what values an object had
	tableValues   = "vault_values"   // sealed, apart so that no list of versions carries them
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableKeys, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_context", Fields: []string{"environment", "context_hash"}},
	}},
	{Name: tableObjects, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_name", Fields: []string{"environment", "name"}},
	}},
	{Name: tableVersions, Indexes: []database.IndexDef{
		{Name: "on_object", Fields: []string{"environment", "object", "number"}},
	}},
	{Name: tableValues, Indexes: []database.IndexDef{
		{Name: "on_version", Fields: []string{"environment", "version"}},
	}},
}

// Bounds. The lengths of names and of context values are the protocol's
// (workos-operations.md); the others are ours.
const (
	maxName         = 200
	maxContextValue = 500
	maxContextItems = 32
	maxContextKey   = 100
	maxValue        = 128 << 10
	maxVersions     = 100 // older ones go when a new one comes
)

// Service is the vault of one house. Identity is filled by whoever assembles the
// house; call Open once.
type Service struct {
	Identity *identity.Service
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("vault: Identity must be set")
	}
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Actor is who asked, as events and metadata name them.
type Actor struct {
	ID   string
	Name string
}

// access is the part that all events of the room share.
type access struct {
	ActorID     string `json:"actor_id"`
	ActorSource string `json:"actor_source"`
	ActorName   string `json:"actor_name"`
}

// by begins an event's data.
func (a Actor) by() access { return access{a.ID, "api", a.Name} }

// bad is the refusal of input that breaks a rule.
func bad(format string, args ...any) error {
	return apierr.New(apierr.BadRequest, "invalid_request", format, args...)
}
