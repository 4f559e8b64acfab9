package identity

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// MembershipStatus says whether a member may use the organization.
type MembershipStatus string

// The states of a membership; only active ones count when somebody signs in.
const (
	MembershipActive   MembershipStatus = "active"
	MembershipInactive MembershipStatus = "inactive"
	MembershipPending  MembershipStatus = "pending" // invited, not yet come
)

// maxMemberRoles bounds the roles of one member; ours.
const maxMemberRoles = 50

// Membership is a user's place in an organization.
type Membership struct {
	ID               MembershipID
	Environment      EnvironmentID
	User             UserID
	Organization     OrganizationID
	Status           MembershipStatus
	Roles            []string       // slugs, at least one, in the order of their priority
	CustomAttributes map[string]any // from a directory or an identity provider
	DirectoryManaged bool
	Created          time.Time
	Updated          time.Time
}

// NewMembership is what a caller says of a membership to be made.
type NewMembership struct {
	User             UserID
	Organization     OrganizationID
	Roles            []string         // the environment's default role if empty
	Status           MembershipStatus // active if empty
	CustomAttributes map[string]any
	DirectoryManaged bool
}

// MembershipChange names the fields of a membership to change; nil ones stay.
type MembershipChange struct {
	Roles            []string
	Status           *MembershipStatus
	CustomAttributes *map[string]any
	DirectoryManaged *bool
}

// membershipRow writes a membership.
func membershipRow(m *Membership) Row {
	attributes := ""
	if len(m.CustomAttributes) > 0 {
		if b, err := json.Marshal(m.CustomAttributes); err == nil { // it came from JSON
			attributes = string(b)
		}
	}
	return Row{
		Text("id", m.ID), Text("environment", m.Environment), Text("user", m.User), Text("organization", m.Organization), Text("status", m.Status),
		Texts("roles", m.Roles), Text("custom_attributes", attributes), Flag("directory_managed", m.DirectoryManaged),
		Time("created", m.Created), Time("updated", m.Updated),
	}
}

