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
	tableGrants       = "connect_grants" // what users allowed applications
	tableCodes        = "connect_codes"
	tableRefresh      = "connect_refresh_tokens"
	tableSettings     = "connect_settings"       // one per environment
	tableExternal     = "connect_external_auths" // browsers at an application's own sign-in
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
	{Name: tableGrants, Indexes: []database.IndexDef{
		{Name: "on_user", Fields: []string{"environment", "user", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_application", Fields: []string{"environment", "application", "user"}},
	}},
	{Name: tableCodes, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_grant", Fields: []string{"grant"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tableRefresh, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_grant", Fields: []string{"grant"}},
		{Name: "on_family", Fields: []string{"family"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableSettings, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment"}},
	}},
	{Name: tableExternal, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
}

// Service keeps the applications of one house. The exported fields are filled by
// whoever assembles the house; call Open once, then Run beside all else.
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
	s.Identity.Keep = append(s.Identity.Keep, tableSettings)
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Run sweeps what nobody can use any more, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	return identity.RunChores(ctx, s.Log, s.Identity.SweepOf(tableCodes, "on_forget"), s.Identity.SweepOf(tableRefresh, "on_expires"),
		s.Identity.SweepOf(tableExternal, "on_expires"))
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
