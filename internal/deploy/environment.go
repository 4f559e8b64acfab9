package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// environmentTries is how often a change of variables is tried against other commits.
const environmentTries = 5

// UpdateEnvironment sets and removes environment variables. The live auth.config
// is evaluated with the new ones; if that fails nothing changes.
func (s *Service) UpdateEnvironment(ctx context.Context, r *UpdateEnvironmentRequest) error {
	for try := 1; ; try++ {
		err := s.updateEnvironment(ctx, r)
		if errors.Is(err, database.ErrConflict) && try < environmentTries {
			select {
			case <-time.After(time.Duration(try) * 10 * time.Millisecond):
				continue
			case <-ctx.Done():
			}
		}
		return about("update environment variables", err)
	}
}

// updateEnvironment is one try. It is no closure for DB.Update, because it
// evaluates code.
func (s *Service) updateEnvironment(ctx context.Context, r *UpdateEnvironmentRequest) error {
	tx, err := s.DB.Begin(ctx)
	if err != nil {
		return err
	}
	if err := udf.SetEnvironment(ctx, tx, r.Changes); err != nil {
		return err
	}
	if tx.ReadOnly() {
		return nil
	}
	owned, err := udf.Environment(ctx, tx)
	if err != nil {
		return err
	}
	var texts []string
	for _, c := range r.Changes {
		if c.Value != nil {
			texts = append(texts, *c.Value)
		}
	}
	if err := s.guard(ctx, owned, texts); err != nil {
		return err
	}
	modules, err := udf.LiveModules(ctx, tx)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if m.Path != authModule {
			continue
		}
		rows := []udf.ModuleRow{m}
		if err := udf.LoadSources(ctx, tx, rows); err != nil {
			return err
		}
		env, err := s.Runner.Environment(ctx, tx)
		if err != nil {
			return err
		}
		providers, err := s.evaluateAuth(ctx, Module{Path: m.Path, Source: rows[0].Source, SourceMap: rows[0].SourceMap}, env)
		if err != nil {
			return err
		}
		if err := udf.SetAuthProviders(ctx, tx, providers); err != nil {
			return err
		}
	}
	if err := note(ctx, tx, "variables", "", variableLines(r.Changes)); err != nil {
		return err
	}
	_, err = s.DB.Commit(ctx, tx)
	return err
}
