package authorization

import (
	"context"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// maxReplaced bounds the assignments that a group is given at once (workos-operations.md,
// ReplaceGroupRoleAssignmentsDto).
const maxReplaced = 100

// Roles of an organisation as a whole are kept by identity, with memberships and
// groups; what this room shows of them has ids that are made of the ids of what they
// join. The ids of all assignments of a member sort by the first ULID in them.

// ulid is the part of an id behind its prefix.
func ulid(id string) string { return id[strings.LastIndexByte(id, '_')+1:] }

// assignmentRow writes an assignment of a subject; parent is the resource's.
func assignmentRow(tx *identity.Tx, r *Resource, subject, role, prefix string) (identity.Row, AssignmentID) {
	id := tx.NewID(prefix)
	return identity.Row{identity.Text("id", id), identity.Text("key", ulid(id)), identity.Text("environment", r.Environment), identity.Text("organization", r.Organization),
		identity.Text("subject", subject), identity.Text("role", role), identity.Text("resource", r.ID), identity.Text("parent", r.Parent), identity.Time("created", tx.Now())}, AssignmentID(id)
}

// readAssignment is the reverse of assignmentRow, without the resource.
func readAssignment(r identity.Record) *Assignment {
	return &Assignment{ID: AssignmentID(r.Text("id")), Subject: r.Text("subject"), Role: r.Text("role"), Resource: Resource{ID: ResourceID(r.Text("resource"))}, Created: r.Time("created")}
}

// withResource puts an assignment's resource beside it.
func (a *Assignment) withResource(tx *identity.Tx, env identity.EnvironmentID) error {
	_, r, err := byID(tx, env, a.Resource.ID)
	if err == nil {
		a.Resource = *r
	}
	return err
}

// roleOn finds a role that can be had on a resource.
func roleOn(tx *identity.Tx, r *Resource, slug string) (*identity.Role, error) {
	role, err := tx.Role(r.Environment, r.Organization, slug)
	if err != nil {
		return nil, err
	}
	if role.ResourceType != r.Type {
		return nil, identity.InvalidField("role_slug", "role_resource_type_mismatch", "The role %s is for resources of the type %s; this one is of the type %s.", slug, role.ResourceType, r.Type)
	}
	return role, nil
}

// ofOrganization is a role of the organisation as a whole, as an assignment.
func ofOrganization(top *Resource, prefix, subject string, role *identity.Role) Assignment {
	return Assignment{ID: AssignmentID(prefix + ulid(subject) + "_" + ulid(string(role.ID))), Subject: subject, Role: role.Slug, Resource: *top, Created: role.Created}
}

// wholes are a subject's roles of the organisation as a whole, as assignments; roles
// that are no more are left out.
func wholes(tx *identity.Tx, top *Resource, prefix, subject string, slugs []string) ([]Assignment, error) {
	var out []Assignment
	for _, slug := range slugs {
		role, err := tx.Role(top.Environment, top.Organization, slug)
		if apierr.KindOf(err) == apierr.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, ofOrganization(top, prefix, subject, role))
	}
	return out, nil
}

// Assign gives a member a role on a resource of the organisation. Giving it twice is
// no change.
func (s *Service) Assign(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, role string, on Ref) (a *Assignment, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		_, r, err := byRef(tx, env, m.Organization, on)
		if err != nil {
			return err
		}
		what, err := roleOn(tx, r, role)
		if err != nil {
			return err
		}
		if r.Parent == "" {
			whole := ofOrganization(r, memberPrefix, string(m.ID), what)
			if a = &whole; slices.Contains(m.Roles, role) {
				return nil
			}
			_, err = tx.UpdateMembership(env, m.ID, identity.MembershipChange{Roles: append(slices.Clone(m.Roles), role)})
			return err
		}
		f, err := tx.First(tableAssignments, "on_grant", string(r.ID), string(m.ID), role)
		if err != nil {
			return err
		}
		if f != nil {
			a = readAssignment(f.Record)
			return a.withResource(tx, env)
		}
		row, id := assignmentRow(tx, r, string(m.ID), role, memberPrefix)
		a = &Assignment{ID: id, Subject: string(m.ID), Role: role, Resource: *r, Created: tx.Now()}
		return tx.Add(tableAssignments, row)
	})
	return a, err
}

// noAssignment is the refusal for an assignment that is not there.
func noAssignment(id string) error { return identity.NotFound("Role assignment", id) }

