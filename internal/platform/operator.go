package platform

import (
	"context"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// OperatorID is "operator_…".
type OperatorID string

// Operator is a person who works with the house's projects: not a user of an app.
type Operator struct {
	ID    OperatorID
	Email string
	Name  string
	// Owner may do everything in the house.
	Owner bool
	// User is the operator's account in the house's own identity environment, once
	// they have signed in there.
	User    identity.UserID
	Created time.Time
}

// Role is what an operator may do in a team.
type Role string

// The roles, each of which may what the one before it may.
const (
	Viewer        Role = "viewer"    // sees everything but secrets
	Developer     Role = "developer" // works with development and previews, deploys to production
	Administrator Role = "admin"     // members, keys, production's data and variables, WorkOS
)

// rank orders roles.
func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Developer:
		return 2
	case Administrator:
		return 3
	}
	return 0
}

// Includes says whether r may what other may.
func (r Role) Includes(other Role) bool { return r.rank() >= other.rank() && other.rank() > 0 }

// Member is an operator's place in a team.
type Member struct {
	Team     int64
	Operator Operator
	Role     Role
}

func operatorRow(o *Operator) identity.Row {
	return identity.Row{identity.Text("id", o.ID), identity.Text("email", o.Email), identity.Text("name", o.Name), identity.Flag("owner", o.Owner),
		identity.Text("user", o.User), identity.Time("created", o.Created)}
}

func readOperator(r identity.Record) Operator {
	return Operator{ID: OperatorID(r.Text("id")), Email: r.Text("email"), Name: r.Text("name"), Owner: r.Flag("owner"),
		User: identity.UserID(r.Text("user")), Created: r.Time("created")}
}

// putMember gives an operator a role in a team.
func putMember(tx *identity.Tx, team int64, o OperatorID, role Role) error {
	row := identity.Row{identity.Number("team", team), identity.Text("operator", o), identity.Text("role", role)}
	f, err := first(tx, tableMembers, "on_team", numberKey(team, string(o)))
	switch {
	case err != nil:
		return err
	case f != nil:
		return tx.Put(f.Doc, row)
	}
	return tx.Add(tableMembers, row)
}

// Operator finds an operator by id.
func (s *Service) Operator(ctx context.Context, id OperatorID) (*Operator, error) {
	return s.operatorBy(ctx, "on_id", string(id))
}

// OperatorByEmail finds an operator by address, in whatever case.
func (s *Service) OperatorByEmail(ctx context.Context, email string) (*Operator, error) {
	return s.operatorBy(ctx, "on_email", strings.ToLower(email))
}

// OperatorByUser finds the operator who signs in with an account of the house's own
// environment.
func (s *Service) OperatorByUser(ctx context.Context, user identity.UserID) (*Operator, error) {
	if user == "" {
		return nil, notFound("OperatorNotFound", "Nobody signs in with that account.")
	}
	return s.operatorBy(ctx, "on_user", string(user))
}

func (s *Service) operatorBy(ctx context.Context, index, text string) (o *Operator, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableOperators, index, text)
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("OperatorNotFound", "There is no such operator.")
		}
		found := readOperator(f.Record)
		o = &found
		return nil
	})
	return o, err
}

// Owner is the first operator of the house.
func (s *Service) Owner(ctx context.Context) (o *Operator, err error) {
	list, err := s.Operators(ctx)
	for i := range list {
		if list[i].Owner {
			return &list[i], nil
		}
	}
	if err == nil {
		err = notFound("OperatorNotFound", "The house has no owner.")
	}
	return nil, err
}

// Operators lists everybody, oldest first.
func (s *Service) Operators(ctx context.Context) (list []Operator, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list, err = each(tx, tableOperators, "on_id", database.Interval{}, readOperator)
		return err
	})
	return list, err
}

