package sso

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/connector"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/outbound"
	"github.com/lentil-dev/lentil/internal/token"
)

// Service keeps connections and runs the ways out and back. The exported fields
// are filled by whoever assembles the house; call Open once, then Run beside all
// else.
type Service struct {
	Identity *identity.Service
	// Sealer protects secrets at rest, under the house's master key.
	Sealer *token.Sealer
	// BaseURL is the address at which identity providers and browsers reach this
	// house, without a slash at the end.
	BaseURL string
	Log     *slog.Logger

	clients outbound.Clients
	shelf   connector.Shelf
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil || s.Sealer == nil {
		return errors.New("sso: Identity and Sealer must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.BaseURL = strings.TrimRight(s.BaseURL, "/")
	s.Identity.Gone = append(s.Identity.Gone, s.gone)
	// Social providers are settings of an environment; connections go with their
	// organizations.
	s.Identity.Keep = append(s.Identity.Keep, tableConnections, tableDomains, tableTestIdPs)
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// runEvery is how often Run looks around.
const runEvery = time.Minute

// Run deletes what has expired and fetches metadata again when it is due, until
// ctx ends.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(runEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for _, table := range expiring {
			if err := s.Identity.Sweep(ctx, table, "on_expires", time.Now()); err != nil && ctx.Err() == nil {
				s.Log.Warn("sweep failed", "table", table, "err", err)
			}
		}
		if err := s.Refresh(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Log.Warn("refresh of connections failed", "err", err)
		}
	}
}

// client is how the environment fetches what others say.
func (s *Service) client(e *identity.Environment) *http.Client {
	return s.clients.For(e.Kind.Outbound())
}

// notFound is the refusal for a noun that is not there, or is another environment's.
func notFound(noun, id string) *apierr.Error {
	return apierr.New(apierr.NotFound, "entity_not_found", "%s not found: '%.100s'.", noun, id)
}
