package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
)

// FinishPush makes a push live in one commit, and tells what became different.
// A dry run only tells.
func (s *Service) FinishPush(ctx context.Context, r *FinishPushRequest) (*FinishPushDiff, error) {
	begun := time.Now()
	id := r.StartPush.SchemaChange.SchemaIDs[""]
	if p := s.findDry(id); p != nil || r.DryRun {
		return s.finishDry(ctx, p)
	}
	if err := s.warm(ctx, id); err != nil {
		return nil, about("finish push", err)
	}
	message := ""
	if r.Message != nil {
		message = clip(*r.Message)
	}
	var diff *FinishPushDiff
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.mayFinish(ctx, tx, p); err != nil {
			return err
		}
		if diff, err = s.install(ctx, tx, p); err != nil {
			return err
		}
		if lines := diff.lines(); len(lines) > 0 || message != "" {
			if err := note(ctx, tx, "push", message, lines); err != nil {
				return err
			}
		}
		return p.move(ctx, tx, finish)
	})
	var ie *database.IndexError
	if errors.As(err, &ie) { // a table got its first documents after the waiting
		err = race("An index of table " + ie.Table + " has to be built first. Push again.")
	}
	if err != nil {
		return nil, about("finish push", err)
	}
	s.Log.Info("push finished", "push", id, "message", message, "took", time.Since(begun))
	return diff, nil
}

// race tells the client that something changed under the push; it tries again by itself.
func race(text string) error { return apierr.New(apierr.BadRequest, "RaceDetected", "%s", text) }

