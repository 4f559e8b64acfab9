package sso

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/lentil-dev/lentil/internal/database"
)

// The tables of the room, in the house's own store.
const (
	tableConnections = "connections"
	tableDomains     = "connection_domains"
	tableDepartures  = "sso_departures"
	tableAssertions  = "sso_assertions" // ids of SAML assertions that were accepted
	tableProfiles    = "sso_profiles"
	tableIdentities  = "upstream_identities" // accounts elsewhere and their users
	tableCodes       = "sso_codes"
	tableTokens      = "sso_tokens" // access tokens of profiles, and tokens for signing out
	tableLinks       = "portal_links"
	tablePortals     = "portal_sessions"
	tableTestIdPs    = "test_identity_providers" // keys, sealed
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableConnections, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"id"}},
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_type", Fields: []string{"environment", "type", "id"}},
		{Name: "on_refresh", Fields: []string{"refresh"}},
	}},
	{Name: tableDomains, Indexes: []database.IndexDef{
		{Name: "on_domain", Fields: []string{"environment", "domain", "connection"}},
		{Name: "on_connection", Fields: []string{"connection", "domain"}},
	}},
	{Name: tableDepartures, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_key", Fields: []string{"key"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableAssertions, Indexes: []database.IndexDef{
		{Name: "on_assertion", Fields: []string{"connection", "assertion"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableProfiles, Indexes: []database.IndexDef{
		{Name: "on_id", Fields: []string{"environment", "id"}},
		{Name: "on_idp", Fields: []string{"connection", "idp_id"}},
	}},
	{Name: tableIdentities, Indexes: []database.IndexDef{
		{Name: "on_idp", Fields: []string{"connection", "idp_id"}},
		{Name: "on_user", Fields: []string{"environment", "user"}},
	}},
	{Name: tableCodes, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableTokens, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableLinks, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tablePortals, Indexes: []database.IndexDef{
		{Name: "on_hash", Fields: []string{"hash"}},
		{Name: "on_expires", Fields: []string{"expires"}},
	}},
	{Name: tableTestIdPs, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment"}},
	}},
}

// expiring are the tables whose rows go at their time.
var expiring = []string{tableDepartures, tableAssertions, tableCodes, tableTokens, tableLinks, tablePortals}

// hash is how secrets that are long and random are stored and found.
func hash(purpose, secret string) string {
	sum := sha256.Sum256([]byte("lentil sso " + purpose + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}
