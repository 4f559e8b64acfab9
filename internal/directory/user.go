package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// errVersion refuses a change of something that is not at the version which the
// caller knows; the front says 412.
var errVersion = apierr.New(apierr.Conflict, "versionMismatch", "The resource has changed since the version that If-Match names. Read it again.")

// uniqueness refuses a second owner of what must be unique (RFC 7644 §3.12).
func uniqueness(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.Conflict, "uniqueness", format, args...)
}

// emailKey is what addresses are found by.
func emailKey(s string) string { return strings.ToLower(s) }

// userRow writes a user. The profile is read out of the attributes again; only
// what is searched stands apart.
func userRow(u *User) (identity.Row, error) {
	b, err := json.Marshal(u.Attributes)
	if err != nil {
		return nil, fmt.Errorf("directory: encode user %s: %w", u.ID, err)
	}
	return identity.Row{
		identity.Text("id", u.ID), identity.Text("environment", u.Environment), identity.Text("organization", u.Organization), identity.Text("directory", u.Directory),
		identity.Text("username_key", strings.ToLower(u.Username)), identity.Text("external_id", u.ExternalID), identity.Text("email_key", emailKey(u.Email)),
		identity.Text("attributes", string(b)), identity.Texts("roles", u.Roles), identity.Number("version", u.Version), identity.Text("membership", u.Membership), identity.Flag("withdrawn", u.withdrawn),
		identity.Time("created", u.Created), identity.Time("updated", u.Updated),
	}, nil
}

// readUser is the reverse of userRow.
func readUser(r identity.Record) (*User, error) {
	u := &User{
		ID: UserID(r.Text("id")), Environment: identity.EnvironmentID(r.Text("environment")), Organization: identity.OrganizationID(r.Text("organization")), Directory: ID(r.Text("directory")),
		Roles: r.Texts("roles"), Version: int(r.Number("version")), Membership: identity.MembershipID(r.Text("membership")), withdrawn: r.Flag("withdrawn"), Created: r.Time("created"), Updated: r.Time("updated"),
	}
	if err := json.Unmarshal([]byte(r.Text("attributes")), &u.Attributes); err != nil {
		return nil, fmt.Errorf("directory: decode user %s: %w", u.ID, err)
	}
	var err error
	if u.profile, err = readProfile(u.Attributes); err != nil {
		return nil, fmt.Errorf("directory: read user %s: %w", u.ID, err)
	}
	return u, nil
}

// findUser finds a user of the directory.
func findUser(tx *identity.Tx, d *Directory, id UserID) (*identity.Found, *User, error) {
	f, err := tx.First(tableUsers, onDirectory, string(d.ID), string(id))
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, notFound("User", string(id))
	}
	u, err := readUser(f.Record)
	return f, u, err
}

// saveUser writes a user that exists.
func saveUser(tx *identity.Tx, f *identity.Found, u *User) error {
	row, err := userRow(u)
	if err != nil {
		return err
	}
	return tx.Put(f.Doc, row)
}

// freeUsername refuses a user name that another user of the directory has.
func freeUsername(tx *identity.Tx, d *Directory, u *User) error {
	taken, err := tx.First(tableUsers, onUsername, string(d.ID), strings.ToLower(u.Username))
	if err != nil {
		return err
	}
	if taken != nil && UserID(taken.Text("id")) != u.ID {
		return uniqueness("A user with the userName '%.100s' exists already.", u.Username)
	}
	return nil
}

// CreateUser adds a user to a directory.
func (s *Service) CreateUser(ctx context.Context, d *Directory, a Attributes) (u *User, err error) {
	a, err = Normalize(a)
	if err != nil {
		return nil, err
	}
	p, err := readProfile(a)
	if err != nil {
		return nil, err
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d, err := living(tx, d)
		if err != nil {
			return err
		}
		u = &User{ID: UserID(tx.NewID("directory_user_")), Directory: d.ID, Environment: d.Environment, Organization: d.Organization, profile: p,
			Attributes: a, Version: 1, Created: tx.Now(), Updated: tx.Now()}
		if err := freeUsername(tx, d, u); err != nil {
			return err
		}
		if u.Roles, err = rolesOf(tx, d, u.ID); err != nil {
			return err
		}
		if err := s.provision(tx, d, u); err != nil {
			return err
		}
		row, err := userRow(u)
		if err != nil {
			return err
		}
		if err := tx.Add(tableUsers, row); err != nil {
			return err
		}
		if err := count(tx, d, "", u.State, 0); err != nil {
			return err
		}
		return tx.Record(d.Environment, "dsync.user.created", u.Data())
	})
	return u, err
}

