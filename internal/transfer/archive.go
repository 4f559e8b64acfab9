package transfer

import (
	"encoding/json"
	"fmt"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// ArchiveVersion is the version of the format of archives.
//
//	1  2026-11  rows of the tables below, users beside them, a manifest at the end
const ArchiveVersion = 1

// The names of what lies in an archive.
const (
	manifestName = "manifest.json"
	settingsName = "settings.json"
	usersCSV     = "users.csv"
	usersLines   = "users.jsonl"
	rowsFolder   = "rows/"
)

// Bounds of what is read of an archive.
const (
	maxManifest = 1 << 20
	maxLine     = 8 << 20
)

// Manifest says what an archive holds.
type Manifest struct {
	Format      int                   `json:"format"`
	Made        string                `json:"made"`
	Environment string                `json:"environment"`
	ClientID    string                `json:"client_id"`
	Secrets     bool                  `json:"secrets"` // hashes of passwords and whatever else opens something are there
	Files       map[string]*FileEntry `json:"files"`
}

// FileEntry is a file of an archive.
type FileEntry struct {
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
}

// moved is a table whose rows move between houses.
type moved struct {
	table string
	index string // by which the rows of an environment are found; its first field is the environment
	by    string // the index by all of whose fields a row is known; index if empty
	// owner is the table by whose rows, instead, they are found: index begins with its id.
	owner   string
	refs    map[string]string // fields that must name rows of these tables, of the same environment
	alone   string            // an index of no environment in which a row must be the only one of its key
	secret  []string          // fields that are secrets although they are not sealed
	needs   bool              // without its secrets a row is of no use
	replace bool              // new environments have such rows, too
}

// movedTables are the tables in the order in which they are written.
var movedTables = []moved{
	{table: "roles", index: "on_slug", replace: true},
	{table: "permissions", index: "on_environment", by: "on_slug", replace: true},
	{table: "organizations", index: "on_environment"},
	{table: "organization_domains", index: "on_environment"},
	{table: "organization_terms", index: "on_organization", by: "on_term"},
	{table: "organization_policies", index: "on_organization"},
	{table: "entitlements", index: "on_organization"},
	{table: "it_contacts", index: "on_organization"},
	{table: "branding", index: "on_environment", replace: true},
	{table: "redirect_uris", index: "on_environment", by: "on_uri", replace: true},
	{table: "cors_origins", index: "on_environment", by: "on_origin", replace: true},
	{table: "users", index: "on_environment"},
	{table: "passwords", owner: "users", index: "on_user", refs: map[string]string{"user": "users"}, secret: []string{"hash"}, needs: true},
	{table: "auth_factors", owner: "users", index: "on_user", by: "on_id", refs: map[string]string{"user": "users"}, needs: true},
	{table: "recovery_codes", owner: "users", index: "on_user", refs: map[string]string{"user": "users"}, secret: []string{"hashes", "codes"}, needs: true},
	{table: "passkeys", owner: "users", index: "on_user", refs: map[string]string{"user": "users"}},
	{table: "organization_memberships", index: "on_environment", refs: map[string]string{"user": "users", "organization": "organizations"}},
	{table: "groups", index: "on_environment", refs: map[string]string{"organization": "organizations"}},
	{table: "group_members", owner: "groups", index: "on_group", refs: map[string]string{"group": "groups", "membership": "organization_memberships"}},
	{table: "invitations", index: "on_environment", secret: []string{"hash"}, needs: true},
	{table: "waitlist_entries", index: "on_environment"},
	{table: "owned_api_keys", index: "on_id", alone: "on_hash", secret: []string{"hash"}, needs: true},
	{table: "connections", index: "on_environment", by: "on_id"},
	{table: "connection_domains", index: "on_domain", refs: map[string]string{"connection": "connections"}},
	{table: "sso_profiles", index: "on_id", refs: map[string]string{"connection": "connections"}},
	{table: "upstream_identities", index: "on_user", by: "on_idp", refs: map[string]string{"connection": "connections", "user": "users"}},
	{table: "directories", index: "on_environment", by: "on_id", secret: []string{"token_hash"}},
	{table: "directory_counts", index: "on_environment", by: "on_directory", refs: map[string]string{"directory": "directories"}},
	{table: "directory_users", index: "on_id", refs: map[string]string{"directory": "directories"}},
	{table: "directory_groups", index: "on_id", refs: map[string]string{"directory": "directories"}},
	{table: "directory_members", index: "on_environment", by: "on_group", refs: map[string]string{"group": "directory_groups", "user": "directory_users"}},
	{table: "authorization_types", index: "on_slug", replace: true},
	{table: "authorization_resources", index: "on_environment"},
	{table: "authorization_assignments", index: "on_organization", by: "on_grant"},
	{table: "feature_flags", index: "on_environment"},
	{table: "feature_flag_targets", index: "on_flag"},
	{table: "connect_settings", index: "on_environment", replace: true},
	{table: "connect_applications", index: "on_environment", alone: "on_client"},
	{table: "connect_secrets", index: "on_environment", secret: []string{"hash"}, needs: true},
	{table: "connect_grants", index: "on_user"},
	{table: "webhook_endpoints", index: "on_environment", needs: true},
	{table: "action_endpoints", index: "on_environment", needs: true},
	{table: "data_integrations", index: "on_environment"},
	{table: "data_integration_configurations", index: "on_organization"},
	{table: "connected_accounts", index: "on_environment", needs: true},
	{table: "radar_lists", index: "on_entry"},
	{table: "audit_actions", index: "on_environment"},
	{table: "audit_schemas", index: "on_action", by: "on_version"},
	{table: "audit_logs", index: "on_organization"},
	{table: "audit_events", index: "on_organization"},
	{table: "events", index: "on_environment"},
}

// staying are the tables that do not move: what belongs to the house or to one moment,
// and what is sealed to its environment.
var staying = map[string]string{
	"environments": "its settings move", "api_keys": "a new environment has its own", "signing_keys": "tokens are short-lived", "sessions": "people sign in again",
	"browser_sessions": "people sign in again", "operations": "is the record of this house", "one_time_codes": "short-lived", "password_resets": "short-lived",
	"auth_challenges": "short-lived", "kept_answers": "short-lived", "passkey_offers": "short-lived", "sign_in_attempts": "short-lived",
	"authorization_codes": "short-lived", "pending_authentications": "short-lived", "known_browsers": "of this address", "device_authorizations": "short-lived",
	"outbox": "mail that was delivered here", "webhook_deliveries": "the record of this house", "connect_codes": "short-lived",
	"connect_refresh_tokens": "people sign in again", "connection_attempts": "short-lived", "radar_attempts": "short-lived", "sso_departures": "short-lived",
	"sso_assertions": "short-lived", "sso_codes": "short-lived", "sso_tokens": "short-lived", "portal_links": "short-lived", "portal_sessions": "short-lived",
	"test_identity_providers": "of this house", "audit_idempotency_keys": "short-lived", "audit_exports": "can be made again", "audit_export_parts": "can be made again",
	"connect_external_auths": "short-lived", "impersonations": "the record of this house", "agent_registrations": "agents register with a house",
	"agent_credentials": "agents register with a house",
	"vault_keys":        "encrypted for this environment alone", "vault_objects": "encrypted for this environment alone",
	"vault_versions": "encrypted for this environment alone", "vault_values": "encrypted for this environment alone",
}

// Tables tells which tables move and which stay, with the reason.
func Tables() (moving []string, stays map[string]string) {
	for _, m := range movedTables {
		moving = append(moving, m.table)
	}
	return moving, staying
}

// line is one row of an archive.
type line struct {
	Row    json.RawMessage   `json:"row"`
	Sealed map[string]opened `json:"sealed,omitempty"`
}

// opened is a sealed field without its seal; the house that reads it seals it anew.
type opened struct {
	Purpose string `json:"purpose"`
	Value   []byte `json:"value"`
}

// write makes a line of a row. Without secrets it has none.
func (m *moved) write(r identity.Record, seal *token.Sealer, secrets bool) ([]byte, error) {
	o, l := r.Fields, line{Sealed: map[string]opened{}}
	for name, v := range r.Fields.All() {
		if name[0] == '_' {
			o = o.Without(name)
			continue
		}
		text, ok := v.(value.String)
		if !ok {
			continue
		}
		if purpose, b, ok := seal.Unseal(string(text)); ok {
			if o = o.Without(name); secrets {
				l.Sealed[name] = opened{purpose, b}
			}
		}
	}
	if !secrets {
		for _, name := range m.secret {
			o = o.Without(name)
		}
	}
	l.Row = value.JSON(o)
	return json.Marshal(l)
}

// read is the reverse of write.
func (m *moved) read(text []byte, seal *token.Sealer) (identity.Record, error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return identity.Record{}, fmt.Errorf("is not a row of an archive")
	}
	o, err := value.ParseObject(l.Row)
	if err != nil {
		return identity.Record{}, fmt.Errorf("is not a row of an archive")
	}
	for name, s := range l.Sealed {
		if name == "" || s.Purpose == "" || len(s.Purpose) > 255 {
			return identity.Record{}, fmt.Errorf("has a sealed field without a name or purpose")
		}
		o = o.With(name, value.String(seal.Seal(s.Purpose, s.Value)))
	}
	for name := range o.All() {
		if name == "" || name[0] == '_' || name[0] == '$' {
			return identity.Record{}, fmt.Errorf("has a field %.40q", name)
		}
	}
	return identity.Record{Fields: o}, nil
}
