package authorization

import (
	"context"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Identifiers of the room's nouns.
type (
	// ResourceID is "authz_resource_…".
	ResourceID string
	// AssignmentID is "role_assignment_…" or "group_role_assignment_…".
	AssignmentID string
)

// Prefixes of ids.
const (
	resourcePrefix   = "authz_resource_"
	memberPrefix     = "role_assignment_"
	groupPrefix      = "group_role_assignment_"
	organizationPart = "org_"
)

// The tables of the room, in the house's own store. A subject is the id of a
// membership or of a group: their prefixes tell them apart.
const (
	tableTypes       = "authorization_types"
	tableResources   = "authorization_resources"
	tableAssignments = "authorization_assignments"
)

// tableDefs is what Open asks the database for.
var tableDefs = []database.TableDef{
	{Name: tableTypes, Indexes: []database.IndexDef{
		{Name: "on_slug", Fields: []string{"environment", "slug"}},
	}},
	{Name: tableResources, Indexes: []database.IndexDef{
		{Name: "on_environment", Fields: []string{"environment", "id"}},
		{Name: "on_type", Fields: []string{"environment", "type", "id"}},
		{Name: "on_organization", Fields: []string{"environment", "organization", "id"}},
		{Name: "on_organization_type", Fields: []string{"environment", "organization", "type", "id"}},
		{Name: "on_external_id", Fields: []string{"environment", "organization", "type", "external_id"}},
		{Name: "on_parent", Fields: []string{"parent", "id"}},
		{Name: "on_parent_type", Fields: []string{"parent", "type", "id"}},
	}},
	{Name: tableAssignments, Indexes: []database.IndexDef{
		{Name: "on_subject", Fields: []string{"subject", "key"}},
		{Name: "on_place", Fields: []string{"subject", "parent", "resource"}}, // what a subject has below a resource
		{Name: "on_resource", Fields: []string{"resource", "key"}},
		{Name: "on_grant", Fields: []string{"resource", "subject", "role"}},
		{Name: "on_role", Fields: []string{"environment", "role", "organization"}},
		{Name: "on_organization", Fields: []string{"environment", "organization"}},
	}},
}

// Service keeps resources and decides. The exported field is filled by whoever
// assembles the house; call Open once.
type Service struct {
	Identity *identity.Service
}

// Open makes the tables and has identity ask us about roles; it starts nothing.
func (s *Service) Open(ctx context.Context) error {
	if s.Identity == nil {
		return errors.New("authorization: Identity must be set")
	}
	s.Identity.Gone = append(s.Identity.Gone, gone)
	s.Identity.Keep = append(s.Identity.Keep, tableTypes)
	s.Identity.Covers = covers
	s.Identity.RoleUsed = append(s.Identity.RoleUsed, roleUsed)
	return s.Identity.DB.EnsureTables(ctx, tableDefs)
}

// Type is a kind of resource: what can lie below what.
type Type struct {
	Environment identity.EnvironmentID
	Slug        string
	Name        string
	Description string
	Parents     []string // slugs of types, or identity.OrganizationResource
	Created     time.Time
	Updated     time.Time
}

// Resource is one thing that roles can be had on.
type Resource struct {
	ID           ResourceID
	Environment  identity.EnvironmentID
	Organization identity.OrganizationID
	Type         string
	ExternalID   string // the application's own id, unique within organisation and type
	Name         string
	Description  string
	Parent       ResourceID // "" only for the organisation's own resource
	Created      time.Time
	Updated      time.Time
}

// Assignment is a role that a subject has on a resource.
type Assignment struct {
	ID       AssignmentID
	Subject  string // a membership's or a group's id
	Role     string
	Resource Resource
	Created  time.Time
	// Through is the group's assignment that gives it to a member; "" if the member
	// has it by itself.
	Through AssignmentID
}

// Ref names a resource: by its id, or by external id and type within an
// organisation that is known otherwise.
type Ref struct {
	ID         ResourceID
	ExternalID string
	Type       string
}

// IsZero reports whether nothing is named.
func (r Ref) IsZero() bool { return r == Ref{} }
