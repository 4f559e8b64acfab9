package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// When pushes that nobody finished are looked for, and when one is given up that
// somebody waited for: nobody could finish it, because its sources go then, too.
const (
	sweepEvery   = time.Hour
	abandonedAge = 24 * time.Hour
)

// sweepOn sweeps until ctx ends.
func (s *Service) sweepOn(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Log.Warn("abandoned pushes not removed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep removes pushes that are too old to be finished, with the indexes that were
// built for them, which every write would have to maintain.
func (s *Service) sweep(ctx context.Context, now time.Time) error {
	var gone []string
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		gone = nil
		list, err := pushes(ctx, tx)
		if err != nil {
			return err
		}
		for _, p := range list {
			age := now.Sub(p.created)
			if p.state == started && age <= pushAge || p.state != started && age <= abandonedAge {
				continue
			}
			if p.state != started { // the only one: each that begins supersedes the others
				if err := unprepare(ctx, tx); err != nil {
					return err
				}
			}
			if err := tx.Delete(ctx, p.row); err != nil {
				return err
			}
			gone = append(gone, p.id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("deploy: sweep: %w", err)
	}
	for _, id := range gone {
		s.forgetWalk(id)
	}
	return nil
}

// unprepare takes back in all namespaces what a push has of them before it is finished.
func unprepare(ctx context.Context, tx *database.Tx) error {
	tree, err := udf.Components(ctx, tx)
	if err != nil {
		return err
	}
	spaces := map[value.Space]bool{0: true}
	for _, c := range tree.All {
		spaces[c.Space] = true
	}
	for space := range spaces {
		in := tx.In(space)
		for _, t := range in.Tables() {
			for _, ix := range in.Indexes(t.Name) {
				if t.System() || !strings.HasPrefix(ix.Name, pendingMark) {
					continue
				}
				if err := in.DropIndex(ctx, t.Name, ix.Name); err != nil {
					return err
				}
			}
		}
		if err := udf.SetPendingSchema(ctx, in, "", nil); err != nil {
			return err
		}
	}
	return nil
}
