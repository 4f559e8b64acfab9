package directory

import (
	"context"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// UserQuery narrows the read API's list of users: by a directory or a group, of
// which one must be named.
type UserQuery struct {
	identity.Page
	Directory ID
	Group     GroupID
	IdpID     string
	Email     string
}

// UserWithGroups is a user with the groups it is in.
type UserWithGroups struct {
	User
	Groups []Group
}

// Users lists users with their groups.
func (s *Service) Users(ctx context.Context, env identity.EnvironmentID, q UserQuery) (l *identity.List[UserWithGroups], err error) {
	if (q.Directory == "") == (q.Group == "") {
		return nil, invalid("Give either directory or group.")
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		var ids *identity.List[string]
		if q.Group != "" {
			ids, err = memberIDs(tx, env, q)
		} else {
			ids, err = userIDs(tx, env, q)
		}
		if err != nil {
			return err
		}
		l = &identity.List[UserWithGroups]{Data: make([]UserWithGroups, 0, len(ids.Data)), Before: ids.Before, After: ids.After}
		for _, id := range ids.Data {
			u, err := userWithGroups(tx, env, UserID(id))
			if err != nil {
				return err
			}
			l.Data = append(l.Data, *u)
		}
		return nil
	})
	return l, err
}

// userIDs is a page of a directory's users.
func userIDs(tx *identity.Tx, env identity.EnvironmentID, q UserQuery) (*identity.List[string], error) {
	_, d, err := find(tx, env, q.Directory)
	if err != nil {
		return nil, err
	}
	index, prefix := onDirectory, []string{string(d.ID)}
	switch {
	case q.IdpID != "":
		// A user without an id of the directory's goes by its name.
		f, err := tx.First(tableUsers, onExternal, string(d.ID), q.IdpID)
		if err != nil {
			return nil, err
		}
		if index, prefix = onExternal, append(prefix, q.IdpID); f == nil {
			index, prefix[1] = onUsername, strings.ToLower(q.IdpID)
		}
	case q.Email != "":
		index, prefix = onEmail, append(prefix, emailKey(q.Email))
	}
	return identity.PageOf(tx, tableUsers, index, prefix, q.Page, func(r identity.Record) (string, string, bool) {
		ok := (q.Email == "" || r.Text("email_key") == emailKey(q.Email)) && (index != onUsername || r.Text("external_id") == "")
		return r.Text("id"), r.Text("id"), ok
	})
}

// memberIDs is a page of a group's users.
func memberIDs(tx *identity.Tx, env identity.EnvironmentID, q UserQuery) (*identity.List[string], error) {
	if _, err := groupOf(tx, env, q.Group); err != nil {
		return nil, err
	}
	var failed error
	ids, err := identity.PageOf(tx, tableMembers, onGroup, []string{string(q.Group)}, q.Page, func(r identity.Record) (string, string, bool) {
		id, ok := r.Text("user"), true
		if q.IdpID != "" || q.Email != "" {
			u, err := userOf(tx, env, UserID(id))
			if err != nil {
				failed = err
				return "", "", false
			}
			ok = (q.IdpID == "" || u.IdpID() == q.IdpID) && (q.Email == "" || strings.EqualFold(u.Email, q.Email))
		}
		return id, id, ok
	})
	if failed != nil {
		return nil, failed
	}
	return ids, err
}

// userOf finds a user of the environment.
func userOf(tx *identity.Tx, env identity.EnvironmentID, id UserID) (*User, error) {
	f, err := tx.First(tableUsers, onID, string(env), string(id))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Directory user", string(id))
	}
	return readUser(f.Record)
}

// groupOf finds a group of the environment.
func groupOf(tx *identity.Tx, env identity.EnvironmentID, id GroupID) (*Group, error) {
	f, err := tx.First(tableGroups, onID, string(env), string(id))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Directory group", string(id))
	}
	return readGroup(f.Record)
}

