package deploy

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
)

// StartPush inspects a push and stores it without any visible effect; a dry run,
// or one for generating code only, is not even stored.
func (s *Service) StartPush(ctx context.Context, r *StartPushRequest) (*StartPushResponse, error) {
	begun := time.Now()
	b, err := s.take(ctx, r)
	if err != nil {
		return nil, about("start push", err)
	}
	in, err := s.inspect(ctx, b)
	if err != nil {
		return nil, about("start push", err)
	}
	p := &push{state: started, created: time.Now(), schema: in.schema}
	if p.content, err = contentOf(in, b.owned); err != nil {
		return nil, about("start push", err)
	}
	if r.DryRun || r.ForCodegen {
		s.keepDry(p)
	} else if err := s.store(ctx, p, in.pkg.Modules); err != nil {
		return nil, about("start push", err)
	}
	var diff IndexDiff
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		diff = planOf(tx, p.schema).diff()
		return nil
	})
	if err != nil {
		return nil, about("start push", err)
	}
	s.Log.Debug("push started", "push", p.id, "modules", len(p.content.Modules), "took", time.Since(begun))
	return answer(p, in, b.owned, diff)
}

// store writes the sources and the row of a push, and removes rows of pushes
// that nobody waited for.
func (s *Service) store(ctx context.Context, p *push, modules []udf.ModuleRow) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		old, err := pushes(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range old {
			if o.state == started && time.Since(o.created) > pushAge {
				if err := tx.Delete(ctx, o.row); err != nil {
					return err
				}
			}
		}
		if err := udf.StoreSources(ctx, tx, modules); err != nil {
			return err
		}
		fields, err := p.fields()
		if err != nil {
			return err
		}
		p.row, err = tx.Insert(ctx, pushTable, fields)
		p.id = p.row.String()
		return err
	})
	return err
}

// keepDry remembers a dry run for its finish_push.
func (s *Service) keepDry(p *push) {
	p.id = "dry-" + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dry = append(s.dry, p)
	if len(s.dry) > maxDryRuns {
		s.dry = append([]*push(nil), s.dry[1:]...)
	}
}

// findDry finds a dry run; nil when it is forgotten.
func (s *Service) findDry(id string) *push {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.dry {
		if p.id == id {
			return p
		}
	}
	return nil
}

// answer is what the client learns of a push.
func answer(p *push, in *inspection, owned map[string]string, diff IndexDiff) (*StartPushResponse, error) {
	auth, err := marshalList(in.providers)
	if err != nil {
		return nil, err
	}
	app := &EvaluatedDefinition{Definition: in.definition, Functions: in.functions, UDFConfig: udfConfig(in.pkg.Config)}
	routes, err := in.moduleRoutes()
	if err != nil {
		return nil, err
	}
	if in.schema != nil {
		app.Schema = in.schema.JSON()
	}
	deps, err := externalDepsID(in.pkg.Config.NodePackages)
	if err != nil {
		return nil, err
	}
	return &StartPushResponse{
		EnvironmentVariables:        owned,
		ExternalDepsID:              deps,
		ComponentDefinitionPackages: map[string]any{"": map[string]any{}},
		AppAuth:                     auth,
		Analysis:                    map[string]*EvaluatedDefinition{"": app},
		App: CheckedComponent{
			Args: map[string]any{}, ChildComponents: map[string]any{}, HTTPRoutes: HTTPRoutes{HTTPModuleRoutes: routes, Mounts: []string{}}, Exports: map[string]any{},
		},
		SchemaChange: SchemaChange{
			AllocatedComponentIDs: map[string]string{}, SchemaIDs: map[string]string{"": p.id}, IndexDiffs: map[string]IndexDiff{"": diff},
		},
	}, nil
}

// about says what was being done when something went wrong; what a caller may
// see stays as it is.
func about(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := apierr.As(err); ok {
		return err
	}
	return fmt.Errorf("deploy: %s: %w", what, err)
}
