package identity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// maxGroupName bounds a name (workos-operations.md, CreateGroupDto).
const maxGroupName = 256

// Group is a set of members of an organization.
type Group struct {
	ID           GroupID
	Environment  EnvironmentID
	Organization OrganizationID
	Name         string
	Description  string
	Roles        []string // slugs of roles that every member has through it
	Created      time.Time
	Updated      time.Time
}

// groupRow writes a group.
func groupRow(g *Group) Row {
	return Row{
		Text("id", g.ID), Text("environment", g.Environment), Text("organization", g.Organization), Text("name", g.Name),
		Text("description", g.Description), Texts("roles", g.Roles), Time("created", g.Created), Time("updated", g.Updated),
	}
}

// readGroup is the reverse of groupRow.
func readGroup(r Record) *Group {
	return &Group{
		ID: GroupID(r.Text("id")), Environment: EnvironmentID(r.Text("environment")), Organization: OrganizationID(r.Text("organization")),
		Name: r.Text("name"), Description: r.Text("description"), Roles: r.Texts("roles"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
}

// check refuses a group whose fields cannot be.
func (g *Group) check() error {
	if err := checkText("name", g.Name, maxGroupName, true); err != nil {
		return err
	}
	return checkText("description", g.Description, maxDescription, false)
}

// CreateGroup makes a group of an organization.
func (tx *Tx) CreateGroup(id EnvironmentID, org OrganizationID, name, description string) (*Group, error) {
	if _, err := tx.organizationRowOf(id, org); err != nil {
		return nil, err
	}
	g := &Group{
		ID: GroupID(tx.newID(groupPrefix)), Environment: id, Organization: org, Name: strings.TrimSpace(name), Description: description,
		Created: tx.now, Updated: tx.now,
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := tx.Add(tableGroups, groupRow(g)); err != nil {
		return nil, err
	}
	return g, tx.Record(id, "group.created", groupData(g))
}

// groupRowOf finds a group's row; NotFound if there is none. An empty
// organization stands for any.
func (tx *Tx) groupRowOf(id EnvironmentID, org OrganizationID, group GroupID) (*Found, error) {
	f, err := tx.First(tableGroups, "on_environment", string(id), string(group))
	if err == nil && (f == nil || org != "" && f.Text("organization") != string(org)) {
		return nil, notFound("Group", string(group))
	}
	return f, err
}

// Group finds a group of the environment; if an organization is given, only a
// group of that one.
func (tx *Tx) Group(id EnvironmentID, org OrganizationID, group GroupID) (*Group, error) {
	f, err := tx.groupRowOf(id, org, group)
	if err != nil {
		return nil, err
	}
	return readGroup(f.Record), nil
}

// UpdateGroup changes a group; nil fields stay.
func (tx *Tx) UpdateGroup(id EnvironmentID, org OrganizationID, group GroupID, name, description *string) (*Group, error) {
	f, err := tx.groupRowOf(id, org, group)
	if err != nil {
		return nil, err
	}
	g := readGroup(f.Record)
	before := groupData(g)
	if name != nil {
		g.Name = strings.TrimSpace(*name)
	}
	if description != nil {
		g.Description = *description
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	g.Updated = tx.later(g.Updated)
	if err := tx.Put(f.Doc, groupRow(g)); err != nil {
		return nil, err
	}
	return g, tx.RecordChange(id, "group.updated", groupData(g), before)
}

// SetGroupRoles makes these the roles that every member has through a group. It is
// no change of the group as lists show it, and tells nobody.
func (tx *Tx) SetGroupRoles(id EnvironmentID, group GroupID, slugs []string) error {
	f, err := tx.groupRowOf(id, "", group)
	if err != nil {
		return err
	}
	g := readGroup(f.Record)
	if g.Roles = nil; len(slugs) > 0 {
		if g.Roles, err = tx.memberRoles(id, g.Organization, slugs); err != nil {
			return err
		}
	}
	return tx.Put(f.Doc, groupRow(g))
}

// DeleteGroup removes a group; its members stay members of the organization.
func (tx *Tx) DeleteGroup(id EnvironmentID, org OrganizationID, group GroupID) error {
	f, err := tx.groupRowOf(id, org, group)
	if err != nil {
		return err
	}
	places, err := tx.All(tableGroupMembers, "on_group", string(group))
	if err != nil {
		return err
	}
	for i := range places {
		if err := tx.removePlace(id, &places[i]); err != nil {
			return err
		}
	}
	if err := tx.s.gone(tx, Gone{Environment: id, Organization: org, Group: group}); err != nil {
		return err
	}
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(id, "group.deleted", groupData(readGroup(f.Record)))
}

// removeGroups deletes an organization's groups.
func (tx *Tx) removeGroups(o *Organization) error {
	rows, err := tx.All(tableGroups, "on_organization", string(o.Environment), string(o.ID))
	if err != nil {
		return err
	}
	for _, f := range rows {
		if err := tx.DeleteGroup(o.Environment, o.ID, GroupID(f.Text("id"))); err != nil {
			return err
		}
	}
	return nil
}

// AddGroupMember puts a member of the organization into a group; being in it
// already is no error.
func (tx *Tx) AddGroupMember(id EnvironmentID, org OrganizationID, group GroupID, membership MembershipID) (*Group, error) {
	g, err := tx.Group(id, org, group)
	if err != nil {
		return nil, err
	}
	m, err := tx.MembershipByID(id, membership)
	if err != nil {
		return nil, err
	}
	if m.Organization != g.Organization {
		return nil, notFound("Organization membership", string(membership))
	}
	if f, err := tx.First(tableGroupMembers, "on_group", string(group), string(membership)); err != nil || f != nil {
		return g, err
	}
	n := 0
	err = tx.Each(tableGroupMembers, "on_membership", prefixOf(string(membership)), ascending, func(Found) (bool, error) {
		n++
		return n < maxGroupsOfMember, nil
	})
	if err != nil {
		return nil, err
	}
	if n == maxGroupsOfMember {
		return nil, apierr.New(apierr.BadRequest, "group_membership_limit_exceeded", "A member can be in at most %d groups.", maxGroupsOfMember)
	}
	if err := tx.Add(tableGroupMembers, Row{Text("group", group), Text("membership", membership), Time("created", tx.now)}); err != nil {
		return nil, err
	}
	return g, tx.Record(id, "group.member_added", placeData(group, membership))
}

// maxGroupsOfMember bounds in how many groups somebody is: every sign-in reads
// them all. Ours.
const maxGroupsOfMember = 200

// RemoveGroupMember takes a member from a group.
func (tx *Tx) RemoveGroupMember(id EnvironmentID, org OrganizationID, group GroupID, membership MembershipID) error {
	if _, err := tx.groupRowOf(id, org, group); err != nil {
		return err
	}
	f, err := tx.First(tableGroupMembers, "on_group", string(group), string(membership))
	if err != nil {
		return err
	}
	if f == nil {
		return notFound("Organization membership", string(membership))
	}
	return tx.removePlace(id, f)
}

// removePlace takes a member from a group, by the row of the place.
func (tx *Tx) removePlace(id EnvironmentID, f *Found) error {
	if err := tx.Remove(f); err != nil {
		return err
	}
	return tx.Record(id, "group.member_removed", placeData(GroupID(f.Text("group")), MembershipID(f.Text("membership"))))
}

// groupsOf lists the groups a member is in.
func (tx *Tx) groupsOf(m *Membership) ([]Group, error) {
	places, err := tx.All(tableGroupMembers, "on_membership", string(m.ID))
	if err != nil {
		return nil, err
	}
	out := make([]Group, 0, len(places))
	for _, f := range places {
		g, err := tx.Group(m.Environment, m.Organization, GroupID(f.Text("group")))
		if err != nil {
			return nil, err
		}
		out = append(out, *g)
	}
	return out, nil
}

// Groups lists an organization's groups.
func (s *Service) Groups(ctx context.Context, id EnvironmentID, org OrganizationID, p Page) (l *List[Group], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		if _, err := tx.organizationRowOf(id, org); err != nil {
			return err
		}
		l, err = page(tx, tableGroups, "on_organization", []string{string(id), string(org)}, p, func(r Record) (Group, string, bool) {
			g := readGroup(r)
			return *g, string(g.ID), true
		})
		return err
	})
	return l, err
}

// GroupsOf lists the groups a member is in.
func (s *Service) GroupsOf(ctx context.Context, id EnvironmentID, membership MembershipID, p Page) (l *List[Group], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		m, err := tx.MembershipByID(id, membership)
		if err != nil {
			return err
		}
		groups, err := tx.groupsOf(m)
		if err != nil {
			return err
		}
		byID := map[string]*Group{}
		var ids []string
		for i := range groups {
			byID[string(groups[i].ID)] = &groups[i]
			ids = append(ids, string(groups[i].ID))
		}
		slices.Sort(ids)
		l, err = pageOf(ids, p, func(id string) (*Group, error) { return byID[id], nil })
		return err
	})
	return l, err
}

