package featureflag

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// The kinds of target that the house knows; any other is the application's own.
const (
	KindUser         = "user"
	KindOrganization = "organization"
)

// Target is whom or what a flag is on for.
type Target struct {
	Kind string
	ID   string
}

// Shapes of targets that the application knows, as the official client's
// evaluator takes them.
var (
	kindShape   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`) })
	targetShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._:-]{1,255}$`) })
)

// ParseTarget makes a target of the id of a user or an organisation.
func ParseTarget(id string) (Target, error) {
	switch {
	case strings.HasPrefix(id, "user_") && targetShape().MatchString(id):
		return Target{KindUser, id}, nil
	case strings.HasPrefix(id, "org_") && targetShape().MatchString(id):
		return Target{KindOrganization, id}, nil
	}
	return Target{}, apierr.New(apierr.BadRequest, "invalid_resource_id_format",
		"Invalid resource id: a target is the id of a user (user_…) or of an organization (org_…).").With(map[string]int{"statusCode": 400})
}

// check refuses targets that are not there.
func (t Target) check(tx *identity.Tx, env identity.EnvironmentID) error {
	switch t.Kind {
	case KindUser:
		_, err := tx.User(env, identity.UserID(t.ID))
		return err
	case KindOrganization:
		_, err := tx.Organization(env, identity.OrganizationID(t.ID))
		return err
	}
	if !kindShape().MatchString(t.Kind) || !targetShape().MatchString(t.ID) {
		return apierr.New(apierr.BadRequest, "invalid_resource_id_format", "A custom target has a type of lower-case letters and an id of letters, digits, . _ : and -.")
	}
	return nil
}

// addTarget adds a target to f; false if it was one already.
func addTarget(tx *identity.Tx, f *Flag, t Target) error {
	_, err := putTarget(tx, f, t)
	return err
}

// putTarget adds a target to f and says whether it is new.
func putTarget(tx *identity.Tx, f *Flag, t Target) (bool, error) {
	if err := t.check(tx, f.Environment); err != nil {
		return false, err
	}
	old, err := tx.First(tableTargets, "on_flag", string(f.Environment), f.ID, t.Kind, t.ID)
	if err != nil || old != nil {
		return false, err
	}
	return true, tx.Add(tableTargets, identity.Row{
		identity.Text("environment", f.Environment), identity.Text("flag", f.ID), identity.Text("kind", t.Kind), identity.Text("target", t.ID),
		identity.Time("created", tx.Now()),
	})
}

// AddTarget switches a flag on for a target; again for nothing.
func (s *Service) AddTarget(ctx context.Context, env identity.EnvironmentID, slug string, t Target) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		row, f, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		was, err := accessOf(tx, f)
		if err != nil {
			return err
		}
		fresh, err := putTarget(tx, f, t)
		if err != nil || !fresh {
			return err
		}
		if err := touch(tx, row, f); err != nil {
			return err
		}
		return recordRules(tx, f, f, was)
	})
}

// RemoveTarget takes a flag from a target; what was no target stays none.
func (s *Service) RemoveTarget(ctx context.Context, env identity.EnvironmentID, slug string, t Target) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		row, f, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		old, err := tx.First(tableTargets, "on_flag", string(env), f.ID, t.Kind, t.ID)
		if err != nil {
			return err
		}
		if old == nil {
			return t.check(tx, env) // an id that nobody has is 404, whatever is done with it
		}
		was, err := accessOf(tx, f)
		if err != nil {
			return err
		}
		if err := tx.Remove(old); err != nil {
			return err
		}
		if err := touch(tx, row, f); err != nil {
			return err
		}
		return recordRules(tx, f, f, was)
	})
}

// Rules are a flag and its targets, for clients that evaluate by themselves.
type Rules struct {
	Flag
	Targets []Target
}

// Snapshot gives all flags of an environment with their targets, by slug.
func (s *Service) Snapshot(ctx context.Context, env identity.EnvironmentID) (all []Rules, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		all = nil
		at := map[string]int{}
		err := tx.Each(tableFlags, "on_slug", database.Prefix(identity.Key(string(env))), database.Asc, func(f identity.Found) (bool, error) {
			flag := readFlag(f.Record)
			at[flag.ID] = len(all)
			all = append(all, Rules{Flag: flag})
			return true, nil
		})
		if err != nil {
			return err
		}
		return tx.Each(tableTargets, "on_flag", database.Prefix(identity.Key(string(env))), database.Asc, func(f identity.Found) (bool, error) {
			if i, ok := at[f.Text("flag")]; ok {
				all[i].Targets = append(all[i].Targets, Target{f.Text("kind"), f.Text("target")})
			}
			return true, nil
		})
	})
	return all, err
}
