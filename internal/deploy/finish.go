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
		return p.move(ctx, tx, finish)
	})
	var ie *database.IndexError
	if errors.As(err, &ie) { // a table got its first documents after the waiting
		err = race("An index of table " + ie.Table + " has to be built first. Push again.")
	}
	if err != nil {
		return nil, about("finish push", err)
	}
	message := ""
	if r.Message != nil {
		message = clip(*r.Message)
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
	waiting, err := udf.PendingSchema(ctx, tx)
	if err != nil {
		return err
	}
	if waiting != nil && waiting.Push == p.id && waiting.Failure != "" {
		return bad("SchemaValidationFailed", "Schema validation failed. %s", waiting.Failure)
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
	pkg, err := p.content.pkg()
	if err != nil {
		return nil, err
	}
	diff, err := diffOf(ctx, tx, p, pkg)
	if err != nil {
		return nil, err
	}
	if p.schema != nil {
		for _, t := range p.schema.Tables {
			if _, err := tx.CreateTable(ctx, t.Name); err != nil {
				return nil, err
			}
		}
	}
	if err := planOf(tx, p.schema).apply(ctx, tx); err != nil {
		return nil, err
	}
	if err := udf.InstallModules(ctx, tx, pkg); err != nil {
		return nil, err
	}
	if _, err := scheduler.InstallCrons(ctx, tx, "", p.content.Crons, time.Now()); err != nil {
		return nil, err
	}
	if err := udf.SetAuthProviders(ctx, tx, p.content.Providers); err != nil {
		return nil, err
	}
	if err := udf.SetPendingSchema(ctx, tx, p.id, nil); err != nil {
		return nil, err
	}
	if err := udf.SetStaged(ctx, tx, p.schema); err != nil {
		return nil, err
	}
	var text []byte
	if p.schema != nil {
		text = p.content.Schema
	}
	return diff, udf.SetActiveSchema(ctx, tx, text)
}

// warm loads the program of a push, so that the first calls after it do not wait.
func (s *Service) warm(ctx context.Context, id string) error {
	var pkg udf.Package
	ready := false
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil || p == nil || p.state != validated {
			return err
		}
		ready = true
		if pkg, err = p.content.pkg(); err != nil {
			return err
		}
		return udf.LoadSources(ctx, tx, pkg.Modules)
	})
	if err != nil || !ready {
		return err
	}
	if err := s.Runner.Warm(ctx, nil, pkg); err != nil {
		s.Log.Warn("program of push not loaded ahead", "push", id, "err", err)
	}
	return nil
}

// finishDry tells what a dry run would have changed; nothing, if it is forgotten.
func (s *Service) finishDry(ctx context.Context, p *push) (*FinishPushDiff, error) {
	diff := &FinishPushDiff{AuthDiff: NameDiff{[]string{}, []string{}}, DefinitionDiffs: map[string]any{}, ComponentDiffs: map[string]ComponentDiff{}}
	if p == nil {
		return diff, nil
	}
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		pkg, err := p.content.pkg()
		if err != nil {
			return err
		}
		diff, err = diffOf(ctx, tx, p, pkg)
		return err
	})
	if err != nil {
		return nil, about("finish push", err)
	}
	return diff, nil
}

// diffOf compares a push with what is live.
func diffOf(ctx context.Context, tx *database.Tx, p *push, pkg udf.Package) (*FinishPushDiff, error) {
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
	live, err := udf.LiveModules(ctx, tx)
	if err != nil {
		return nil, err
	}
	config, installed, err := udf.LiveConfig(ctx, tx)
	if err != nil {
		return nil, err
	}
	crons, err := scheduler.DiffCrons(ctx, tx, p.content.Crons)
	if err != nil {
		return nil, err
	}
	c := ComponentDiff{
		DiffType: DiffType{"create"}, ModuleDiff: difference(paths(live), paths(pkg.Modules)),
		CronDiff: crons, IndexDiff: planOf(tx, p.schema).diff(),
	}
	if installed {
		c.DiffType.Type = "modify"
		if config.ServerVersion != p.content.Version {
			c.UDFConfigDiff = &UDFConfigDiff{config.ServerVersion, p.content.Version}
		}
	}
	active, err := udf.ActiveSchemaJSON(ctx, tx)
	if err != nil {
		return nil, err
	}
	if string(active) != string(p.content.Schema) {
		c.SchemaDiff = &SchemaDiff{optional(active), optional(p.content.Schema)}
	}
	return &FinishPushDiff{
		AuthDiff: difference(before, after), DefinitionDiffs: map[string]any{}, ComponentDiffs: map[string]ComponentDiff{"": c},
	}, nil
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
