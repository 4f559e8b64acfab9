package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// Tx is a transaction over the room's tables. authflow uses it to commit its own
// rows together with identity's. It must not outlive the closure it is given to.
type Tx struct {
	*database.Tx
	s   *Service
	ctx context.Context // the transaction's, whose lifetime is one closure call
	now time.Time       // of this run of the closure, to the millisecond
	rec *recording      // of the transaction's events, over all runs of the closure

	ahead time.Duration // how far now is ahead of the house's clock
	quiet bool          // events are not recorded
}

// Now is the time as of which the transaction happens, by the clock of the
// environment that it is about.
func (tx *Tx) Now() time.Time { return tx.now }

// Update runs f in a transaction and commits it. f may run again after a
// conflict: no mail, no hashing, no sends within.
func (s *Service) Update(ctx context.Context, f func(*Tx) error) error {
	rec := &recording{}
	committed := false
	defer func() { s.events.end(rec, committed) }() // also if f panics
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		rec.names = rec.names[:0]
		return f(s.wrap(ctx, tx, rec))
	})
	committed = err == nil
	if committed && s.Observe != nil {
		for _, name := range rec.names {
			s.Observe(name)
		}
	}
	return err
}

// View runs f in a transaction that writes nothing.
func (s *Service) View(ctx context.Context, f func(*Tx) error) error {
	return s.DB.View(ctx, func(tx *database.Tx) error { return f(s.wrap(ctx, tx, nil)) })
}

// wrap makes a Tx of a database transaction.
func (s *Service) wrap(ctx context.Context, tx *database.Tx, rec *recording) *Tx {
	return &Tx{Tx: tx, s: s, ctx: ctx, now: Now(ctx).UTC().Truncate(time.Millisecond), ahead: ahead(ctx), rec: rec}
}

// Found is a row and where it lies.
type Found struct {
	Doc value.ID
	Record
}

// key is the beginning of an index key.
func key(values ...string) []byte {
	var k []byte
	for _, v := range values {
		k = value.AppendKey(k, value.String(v))
	}
	return k
}

// Key is the beginning of an index key whose first fields have the given values,
// for Each and database.Prefix.
func Key(values ...string) []byte { return key(values...) }

// First finds the first row of an index whose first fields have the given values;
// nil if there is none.
func (tx *Tx) First(table, index string, values ...string) (*Found, error) {
	var found *Found
	err := tx.Each(table, index, database.Prefix(key(values...)), database.Asc, func(f Found) (bool, error) {
		found = &f
		return false, nil
	})
	return found, err
}

// All gives all rows of an index whose first fields have the given values. It is
// for lists that a person keeps by hand.
func (tx *Tx) All(table, index string, values ...string) ([]Found, error) {
	var out []Found
	err := tx.Each(table, index, database.Prefix(key(values...)), database.Asc, func(f Found) (bool, error) {
		out = append(out, f)
		return true, nil
	})
	return out, err
}

// Each calls f for the rows of a span of an index until it says false.
func (tx *Tx) Each(table, index string, in database.Interval, o database.Order, f func(Found) (bool, error)) error {
	c := tx.Scan(table, index, in, o)
	defer c.Close()
	for {
		d, err := c.Next(tx.ctx)
		if err != nil {
			return fmt.Errorf("identity: read %s: %w", table, err)
		}
		if d == nil {
			return nil
		}
		more, err := f(Found{Doc: d.ID, Record: Record{d.Object()}})
		if err != nil || !more {
			return err
		}
	}
}

// Add inserts a row.
func (tx *Tx) Add(table string, r Row) error {
	if _, err := tx.Insert(tx.ctx, table, r.Object()); err != nil {
		return fmt.Errorf("identity: write %s: %w", table, err)
	}
	return nil
}

// Put replaces a row.
func (tx *Tx) Put(doc value.ID, r Row) error {
	if err := tx.Replace(tx.ctx, doc, r.Object()); err != nil {
		return fmt.Errorf("identity: replace row: %w", err)
	}
	return nil
}

// Patch replaces some fields of a row.
func (tx *Tx) Patch(f *Found, r Row) error {
	o := f.Fields
	for _, field := range r {
		o = o.With(field.Name, field.Value)
	}
	if err := tx.Replace(tx.ctx, f.Doc, o); err != nil {
		return fmt.Errorf("identity: change row: %w", err)
	}
	return nil
}

// Remove deletes a row.
func (tx *Tx) Remove(f *Found) error {
	if err := tx.Delete(tx.ctx, f.Doc); err != nil {
		return fmt.Errorf("identity: delete row: %w", err)
	}
	return nil
}

// The orders of scans, short.
const (
	ascending  = database.Asc
	descending = database.Desc
)

// prefixOf is the part of an index whose first fields have the given values.
func prefixOf(values ...string) database.Interval { return database.Prefix(key(values...)) }

// without removes one text from a list; it reports whether it was there.
func without(list *[]string, text string) bool {
	n := len(*list)
	*list = slices.DeleteFunc(*list, func(s string) bool { return s == text })
	return len(*list) < n
}

// newID makes an id that is greater than every one made this way before, so that
// things made in one millisecond list in the order of their making.
func (tx *Tx) newID(prefix string) string {
	ulid, err := tx.s.ids.next()
	if err != nil {
		return NewID(prefix) // the order is a courtesy
	}
	return prefix + ulid
}
