package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of groups. A directory that has more sends them in several requests, and
// several groups.
const (
	// MaxMembers is how many users a group may have.
	MaxMembers = 10_000
	// MaxChange is how many users one request may add and remove.
	MaxChange = 2_000
)

// errTooMany refuses more than the bounds.
var errTooMany = apierr.New(apierr.TooLarge, "tooMany", "A group may have at most %d members, and one request may add or remove at most %d. Send the rest in further requests.", MaxMembers, MaxChange)

// groupRow writes a group.
func groupRow(g *Group) (identity.Row, error) {
	b, err := json.Marshal(g.Attributes)
	if err != nil {
		return nil, fmt.Errorf("directory: encode group %s: %w", g.ID, err)
	}
	return identity.Row{
		identity.Text("id", g.ID), identity.Text("environment", g.Environment), identity.Text("organization", g.Organization), identity.Text("directory", g.Directory),
		identity.Text("name_key", strings.ToLower(g.Name)), identity.Text("external_id", g.ExternalID), identity.Text("attributes", string(b)),
		identity.Number("version", g.Version), identity.Time("created", g.Created), identity.Time("updated", g.Updated),
	}, nil
}

// readGroup is the reverse of groupRow.
func readGroup(r identity.Record) (*Group, error) {
	g := &Group{ID: GroupID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Organization: identity.OrganizationID(r.Text("organization")), Directory: ID(r.Text("directory")),
		Version: int(r.Number("version")), Created: r.Time("created"), Updated: r.Time("updated")}
	if err := json.Unmarshal([]byte(r.Text("attributes")), &g.Attributes); err != nil {
		return nil, fmt.Errorf("directory: decode group %s: %w", g.ID, err)
	}
	return g, g.read()
}

// read reads the group's fields out of its normal attributes.
func (g *Group) read() error {
	g.Name, g.ExternalID = text(g.Attributes, "displayName"), text(g.Attributes, "externalId")
	switch {
	case g.Name == "":
		return invalidValue("displayName is required.")
	case len([]rune(g.Name)) > maxText || len([]rune(g.ExternalID)) > maxText:
		return invalidValue("displayName or externalId is longer than %d characters.", maxText)
	}
	return nil
}

// findGroup finds a group of the directory.
func findGroup(tx *identity.Tx, d *Directory, id GroupID) (*identity.Found, *Group, error) {
	f, err := tx.First(tableGroups, onDirectory, string(d.ID), string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("Group", string(id))
	}
	g, err := readGroup(f.Record)
	return f, g, err
}

// freeGroup refuses a group that cannot be told from another one: with the same
// external id, or with the same name where either has none. Entra ID allows several
// groups of one name and sends their ids; Okta sends no ids.
func freeGroup(tx *identity.Tx, d *Directory, g *Group) error {
	if g.ExternalID != "" {
		taken, err := tx.First(tableGroups, onExternal, string(d.ID), g.ExternalID)
		if err != nil {
			return err
		}
		if taken != nil && GroupID(taken.Text("id")) != g.ID {
			return uniqueness("A group with the externalId '%.100s' exists already.", g.ExternalID)
		}
	}
	rows, err := tx.All(tableGroups, onName, string(d.ID), strings.ToLower(g.Name))
	if err != nil {
		return err
	}
	for _, f := range rows {
		if GroupID(f.Text("id")) != g.ID && (g.ExternalID == "" || f.Text("external_id") == "") {
			return uniqueness("A group with the displayName '%.100s' exists already.", g.Name)
		}
	}
	return nil
}

// Members says how a request changes who is in a group: Replace empties it first;
// Remove goes before Add.
type Members struct {
	Replace     bool
	Add, Remove []UserID
}

// Empty reports whether nothing is to change.
func (m *Members) Empty() bool { return !m.Replace && len(m.Add) == 0 && len(m.Remove) == 0 }

