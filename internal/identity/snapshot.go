package identity

import (
	"context"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Snapshot is the house's store as it was at one moment, for reading that takes long.
type Snapshot struct {
	s       *Service
	at      persistence.Timestamp
	release func()
}

// snapshotChunk is how many rows one transaction of a snapshot reads: it remembers
// what it looked at.
const snapshotChunk = 500

// Snapshot holds the present state of the store until it is released.
func (s *Service) Snapshot(ctx context.Context) (*Snapshot, error) {
	tx, release, err := s.DB.BeginHeld(ctx)
	if err != nil {
		return nil, err
	}
	return &Snapshot{s, tx.Snapshot(), release}, nil
}

// Release lets go of the snapshot.
func (n *Snapshot) Release() { n.release() }

// View runs f in a transaction at the snapshot.
func (n *Snapshot) View(ctx context.Context, f func(*Tx) error) error {
	tx, err := n.s.DB.BeginAt(ctx, n.at)
	if err != nil {
		return err
	}
	return f(n.s.wrap(ctx, tx, nil))
}

// Each calls f for all rows of an index whose first fields have the given values, with
// the memory of some of them.
func (n *Snapshot) Each(ctx context.Context, table, index string, f func(*Tx, Found) error, values ...string) error {
	in := prefixOf(values...)
	for more := true; more; {
		err := n.View(ctx, func(tx *Tx) error {
			more = false
			c := tx.Scan(table, index, in, database.Asc)
			defer c.Close()
			for range snapshotChunk {
				d, err := c.Next(ctx)
				if err != nil || d == nil {
					return err
				}
				if err := f(tx, Found{Doc: d.ID, Record: Record{d.Object()}}); err != nil {
					return err
				}
				in.Lower, more = database.After(c.Key()), true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// InsertMoved writes a row of another house as it was there. It is no event.
func (tx *Tx) InsertMoved(table string, r Record) error {
	return tx.Add(table, rowOf(r))
}

// rowOf is a record as a row.
func rowOf(r Record) Row {
	var row Row
	for name, v := range r.Fields.All() {
		if name[0] != '_' { // what the store itself adds
			row = append(row, value.Field{Name: name, Value: v})
		}
	}
	return row
}

// MovedSettings gives an environment the settings of another one, as they stand in the
// row of that. The domain stays, and in production what is for tests alone.
func (s *Service) MovedSettings(ctx context.Context, id EnvironmentID, r Record) error {
	e, err := s.Environment(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.ChangeSettings(ctx, id, func(now *Settings) {
		moved := readEnvironment(r).Settings
		moved.Domain, moved.Clock = now.Domain, now.Clock
		if e.Kind == Production {
			moved.FixedCode, moved.EmulatorPayloads = "", false
		}
		*now = moved
	})
	return err
}

// ReplaceMoved puts a row of another house in the place of one that is here.
func (tx *Tx) ReplaceMoved(here *Found, r Record) error {
	return tx.Put(here.Doc, rowOf(r))
}

// MovedEvents makes readers see the events that were moved into an environment, and
// events to come follow them.
func (s *Service) MovedEvents(ctx context.Context, id EnvironmentID) error {
	return s.View(ctx, func(tx *Tx) error {
		return tx.Each(tableEvents, "on_environment", prefixOf(string(id)), database.Desc, func(f Found) (bool, error) {
			s.events.raise(id, f.Text("id"))
			return false, nil
		})
	})
}

// raise makes an id the newest of its environment unless a newer one was given.
func (c *chronicle) raise(env EnvironmentID, id string) {
	u, err := ulid.ParseStrict(strings.TrimPrefix(id, eventPrefix))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of[env]
	if s == nil {
		s = c.begin(env, &sequence{})
	}
	if id > s.newest {
		s.newest, s.last = id, max(s.last, u.Time()+1)
	}
}
