package filestorage

import (
	"context"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
)

// Missing tells how many files of a database there are, and of how many the bytes are
// not in a store of blobs. The database need not have file storage.
func Missing(ctx context.Context, db *database.DB, blobs blob.Store) (files, missing int, err error) {
	err = db.View(ctx, func(tx *database.Tx) error {
		if _, ok := tx.Table(keyTable); !ok {
			return nil
		}
		return eachKey(ctx, tx, byState, attached, func(row *database.Document) error {
			has, err := blobs.Has(ctx, blobKey(text(row, "key")))
			files++
			if err == nil && !has {
				missing++
			}
			return err
		})
	})
	return files, missing, err
}