// CreateGroup adds a group to a directory.
func (s *Service) CreateGroup(ctx context.Context, d *Directory, a Attributes, members []UserID) (g *Group, err error) {
	if a, err = Normalize(a); err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d, err := living(tx, d)
		if err != nil {
			return err
		}
		g = &Group{ID: GroupID(tx.NewID("directory_group_")), Directory: d.ID, Environment: d.Environment, Organization: d.Organization, Attributes: a,
			Version: 1, Created: tx.Now(), Updated: tx.Now()}
		if err := g.read(); err != nil {
			return err
		}
		if err := freeGroup(tx, d, g); err != nil {
			return err
		}
		row, err := groupRow(g)
		if err != nil {
			return err
		}
		if err := tx.Add(tableGroups, row); err != nil {
			return err
		}
		if err := count(tx, d, "", "", 1); err != nil {
			return err
		}
		if err := tx.Record(d.Environment, "dsync.group.created", g.Data()); err != nil {
			return err
		}
		_, err = s.changeMembers(tx, d, g, Members{Add: members})
		return err
	})
	return g, err
}

// ChangeGroup changes a group's attributes and members as change says; see
// ChangeUser for the rules.
func (s *Service) ChangeGroup(ctx context.Context, d *Directory, id GroupID, version int, change func(Attributes) (Attributes, Members, error)) (g *Group, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d, err := living(tx, d)
		if err != nil {
			return err
		}
		var f *identity.Found
		if f, g, err = findGroup(tx, d, id); err != nil {
			return err
		}
		if version != 0 && version != g.Version {
			return errVersion
		}
		was, err := readGroup(f.Record)
		if err != nil {
			return err
		}
		a, members, err := change(g.Attributes)
		if err != nil {
			return err
		}
		if g.Attributes, err = Normalize(a); err != nil {
			return err
		}
		told := !reflect.DeepEqual(was.Attributes, g.Attributes)
		if told {
			if err := g.read(); err != nil {
				return err
			}
			if err := freeGroup(tx, d, g); err != nil {
				return err
			}
		}
		moved := 0
		if !members.Empty() {
			if moved, err = s.changeMembers(tx, d, g, members); err != nil {
				return err
			}
		}
		if !told && moved == 0 {
			return nil
		}
		g.Version++
		g.Updated = tx.Now()
		if !g.Updated.After(was.Updated) {
			g.Updated = was.Updated.Add(1e6)
		}
		row, err := groupRow(g)
		if err != nil {
			return err
		}
		if err := tx.Put(f.Doc, row); err != nil {
			return err
		}
		if !told {
			return nil
		}
		if was.Name != g.Name {
			if err := s.regroup(tx, d, g); err != nil {
				return err
			}
		}
		data := g.Data()
		data.Previous = previous(was.fields(), g.fields())
		return tx.Record(d.Environment, "dsync.group.updated", data)
	})
	return g, err
}

// DeleteGroup removes a group; its members stay in the directory.
func (s *Service) DeleteGroup(ctx context.Context, d *Directory, id GroupID, version int) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d, err := living(tx, d)
		if err != nil {
			return err
		}
		f, g, err := findGroup(tx, d, id)
		if err != nil {
			return err
		}
		if version != 0 && version != g.Version {
			return errVersion
		}
		var left []UserID
		rows, err := tx.All(tableMembers, onGroup, string(id))
		if err != nil {
			return err
		}
		for _, m := range rows {
			left = append(left, UserID(m.Text("user")))
			if err := tx.Remove(&m); err != nil {
				return err
			}
		}
		if err := tx.Remove(f); err != nil {
			return err
		}
		if err := count(tx, d, "", "", -1); err != nil {
			return err
		}
		if err := tx.Record(d.Environment, "dsync.group.deleted", g.Data()); err != nil {
			return err
		}
		if !d.maps(g) {
			return nil
		}
		return s.rerole(tx, d, left)
	})
}

// members are the ids of a group's users, in their order.
func members(tx *identity.Tx, id GroupID) ([]UserID, error) {
	var out []UserID
	err := tx.Each(tableMembers, onGroup, database.Prefix(identity.Key(string(id))), database.Asc, func(f identity.Found) (bool, error) {
		out = append(out, UserID(f.Text("user")))
		return true, nil
	})
	return out, err
}

