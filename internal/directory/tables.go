package directory

import "github.com/lentil-dev/lentil/internal/database"

// The tables of the room, in the house's own store. Ids are ULIDs, so an index that
// ends in an id lists by age. Every table has an index that begins with the
// environment: by it, identity empties an environment.
const (
	tableDirectories = "directories"
	tableCounts      = "directory_counts" // how many of what, apart from the directory so that its readers do not clash with every user
	tableUsers       = "directory_users"
	tableGroups      = "directory_groups"
	tableMembers     = "directory_members"
)

// The indexes that more than one place reads.
const (
	onID        = "on_id"
	onDirectory = "on_directory"
	onUsername  = "on_username"
	onExternal  = "on_external_id"
	onEmail     = "on_email"
	onName      = "on_name"
	onGroup     = "on_group"
	onUser      = "on_user"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableDirectories, Indexes: []database.IndexDef{
		{Name: onID, Fields: []string{"id"}},
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_state", Fields: []string{"state"}},
		{Name: "on_pending", Fields: []string{"pending"}},
	}},
	{Name: tableCounts, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment"}},
		{Name: onDirectory, Fields: []string{"directory"}},
	}},
	{Name: tableUsers, Indexes: []database.IndexDef{
		{Name: onID, Fields: []string{"environment", "id"}},
		{Name: onDirectory, Fields: []string{"directory", "id"}},
		{Name: onUsername, Fields: []string{"directory", "username_key", "id"}},
		{Name: onExternal, Fields: []string{"directory", "external_id", "id"}},
		{Name: onEmail, Fields: []string{"directory", "email_key", "id"}},
	}},
	{Name: tableGroups, Indexes: []database.IndexDef{
		{Name: onID, Fields: []string{"environment", "id"}},
		{Name: onDirectory, Fields: []string{"directory", "id"}},
		{Name: onName, Fields: []string{"directory", "name_key", "id"}},
		{Name: onExternal, Fields: []string{"directory", "external_id", "id"}},
	}},
	{Name: tableMembers, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment"}},
		{Name: onGroup, Fields: []string{"group", "user"}},
		{Name: onUser, Fields: []string{"user", "group"}},
	}},
}
