package identity

import "github.com/lentil-dev/lentil/internal/database"

// The tables of the room, in the house's own store. Ids are ULIDs, so an index
// that ends in id lists by age. Every table but environments begins its keys with
// the environment wherever a list or an address leads in.
const (
	tableEnvironments = "environments"     // one per environment, with its sealed secret
	tableAPIKeys      = "api_keys"         // by hash
	tableRedirects    = "redirect_uris"    //
	tableOrigins      = "cors_origins"     //
	tableSigningKeys  = "signing_keys"     // sealed
	tableUsers        = "users"            //
	tablePasswords    = "passwords"        // hashes, apart so that no list of users carries them
	tableSessions     = "sessions"         // of applications
	tableBrowsers     = "browser_sessions" // of browsers on the sign-in pages' host
	tableEvents       = "events"           //
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableEnvironments, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_client", Fields: []string{"client_id"}},
	}},
	{Name: tableAPIKeys, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_environment", Fields: []string{"environment", "id"}},
	}},
	{Name: tableRedirects, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_uri", Fields: []string{"environment", "uri"}},
	}},
	{Name: tableOrigins, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_origin", Fields: []string{"origin", "environment"}},
	}},
	{Name: tableSigningKeys, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
	}},
	{Name: tableUsers, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_email", Fields: []string{"environment", "email_key"}},
		{Name: "on_external_id", Fields: []string{"environment", "external_id"}},
	}},
	{Name: tablePasswords, Indexes: []database.IndexDef{
		{Name: "on_user", Fields: []string{"user"}},
	}},
	{Name: tableSessions, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_user", Fields: []string{"user", "id"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tableBrowsers, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_user", Fields: []string{"user"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableEvents, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
	}},
}