// mayFinish refuses a push that is over, failed, not ready, or was evaluated
// with other environment variables than there are now.
func (s *Service) mayFinish(ctx context.Context, tx *database.Tx, p *push) error {
	if p == nil {
		return race("Schema was overwritten by another push.")
	}
	if p.state == failed {
		return bad("SchemaValidationFailed", "Schema validation failed. %s", p.failure.Error)
	}
	seats, _, err := p.seat(ctx, tx)
	if err != nil {
		return err
	}
	f, err := failedWrite(ctx, p.id, seats)
	if err != nil {
		return err
	}
	if f != nil {
		return bad("SchemaValidationFailed", "Schema validation failed. %s", f.Error)
	}
	if _, ok := p.state.on(finish); !ok {
		return bad("PushNotReady", "The push cannot be finished yet: wait_for_schema has not answered \"complete\".")
	}
	owned, err := udf.Environment(ctx, tx)
	if err != nil {
		return err
	}
	if environmentDigest(owned) != p.content.Environment {
		return race("Environment variables have changed during push")
	}
	var missing []string
	for _, name := range p.content.Required {
		if _, ok := owned[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return bad("MissingEnvironmentVariables", "Required environment variables are not set: %s. "+
			"They are declared in convex.config.ts; set them with `npx convex env set`.", strings.Join(missing, ", "))
	}
	return nil
}

// install writes all that a push changes, except for the push itself.
func (s *Service) install(ctx context.Context, tx *database.Tx, p *push) (*FinishPushDiff, error) {
	diff, err := diffOf(ctx, tx, p)
	if err != nil {
		return nil, err
	}
	seats, tree, err := p.seat(ctx, tx)
	if err != nil {
		return nil, err
	}
	if err := udf.SetComponents(ctx, tx, tree); err != nil {
		return nil, err
	}
	for _, at := range seats {
		if err := p.installPart(ctx, at); err != nil {
			return nil, err
		}
	}
	for _, c := range tree {
		if c.Mounted {
			continue
		}
		if _, err := scheduler.InstallCrons(ctx, tx.In(c.Space), c.Path, nil, time.Now()); err != nil {
			return nil, err
		}
		if err := udf.SetPendingSchema(ctx, tx.In(c.Space), p.id, nil); err != nil {
			return nil, err
		}
	}
	return diff, udf.SetAuthProviders(ctx, tx, p.content.Providers)
}

// installPart writes what a push changes in the app or in one component.
func (p *push) installPart(ctx context.Context, at seated) error {
	pkg, err := p.content.pkg(at.stored)
	if err != nil {
		return err
	}
	if at.schema != nil {
		for _, t := range at.schema.Tables {
			if _, err := at.tx.CreateTable(ctx, t.Name); err != nil {
				return err
			}
		}
	}
	if err := planOf(at.tx, at.schema).apply(ctx, at.tx); err != nil {
		return err
	}
	if err := udf.InstallModules(ctx, at.tx, pkg); err != nil {
		return err
	}
	if _, err := scheduler.InstallCrons(ctx, at.tx, at.Path, at.stored.Crons, time.Now()); err != nil {
		return err
	}
	if err := udf.SetPendingSchema(ctx, at.tx, p.id, nil); err != nil {
		return err
	}
	if err := udf.SetStaged(ctx, at.tx, at.schema); err != nil {
		return err
	}
	var text []byte
	if at.schema != nil {
		text = at.stored.Schema
	}
	return udf.SetActiveSchema(ctx, at.tx, text)
}

// warm loads the programs of a push, so that the first calls after it do not wait.
func (s *Service) warm(ctx context.Context, id string) error {
	var pkgs []udf.Package
	var tree []udf.Component
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil || p == nil || p.state != validated {
			return err
		}
		var seats []seated
		if seats, tree, err = p.seat(ctx, tx); err != nil {
			return err
		}
		for _, at := range seats {
			pkg, err := p.content.pkg(at.stored)
			if err != nil {
				return err
			}
			if err := udf.LoadSources(ctx, tx, pkg.Modules); err != nil {
				return err
			}
			pkgs = append(pkgs, pkg)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, pkg := range pkgs {
		if err := s.Runner.Warm(ctx, tree, pkg); err != nil {
			s.Log.Warn("program of push not loaded ahead", "push", id, "component", pkg.Component, "err", err)
		}
	}
	return nil
}

// finishDry tells what a dry run would have changed; nothing, if it is forgotten.
func (s *Service) finishDry(ctx context.Context, p *push) (*FinishPushDiff, error) {
	diff := &FinishPushDiff{AuthDiff: NameDiff{[]string{}, []string{}}, DefinitionDiffs: map[string]any{}, ComponentDiffs: map[string]ComponentDiff{}}
	if p == nil {
		return diff, nil
	}
	err := s.DB.View(ctx, func(tx *database.Tx) (err error) {
		diff, err = diffOf(ctx, tx, p)
		return err
	})
	if err != nil {
		return nil, about("finish push", err)
	}
	return diff, nil
}

// diffOf compares a push with what is live.
func diffOf(ctx context.Context, tx *database.Tx, p *push) (*FinishPushDiff, error) {
	providers, err := udf.AuthProviders(ctx, tx)
	if err != nil {
		return nil, err
	}
	before, err := providerTexts(providers)
	if err != nil {
		return nil, err
	}
	after, err := providerTexts(p.content.Providers)
	if err != nil {
		return nil, err
	}
	diff := &FinishPushDiff{AuthDiff: difference(before, after), DefinitionDiffs: map[string]any{}, ComponentDiffs: map[string]ComponentDiff{}}
	seats, tree, err := p.seat(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, at := range seats {
		if diff.ComponentDiffs[at.Path], err = p.diffPart(ctx, at); err != nil {
			return nil, err
		}
	}
	now, err := udf.Components(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, c := range tree {
		if was := now.At(c.Path); c.Mounted || was == nil || !was.Mounted {
			continue
		}
		crons, err := scheduler.DiffCrons(ctx, tx.In(c.Space), nil)
		if err != nil {
			return nil, err
		}
		diff.ComponentDiffs[c.Path] = ComponentDiff{
			DiffType: DiffType{"unmount"}, ModuleDiff: difference(nil, nil), CronDiff: crons, IndexDiff: plan{}.diff(),
		}
	}
	return diff, nil
}

// diffPart compares the app or one component with what is live.
func (p *push) diffPart(ctx context.Context, at seated) (c ComponentDiff, err error) {
	live, err := udf.LiveModules(ctx, at.tx)
	if err != nil {
		return c, err
	}
	config, installed, err := udf.LiveConfig(ctx, at.tx)
	if err != nil {
		return c, err
	}
	pkg, err := p.content.pkg(at.stored)
	if err != nil {
		return c, err
	}
	c = ComponentDiff{DiffType: DiffType{"create"}, ModuleDiff: difference(paths(live), paths(pkg.Modules)), IndexDiff: planOf(at.tx, at.schema).diff()}
	if c.CronDiff, err = scheduler.DiffCrons(ctx, at.tx, at.stored.Crons); err != nil {
		return c, err
	}
	if installed {
		c.DiffType.Type = "modify"
		if !at.was.Mounted {
			c.DiffType.Type = "remount"
		}
		if config.ServerVersion != at.stored.Version {
			c.UDFConfigDiff = &UDFConfigDiff{config.ServerVersion, at.stored.Version}
		}
	}
	active, err := udf.ActiveSchemaJSON(ctx, at.tx)
	if err != nil {
		return c, err
	}
	if string(active) != string(at.stored.Schema) {
		c.SchemaDiff = &SchemaDiff{optional(active), optional(at.stored.Schema)}
	}
	return c, nil
}

// optional is a text that may be missing.
func optional(text []byte) *string {
	if len(text) == 0 {
		return nil
	}
	s := string(text)
	return &s
}

// paths lists the paths of modules.
func paths(modules []udf.ModuleRow) []string {
	list := make([]string, 0, len(modules))
	for _, m := range modules {
		list = append(list, m.Path)
	}
	return list
}

// providerTexts lists providers as JSON texts.
func providerTexts(providers []token.Provider) ([]string, error) {
	var list []string
	for _, p := range providers {
		b, err := json.Marshal(p)
		if err != nil {
			return nil, err
		}
		list = append(list, string(b))
	}
	return list, nil
}

// difference tells what came and what went.
func difference(before, after []string) NameDiff {
	d := NameDiff{Added: []string{}, Removed: []string{}}
	for _, s := range after {
		if !slices.Contains(before, s) {
			d.Added = append(d.Added, s)
		}
	}
	for _, s := range before {
		if !slices.Contains(after, s) {
			d.Removed = append(d.Removed, s)
		}
	}
	return d
}