// userWithGroups finds a user and its groups.
func userWithGroups(tx *identity.Tx, env identity.EnvironmentID, id UserID) (*UserWithGroups, error) {
	u, err := userOf(tx, env, id)
	if err != nil {
		return nil, err
	}
	out := &UserWithGroups{User: *u, Groups: []Group{}}
	rows, err := tx.All(tableMembers, onUser, string(id))
	if err != nil {
		return nil, err
	}
	for _, m := range rows {
		g, err := groupOf(tx, env, GroupID(m.Text("group")))
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, *g)
	}
	return out, nil
}

// User finds a user of the environment with its groups.
func (s *Service) User(ctx context.Context, env identity.EnvironmentID, id UserID) (u *UserWithGroups, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		u, err = userWithGroups(tx, env, id)
		return err
	})
	return u, err
}

// Group finds a group of the environment.
func (s *Service) Group(ctx context.Context, env identity.EnvironmentID, id GroupID) (g *Group, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		g, err = groupOf(tx, env, id)
		return err
	})
	return g, err
}

// GroupQuery narrows the read API's list of groups: by a directory or a user, of
// which one must be named.
type GroupQuery struct {
	identity.Page
	Directory ID
	User      UserID
}

// Groups lists groups.
func (s *Service) Groups(ctx context.Context, env identity.EnvironmentID, q GroupQuery) (l *identity.List[Group], err error) {
	if (q.Directory == "") == (q.User == "") {
		return nil, invalid("Give either directory or user.")
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		table, index, prefix, column := tableGroups, onDirectory, string(q.Directory), "id"
		if q.User != "" {
			table, index, prefix, column = tableMembers, onUser, string(q.User), "group"
			_, err = userOf(tx, env, q.User)
		} else {
			_, _, err = find(tx, env, q.Directory)
		}
		if err != nil {
			return err
		}
		ids, err := identity.PageOf(tx, table, index, []string{prefix}, q.Page, func(r identity.Record) (string, string, bool) {
			return r.Text(column), r.Text(column), true
		})
		if err != nil {
			return err
		}
		l = &identity.List[Group]{Data: make([]Group, 0, len(ids.Data)), Before: ids.Before, After: ids.After}
		for _, id := range ids.Data {
			g, err := groupOf(tx, env, GroupID(id))
			if err != nil {
				return err
			}
			l.Data = append(l.Data, *g)
		}
		return nil
	})
	return l, err
}

// maxScan is how many users or groups one search looks at.
const maxScan = 100_000

// Search says which of a directory's users or groups a SCIM request wants. Key and
// Value lead to few by an index; Match decides on what is left.
type Search[T any] struct {
	Key   Key
	Value string
	Match func(*T) bool // nil takes all
	Start int           // from 1
	Count int           // 0 asks for the total alone
}

// Key is an attribute that an index finds.
type Key string

// The keys. ByMember is for groups, ByUsername and ByEmail for users.
const (
	Every      Key = ""
	BySelf     Key = "id"
	ByUsername Key = "userName"
	ByExternal Key = "externalId"
	ByEmail    Key = "emails.value"
	ByName     Key = "displayName"
	ByMember   Key = "members.value"
)

// SearchUsers finds users of a directory for its SCIM client, oldest first, and
// counts them.
func (s *Service) SearchUsers(ctx context.Context, d *Directory, q Search[User]) (total int, list []User, err error) {
	index, value := onDirectory, q.Value
	switch q.Key {
	case ByUsername:
		index, value = onUsername, strings.ToLower(value)
	case ByExternal:
		index = onExternal
	case ByEmail:
		index, value = onEmail, emailKey(value)
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		total, list, err = search(tx, d, &s.pages, tableUsers, index, value, q, readUser, func(c Counts) int { return c.Active + c.Inactive }, func(u *User) string { return string(u.ID) })
		return err
	})
	return total, list, err
}

// SearchGroups is SearchUsers for groups.
func (s *Service) SearchGroups(ctx context.Context, d *Directory, q Search[Group]) (total int, list []Group, err error) {
	index, value := onDirectory, q.Value
	switch q.Key {
	case ByName:
		index, value = onName, strings.ToLower(value)
	case ByExternal:
		index = onExternal
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if q.Key == ByMember {
			total, list, err = searchMembers(tx, d, q)
			return err
		}
		total, list, err = search(tx, d, &s.pages, tableGroups, index, value, q, readGroup, func(c Counts) int { return c.Groups }, func(g *Group) string { return string(g.ID) })
		return err
	})
	return total, list, err
}