// Unassign takes from a member a role on a resource.
func (s *Service) Unassign(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, role string, on Ref) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		_, r, err := byRef(tx, env, m.Organization, on)
		if err != nil {
			return err
		}
		if r.Parent == "" {
			return dropRole(tx, m, role)
		}
		f, err := tx.First(tableAssignments, "on_grant", string(r.ID), string(m.ID), role)
		if err != nil {
			return err
		}
		if f == nil {
			return noAssignment(role)
		}
		return tx.Remove(f)
	})
}

// dropRole takes a role of the organisation as a whole from a member. Whoever has
// none left has the default one.
func dropRole(tx *identity.Tx, m *identity.Membership, role string) error {
	i := slices.Index(m.Roles, role)
	if i < 0 {
		return noAssignment(role)
	}
	_, err := tx.UpdateMembership(m.Environment, m.ID, identity.MembershipChange{Roles: append([]string{}, slices.Delete(slices.Clone(m.Roles), i, i+1)...)})
	return err
}

// UnassignByID is Unassign by the assignment's id. What a member has through a group
// is the group's.
func (s *Service) UnassignByID(ctx context.Context, env identity.EnvironmentID, membership identity.MembershipID, id AssignmentID) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		m, err := tx.MembershipByID(env, membership)
		if err != nil {
			return err
		}
		f, err := rowOf(tx, string(m.ID), id, memberPrefix)
		if err != nil {
			return err
		}
		if f != nil {
			return tx.Remove(f)
		}
		top, err := root(tx, env, m.Organization)
		if err != nil {
			return err
		}
		own, err := wholes(tx, top, memberPrefix, string(m.ID), m.Roles)
		if err != nil {
			return err
		}
		for _, a := range own {
			if a.ID == id {
				return dropRole(tx, m, a.Role)
			}
		}
		return noAssignment(string(id))
	})
}

// rowOf finds the row of a subject's assignment; nil if there is none.
func rowOf(tx *identity.Tx, subject string, id AssignmentID, prefix string) (*identity.Found, error) {
	key, ok := strings.CutPrefix(string(id), prefix)
	if !ok || strings.Contains(key, "_") {
		return nil, nil
	}
	return tx.First(tableAssignments, "on_subject", subject, key)
}

// Grant is a role that a group is to have, on its organisation if nothing else is
// named.
type Grant struct {
	Role string
	On   Ref
}

// resourceOf finds the resource of a group's grant.
func (g *Grant) resourceOf(tx *identity.Tx, of *identity.Group) (*Resource, error) {
	if g.On.IsZero() {
		return root(tx, of.Environment, of.Organization)
	}
	_, r, err := byRef(tx, of.Environment, of.Organization, g.On)
	return r, err
}

// grant gives a group a role; nil if it has it already.
func grant(tx *identity.Tx, of *identity.Group, g Grant) (*Assignment, error) {
	r, err := g.resourceOf(tx, of)
	if err != nil {
		return nil, err
	}
	role, err := roleOn(tx, r, g.Role)
	if err != nil {
		return nil, err
	}
	if r.Parent == "" {
		if slices.Contains(of.Roles, g.Role) {
			return nil, nil
		}
		of.Roles = append(of.Roles, g.Role)
		a := ofOrganization(r, groupPrefix, string(of.ID), role)
		return &a, tx.SetGroupRoles(of.Environment, of.ID, of.Roles)
	}
	f, err := tx.First(tableAssignments, "on_grant", string(r.ID), string(of.ID), g.Role)
	if err != nil || f != nil {
		return nil, err
	}
	row, id := assignmentRow(tx, r, string(of.ID), g.Role, groupPrefix)
	return &Assignment{ID: id, Subject: string(of.ID), Role: g.Role, Resource: *r, Created: tx.Now()}, tx.Add(tableAssignments, row)
}

// AssignGroup gives all members of a group a role.
func (s *Service) AssignGroup(ctx context.Context, env identity.EnvironmentID, group identity.GroupID, g Grant) (a *Assignment, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		of, err := tx.EnvironmentGroup(env, group)
		if err != nil {
			return err
		}
		a, err = grant(tx, of, g)
		if err == nil && a == nil {
			err = apierr.New(apierr.Conflict, "duplicate_group_role_assignment", "The group has the role %s there already.", g.Role)
		}
		return err
	})
	return a, err
}