// changeMembers changes who is in a group and tells of everybody who came or went;
// moved is how many did. Users who are not in the directory are refused.
func (s *Service) changeMembers(tx *identity.Tx, d *Directory, g *Group, m Members) (moved int, err error) {
	present, err := members(tx, g.ID)
	if err != nil {
		return 0, err
	}
	in := make(map[UserID]bool, len(present))
	for _, u := range present {
		in[u] = true
	}
	wanted := make(map[UserID]bool, len(m.Add))
	for _, u := range m.Add {
		wanted[u] = true
	}
	leaving := m.Remove
	if m.Replace {
		leaving = present
	}
	var touched []UserID
	for _, u := range leaving {
		if in[u] && !wanted[u] {
			in[u] = false
			touched = append(touched, u)
		}
	}
	left := len(touched)
	for _, u := range m.Add {
		if !in[u] {
			in[u] = true
			touched = append(touched, u)
		}
	}
	if len(touched) > MaxChange || len(present)+len(touched)-2*left > MaxMembers {
		return 0, errTooMany
	}
	for i, id := range touched {
		_, u, err := findUser(tx, d, id)
		if err != nil {
			if apierr.KindOf(err) == apierr.NotFound {
				return 0, invalidValue("The member '%.100s' is no user of this directory.", string(id))
			}
			return 0, err
		}
		event := "dsync.group.user_added"
		if i < left {
			event = "dsync.group.user_removed"
			row, err := tx.First(tableMembers, onGroup, string(g.ID), string(id))
			if err != nil {
				return 0, err
			}
			if row == nil {
				return 0, fmt.Errorf("directory: member %s of group %s is gone", id, g.ID)
			}
			if err := tx.Remove(row); err != nil {
				return 0, err
			}
		} else if err := tx.Add(tableMembers, identity.Row{identity.Text("group", g.ID), identity.Text("user", id), identity.Text("directory", d.ID), identity.Text("environment", d.Environment)}); err != nil {
			return 0, err
		}
		if err := tx.Record(d.Environment, event, membershipData(d, g, u)); err != nil {
			return 0, err
		}
	}
	if d.maps(g) {
		return len(touched), s.rerole(tx, d, touched)
	}
	return len(touched), nil
}

// maps reports whether the directory gives members of the group a role.
func (d *Directory) maps(g *Group) bool {
	return d.roleFor(g) != ""
}

// roleFor is the role that members of a group get; "" if none.
func (d *Directory) roleFor(g *Group) string {
	for _, k := range []string{string(g.ID), g.ExternalID, g.Name} {
		if r := d.Roles[k]; k != "" && r != "" {
			return r
		}
	}
	return ""
}

// rolesOf are the roles that a user's groups give, in the order of their names.
func rolesOf(tx *identity.Tx, d *Directory, id UserID) ([]string, error) {
	var out []string
	if len(d.Roles) > 0 {
		rows, err := tx.All(tableMembers, onUser, string(id))
		if err != nil {
			return nil, err
		}
		for _, m := range rows {
			_, g, err := findGroup(tx, d, GroupID(m.Text("group")))
			if err != nil {
				return nil, err
			}
			if r := d.roleFor(g); r != "" && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		slices.Sort(out)
	}
	if len(out) == 0 && d.DefaultRole != "" {
		out = []string{d.DefaultRole}
	}
	return out, nil
}

// regroup gives the members of a renamed group their roles anew.
func (s *Service) regroup(tx *identity.Tx, d *Directory, g *Group) error {
	if len(d.Roles) == 0 {
		return nil
	}
	list, err := members(tx, g.ID)
	if err != nil {
		return err
	}
	return s.rerole(tx, d, list)
}

// rerole computes users' roles anew; those whose roles change are updated.
func (s *Service) rerole(tx *identity.Tx, d *Directory, list []UserID) error {
	for _, id := range list {
		f, u, err := findUser(tx, d, id)
		if err != nil {
			return err
		}
		roles, err := rolesOf(tx, d, id)
		if err != nil {
			return err
		}
		if slices.Equal(roles, u.Roles) {
			continue
		}
		was := *u
		u.Roles = roles
		if err := s.changed(tx, d, f, &was, u); err != nil {
			return err
		}
	}
	return nil
}