// search walks an index of users or groups.
func search[T any](tx *identity.Tx, d *Directory, at *pages, table, index, value string, q Search[T], read func(identity.Record) (*T, error), of func(Counts) int, id func(*T) string) (total int, list []T, err error) {
	if q.Key == Every && q.Match == nil {
		return everything(tx, d, at, table, q, read, of, id)
	}
	prefix := []string{string(d.ID)}
	if q.Key != Every {
		prefix = append(prefix, value)
	}
	seen := 0
	err = tx.Each(table, index, database.Prefix(identity.Key(prefix...)), database.Asc, func(f identity.Found) (bool, error) {
		if seen++; seen > maxScan {
			return false, apierr.New(apierr.BadRequest, "tooMany", "The filter would look at more than %d resources; filter by userName, externalId or displayName.", maxScan)
		}
		item, err := read(f.Record)
		if err != nil {
			return false, err
		}
		if q.Match != nil && !q.Match(item) {
			return true, nil
		}
		if total++; total >= q.Start && len(list) < q.Count {
			list = append(list, *item)
		}
		return true, nil
	})
	return total, list, err
}

// everything reads a page of all users or groups: their number is known, and where
// the page begins is remembered from the page before, if nothing came or went since.
func everything[T any](tx *identity.Tx, d *Directory, at *pages, table string, q Search[T], read func(identity.Record) (*T, error), of func(Counts) int, id func(*T) string) (total int, list []T, err error) {
	_, c, err := counts(tx, d.ID)
	if total = of(c); err != nil || q.Count == 0 || q.Start > total {
		return total, nil, err
	}
	page := pageStart{table, d.ID, total, q.Start}
	skip := q.Start - 1
	last := at.last(page)
	if last != "" {
		skip = 0
	}
	err = tx.Each(table, onDirectory, identity.Beyond(last, database.Asc, string(d.ID)), database.Asc, func(f identity.Found) (bool, error) {
		if skip > 0 {
			skip--
			return true, nil
		}
		item, err := read(f.Record)
		if err == nil {
			list = append(list, *item)
		}
		return len(list) < q.Count, err
	})
	if n := len(list); n > 0 && err == nil {
		page.start += n
		at.remember(page, id(&list[n-1]))
	}
	return total, list, err
}

// searchMembers finds the groups that a user is in.
func searchMembers(tx *identity.Tx, d *Directory, q Search[Group]) (total int, list []Group, err error) {
	rows, err := tx.All(tableMembers, onUser, q.Value)
	if err != nil {
		return 0, nil, err
	}
	for _, m := range rows {
		if ID(m.Text("directory")) != d.ID {
			continue
		}
		_, g, err := findGroup(tx, d, GroupID(m.Text("group")))
		if err != nil {
			return 0, nil, err
		}
		if q.Match != nil && !q.Match(g) {
			continue
		}
		if total++; total >= q.Start && len(list) < q.Count {
			list = append(list, *g)
		}
	}
	return total, list, nil
}

// Member is a user in a group, as SCIM shows it.
type Member struct {
	ID      UserID
	Display string
}

// Members lists the users of a group, in the order of their ids.
func (s *Service) Members(ctx context.Context, d *Directory, id GroupID) (list []Member, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, _, err := findGroup(tx, d, id); err != nil {
			return err
		}
		ids, err := members(tx, id)
		if err != nil {
			return err
		}
		list = make([]Member, 0, len(ids))
		for _, id := range ids {
			_, u, err := findUser(tx, d, id)
			if err != nil {
				return err
			}
			list = append(list, Member{ID: id, Display: u.Username})
		}
		return nil
	})
	return list, err
}

// GroupsOf lists the groups that a user is in, for its SCIM client.
func (s *Service) GroupsOf(ctx context.Context, d *Directory, id UserID) ([]Group, error) {
	_, list, err := s.SearchGroups(ctx, d, Search[Group]{Key: ByMember, Value: string(id), Start: 1, Count: MaxMembers})
	return list, err
}
