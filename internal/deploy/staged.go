package deploy

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/schema"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// Intervals of looking at staged validators.
const (
	stagedAgain = time.Minute // until an invalid one is looked at again
	stagedPause = time.Second // after the database could not be read
)

// Run looks at the documents of tables with staged validators and removes abandoned
// pushes, in the background, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var sweeper sync.WaitGroup
	defer sweeper.Wait()
	sweeper.Go(func() { s.sweepOn(ctx) })
	again := time.NewTicker(stagedAgain)
	defer again.Stop()
	for ctx.Err() == nil {
		tx, list, err := s.staged(ctx)
		for _, st := range list {
			if st.State == udf.StagedChecking && err == nil {
				err = s.checkStaged(ctx, st)
			}
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, database.ErrConflict) {
			s.Log.Warn("staged validators not checked", "err", err)
			select {
			case <-time.After(stagedPause):
			case <-ctx.Done():
			}
			continue
		}
		if tx == nil || err != nil {
			continue
		}
		sub := s.DB.Subscribe(tx.Reads(), tx.Snapshot())
		select {
		case <-sub.Done():
		case <-again.C:
			for _, st := range list {
				if st.State == udf.StagedInvalid {
					s.retryStaged(ctx, st)
				}
			}
		case <-ctx.Done():
		}
		sub.Close()
	}
	return nil
}

// staged lists the staged validators, in a transaction that depends on them.
func (s *Service) staged(ctx context.Context) (tx *database.Tx, list []udf.Staged, err error) {
	if tx, err = s.DB.Begin(ctx); err != nil {
		return nil, nil, err
	}
	tree, err := udf.Components(ctx, tx)
	if err != nil {
		return tx, nil, err
	}
	for _, space := range tree.Spaces() {
		some, err := udf.StagedValidators(ctx, tx.In(space))
		if err != nil {
			return tx, nil, err
		}
		list = append(list, some...)
	}
	return tx, list, nil
}

// Checking says whether documents are being checked against a staged validator.
func (s *Service) Checking(ctx context.Context) (bool, error) {
	_, list, err := s.staged(ctx)
	for _, st := range list {
		if st.State == udf.StagedChecking {
			return true, nil
		}
	}
	return false, err
}

// checkStaged looks at all documents of a table, batch by batch. What is written
// meanwhile is checked when it is written, as in a walk.
func (s *Service) checkStaged(ctx context.Context, st udf.Staged) error {
	v, err := schema.ParseValidator([]byte(st.Validator))
	if err != nil {
		return err
	}
	table := schema.Table{Name: st.Table, Staged: v}
	var key []byte
	for done := false; !done && st.State == udf.StagedChecking; {
		err := s.DB.View(ctx, func(tx *database.Tx) error {
			tx = tx.In(st.Space)
			c := tx.Scan(st.Table, database.ByCreationTime, keyAfter(key), database.Asc)
			defer c.Close()
			for range walkBatch {
				d, err := c.Next(ctx)
				if err != nil || d == nil {
					done = true
					return err
				}
				var m *schema.Mismatch
				if errors.As(table.CheckStaged(d.Object(), tx), &m) {
					st.State, st.Failure, st.Document = udf.StagedInvalid, m.Error(), d.ID.String()
					return nil
				}
				key = bytes.Clone(c.Key())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if st.State == udf.StagedChecking {
		st.State, st.Failure, st.Document = udf.StagedValid, "", ""
	}
	return s.noteStaged(ctx, st, udf.StagedChecking)
}

// noteStaged writes a new state unless the validator is another one by now, or no
// longer in the state it was.
func (s *Service) noteStaged(ctx context.Context, st udf.Staged, was string) error {
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		tx = tx.In(st.Space)
		list, err := udf.StagedValidators(ctx, tx)
		if err != nil {
			return err
		}
		for _, now := range list {
			if now.Table != st.Table || now.Validator != st.Validator || now.State != was {
				continue
			}
			now.State, now.Failure, now.Document = st.State, st.Failure, st.Document
			return now.Save(ctx, tx)
		}
		return nil
	})
	if err == nil {
		s.Log.Info("staged validator looked at", "table", st.Table, "state", st.State)
	}
	return err
}

// retryStaged checks a table again once the document that did not match is mended.
func (s *Service) retryStaged(ctx context.Context, st udf.Staged) {
	mended := st.Document == ""
	if id, err := value.ParseID(st.Document); err == nil {
		err = s.DB.View(ctx, func(tx *database.Tx) error {
			v, err := schema.ParseValidator([]byte(st.Validator))
			if err != nil {
				return err
			}
			tx = tx.In(st.Space)
			d, err := tx.Get(ctx, id)
			if err != nil {
				return err
			}
			table := schema.Table{Name: st.Table, Staged: v}
			mended = d == nil || table.CheckStaged(d.Object(), tx) == nil
			return nil
		})
		if err != nil {
			return // the next time tells
		}
	}
	if mended {
		st.State, st.Failure, st.Document = udf.StagedChecking, "", ""
		if err := s.noteStaged(ctx, st, udf.StagedInvalid); err != nil && ctx.Err() == nil {
			s.Log.Warn("staged validator not checked again", "table", st.Table, "err", err)
		}
	}
}
