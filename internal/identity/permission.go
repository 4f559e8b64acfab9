package identity

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Permission is something that a role may allow.
type Permission struct {
	ID           PermissionID
	Environment  EnvironmentID
	Slug         string
	Name         string
	Description  string
	System       bool // the house's own; cannot be changed
	ResourceType string
	Created      time.Time
	Updated      time.Time
}

// NewPermission is what a caller says of a permission to be made.
type NewPermission struct {
	Slug         string
	Name         string
	Description  string
	ResourceType string // OrganizationResource if empty
}

// permissionRow writes a permission.
func permissionRow(p *Permission) Row {
	return Row{
		Text("id", p.ID), Text("environment", p.Environment), Text("slug", p.Slug), Text("name", p.Name), Text("description", p.Description),
		Flag("system", p.System), Text("resource_type", p.ResourceType), Time("created", p.Created), Time("updated", p.Updated),
	}
}

// readPermission is the reverse of permissionRow.
func readPermission(r Record) *Permission {
	return &Permission{
		ID: PermissionID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Slug: r.Text("slug"), Name: r.Text("name"),
		Description: r.Text("description"), System: r.Flag("system"), ResourceType: r.Text("resource_type"),
		Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// check refuses a permission whose fields cannot be.
func (p *Permission) check() error {
	if !slugOK(p.Slug, ":.*") {
		return InvalidField("slug", "slug_invalid", "A permission's slug has 1 to %d characters a–z, 0–9, -, _, :, . and *.", maxSlug)
	}
	if !slugOK(p.ResourceType, "") {
		return InvalidField("resource_type_slug", "resource_type_slug_invalid", "resource_type_slug has 1 to %d characters a–z, 0–9, - and _.", maxSlug)
	}
	if err := checkText("name", p.Name, maxRoleName, true); err != nil {
		return err
	}
	return checkText("description", p.Description, maxDescription, false)
}

// CreatePermission makes a permission.
func (tx *Tx) CreatePermission(id EnvironmentID, n NewPermission) (*Permission, error) {
	if _, err := tx.Environment(id); err != nil {
		return nil, err
	}
	if n.ResourceType == "" {
		n.ResourceType = OrganizationResource
	}
	p := &Permission{
		ID: PermissionID(tx.newID(permissionPrefix)), Environment: id, Slug: n.Slug, Name: strings.TrimSpace(n.Name), Description: n.Description,
		ResourceType: n.ResourceType, Created: tx.now, Updated: tx.now,
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if f, err := tx.First(tablePermissions, "on_slug", string(id), p.Slug); err != nil {
		return nil, err
	} else if f != nil {
		return nil, apierr.New(apierr.Conflict, "permission_slug_conflict", "There is a permission with the slug %s already.", p.Slug)
	}
	if err := tx.Add(tablePermissions, permissionRow(p)); err != nil {
		return nil, err
	}
	return p, tx.Record(id, "permission.created", permissionData(p))
}

// permissionRowOf finds a permission's row; NotFound if there is none.
func (tx *Tx) permissionRowOf(id EnvironmentID, slug string) (*Found, error) {
	f, err := tx.First(tablePermissions, "on_slug", string(id), slug)
	if err == nil && f == nil {
		err = notFound("Permission", slug)
	}
	return f, err
}

// Permission finds a permission by its slug.
func (tx *Tx) Permission(id EnvironmentID, slug string) (*Permission, error) {
	f, err := tx.permissionRowOf(id, slug)
	if err != nil {
		return nil, err
	}
	return readPermission(f.Record), nil
}

// UpdatePermission changes a permission's name and description; nil ones stay.
func (tx *Tx) UpdatePermission(id EnvironmentID, slug string, name, description *string) (*Permission, error) {
	f, err := tx.permissionRowOf(id, slug)
	if err != nil {
		return nil, err
	}
	p := readPermission(f.Record)
	before := permissionData(p)
	if p.System {
		return nil, systemPermission(slug)
	}
	if name != nil {
		p.Name = strings.TrimSpace(*name)
	}
	if description != nil {
		p.Description = *description
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.Updated = tx.later(p.Updated)
	if err := tx.Put(f.Doc, permissionRow(p)); err != nil {
		return nil, err
	}
	return p, tx.RecordChange(id, "permission.updated", permissionData(p), before)
}

// systemPermission is the refusal to change what is the house's own.
func systemPermission(slug string) error {
	return apierr.New(apierr.Forbidden, "system_permission", "%s is a system permission and cannot be changed.", slug)
}

// DeletePermission removes a permission and takes it from every role.
func (tx *Tx) DeletePermission(id EnvironmentID, slug string) error {
	f, err := tx.permissionRowOf(id, slug)
	if err != nil {
		return err
	}
	p := readPermission(f.Record)
	if p.System {
		return systemPermission(slug)
	}
	roles, err := tx.All(tableRoles, "on_slug", string(id))
	if err != nil {
		return err
	}
	for _, row := range roles {
		r := readRole(row.Record)
		before := roleData(r)
		if !without(&r.Permissions, slug) {
			continue
		}
		r.Updated = tx.later(r.Updated)
		if err := tx.Put(row.Doc, roleRow(r)); err != nil {
			return err
		}
		if err := tx.RecordChange(id, r.event("updated"), roleData(r), before); err != nil {
			return err
		}
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(id, "permission.deleted", permissionData(p))
}

// Permissions lists an environment's permissions.
func (s *Service) Permissions(ctx context.Context, id EnvironmentID, p Page) (l *List[Permission], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		l, err = page(tx, tablePermissions, "on_environment", []string{string(id)}, p, func(r Record) (Permission, string, bool) {
			p := readPermission(r)
			return *p, string(p.ID), true
		})
		return err
	})
	return l, err
}

// permissionData is a permission as events show it.
func permissionData(p *Permission) map[string]any {
	return map[string]any{
		"object": "permission", "id": p.ID, "slug": p.Slug, "name": p.Name, "description": nullable(p.Description), "system": p.System,
		"resource_type_slug": p.ResourceType, "created_at": FormatTime(p.Created), "updated_at": FormatTime(p.Updated),
	}
}