// readMembership is the reverse of membershipRow.
func readMembership(r Record) *Membership {
	m := &Membership{
		ID: MembershipID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), User: UserID(r.Text("user")),
		Organization: OrganizationID(r.Text("organization")), Status: MembershipStatus(r.Text("status")), Roles: r.Texts("roles"),
		DirectoryManaged: r.Flag("directory_managed"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
	if text := r.Text("custom_attributes"); text != "" {
		_ = json.Unmarshal([]byte(text), &m.CustomAttributes) // written by membershipRow
	}
	return m
}

// memberRow finds the row of a user's membership in an organization; nil if there
// is none.
func (tx *Tx) memberRow(id EnvironmentID, user UserID, org OrganizationID) (*Found, error) {
	return tx.First(tableMemberships, "on_member", string(id), string(org), string(user))
}

// Membership finds a user's place in an organization, whatever its status; nil if
// there is none.
func (tx *Tx) Membership(id EnvironmentID, user UserID, org OrganizationID) (*Membership, error) {
	f, err := tx.memberRow(id, user, org)
	if err != nil || f == nil {
		return nil, err
	}
	return readMembership(f.Record), nil
}

// Memberships lists a user's memberships, whatever their status, oldest first.
func (tx *Tx) Memberships(id EnvironmentID, user UserID) ([]Membership, error) {
	rows, err := tx.All(tableMemberships, "on_user", string(id), string(user))
	if err != nil {
		return nil, err
	}
	out := make([]Membership, 0, len(rows))
	for _, f := range rows {
		out = append(out, *readMembership(f.Record))
	}
	slices.SortFunc(out, func(a, b Membership) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// membershipRowOf finds a membership's row; NotFound if there is none.
func (tx *Tx) membershipRowOf(id EnvironmentID, m MembershipID) (*Found, error) {
	f, err := tx.First(tableMemberships, "on_environment", string(id), string(m))
	if err == nil && f == nil {
		err = notFound("Organization membership", string(m))
	}
	return f, err
}

// MembershipByID finds a membership of the environment.
func (tx *Tx) MembershipByID(id EnvironmentID, m MembershipID) (*Membership, error) {
	f, err := tx.membershipRowOf(id, m)
	if err != nil {
		return nil, err
	}
	return readMembership(f.Record), nil
}

// RoleScope is the detail of the refusal of a role that is about a part of an
// organization.
type RoleScope struct {
	RoleSlug string `json:"role_slug"`
}

// memberRoles checks roles for a member of an organization and puts them in
// order; none means the default one.
func (tx *Tx) memberRoles(id EnvironmentID, org OrganizationID, slugs []string) ([]string, error) {
	e, err := tx.Environment(id)
	if err != nil {
		return nil, err
	}
	if len(slugs) == 0 {
		slugs = []string{e.Settings.Defaulted().DefaultRole}
	}
	switch {
	case len(slugs) > maxMemberRoles:
		return nil, InvalidField("role_slugs", "too_many_roles", "A member has at most %d roles.", maxMemberRoles)
	case len(slugs) > 1 && e.Settings.SingleRole:
		return nil, apierr.New(apierr.BadRequest, "multiple_roles_not_enabled", "Members of this environment have one role each. Give one role, or allow several in the environment's settings.")
	}
	var roles []Role
	for _, slug := range slugs {
		r, err := tx.Role(id, org, slug)
		if apierr.KindOf(err) == apierr.NotFound {
			return nil, apierr.New(apierr.BadRequest, "invalid_role", "There is no role with the slug '%.100s' for this organization.", slug)
		}
		if err != nil {
			return nil, err
		}
		if r.ResourceType != OrganizationResource {
			return nil, apierr.New(apierr.BadRequest, "sub_resource_scoped_role_not_allowed",
				"The role %s is about resources of type %s; assign it on such a resource.", slug, r.ResourceType).With(RoleScope{slug})
		}
		roles = append(roles, *r)
	}
	return inOrder(roles), nil
}

// inOrder gives the slugs of roles by priority, the environment's first, each once.
func inOrder(roles []Role) []string {
	slices.SortFunc(roles, func(a, b Role) int {
		return cmp.Or(cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	out := make([]string, 0, len(roles))
	for _, r := range roles {
		if !slices.Contains(out, r.Slug) {
			out = append(out, r.Slug)
		}
	}
	return out
}

// RolesOf gives the slugs of all roles of a member, the most important first, and
// what they allow together, sorted: the member's own and those of their groups.
func (tx *Tx) RolesOf(m *Membership) (slugs, permissions []string, err error) {
	all := slices.Clone(m.Roles)
	groups, err := tx.groupsOf(m)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range groups {
		all = append(all, g.Roles...)
	}
	var roles []Role
	permissions = []string{}
	for _, slug := range all {
		r, err := tx.Role(m.Environment, m.Organization, slug)
		if apierr.KindOf(err) == apierr.NotFound {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		roles = append(roles, *r)
		permissions = append(permissions, r.Permissions...)
	}
	slices.Sort(permissions)
	return inOrder(roles), slices.Compact(permissions), nil
}

// AddMembership makes a user a member of an organization. An inactive membership
// comes back to life.
func (tx *Tx) AddMembership(id EnvironmentID, n NewMembership) (*Membership, error) {
	if _, err := tx.User(id, n.User); err != nil {
		return nil, err
	}
	if _, err := tx.organizationRowOf(id, n.Organization); err != nil {
		return nil, err
	}
	f, err := tx.memberRow(id, n.User, n.Organization)
	if err != nil {
		return nil, err
	}
	if f != nil {
		m := readMembership(f.Record)
		switch m.Status {
		case MembershipPending:
			return nil, apierr.New(apierr.BadRequest, "cannot_reactivate_pending_organization_membership",
				"The user is invited already; they become a member when they accept the invitation.")
		case MembershipInactive:
			active := MembershipActive
			return tx.UpdateMembership(id, m.ID, MembershipChange{Roles: n.Roles, Status: &active})
		}
		return nil, apierr.New(apierr.Conflict, "organization_membership_already_exists", "The user is a member of this organization already.")
	}
	roles, err := tx.memberRoles(id, n.Organization, n.Roles)
	if err != nil {
		return nil, err
	}
	if n.Status == "" {
		n.Status = MembershipActive
	}
	m := &Membership{
		ID: MembershipID(tx.newID(membershipPrefix)), Environment: id, User: n.User, Organization: n.Organization, Status: n.Status, Roles: roles,
		CustomAttributes: n.CustomAttributes, DirectoryManaged: n.DirectoryManaged, Created: tx.now, Updated: tx.now,
	}
	if err := tx.Add(tableMemberships, membershipRow(m)); err != nil {
		return nil, err
	}
	return m, tx.Record(id, "organization_membership.created", membershipData(m))
}

// UpdateMembership changes a membership. Whoever is no longer active is signed out
// of the organization.
func (tx *Tx) UpdateMembership(id EnvironmentID, membership MembershipID, c MembershipChange) (*Membership, error) {
	f, err := tx.membershipRowOf(id, membership)
	if err != nil {
		return nil, err
	}
	m := readMembership(f.Record)
	before := membershipData(m)
	if c.Roles != nil {
		if m.Roles, err = tx.memberRoles(id, m.Organization, c.Roles); err != nil {
			return nil, err
		}
	}
	if c.CustomAttributes != nil {
		m.CustomAttributes = *c.CustomAttributes
	}
	if c.DirectoryManaged != nil {
		m.DirectoryManaged = *c.DirectoryManaged
	}
	if c.Status != nil && *c.Status != m.Status {
		if m.Status = *c.Status; m.Status != MembershipActive {
			if err := tx.endMemberSessions(m); err != nil {
				return nil, err
			}
		}
	}
	m.Updated = tx.later(m.Updated)
	if err := tx.Put(f.Doc, membershipRow(m)); err != nil {
		return nil, err
	}
	return m, tx.RecordChange(id, "organization_membership.updated", membershipData(m), before)
}

// SetMembershipActive deactivates or reactivates a membership; doing it twice is
// no change. Pending ones are neither: they are accepted or deleted.
func (tx *Tx) SetMembershipActive(id EnvironmentID, membership MembershipID, active bool) (*Membership, error) {
	m, err := tx.MembershipByID(id, membership)
	if err != nil {
		return nil, err
	}
	to, code, advice := MembershipInactive, "cannot_deactivate_pending_organization_membership", "Delete it instead."
	if active {
		to, code, advice = MembershipActive, "cannot_reactivate_pending_organization_membership", "The user becomes a member by accepting the invitation."
	}
	switch m.Status {
	case to:
		return m, nil
	case MembershipPending:
		return nil, apierr.New(apierr.BadRequest, code, "This membership is pending. %s", advice)
	}
	return tx.UpdateMembership(id, membership, MembershipChange{Status: &to})
}

// RemoveMembership takes a user from an organization.
func (tx *Tx) RemoveMembership(id EnvironmentID, membership MembershipID) error {
	f, err := tx.membershipRowOf(id, membership)
	if err != nil {
		return err
	}
	return tx.removeMember(f)
}

// removeMember deletes a membership with its places in groups and its sessions.
func (tx *Tx) removeMember(f *Found) error {
	m := readMembership(f.Record)
	places, err := tx.All(tableGroupMembers, "on_membership", string(m.ID))
	if err != nil {
		return err
	}
	for i := range places {
		if err := tx.removePlace(m.Environment, &places[i]); err != nil {
			return err
		}
	}
	if err := tx.endMemberSessions(m); err != nil {
		return err
	}
	if err := tx.s.gone(tx, Gone{Environment: m.Environment, User: m.User, Organization: m.Organization, Membership: m.ID}); err != nil {
		return err
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(m.Environment, "organization_membership.deleted", membershipData(m))
}

// endMemberSessions ends the sessions a member has with the organization.
func (tx *Tx) endMemberSessions(m *Membership) error {
	rows, err := tx.All(tableSessions, "on_organization", string(m.Organization), string(m.User))
	if err != nil {
		return err
	}
	return tx.endRows(m.Environment, rows)
}

// removeMemberships deletes all memberships of an organization.
func (tx *Tx) removeMemberships(o *Organization) error {
	rows, err := tx.All(tableMemberships, "on_organization", string(o.Environment), string(o.ID))
	if err != nil {
		return err
	}
	for i := range rows {
		if err := tx.removeMember(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// roleUsed says why a role cannot be deleted: the code of the refusal, or "".
func (tx *Tx) roleUsed(id EnvironmentID, org OrganizationID, slug string) (string, error) {
	used := ""
	for _, look := range []struct{ table, code string }{{tableMemberships, "role_has_assignments"}, {tableGroups, "role_has_group_role_mappings"}} {
		prefix := []string{string(id)}
		if org != "" {
			prefix = append(prefix, string(org))
		}
		err := tx.Each(look.table, "on_organization", prefixOf(prefix...), ascending, func(f Found) (bool, error) {
			if slices.Contains(f.Texts("roles"), slug) {
				used = look.code
			}
			return used == "", nil
		})
		if err != nil || used != "" {
			return used, err
		}
	}
	return "", nil
}

// slimRoles are roles as memberships show them.
func slimRoles(slugs []string) []map[string]string {
	out := make([]map[string]string, len(slugs))
	for i, s := range slugs {
		out[i] = map[string]string{"slug": s}
	}
	return out
}

// membershipData is a membership as events show it.
func membershipData(m *Membership) map[string]any {
	attributes := m.CustomAttributes
	if attributes == nil {
		attributes = map[string]any{}
	}
	roles := slimRoles(m.Roles)
	d := map[string]any{
		"object": "organization_membership", "id": m.ID, "user_id": m.User, "organization_id": m.Organization, "status": m.Status, "roles": roles,
		"custom_attributes": attributes, "directory_managed": m.DirectoryManaged, "created_at": FormatTime(m.Created), "updated_at": FormatTime(m.Updated),
	}
	if len(roles) > 0 {
		d["role"] = roles[0]
	}
	return d
}
