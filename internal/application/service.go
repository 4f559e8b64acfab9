package application

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The tables of the room, in the house's own store.
const (
	tableApplications = "connect_applications"
	tableSecrets      = "connect_secrets"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableApplications, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_client", Fields: []string{"client_id"}},
	}},
	{Name: tableSecrets, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_application", Fields: []string{"environment", "application", "id"}},
	}},
}

// Service keeps the applications of one house. The exported fields are filled by
// whoever assembles the house; call Open once.
type Service struct {
	Identity *identity.Service
	Log      *slog.Logger
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("application: Identity must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// secretHash is how secrets that are long and random are stored and found.
func secretHash(purpose, secret string) string {
	sum := sha256.Sum256([]byte("lentil connect " + purpose + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// newSecret makes a random secret of 256 bits.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
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
