package featureflag

import (
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// find finds the flag of a slug.
func find(tx *identity.Tx, env identity.EnvironmentID, slug string) (*identity.Found, *Flag, error) {
	f, err := tx.First(tableFlags, "on_slug", string(env), slug)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, nil, identity.NotFound("Feature flag", slug)
	}
	flag := readFlag(f.Record)
	return f, &flag, nil
}

// Create makes a flag with its targets. The id and the times of f are chosen here.
func (s *Service) Create(ctx context.Context, env identity.EnvironmentID, f Flag, targets []Target) (*Flag, error) {
	f.Environment = env
	if f.Tags == nil {
		f.Tags = []string{}
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		all, err := tx.All(tableFlags, "on_environment", string(env))
		if err != nil {
			return err
		}
		if len(all) >= maxFlags {
			return apierr.New(apierr.BadRequest, "too_many_flags", "An environment has at most %d feature flags; delete some.", maxFlags)
		}
		taken, err := tx.First(tableFlags, "on_slug", string(env), f.Slug)
		if err != nil {
			return err
		}
		if taken != nil {
			return apierr.New(apierr.Conflict, "duplicate_feature_flag", "There is a feature flag %s already.", f.Slug)
		}
		f.ID, f.Created, f.Updated = tx.NewID("flag_"), tx.Now(), tx.Now()
		if err := tx.Add(tableFlags, flagRow(&f)); err != nil {
			return err
		}
		for _, t := range targets {
			if err := addTarget(tx, &f, t); err != nil {
				return err
			}
		}
		return record(tx, "flag.created", &f, nil)
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// Change lets change edit a flag; change may run more than once. A change of who has
// the flag is told as a change of its rules, any other as an update.
func (s *Service) Change(ctx context.Context, env identity.EnvironmentID, slug string, change func(*Flag)) (f *Flag, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var row *identity.Found
		if row, f, err = find(tx, env, slug); err != nil {
			return err
		}
		before := *f
		before.Tags = slices.Clone(f.Tags)
		was, err := accessOf(tx, f)
		if err != nil {
			return err
		}
		change(f)
		f.ID, f.Environment, f.Created = before.ID, env, before.Created
		if err := f.check(); err != nil {
			return err
		}
		if f.Slug != before.Slug {
			return apierr.New(apierr.BadRequest, "invalid_request_parameters", "The slug of a feature flag cannot change: code asks for it.")
		}
		if err := touch(tx, row, f); err != nil {
			return err
		}
		if f.Default != before.Default {
			if err := recordRules(tx, f, &before, was); err != nil {
				return err
			}
		}
		return recordUpdate(tx, f, &before)
	})
	return f, err
}

// touch writes a flag that changed.
func touch(tx *identity.Tx, row *identity.Found, f *Flag) error {
	f.Updated = tx.Now()
	return tx.Put(row.Doc, flagRow(f))
}

// SetEnabled switches a flag on or off.
func (s *Service) SetEnabled(ctx context.Context, env identity.EnvironmentID, slug string, enabled bool) (f *Flag, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var row *identity.Found
		if row, f, err = find(tx, env, slug); err != nil || f.Enabled == enabled {
			return err
		}
		before := *f
		f.Enabled = enabled
		if err := touch(tx, row, f); err != nil {
			return err
		}
		return recordUpdate(tx, f, &before)
	})
	return f, err
}

// Delete removes a flag with its targets.
func (s *Service) Delete(ctx context.Context, env identity.EnvironmentID, slug string) error {
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		row, f, err := find(tx, env, slug)
		if err != nil {
			return err
		}
		targets, err := tx.All(tableTargets, "on_flag", string(env), f.ID)
		if err != nil {
			return err
		}
		for i := range targets {
			if err := tx.Remove(&targets[i]); err != nil {
				return err
			}
		}
		if err := tx.Remove(row); err != nil {
			return err
		}
		return record(tx, "flag.deleted", f, nil)
	})
}

// Get finds the flag of a slug.
func (s *Service) Get(ctx context.Context, env identity.EnvironmentID, slug string) (f *Flag, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		_, f, err = find(tx, env, slug)
		return err
	})
	return f, err
}

// List lists an environment's flags.
func (s *Service) List(ctx context.Context, env identity.EnvironmentID, p identity.Page) (l *identity.List[Flag], err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		l, err = identity.PageOf(tx, tableFlags, "on_environment", []string{string(env)}, p, func(r identity.Record) (Flag, string, bool) {
			f := readFlag(r)
			return f, f.ID, true
		})
		return err
	})
	return l, err
}