// living is the directory as it is now; refused if it is no more.
func living(tx *identity.Tx, d *Directory) (*Directory, error) {
	_, now, err := find(tx, d.Environment, d.ID)
	if err != nil {
		return nil, err
	}
	if now.State != Linked {
		return nil, notFound("Directory", string(d.ID))
	}
	return now, nil
}

// ChangeUser changes a user's attributes as change says; change may run again and
// must not keep what it is given. version is what the caller believes to change;
// 0 means whatever is there. A change of nothing leaves no trace.
func (s *Service) ChangeUser(ctx context.Context, d *Directory, id UserID, version int, change func(Attributes) (Attributes, error)) (u *User, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d, err := living(tx, d)
		if err != nil {
			return err
		}
		var f *identity.Found
		if f, u, err = findUser(tx, d, id); err != nil {
			return err
		}
		if version != 0 && version != u.Version {
			return errVersion
		}
		was, err := readUser(f.Record)
		if err != nil {
			return err
		}
		a, err := change(u.Attributes)
		if err != nil {
			return err
		}
		if u.Attributes, err = Normalize(a); err != nil {
			return err
		}
		if reflect.DeepEqual(was.Attributes, u.Attributes) {
			u = was
			return nil
		}
		if u.profile, err = readProfile(u.Attributes); err != nil {
			return err
		}
		if err := freeUsername(tx, d, u); err != nil {
			return err
		}
		u.Version++
		return s.changed(tx, d, f, was, u)
	})
	return u, err
}

// changed writes a changed user with what follows from it.
func (s *Service) changed(tx *identity.Tx, d *Directory, f *identity.Found, was, u *User) error {
	u.Updated = tx.Now()
	if !u.Updated.After(was.Updated) {
		u.Updated = was.Updated.Add(1e6) // later than before, so that readers take it
	}
	if err := s.provision(tx, d, u); err != nil {
		return err
	}
	if err := saveUser(tx, f, u); err != nil {
		return err
	}
	if err := count(tx, d, was.State, u.State, 0); err != nil {
		return err
	}
	data := u.Data()
	data.Previous = previous(was.fields(), u.fields())
	return tx.Record(d.Environment, "dsync.user.updated", data)
}

// DeleteUser removes a user from a directory and its groups.
func (s *Service) DeleteUser(ctx context.Context, d *Directory, id UserID, version int) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		d, err := living(tx, d)
		if err != nil {
			return err
		}
		f, u, err := findUser(tx, d, id)
		if err != nil {
			return err
		}
		if version != 0 && version != u.Version {
			return errVersion
		}
		rows, err := tx.All(tableMembers, onUser, string(id))
		if err != nil {
			return err
		}
		for _, m := range rows {
			_, g, err := findGroup(tx, d, GroupID(m.Text("group")))
			if err != nil {
				return err
			}
			if err := tx.Remove(&m); err != nil {
				return err
			}
			if err := tx.Record(d.Environment, "dsync.group.user_removed", membershipData(d, g, u)); err != nil {
				return err
			}
		}
		if err := s.withdraw(tx, d, u); err != nil {
			return err
		}
		if err := tx.Remove(f); err != nil {
			return err
		}
		if err := count(tx, d, u.State, "", 0); err != nil {
			return err
		}
		return tx.Record(d.Environment, "dsync.user.deleted", u.Data())
	})
}

// membershipData tells of a user in a group, as dsync.group.user_* show it.
func membershipData(d *Directory, g *Group, u *User) map[string]any {
	return map[string]any{"directory_id": d.ID, "user": u.Data(), "group": g.Data()}
}
