package auditlog

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxRetention is the longest retention in days, ours.
const maxRetention = 3650

// Retention says for how many days the events of an organisation are kept; set is
// false while nobody chose.
func (s *Service) Retention(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID) (days int, set, used bool, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		f, err := tx.First(tableLogs, "on_organization", string(env), string(org))
		if err != nil {
			return err
		}
		days, set, used = DefaultRetention, false, f != nil
		if f != nil && f.Number("retention") > 0 {
			days, set = int(f.Number("retention")), true
		}
		return nil
	})
	return days, set, used, err
}

// SetRetention chooses for how many days the events of an organisation are kept.
func (s *Service) SetRetention(ctx context.Context, env identity.EnvironmentID, org identity.OrganizationID, days int) error {
	if days < 1 || days > maxRetention {
		return badField("retention_period_in_days", "Events are kept for 1 to %d days.", maxRetention)
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		if _, err := tx.Organization(env, org); err != nil {
			return err
		}
		f, err := tx.First(tableLogs, "on_organization", string(env), string(org))
		if err != nil {
			return err
		}
		if f != nil {
			return tx.Patch(f, identity.Row{identity.Number("retention", days)})
		}
		return tx.Add(tableLogs, identity.Row{identity.Text("environment", env), identity.Text("organization", org),
			identity.Number("retention", days), identity.Time("created", tx.Now())})
	})
}

// log names one organisation's log.
type log struct {
	env, org string
	days     int
}

// sweep deletes the events that are older than their organisation wants, keys that
// are forgotten, and exports with their files.
func (s *Service) sweep(ctx context.Context) error {
	if s.Identity.Unsure() {
		return nil
	}
	for _, t := range []string{tableKeys, tableExports, tableParts} {
		if err := s.Identity.Sweep(ctx, t, "on_expires", time.Now()); err != nil {
			return err
		}
	}
	var logs []log
	err := s.Identity.View(ctx, func(tx *identity.Tx) error {
		logs = logs[:0]
		return tx.Each(tableLogs, "on_organization", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			l := log{f.Text("environment"), f.Text("organization"), int(f.Number("retention"))}
			if l.days <= 0 {
				l.days = DefaultRetention
			}
			logs = append(logs, l)
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	for _, l := range logs {
		for more := true; more; {
			if more, err = s.sweepLog(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// span is the part of an organisation's events from one time to before another.
func span(env, org string, from, to time.Time) database.Interval {
	k := identity.Key(env, org)
	at := func(t time.Time) []byte {
		return value.AppendKey(append([]byte(nil), k...), value.Float64(t.UnixMilli()))
	}
	return database.Interval{Lower: at(from), Upper: at(to)}
}

// sweepLog deletes a batch of an organisation's events that are too old, and says
// whether there may be more.
func (s *Service) sweepLog(ctx context.Context, l log) (more bool, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		var old []identity.Found
		until := tx.Now().AddDate(0, 0, -l.days)
		in := database.Prefix(identity.Key(l.env, l.org))
		in.Upper = span(l.env, l.org, until, until).Upper
		err := tx.Each(tableEvents, "on_organization", in, database.Asc, func(f identity.Found) (bool, error) {
			old = append(old, f)
			return len(old) < sweepBatch, nil
		})
		if err != nil {
			return err
		}
		more = len(old) == sweepBatch
		for i := range old {
			if err := tx.Remove(&old[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return more, err
}