// GroupMembers lists who is in a group.
func (s *Service) GroupMembers(ctx context.Context, id EnvironmentID, org OrganizationID, group GroupID, p Page) (l *List[Member], err error) {
	err = s.View(ctx, func(tx *Tx) error {
		if _, err := tx.groupRowOf(id, org, group); err != nil {
			return err
		}
		var failed error
		l, err = page(tx, tableGroupMembers, "on_group", []string{string(group)}, p, func(r Record) (Member, string, bool) {
			m, err := tx.MembershipByID(id, MembershipID(r.Text("membership")))
			if err == nil {
				var full *Member
				if full, err = tx.member(m); err == nil {
					return *full, string(m.ID), true
				}
			}
			failed = err
			return Member{}, "", false
		})
		if err == nil {
			err = failed
		}
		return err
	})
	return l, err
}

// placeData is somebody's place in a group as events show it.
func placeData(group GroupID, membership MembershipID) map[string]any {
	return map[string]any{"group_id": group, "organization_membership_id": membership}
}

// groupData is a group as events show it.
func groupData(g *Group) map[string]any {
	return map[string]any{
		"object": "group", "id": g.ID, "organization_id": g.Organization, "name": g.Name, "description": nullable(g.Description),
		"created_at": FormatTime(g.Created), "updated_at": FormatTime(g.Updated),
	}
}
