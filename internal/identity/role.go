package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Bounds of roles and permissions (workos-operations.md, CreateRoleDto).
const (
	maxSlug        = 48
	maxRoleName    = 48
	maxDescription = 150
	maxRoles       = 200 // of an environment or an organization; ours
)

// Names that every environment begins with or that mean something.
const (
	// DefaultRole is the slug of the role that a member without another has.
	DefaultRole = "member"
	// AdminRole is the slug of the other role every environment begins with.
	AdminRole = "admin"
	// OrganizationResource is the type of resource that ordinary roles and
	// permissions are about.
	OrganizationResource = "organization"
	// organizationRolePrefix begins the slugs of organizations' own roles, which
	// keeps them apart from the environment's
	// (https://workos.com/docs/reference/roles/custom-role).
	organizationRolePrefix = "org-"
)

// Role is a named set of permissions, of an environment or of one organization.
type Role struct {
	ID           RoleID
	Environment  EnvironmentID
	Organization OrganizationID // "" for a role of the environment
	Slug         string
	Name         string
	Description  string
	ResourceType string   // OrganizationResource, or a type of the authorization room
	Permissions  []string // slugs, sorted
	Priority     int      // of two roles the one with the lower number goes first
	Created      time.Time
	Updated      time.Time
}

// NewRole is what a caller says of a role to be made.
type NewRole struct {
	Slug         string // chosen from the name for an organization's role, if empty
	Name         string
	Description  string
	ResourceType string // OrganizationResource if empty
	Permissions  []string
}

// roleRow writes a role.
func roleRow(r *Role) Row {
	return Row{
		Text("id", r.ID), Text("environment", r.Environment), Text("organization", r.Organization), Text("slug", r.Slug), Text("name", r.Name),
		Text("description", r.Description), Text("resource_type", r.ResourceType), Texts("permissions", r.Permissions),
		Number("priority", r.Priority), Time("created", r.Created), Time("updated", r.Updated),
	}
}