// ReplaceGroup makes these the only roles that a group has.
func (s *Service) ReplaceGroup(ctx context.Context, env identity.EnvironmentID, group identity.GroupID, grants []Grant) error {
	if len(grants) > maxReplaced {
		return identity.InvalidField("role_assignments", "too_many_role_assignments", "At most %d role assignments can be given at once.", maxReplaced)
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		of, err := tx.EnvironmentGroup(env, group)
		if err != nil {
			return err
		}
		// What stays keeps its id.
		keep := map[[2]string]bool{}
		var roles []string
		for _, g := range grants {
			r, err := g.resourceOf(tx, of)
			if err != nil {
				return err
			}
			if _, err := roleOn(tx, r, g.Role); err != nil {
				return err
			}
			keep[[2]string{string(r.ID), g.Role}] = true
			if r.Parent == "" && !slices.Contains(roles, g.Role) {
				roles = append(roles, g.Role)
			}
		}
		rows, err := tx.All(tableAssignments, "on_subject", string(group))
		if err != nil {
			return err
		}
		for _, f := range rows {
			if !keep[[2]string{f.Text("resource"), f.Text("role")}] {
				if err := tx.Remove(&f); err != nil {
					return err
				}
			}
		}
		if !slices.Equal(roles, of.Roles) {
			of.Roles = roles
			if err := tx.SetGroupRoles(env, group, roles); err != nil {
				return err
			}
		}
		for _, g := range grants {
			if _, err := grant(tx, of, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// UnassignGroup takes a role from a group, on one resource or, if none is named,
// wherever the group has it.
func (s *Service) UnassignGroup(ctx context.Context, env identity.EnvironmentID, group identity.GroupID, g Grant) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		of, err := tx.EnvironmentGroup(env, group)
		if err != nil {
			return err
		}
		found := false
		only := ResourceID("")
		if !g.On.IsZero() {
			r, err := g.resourceOf(tx, of)
			if err != nil {
				return err
			}
			only = r.ID
		}
		if i := slices.Index(of.Roles, g.Role); i >= 0 && (only == "" || only == rootID(of.Organization)) {
			found = true
			if err := tx.SetGroupRoles(env, group, slices.Delete(slices.Clone(of.Roles), i, i+1)); err != nil {
				return err
			}
		}
		rows, err := tx.All(tableAssignments, "on_subject", string(group))
		if err != nil {
			return err
		}
		for _, f := range rows {
			if f.Text("role") == g.Role && (only == "" || f.Text("resource") == string(only)) {
				found = true
				if err := tx.Remove(&f); err != nil {
					return err
				}
			}
		}
		if !found {
			return noAssignment(g.Role)
		}
		return nil
	})
}

// groupAssignment finds an assignment of a group: f is nil for one of the
// organisation as a whole.
func groupAssignment(tx *identity.Tx, of *identity.Group, id AssignmentID) (f *identity.Found, a *Assignment, err error) {
	if f, err = rowOf(tx, string(of.ID), id, groupPrefix); err != nil {
		return nil, nil, err
	}
	if f != nil {
		a = readAssignment(f.Record)
		return f, a, a.withResource(tx, of.Environment)
	}
	top, err := root(tx, of.Environment, of.Organization)
	if err != nil {
		return nil, nil, err
	}
	list, err := wholes(tx, top, groupPrefix, string(of.ID), of.Roles)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range list {
		if a.ID == id {
			return nil, &a, nil
		}
	}
	return nil, nil, noAssignment(string(id))
}

// GroupAssignment finds an assignment of a group.
func (s *Service) GroupAssignment(ctx context.Context, env identity.EnvironmentID, group identity.GroupID, id AssignmentID) (a *Assignment, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		of, err := tx.EnvironmentGroup(env, group)
		if err != nil {
			return err
		}
		_, a, err = groupAssignment(tx, of, id)
		return err
	})
	return a, err
}

// UnassignGroupByID takes an assignment from a group.
func (s *Service) UnassignGroupByID(ctx context.Context, env identity.EnvironmentID, group identity.GroupID, id AssignmentID) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		of, err := tx.EnvironmentGroup(env, group)
		if err != nil {
			return err
		}
		f, a, err := groupAssignment(tx, of, id)
		if err != nil {
			return err
		}
		if f != nil {
			return tx.Remove(f)
		}
		return tx.SetGroupRoles(env, group, slices.DeleteFunc(slices.Clone(of.Roles), func(s string) bool { return s == a.Role }))
	})
}
