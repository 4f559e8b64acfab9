package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/outbound"
)

// The tables of the room, in the house's own store.
const (
	tableIntegrations   = "data_integrations"
	tableAccounts       = "connected_accounts"
	tableAttempts       = "connection_attempts"
	tableConfigurations = "data_integration_configurations" // of organisations
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableIntegrations, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_slug", Fields: []string{"environment", "slug"}},
	}},
	{Name: tableAccounts, Indexes: []database.IndexDef{
		{Name: "on_owner", Fields: []string{"environment", "integration", "user", "organization"}},
		{Name: "on_environment", Fields: []string{"environment", "id"}},
	}},
	{Name: tableAttempts, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_integration", Fields: []string{"environment", "integration"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableConfigurations, Indexes: []database.IndexDef{
		{Name: "on_organization", Fields: []string{"environment", "organization", "integration"}},
		{Name: "on_integration", Fields: []string{"environment", "integration", "organization"}},
	}},
}

// Service keeps the integrations of one house. The exported fields are filled by
// whoever assembles the house; call Open once, then Run beside all else.
type Service struct {
	Identity *identity.Service
	Log      *slog.Logger
	// Callback is the address to which services send people back.
	Callback string

	clients outbound.Clients

	mu         sync.Mutex
	refreshing map[string]*refresh // by account
}

// Open makes the tables; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("integration: Identity must be set")
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.refreshing = map[string]*refresh{}
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Run sweeps what nobody can use any more, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return identity.RunChores(ctx, s.Log, s.Identity.SweepOf(tableAttempts, "on_expires"))
}

// secretHash is how random secrets are stored and found.
func secretHash(secret string) string {
	sum := sha256.Sum256([]byte("lentil connection attempt\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// purposeSecret binds the seal of everything secret that the room keeps.
const purposeSecret = "integration secret"

// seal seals a secret for a row; empty stays empty.
func (s *Service) seal(text string) string {
	if text == "" {
		return ""
	}
	return s.Identity.Sealer.Seal(purposeSecret, []byte(text))
}

// unseal is the reverse of seal.
func (s *Service) unseal(sealed string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	b, err := s.Identity.Sealer.Open(purposeSecret, sealed)
	return string(b), err
}

// last4 is the end of a secret, for people who look which one it is.
func last4(s string) string {
	if len(s) < 12 {
		return ""
	}
	return s[len(s)-4:]
}

// policy is where an environment's calls may go.
func policy(e *identity.Environment) outbound.Policy {
	return outbound.Policy{Loopback: e.Kind != identity.Production}
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

// asText is v as JSON text for a row.
func asText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("integration: encode row: " + err.Error()) // rows are of strings, lists and maps
	}
	return string(b)
}
