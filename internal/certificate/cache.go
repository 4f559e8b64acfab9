package certificate

import (
	"context"
	"fmt"

	"golang.org/x/crypto/acme/autocert"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// Rows keeps what an authority gave in the house's own store, sealed: it is in
// every backup, and keys that seal can be renewed under it. Call Open first.
type Rows struct {
	DB     *database.DB
	Sealer *token.Sealer
}

// The room's table and what its sealed fields are for.
const (
	tableCertificates = "certificates"
	byName            = "on_name"
	purpose           = "certificate: account or certificate of an authority"
)

// Open makes the table.
func (r *Rows) Open(ctx context.Context) error {
	err := r.DB.EnsureTables(ctx, []database.TableDef{{Name: tableCertificates, Indexes: []database.IndexDef{{Name: byName, Fields: []string{"name"}}}}})
	if err != nil {
		return fmt.Errorf("certificate: open: %w", err)
	}
	return nil
}

// find is the row of a name; nil if there is none.
func (r *Rows) find(ctx context.Context, tx *database.Tx, name string) (*database.Document, error) {
	c := tx.Scan(tableCertificates, byName, database.Prefix(value.AppendKey(nil, value.String(name))), database.Asc)
	defer c.Close()
	return c.Next(ctx)
}

// Get is part of autocert.Cache.
func (r *Rows) Get(ctx context.Context, name string) (data []byte, err error) {
	err = r.DB.View(ctx, func(tx *database.Tx) error {
		d, err := r.find(ctx, tx, name)
		if err != nil {
			return err
		}
		if d == nil {
			return autocert.ErrCacheMiss
		}
		sealed, _ := d.Object().Get("sealed")
		text, _ := sealed.(value.String)
		data, err = r.Sealer.Open(purpose, string(text))
		return err
	})
	return data, err
}

// Put is part of autocert.Cache.
func (r *Rows) Put(ctx context.Context, name string, data []byte) error {
	row := value.NewObject(map[string]value.Value{"name": value.String(name), "sealed": value.String(r.Sealer.Seal(purpose, data))})
	_, err := r.DB.Update(ctx, func(tx *database.Tx) error {
		d, err := r.find(ctx, tx, name)
		if err != nil {
			return err
		}
		if d != nil {
			return tx.Replace(ctx, d.ID, row)
		}
		_, err = tx.Insert(ctx, tableCertificates, row)
		return err
	})
	return err
}

// Delete is part of autocert.Cache.
func (r *Rows) Delete(ctx context.Context, name string) error {
	_, err := r.DB.Update(ctx, func(tx *database.Tx) error {
		d, err := r.find(ctx, tx, name)
		if err != nil || d == nil {
			return err
		}
		return tx.Delete(ctx, d.ID)
	})
	return err
}
