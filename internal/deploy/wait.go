package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
)

// WaitForSchema waits until the indexes of a push are built and all documents
// are found to match its schema, but no longer than the client wants. The first
// call makes the push the one that is pending; it does the checking, too.
func (s *Service) WaitForSchema(ctx context.Context, r *WaitRequest) (*SchemaStatus, error) {
	id := r.SchemaChange.SchemaIDs[""]
	if r.DryRun || s.findDry(id) != nil {
		return &SchemaStatus{Type: StatusComplete}, nil
	}
	timeout := usualWait
	if r.TimeoutMS != nil {
		timeout = min(longestWait, time.Duration(max(0, min(*r.TimeoutMS, 1e6)))*time.Millisecond)
	}
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		l, err := s.look(ctx, id)
		if err != nil {
			return nil, about("wait for schema", err)
		}
		if l.status != nil && l.status.Type != StatusInProgress {
			return l.status, nil
		}
		select {
		case <-deadline.C:
			return l.status, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		default:
		}
		switch {
		case l.push.state == started:
			err = s.begin(ctx, id)
		case l.push.state == pending && !l.walk.done():
			err = s.walkOn(ctx, id, l.walk)
		case l.push.state == pending:
			err = s.noteChecked(ctx, id)
		default: // indexes are being built
			sub := s.DB.Subscribe(l.reads, l.tx.Snapshot())
			select {
			case <-sub.Done():
			case <-deadline.C:
				sub.Close()
				return l.status, nil
			case <-ctx.Done():
			}
			sub.Close()
		}
		if err != nil {
			return nil, about("wait for schema", err)
		}
	}
}

// look is one look at a push that somebody waits for.
type look struct {
	push   *push
	walk   *walk // of a pending push
	status *SchemaStatus
	reads  *database.ReadSet
	tx     *database.Tx
}

// look reads how far a push is.
func (s *Service) look(ctx context.Context, id string) (*look, error) {
	l := &look{status: &SchemaStatus{Type: StatusInProgress}}
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		l.tx = tx
		var err error
		if l.push, err = load(ctx, tx, id); err != nil {
			return err
		}
		if l.push == nil {
			l.status.Type = StatusRaceDetected
			return nil
		}
		if l.push.state == failed {
			l.status = l.push.failure.status()
			return nil
		}
		seats, _, err := l.push.seat(ctx, tx)
		if err != nil {
			return err
		}
		f, err := failedWrite(ctx, id, seats)
		if err != nil {
			return err
		}
		if f != nil {
			l.status = f.status()
			return nil
		}
		l.status.Components = map[string]ComponentStatus{}
		built := true
		var spots []spot
		for _, at := range seats {
			complete, total := planOf(at.tx, at.schema).progress(at.tx)
			built = built && complete == total
			l.status.Components[at.Path] = ComponentStatus{
				SchemaValidationComplete: l.push.state == validated, IndexesComplete: complete, IndexesTotal: total,
			}
			if l.push.state == pending {
				active, err := udf.ActiveSchema(ctx, at.tx)
				if err != nil {
					return err
				}
				for _, table := range tablesToCheck(active, at.schema) {
					spots = append(spots, spot{at.Path, table})
				}
			}
		}
		if l.push.state == pending {
			l.walk = s.walkOf(id, spots)
		}
		if l.push.state == validated && built {
			l.status = &SchemaStatus{Type: StatusComplete}
		}
		l.reads = tx.Reads()
		return nil
	})
	return l, err
}

// failedWrite tells of a write since a push began to wait that does not match its
// schema; nil if there was none.
func failedWrite(ctx context.Context, id string, seats []seated) (*failure, error) {
	for _, at := range seats {
		waiting, err := udf.PendingSchema(ctx, at.tx)
		if err != nil {
			return nil, err
		}
		if waiting != nil && waiting.Push == id && waiting.Failure != "" {
			return &failure{waiting.Failure, waiting.Table, at.Path}, nil
		}
	}
	return nil, nil
}

// status is the failure as an answer.
func (f failure) status() *SchemaStatus {
	return &SchemaStatus{Type: StatusFailed, Error: f.Error, ComponentPath: &f.Component, TableName: &f.Table}
}

// begin makes a push the pending one: others are over, its indexes begin to be
// built, and writes are held against its schema from this commit on.
func (s *Service) begin(ctx context.Context, id string) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil || p == nil || p.state != started {
			return err
		}
		others, err := pushes(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range others {
			if _, ok := o.state.on(supersede); ok && o.id != id {
				if err := o.move(ctx, tx, supersede); err != nil {
					return err
				}
			}
		}
		seats, tree, err := p.seat(ctx, tx)
		if err != nil {
			return err
		}
		for _, c := range tree { // nothing waits for the schemas of other pushes any more
			if err := udf.SetPendingSchema(ctx, tx.In(c.Space), id, nil); err != nil {
				return err
			}
		}
		for _, at := range seats {
			if err := planOf(at.tx, at.schema).prepare(ctx, at.tx); err != nil {
				return err
			}
			active, err := udf.ActiveSchema(ctx, at.tx)
			if err != nil {
				return err
			}
			if at.was == nil || len(tablesToCheck(active, at.schema)) == 0 {
				continue // there is nothing that could fail to match
			}
			if err := udf.SetPendingSchema(ctx, at.tx, id, at.stored.Schema); err != nil {
				return err
			}
		}
		return p.move(ctx, tx, begin)
	})
	return err
}

// noteChecked records that all documents match.
func (s *Service) noteChecked(ctx context.Context, id string) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil || p == nil || p.state != pending {
			return err
		}
		return p.move(ctx, tx, checked)
	})
	s.forgetWalk(id)
	return err
}

// noteMismatch records that a document does not match.
func (s *Service) noteMismatch(ctx context.Context, id string, f failure) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		p, err := load(ctx, tx, id)
		if err != nil || p == nil || p.state != pending {
			return err
		}
		_, tree, err := p.seat(ctx, tx)
		if err != nil {
			return err
		}
		for _, c := range tree {
			if err := udf.SetPendingSchema(ctx, tx.In(c.Space), id, nil); err != nil {
				return err
			}
		}
		p.failure = f
		return p.move(ctx, tx, mismatch)
	})
	s.forgetWalk(id)
	return err
}

// tablesToCheck lists the tables whose documents may not match the next schema
// although they match the active one.
func tablesToCheck(active, next *schema.Schema) []string {
	if next == nil || !next.Validate {
		return nil
	}
	var names []string
	for i := range next.Tables {
		t := &next.Tables[i]
		if t.Document == nil || t.Document.IsAny() {
			continue
		}
		if active != nil && active.Validate {
			if was, ok := active.Table(t.Name); ok && was.Document != nil && t.Document.Covers(was.Document) {
				continue
			}
		}
		names = append(names, t.Name)
	}
	return names
}

// mismatchText is the text of a failure, as the client shows it below "Schema
// validation failed."
func mismatchText(d *database.Document, table string, err error) (string, bool) {
	var m *schema.Mismatch
	if !errors.As(err, &m) {
		return "", false
	}
	return "Document with ID \"" + d.ID.String() + "\" in table \"" + table + "\" does not match the schema: " + m.Error(), true
}

// keyAfter is the interval of everything behind a key.
func keyAfter(key []byte) database.Interval {
	if key == nil {
		return database.Interval{}
	}
	return database.Interval{Lower: append(append([]byte(nil), key...), 0)}
}
