package directory

import (
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// Identifiers of the room's nouns, each a prefix and a ULID.
type (
	// ID is "directory_…".
	ID string
	// UserID is "directory_user_…", also the SCIM id of the user.
	UserID string
	// GroupID is "directory_group_…", also the SCIM id of the group.
	GroupID string
	// TokenID is "directory_token_…"; the token's text is another thing.
	TokenID string
)

// Type says whose directory it is, in the read API's spelling.
type Type string

// GenericSCIM is the type of directories about which nothing else is said.
const GenericSCIM Type = "generic scim v2.0"

// types are the kinds of directory that speak SCIM to us.
var types = []Type{GenericSCIM, "azure scim v2.0", "okta scim v2.0", "onelogin scim v2.0", "jump cloud scim v2.0",
	"pingfederate scim v2.0", "rippling scim v2.0", "cyberark scim v2.0", "sailpoint scim v2.0"}

// State is what a directory is doing.
type State string

// The states of a directory that we reach.
const (
	Linked   State = "linked"
	Deleting State = "deleting"
)

// Directory is one organisation's source of users and groups.
type Directory struct {
	ID           ID
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID
	Name         string
	Type         Type
	State        State
	ExternalKey  string
	Domain       string // for people who look at lists; decides nothing
	TokenSuffix  string // the end of the token's text, to tell tokens apart
	// Roles says which role members of a group get in the organisation, by the
	// group's name or id. Whoever is in none of these groups has DefaultRole.
	Roles       map[string]string
	DefaultRole string
	Created     time.Time
	Updated     time.Time

	token     TokenID
	tokenMade time.Time
	hash      string
	// pending is pendingRoles while a changed mapping is being applied, to the users
	// after pendingAfter.
	pending      string
	pendingAfter UserID
}

// Counts is how many users and groups a directory has.
type Counts struct{ Active, Inactive, Groups int }

// Settings is what an operator may set of a directory.
type Settings struct {
	Name        *string
	Domain      *string
	Roles       map[string]string // nil leaves all
	DefaultRole *string
}

// New is what is said of a directory to be made.
type New struct {
	Organization identity.OrganizationID
	Name         string
	Type         Type // empty means GenericSCIM
	Domain       string
	Roles        map[string]string
	DefaultRole  string
}

// UserState is whether the directory lets a user in.
type UserState string

// The states of a directory's user.
const (
	Active    UserState = "active"
	Suspended UserState = "suspended"
	Inactive  UserState = "inactive"
)

// Email is one address of a directory's user.
type Email struct {
	Primary bool
	Type    string
	Value   string
}

// Attributes is a SCIM resource as the directory sent it, with known names in the
// spelling of RFC 7643, without what is the server's (id, meta, groups) and
// without passwords.
type Attributes map[string]any

// profile is what a user's attributes say in the read API's terms.
type profile struct {
	ExternalID string // the directory's own id of the user
	Username   string
	Email      string
	FirstName  string
	LastName   string
	Name       string
	JobTitle   string
	Emails     []Email
	State      UserState
	Custom     map[string]any
}

// User is one person of a directory.
type User struct {
	ID           UserID
	Directory    ID
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID
	profile
	Attributes Attributes
	Roles      []string // role slugs that the groups give; by the directory's setting
	Version    int      // rises with every change
	Created    time.Time
	Updated    time.Time
	// Membership is the organisation membership that follows this user; "" if none.
	Membership identity.MembershipID

	// withdrawn is whether the directory took the membership away, so that it alone
	// gives back what it took: people deactivate memberships, too.
	withdrawn bool
}

// IdpID is the directory's own id of the user; one that gives none knows users by
// their names.
func (u *User) IdpID() string {
	if u.ExternalID != "" {
		return u.ExternalID
	}
	return u.Username
}

// Group is one group of a directory.
type Group struct {
	ID           GroupID
	Directory    ID
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID
	Name         string
	ExternalID   string
	Attributes   Attributes
	Version      int
	Created      time.Time
	Updated      time.Time
}

// IdpID is the directory's own id of the group; one that gives none knows groups
// by their names.
func (g *Group) IdpID() string {
	if g.ExternalID != "" {
		return g.ExternalID
	}
	return g.Name
}
