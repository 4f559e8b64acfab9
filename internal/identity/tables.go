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
	tableTrail        = "operations"       // of operators

	tableOrganizations = "organizations"            //
	tableDomains       = "organization_domains"     // apart from organizations, since sign-in looks them up
	tableMemberships   = "organization_memberships" //
	tableRoles         = "roles"                    // of environments (organization is empty) and of organizations
	tablePermissions   = "permissions"              //
	tableGroups        = "groups"                   //
	tableGroupMembers  = "group_members"            //
	tableCodes         = "one_time_codes"           // sealed
	tableResets        = "password_resets"          // sealed
	tableInvitations   = "invitations"              // sealed
	tableTerms         = "organization_terms"       // words of names and domains
	tableWaiters       = "waitlist_entries"         //
	tableContacts      = "it_contacts"              // with links, sealed
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	entitlementTable,
	answerTable,
	{Name: tableEnvironments, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_client", Fields: []string{"client_id"}},
		{Name: "on_domain", Fields: []string{"domain"}},
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
		{Name: "on_organization", Fields: []string{"organization", "user"}},
		{Name: "on_forget", Fields: []string{"forget"}},
	}},
	{Name: tableBrowsers, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_user", Fields: []string{"user"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableTrail, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_key", Fields: []string{"environment", "key", "id"}},
	}},
	{Name: tableEvents, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_event", Fields: []string{"environment", "event", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "event", "id"}},
	}},
	{Name: tableOrganizations, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_external_id", Fields: []string{"environment", "external_id"}},
		{Name: "on_stripe", Fields: []string{"environment", "stripe_customer_id"}},
	}},
	{Name: tableDomains, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_domain", Fields: []string{"environment", "domain", "organization"}},
		{Name: "on_check", Fields: []string{"check"}},
	}},
	{Name: tableMemberships, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_user", Fields: []string{"environment", "user", "status", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "status", "id"}},
		{Name: "on_member", Fields: []string{"environment", "organization", "user"}},
	}},
	{Name: tableRoles, Indexes: []database.IndexDef{
		{Name: "on_slug", Fields: []string{"environment", "organization", "slug"}},
	}},
	{Name: tablePermissions, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_slug", Fields: []string{"environment", "slug"}},
	}},
	{Name: tableGroups, Indexes: []database.IndexDef{
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_environment", Fields: []string{"environment", "id"}},
	}},
	{Name: tableGroupMembers, Indexes: []database.IndexDef{
		{Name: "on_group", Fields: []string{"group", "membership"}},
		{Name: "on_membership", Fields: []string{"membership", "group"}},
	}},
}
