package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// Rotation is a renewal of the keys of a data directory that no process has open.
type Rotation struct {
	Data       string
	MasterKeys [][]byte // from outside, the new one first; none makes one inside
	MasterOnly bool     // the master key alone; nothing is sealed anew
	Log        *slog.Logger
}

// Rotated is what a rotation did.
type Rotated struct {
	Keys   []KeyState `json:"keys"`
	Sealed int        `json:"sealed"` // rows that hold something sealed, and were sealed anew
}

// resealBatch bounds the rows that one transaction seals anew.
const resealBatch = 200

// olderPurposes are those of sealed strings of version 1, which do not tell theirs
// (token/sealer.go). Nothing is added: since there are rings, all strings tell.
var olderPurposes = []string{"identity environment secret", "identity signing key", "platform: api key of a deployment's environment"}

// Keys tells of the keys of a data directory, whether or not a house runs there.
func Keys(dir string, masters [][]byte) ([]KeyState, error) {
	ring, err := (&dataDir{path: dir}).peekRing(masters)
	if err != nil {
		return nil, explain(dir, err)
	}
	return keyStates(ring), nil
}

// Rotate renews keys. A crash leaves a directory that opens and can be rotated
// again: keys are only forgotten once nothing is sealed by them.
func (r Rotation) Rotate(ctx context.Context) (out Rotated, err error) {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	d, err := openDataDir(r.Data, r.MasterKeys)
	if err != nil {
		return out, explain(r.Data, err)
	}
	defer d.close()
	ring := d.ring
	if !r.MasterOnly {
		if err := ring.Renew(time.Now()); err != nil {
			return out, err
		}
	}
	if err := d.renewMaster(ring, r.MasterKeys); err != nil {
		return out, explain(r.Data, err)
	}
	if !r.MasterOnly {
		if out.Sealed, err = r.reseal(ctx, ring.Sealer()); err != nil {
			return out, explain(r.Data, err)
		}
		ring.Keys = ring.Keys[:1]
		if err := d.renewMaster(ring, r.MasterKeys); err != nil {
			return out, explain(r.Data, err)
		}
	}
	out.Keys = keyStates(ring)
	return out, nil
}

// reseal seals everything in the house's store anew with the newest key.
func (r Rotation) reseal(ctx context.Context, seal *token.Sealer) (n int, err error) {
	store, err := pebblestore.Open(filepath.Join(r.Data, houseName), pebblestore.Options{Log: r.Log})
	if err != nil {
		return 0, err
	}
	db, err := database.Open(ctx, database.Options{Store: store, Log: r.Log})
	if err != nil {
		return 0, errors.Join(err, store.Close())
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables []string
	if err := db.View(ctx, func(tx *database.Tx) error {
		tables = tables[:0]
		for _, t := range tx.Tables() {
			tables = append(tables, t.Name)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for _, table := range tables {
		m, err := resealTable(ctx, db, table, seal)
		n += m
		if err != nil {
			return n, fmt.Errorf("seal %s anew: %w", table, err)
		}
	}
	return n, nil
}

// resealTable goes through a table in the order of creation, batch by batch.
func resealTable(ctx context.Context, db *database.DB, table string, seal *token.Sealer) (n int, err error) {
	type row struct {
		id  value.ID
		doc value.Object
	}
	var in database.Interval
	for more := true; more; {
		var changed []row
		var next database.Interval
		err := db.View(ctx, func(tx *database.Tx) error {
			changed, next, more = nil, in, false
			c := tx.Scan(table, database.ByCreationTime, in, database.Asc)
			defer c.Close()
			for range 50 * resealBatch {
				d, err := c.Next(ctx)
				if err != nil {
					return err
				}
				if d == nil {
					return nil
				}
				if o, ok := resealObject(d.Object(), seal); ok {
					changed = append(changed, row{d.ID, o})
				}
				next.Lower, more = database.After(c.Key()), true
				if len(changed) == resealBatch {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		in = next
		if len(changed) == 0 {
			continue
		}
		if _, err := db.Update(ctx, func(tx *database.Tx) error {
			for _, r := range changed {
				if err := tx.Replace(ctx, r.id, r.doc); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return n, err
		}
		n += len(changed)
	}
	return n, nil
}

// resealObject seals the strings of a row anew that are sealed; ok says whether
// there was one.
func resealObject(o value.Object, seal *token.Sealer) (out value.Object, ok bool) {
	out = o
	for name, v := range o.All() {
		if fresh, did := resealValue(v, seal); did {
			out, ok = out.With(name, fresh), true
		}
	}
	return out, ok
}

// resealValue is resealObject for any value.
func resealValue(v value.Value, seal *token.Sealer) (value.Value, bool) {
	switch v := v.(type) {
	case value.String:
		fresh, ok := seal.Reseal(string(v), olderPurposes)
		return value.String(fresh), ok
	case value.Object:
		return resealObject(v, seal)
	case value.Array:
		out, ok := make(value.Array, len(v)), false
		for i, e := range v {
			out[i] = e
			if fresh, did := resealValue(e, seal); did {
				out[i], ok = fresh, true
			}
		}
		return out, ok
	}
	return v, false
}
