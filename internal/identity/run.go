package identity

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
)

// How often Run looks around, how many rows one transaction sweeps, and how long
// events are kept.
const (
	sweepEvery = time.Minute
	sweepBatch = 200
	keepEvents = 90 * 24 * time.Hour
)

// Run sweeps what has expired, writes down when keys were used, and looks for the
// DNS records of domains to be verified, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	filled := make(chan error, 1)
	go func() { filled <- s.spares.fill(ctx) }()
	defer func() { <-filled }()
	return RunChores(ctx, s.Log, Chore{"writing of API keys' use", s.writeUses}, Chore{"clearing of expired invitations", s.lapseInvitations},
		Chore{"verification of domains", s.checkDomains}, Chore{"rotation of signing keys", s.rotateOld}, Chore{"sweep of expired rows", s.sweep})
}

// sweep deletes sessions nobody asks for any more, browsers' sign-ins that
// expired, retired keys and old events.
func (s *Service) sweep(ctx context.Context) error {
	if s.Unsure() {
		return nil
	}
	now := time.Now()
	for _, sw := range []struct {
		table, index string
		until        time.Time
	}{
		{tableSessions, "on_forget", now},
		{tableBrowsers, "on_expires", now},
		{tableCodes, "on_forget", now},
		{tableAnswers, "on_expires", now},
		{tableResets, "on_forget", now},
		{tableChallenges, "on_expires", now.Add(-challengeLifetime)},
		{tableEvents, "by_creation_time", now.Add(-keepEvents)},
		{tableTrail, "by_creation_time", now.Add(-keepTrail)},
	} {
		if err := s.Sweep(ctx, sw.table, sw.index, sw.until); err != nil {
			return err
		}
	}
	return s.Update(ctx, func(tx *Tx) error {
		return tx.Each(tableSigningKeys, "on_environment", database.Interval{}, database.Asc, func(f Found) (bool, error) {
			if end := f.Time("retires"); end.IsZero() || tx.now.Before(end) {
				return true, nil
			}
			return true, tx.Remove(&f)
		})
	})
}

// Unsure tells whether the clock may be wrong, so that nothing is to be deleted for its
// age: what a right one would keep would be gone.
func (s *Service) Unsure() bool { return s.Doubt != nil && s.Doubt() }

// Sweep deletes the rows whose time, by an index on it, is not after until; a zero
// time is none. It goes on in batches until nothing is left, and does nothing while the
// clock may be wrong.
func (s *Service) Sweep(ctx context.Context, table, index string, until time.Time) error {
	if s.Unsure() {
		return nil
	}
	for {
		n := 0
		err := s.Update(ctx, func(tx *Tx) error {
			var rows []Found
			err := tx.Each(table, index, sweepSpan(until), database.Asc, func(f Found) (bool, error) {
				rows = append(rows, f)
				return len(rows) < sweepBatch, nil
			})
			if err != nil {
				return err
			}
			n = len(rows)
			for i := range rows {
				if err := tx.Remove(&rows[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
