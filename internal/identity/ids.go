package identity

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// Identifiers of the nouns. Each is a prefix and a ULID, so that ids sort by the
// time of their making (workos-api.md §2.5); lists use them as cursors.
type (
	// EnvironmentID is "environment_…".
	EnvironmentID string
	// ClientID is "client_…"; an environment has exactly one.
	ClientID string
	// APIKeyID is "api_key_…"; the key's text is another thing (see APIKey).
	APIKeyID string
	// RedirectURIID is "redir_…".
	RedirectURIID string
	// CORSOriginID is "cors_origin_…".
	CORSOriginID string
	// UserID is "user_…"; the sub claim of access tokens.
	UserID string
	// SessionID is "session_…"; the sid claim of access tokens.
	SessionID string
	// KeyID is "sso_oidc_key_pair_…", the kid of a signing key.
	KeyID string
	// EventID is "event_…".
	EventID string
	// OrganizationID is "org_…".
	OrganizationID string
	// DomainID is "org_domain_…".
	DomainID string
	// MembershipID is "om_…".
	MembershipID string
	// RoleID is "role_…"; roles are mostly named by their slugs.
	RoleID string
	// PermissionID is "perm_…".
	PermissionID string
	// GroupID is "group_…".
	GroupID string
)

// Prefixes of the ids of organizations and what belongs to them.
const (
	organizationPrefix = "org_"
	domainPrefix       = "org_domain_"
	membershipPrefix   = "om_"
	rolePrefix         = "role_"
	permissionPrefix   = "perm_"
	groupPrefix        = "group_"
)

// NewID makes an id of the given prefix ("user_"): the prefix and a fresh ULID.
func NewID(prefix string) string { return prefix + NewULID() }

// NewULID makes a bare ULID: 48 bits of the present time, 80 random ones.
func NewULID() string {
	return ulid.MustNew(ulid.Timestamp(time.Now()), rand.Reader).String()
}

// ValidID reports whether s is prefix followed by a well-formed ULID. Ids are
// case-sensitive: ULIDs are written in capitals.
func ValidID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || len(rest) != ulid.EncodedSize || strings.ToUpper(rest) != rest {
		return false
	}
	_, err := ulid.ParseStrict(rest)
	return err == nil
}
