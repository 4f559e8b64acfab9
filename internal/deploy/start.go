package deploy

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
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
		s.tellUnset(err)
		return nil, about("start push", err)
	}
	p := &push{state: started, created: time.Now()}
	if p.content, err = contentOf(in, b.owned); err == nil {
		err = p.parse()
	}
	if err != nil {
		return nil, about("start push", err)
	}
	if r.DryRun || r.ForCodegen {
		s.keepDry(p)
	} else if err := s.store(ctx, p, in.allModules()); err != nil {
		return nil, about("start push", err)
	}
	diffs := map[string]IndexDiff{}
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		seats, _, err := p.seat(ctx, tx)
		for _, at := range seats {
			diffs[at.Path] = planOf(at.tx, at.schema).diff()
		}
		return err
	})
	if err != nil {
		return nil, about("start push", err)
	}
	s.Log.Debug("push started", "push", p.id, "modules", len(in.pkg.Modules), "components", len(p.parts)-1, "took", time.Since(begun))
	return answer(p, in, b.owned, diffs)
}

// clientVariable is the variable that the guide's auth.config.ts reads.
const clientVariable = "WORKOS_CLIENT_ID"

// tellUnset says in the log what a push wants that reads a client id which was never
// set: the official client shows words of its own, which do not say where to get one.
func (s *Service) tellUnset(err error) {
	e, ok := apierr.As(err)
	if !ok || e.Code != "AuthConfigMissingEnvironmentVariable" || !strings.Contains(e.Message, clientVariable+" ") {
		return
	}
	s.Log.Warn("refused a push", "because", "auth.config.ts reads "+clientVariable+", and the deployment has no such variable: no WorkOS environment was made for it yet.",
		"fix", "Have one made: lentil exec -- npx convex integration workos provision-environment, or let the section authKit of convex.json do it. Then look after .env.local: lentil doctor --fix",
		"look", "lentil doctor --only client-id-set")
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
func answer(p *push, in *inspection, owned map[string]string, diffs map[string]IndexDiff) (*StartPushResponse, error) {
	auth, err := marshalList(in.providers)
	if err != nil {
		return nil, err
	}
	deps, err := externalDepsID(in.pkg.Config.NodePackages)
	if err != nil {
		return nil, err
	}
	out := &StartPushResponse{
		EnvironmentVariables:        owned,
		ExternalDepsID:              deps,
		ComponentDefinitionPackages: map[string]any{},
		AppAuth:                     auth,
		Analysis:                    map[string]*EvaluatedDefinition{},
		SchemaChange: SchemaChange{
			AllocatedComponentIDs: map[string]string{}, SchemaIDs: map[string]string{"": p.id}, IndexDiffs: diffs,
		},
	}
	for path, d := range in.all() {
		e := &EvaluatedDefinition{Definition: d.definition, Functions: d.functions, UDFConfig: udfConfig(d.pkg.Config)}
		if d.schema != nil {
			e.Schema = d.schema.JSON()
		}
		out.Analysis[path], out.ComponentDefinitionPackages[path] = e, map[string]any{}
	}
	out.App, err = in.tree()
	return out, err
}

// all are the inspected definitions by path, the app's among them.
func (in *inspection) all() map[string]*inspected {
	all := maps.Clone(in.definitions)
	all[""] = &in.inspected
	return all
}

// allModules are the modules of all definitions, with their sources.
func (in *inspection) allModules() (modules []udf.ModuleRow) {
	for _, d := range in.all() {
		modules = append(modules, d.pkg.Modules...)
	}
	return modules
}

// tree is the tree of instances as clients see it.
func (in *inspection) tree() (app *CheckedComponent, err error) {
	made := map[string]*CheckedComponent{}
	for _, c := range in.instances {
		node := &CheckedComponent{
			DefinitionPath: c.Definition, ComponentPath: c.Path, HTTPPrefix: c.HTTPPrefix,
			Args: map[string]any{}, ChildComponents: map[string]*CheckedComponent{}, Exports: map[string]any{},
		}
		node.HTTPRoutes.Mounts = append([]string{}, slices.Sorted(maps.Keys(c.Mounts))...)
		if node.HTTPRoutes.HTTPModuleRoutes, err = in.all()[c.Definition].moduleRoutes(); err != nil {
			return nil, err
		}
		for name, v := range c.Args {
			node.Args[name] = map[string]any{"type": "value", "value": string(v)}
		}
		made[c.Path] = node
		if c.Path != "" {
			above, _, _ := cutLast(c.Path)
			made[above].ChildComponents[c.Name()] = node
		}
	}
	return made[""], nil
}

// cutLast cuts the last name off a path of components.
func cutLast(path string) (above, name string, nested bool) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:], true
	}
	return "", path, false
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
