package directory

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Service keeps directories. The exported fields are filled by whoever assembles
// the house; call Open once, then Run beside all else.
type Service struct {
	Identity *identity.Service
	// Log receives what a person would want to know tomorrow.
	Log *slog.Logger

	pages pages
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("directory: Identity must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Identity.Gone = append(s.Identity.Gone, gone)
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// notFound is the refusal for a noun that is not there, or is another
// environment's or directory's.
func notFound(noun, id string) *apierr.Error {
	return apierr.New(apierr.NotFound, "entity_not_found", "%s not found: '%.100s'.", noun, id)
}

// invalid is the refusal of an operator's or a reader's parameters.
func invalid(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalid_request_parameters", format, args...)
}