// readRole is the reverse of roleRow.
func readRole(r Record) *Role {
	return &Role{
		ID: RoleID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Organization: OrganizationID(r.Text("organization")),
		Slug: r.Text("slug"), Name: r.Text("name"), Description: r.Text("description"), ResourceType: r.Text("resource_type"),
		Permissions: r.Texts("permissions"), Priority: int(r.Number("priority")), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// slugOK reports whether s can name a role or a permission: letters and digits
// and what separates words. Permissions may be spelled with colons, dots and
// stars too.
func slugOK(s, also string) bool {
	if s == "" || len(s) > maxSlug {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && strings.IndexByte(also, c) < 0 {
			return false
		}
	}
	return true
}

// firstRoles gives an environment the roles every one begins with.
func (tx *Tx) firstRoles(id EnvironmentID) error {
	for i, r := range []Role{{Slug: AdminRole, Name: "Admin"}, {Slug: DefaultRole, Name: "Member"}} {
		r.ID, r.Environment, r.ResourceType = RoleID(tx.newID(rolePrefix)), id, OrganizationResource
		r.Priority, r.Created, r.Updated = i, tx.now, tx.now
		if err := tx.Add(tableRoles, roleRow(&r)); err != nil {
			return err
		}
	}
	return nil
}

// ensureRoles gives the first roles to environments of before there were any.
func (s *Service) ensureRoles(ctx context.Context) error {
	return s.Update(ctx, func(tx *Tx) error {
		envs, err := tx.Environments()
		if err != nil {
			return err
		}
		for _, e := range envs {
			f, err := tx.First(tableRoles, "on_slug", string(e.ID), "")
			if err != nil {
				return err
			}
			if f == nil {
				if err := tx.firstRoles(e.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// roleRowOf finds the row of a role of exactly this owner; nil if there is none.
func (tx *Tx) roleRowOf(id EnvironmentID, org OrganizationID, slug string) (*Found, error) {
	return tx.First(tableRoles, "on_slug", string(id), string(org), slug)
}

// Role finds a role of the environment, or of the organization if one is given;
// an organization has the environment's roles, too.
func (tx *Tx) Role(id EnvironmentID, org OrganizationID, slug string) (*Role, error) {
	for _, owner := range slices.Compact([]OrganizationID{org, ""}) {
		f, err := tx.roleRowOf(id, owner, slug)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return readRole(f.Record), nil
		}
	}
	return nil, notFound("Role", slug)
}

// Roles lists the roles of an environment, and of an organization if one is
// given, in the order of their priority.
func (tx *Tx) Roles(id EnvironmentID, org OrganizationID) ([]Role, error) {
	var out []Role
	for _, owner := range slices.Compact([]OrganizationID{"", org}) {
		rows, err := tx.All(tableRoles, "on_slug", string(id), string(owner))
		if err != nil {
			return nil, err
		}
		from := len(out)
		for _, f := range rows {
			out = append(out, *readRole(f.Record))
		}
		slices.SortFunc(out[from:], func(a, b Role) int { return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID)) })
	}
	return out, nil
}

// checkRole refuses a role whose fields cannot be.
func (tx *Tx) checkRole(r *Role) error {
	if err := checkText("name", strings.TrimSpace(r.Name), maxRoleName, true); err != nil {
		return err
	}
	if err := checkText("description", r.Description, maxDescription, false); err != nil {
		return err
	}
	if !slugOK(r.ResourceType, "") {
		return InvalidField("resource_type_slug", "resource_type_slug_invalid", "resource_type_slug has 1 to %d characters a–z, 0–9, - and _.", maxSlug)
	}
	slices.Sort(r.Permissions)
	r.Permissions = slices.Compact(r.Permissions)
	for _, slug := range r.Permissions {
		p, err := tx.First(tablePermissions, "on_slug", string(r.Environment), slug)
		if err != nil {
			return err
		}
		if p == nil {
			return notFound("Permission", slug)
		}
		t := p.Text("resource_type")
		covered := t == r.ResourceType
		if !covered && tx.s.Covers != nil {
			if covered, err = tx.s.Covers(tx, r.Environment, r.ResourceType, t); err != nil {
				return err
			}
		}
		if !covered {
			return InvalidField("permissions", "permission_resource_type_mismatch", "The permission %s is about %s, the role about %s.", slug, t, r.ResourceType)
		}
	}
	return nil
}

// CreateRole makes a role of the environment, or of an organization.
func (tx *Tx) CreateRole(id EnvironmentID, org OrganizationID, n NewRole) (*Role, error) {
	n.Name = strings.TrimSpace(n.Name)
	conflict := "role_slug_conflict"
	switch {
	case org != "":
		if _, err := tx.organizationRowOf(id, org); err != nil {
			return nil, err
		}
		if n.Slug == "" {
			n.Slug = organizationRolePrefix + slugOf(n.Name) + "-" + strings.ToLower(rand.Text()[:6])
		}
		if !strings.HasPrefix(n.Slug, organizationRolePrefix) {
			return nil, InvalidField("slug", "slug_invalid", "The slug of an organization's role begins with %q.", organizationRolePrefix)
		}
		conflict = "organization_role_slug_conflict"
	case strings.HasPrefix(n.Slug, organizationRolePrefix):
		return nil, InvalidField("slug", "slug_invalid", "Slugs that begin with %q are for organizations' own roles.", organizationRolePrefix)
	}
	if !slugOK(n.Slug, "") {
		return nil, InvalidField("slug", "slug_invalid", "A slug has 1 to %d characters a–z, 0–9, - and _.", maxSlug)
	}
	if n.ResourceType == "" {
		n.ResourceType = OrganizationResource
	}
	if f, err := tx.roleRowOf(id, org, n.Slug); err != nil {
		return nil, err
	} else if f != nil {
		return nil, apierr.New(apierr.Conflict, conflict, "There is a role with the slug %s already.", n.Slug)
	}
	rows, err := tx.All(tableRoles, "on_slug", string(id), string(org))
	if err != nil {
		return nil, err
	}
	if len(rows) >= maxRoles {
		return nil, apierr.New(apierr.BadRequest, "bad_request", "There are %d roles already, which is the most.", maxRoles)
	}
	r := &Role{
		ID: RoleID(tx.newID(rolePrefix)), Environment: id, Organization: org, Slug: n.Slug, Name: n.Name, Description: n.Description,
		ResourceType: n.ResourceType, Permissions: slices.Clone(n.Permissions), Created: tx.now, Updated: tx.now,
	}
	for _, f := range rows {
		r.Priority = max(r.Priority, int(f.Number("priority"))+1) // new roles come last
	}
	if err := tx.checkRole(r); err != nil {
		return nil, err
	}
	if err := tx.Add(tableRoles, roleRow(r)); err != nil {
		return nil, err
	}
	return r, tx.recordRole(r, "created")
}

// slugOf makes a slug of a name, short enough for what is put around it.
func slugOf(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if b.Len() >= maxSlug-16 {
			break
		}
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else if s := b.String(); s != "" && s[len(s)-1] != '-' {
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "role"
}

// UpdateRole changes a role of exactly this owner: through an organization, the
// environment's roles cannot be changed.
// change may edit its name, description and permissions.
func (tx *Tx) UpdateRole(id EnvironmentID, org OrganizationID, slug string, change func(*Role)) (*Role, error) {
	f, err := tx.ownRole(id, org, slug)
	if err != nil {
		return nil, err
	}
	r := readRole(f.Record)
	before := roleData(r)
	change(r)
	r.Name = strings.TrimSpace(r.Name)
	if err := tx.checkRole(r); err != nil {
		return nil, err
	}
	r.Updated = tx.later(r.Updated)
	if err := tx.Put(f.Doc, roleRow(r)); err != nil {
		return nil, err
	}
	return r, tx.RecordChange(id, r.event("updated"), roleData(r), before)
}

// ownRole finds the row of a role that may be changed through its owner.
func (tx *Tx) ownRole(id EnvironmentID, org OrganizationID, slug string) (*Found, error) {
	if org != "" {
		if _, err := tx.organizationRowOf(id, org); err != nil {
			return nil, err
		}
	}
	f, err := tx.roleRowOf(id, org, slug)
	if err != nil || f != nil {
		return f, err
	}
	if org != "" {
		if env, err := tx.roleRowOf(id, "", slug); err != nil {
			return nil, err
		} else if env != nil {
			return nil, apierr.New(apierr.Forbidden, "environment_role", "%s is a role of the environment; change it there, for all organizations.", slug)
		}
	}
	return nil, notFound("Role", slug)
}

// DeleteRole removes a role that nobody has.
func (tx *Tx) DeleteRole(id EnvironmentID, org OrganizationID, slug string) error {
	f, err := tx.ownRole(id, org, slug)
	if err != nil {
		return err
	}
	used, err := tx.roleUsed(id, org, slug)
	for _, ask := range tx.s.RoleUsed {
		if err == nil && used == "" {
			used, err = ask(tx, id, org, slug)
		}
	}
	if err != nil {
		return err
	}
	if used != "" {
		return apierr.New(apierr.Conflict, used, "The role %s is assigned; take it from whoever has it first.", slug)
	}
	r := readRole(f.Record)
	e, err := tx.Environment(id)
	if err != nil {
		return err
	}
	if org == "" && slug == e.Settings.Defaulted().DefaultRole {
		return apierr.New(apierr.BadRequest, "bad_request", "The role %s is the default and cannot be deleted.", slug)
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.recordRole(r, "deleted")
}

// OrderRoles gives the environment's roles their priority: the order of slugs, which
// must name each of them once.
func (tx *Tx) OrderRoles(id EnvironmentID, slugs []string) error {
	rows, err := tx.All(tableRoles, "on_slug", string(id), "")
	if err != nil {
		return err
	}
	place := map[string]int{}
	for i, slug := range slugs {
		place[slug] = i
	}
	if len(place) != len(rows) || len(slugs) != len(rows) {
		return InvalidField("slugs", "slugs_incomplete", "Name each of the environment's %d roles once.", len(rows))
	}
	for i := range rows {
		r := readRole(rows[i].Record)
		n, named := place[r.Slug]
		if !named {
			return InvalidField("slugs", "slugs_incomplete", "The role %s is not named.", r.Slug)
		}
		if r.Priority == n {
			continue
		}
		r.Priority, r.Updated = n, tx.later(r.Updated)
		if err := tx.Put(rows[i].Doc, roleRow(r)); err != nil {
			return err
		}
	}
	return nil
}

// removeOrganizationRoles deletes an organization's own roles.
func (tx *Tx) removeOrganizationRoles(o *Organization) error {
	rows, err := tx.All(tableRoles, "on_slug", string(o.Environment), string(o.ID))
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.Remove(&rows[i]); err != nil {
			return err
		}
		if err := tx.recordRole(readRole(rows[i].Record), "deleted"); err != nil {
			return err
		}
	}
	return nil
}

// recordRole writes that a role was created or deleted.
func (tx *Tx) recordRole(r *Role, what string) error {
	return tx.Record(r.Environment, r.event(what), roleData(r))
}

// event names what happened to a role.
func (r *Role) event(what string) string {
	if r.Organization == "" {
		return "role." + what
	}
	return "organization_role." + what
}

// roleData is a role as events show it: an environment's without its name.
func roleData(r *Role) map[string]any {
	d := map[string]any{
		"object": "role", "slug": r.Slug, "resource_type_slug": r.ResourceType, "permissions": append([]string{}, r.Permissions...),
		"created_at": FormatTime(r.Created), "updated_at": FormatTime(r.Updated),
	}
	if r.Organization != "" {
		d["object"], d["organization_id"], d["name"], d["description"] = "organization_role", r.Organization, r.Name, nullable(r.Description)
	}
	return d
}
