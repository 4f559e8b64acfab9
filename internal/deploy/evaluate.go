package deploy

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
)

// countLimit is where counting documents stops: the client asks its user from
// 100,000 documents on and does not care for more.
const countLimit = 150_000

// EvaluateSchema tells what a push of the schema would have to do, without doing
// any of it. Documents are only counted where the push would have to look at them.
func (s *Service) EvaluateSchema(ctx context.Context, r *StartPushRequest) (*EvaluateSchemaResponse, error) {
	b, err := s.take(ctx, r)
	if err != nil {
		return nil, about("evaluate schema", err)
	}
	world := isolate.Import{Env: b.env, Now: time.Now()}
	defs, err := s.evaluateDefinitions(ctx, b, world)
	if err != nil {
		return nil, about("evaluate schema", err)
	}
	schemas := map[string]*schema.Schema{}
	for path := range defs {
		m := r.AppDefinition.Schema
		if path != "" {
			m = b.components[path].Schema
		}
		if schemas[path], err = s.evaluateSchema(ctx, m, world); err != nil {
			return nil, about("evaluate schema", err)
		}
	}
	p := &push{}
	instances, err := instancesOf(defs)
	if err != nil {
		return nil, about("evaluate schema", err)
	}
	for _, c := range instances {
		p.parts = append(p.parts, &part{&storedPart{Instance: c}, schemas[c.Definition]})
	}
	out := &EvaluateSchemaResponse{Evaluations: map[string]*SchemaPrediction{}, NewDefinitions: []string{}}
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		seats, _, err := p.seat(ctx, tx)
		if err != nil {
			return err
		}
		for _, at := range seats {
			if out.Evaluations[at.Path], err = predict(ctx, at.tx, at.schema); err != nil {
				return err
			}
			out.Evaluations[at.Path].DefinitionPath = at.Definition
			if at.was == nil && !slices.Contains(out.NewDefinitions, at.Definition) {
				out.NewDefinitions = append(out.NewDefinitions, at.Definition)
			}
		}
		return nil
	})
	if err != nil {
		return nil, about("evaluate schema", err)
	}
	return out, nil
}

// predict tells what a schema would change in a namespace.
func predict(ctx context.Context, tx *database.Tx, next *schema.Schema) (*SchemaPrediction, error) {
	out := &SchemaPrediction{Tables: []TablePrediction{}, Indexes: []IndexPrediction{}, SchemaValidation: next != nil && next.Validate}
	active, err := udf.ActiveSchema(ctx, tx)
	if err != nil {
		return nil, err
	}
	sizes := sizes{tx: tx, known: map[string][2]int{}}
	check := tablesToCheck(active, next)
	if next != nil {
		for _, t := range next.Tables {
			p := TablePrediction{Name: t.Name, Outcome: "supersetOfEnforced"}
			switch {
			case !next.Validate:
				p.Outcome = "notValidated"
			case slices.Contains(check, t.Name):
				p.Outcome = "mustWalk"
				if p.NumDocs, p.SizeBytes, err = sizes.of(ctx, t.Name); err != nil {
					return nil, err
				}
			}
			out.Tables = append(out.Tables, p)
		}
	}
	plan := planOf(tx, next)
	for _, c := range []struct {
		change string
		steps  []step
		count  bool // deleting and building take time in large tables
	}{{"added", plan.added, true}, {"identical", plan.identical, false}, {"enabled", plan.enabled, false}, {"disabled", plan.disabled, false}, {"dropped", plan.removed, true}} {
		for _, st := range c.steps {
			p := IndexPrediction{IndexConfig: st.config(), Change: c.change}
			if c.count {
				if p.NumDocs, _, err = sizes.of(ctx, st.table); err != nil {
					return nil, err
				}
			}
			p.NeedsBackfill = c.change == "added" && p.NumDocs > 0
			out.Indexes = append(out.Indexes, p)
		}
	}
	return out, nil
}

// sizes counts documents of tables, each once.
type sizes struct {
	tx    *database.Tx
	known map[string][2]int
}

// of is the number of documents of a table and their size, up to countLimit documents.
func (s sizes) of(ctx context.Context, table string) (docs, bytes int, err error) {
	if n, ok := s.known[table]; ok {
		return n[0], n[1], nil
	}
	c := s.tx.Scan(table, database.ByCreationTime, database.Interval{}, database.Asc)
	defer c.Close()
	for docs < countLimit {
		d, err := c.Next(ctx)
		if err != nil {
			return 0, 0, err
		}
		if d == nil {
			break
		}
		docs++
		bytes += d.Size
	}
	s.known[table] = [2]int{docs, bytes}
	return docs, bytes, nil
}

// EvaluatePush tells what a push would do to indexes; clients before 1.45 and the
// fallback of later ones ask for it (evaluate_push). It inspects the code as
// StartPush does and stores nothing.
func (s *Service) EvaluatePush(ctx context.Context, r *StartPushRequest) (*EvaluatePushResponse, error) {
	dry := *r
	dry.DryRun = true
	p, err := s.StartPush(ctx, &dry)
	if err != nil {
		return nil, err
	}
	return &EvaluatePushResponse{p.SchemaChange}, nil
}