// AddOperator makes an operator, or finds the one with that address, and gives them
// a role in a team.
func (s *Service) AddOperator(ctx context.Context, email, name string, team int64, role Role) (o *Operator, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if at := strings.LastIndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>") {
		return nil, apierr.New(apierr.BadRequest, "InvalidEmail", "%q is not an e-mail address.", email)
	}
	if name = strings.TrimSpace(name); name != "" {
		if name, err = checkName("person", name); err != nil {
			return nil, err
		}
	}
	if role.rank() == 0 {
		return nil, apierr.New(apierr.BadRequest, "InvalidRole", "A role is %s, %s or %s, not %q.", Administrator, Developer, Viewer, role)
	}
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := teamRow(tx, team); err != nil {
			return err
		}
		f, err := tx.First(tableOperators, "on_email", email)
		if err != nil {
			return err
		}
		if f != nil {
			found := readOperator(f.Record)
			o = &found
		} else {
			o = &Operator{ID: OperatorID(tx.NewID("operator_")), Email: email, Name: name, Created: tx.Now()}
			if err := tx.Add(tableOperators, operatorRow(o)); err != nil {
				return err
			}
		}
		return putMember(tx, team, o.ID, role)
	})
	return o, err
}

// ChangeOperator edits an operator. Address, name, account and ownership may change;
// the last owner stays one.
func (s *Service) ChangeOperator(ctx context.Context, id OperatorID, edit func(*Operator)) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableOperators, "on_id", string(id))
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("OperatorNotFound", "There is no such operator.")
		}
		o := readOperator(f.Record)
		was := o.Owner
		edit(&o)
		o.ID, o.Email = id, strings.ToLower(o.Email)
		if was && !o.Owner {
			if err := otherOwner(tx, id); err != nil {
				return err
			}
		}
		if taken, err := tx.First(tableOperators, "on_email", o.Email); err != nil {
			return err
		} else if taken != nil && taken.Doc != f.Doc {
			return apierr.New(apierr.Conflict, "EmailTaken", "Another operator has the address %s.", o.Email)
		}
		return tx.Put(f.Doc, operatorRow(&o))
	})
}

// otherOwner makes sure that somebody else owns the house.
func otherOwner(tx *identity.Tx, id OperatorID) error {
	all, err := each(tx, tableOperators, "on_id", database.Interval{}, readOperator)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Owner && o.ID != id {
			return nil
		}
	}
	return apierr.New(apierr.Conflict, "LastOwner", "The house's last owner must stay: make somebody else an owner first.")
}

// RemoveMember takes an operator out of a team. Whoever is in no team any more, and
// owns nothing, loses their tokens and is removed.
func (s *Service) RemoveMember(ctx context.Context, team int64, id OperatorID) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := first(tx, tableMembers, "on_team", numberKey(team, string(id)))
		if err != nil {
			return err
		}
		if f == nil {
			return notFound("MemberNotFound", "The operator is not in this team.")
		}
		if err := tx.Remove(f); err != nil {
			return err
		}
		o, err := tx.First(tableOperators, "on_id", string(id))
		if err != nil || o == nil || o.Flag("owner") {
			return err
		}
		if left, err := tx.First(tableMembers, "on_operator", string(id)); err != nil || left != nil {
			return err
		}
		tokens, err := tx.All(tableCredentials, "on_scope", operatorScope(id))
		if err != nil {
			return err
		}
		for i := range tokens {
			if err := tx.Remove(&tokens[i]); err != nil {
				return err
			}
		}
		return tx.Remove(o)
	})
}

// Members lists who is in a team.
func (s *Service) Members(ctx context.Context, team int64) (list []Member, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		list = nil
		return tx.Each(tableMembers, "on_team", numberKey(team), database.Asc, func(f identity.Found) (bool, error) {
			o, err := tx.First(tableOperators, "on_id", f.Text("operator"))
			if err != nil || o == nil {
				return true, err
			}
			list = append(list, Member{Team: team, Operator: readOperator(o.Record), Role: Role(f.Text("role"))})
			return true, nil
		})
	})
	return list, err
}

// RoleIn is an operator's role in a team; "" for none. Owners are administrators
// everywhere.
func (s *Service) RoleIn(ctx context.Context, team int64, o *Operator) (role Role, err error) {
	if o == nil {
		return "", nil
	}
	if o.Owner {
		return Administrator, nil
	}
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		f, err := first(tx, tableMembers, "on_team", numberKey(team, string(o.ID)))
		if err == nil && f != nil {
			role = Role(f.Text("role"))
		}
		return err
	})
	return role, err
}
