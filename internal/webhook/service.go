package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/outbound"
)

// The tables of the room, in the house's own store.
const (
	tableEndpoints  = "webhook_endpoints"
	tableDeliveries = "webhook_deliveries" // one per event and endpoint
	tableActions    = "action_endpoints"   // at most one per environment and kind
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableEndpoints, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_url", Fields: []string{"environment", "url"}},
		{Name: "on_status", Fields: []string{"status", "id"}},
	}},
	{Name: tableDeliveries, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_endpoint", Fields: []string{"endpoint", "id"}},
		{Name: "on_due", Fields: []string{"endpoint", "due"}}, // due is 0 when nothing is left to do
	}},
	{Name: tableActions, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "kind"}},
	}},
}

// Service delivers the events of one house. The exported fields are filled by
// whoever assembles the house; call Open once, then Run beside all else.
type Service struct {
	Identity *identity.Service
	// Ways give the client for an environment's policy; nil means some of its own.
	Ways Ways
	// Attempted is told what became of each attempt: delivered or failed; nil for
	// nobody.
	Attempted func(outcome string)
	Log       *slog.Logger

	kick chan struct{} // something besides events changed; holds one

	mu     sync.Mutex                      // leaf; guards the rest
	active map[DeliveryID]struct{}         // under way
	busy   map[EndpointID]int              // how many of these go to an endpoint
	seen   map[EndpointID]identity.EventID // how far an endpoint has been read, beyond its row
}

// Ways gives HTTP clients; *outbound.Clients is one.
type Ways interface {
	For(outbound.Policy) *http.Client
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("webhook: Identity must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Ways == nil {
		s.Ways = &outbound.Clients{}
	}
	s.kick = make(chan struct{}, 1)
	s.active, s.busy, s.seen = map[DeliveryID]struct{}{}, map[EndpointID]int{}, map[EndpointID]identity.EventID{}
	s.Identity.Keep = append(s.Identity.Keep, tableEndpoints, tableActions) // who listens is a setting
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// wake makes Run look again.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}
