package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
)

// stopped is a house that does not run, to be backed up.
type stopped struct {
	data *dataDir
	id   string
	log  *slog.Logger
}

// BackUpStopped makes a backup of a data directory that no process has open. The error
// wraps persistence.ErrLocked if one has.
func BackUpStopped(ctx context.Context, dir string, masters [][]byte, req *BackupRequest, log *slog.Logger, doing func(string)) (archive.Done, error) {
	if _, err := os.Stat(filepath.Join(dir, houseName)); errors.Is(err, fs.ErrNotExist) {
		return archive.Done{}, explain(dir, &plainError{dir + " holds no house: name the directory that lentil serve or lentil dev uses", err})
	}
	d, err := openDataDir(dir, masters)
	if err != nil {
		return archive.Done{}, explain(dir, err)
	}
	defer d.close()
	h := &stopped{data: d, log: log}
	if h.id, err = houseID(d.ring.Root); err != nil {
		return archive.Done{}, err
	}
	a, err := req.archiver(h, d.path)
	if err != nil {
		return archive.Done{}, err
	}
	a.Log = log
	return once(ctx, a, doing)
}

// ID is part of archive.House.
func (h *stopped) ID() string { return h.id }

// Files is part of archive.House.
func (h *stopped) Files(context.Context) ([]archive.File, error) { return h.data.archived() }

// Stores is part of archive.House.
func (h *stopped) Stores(context.Context, persistence.Timestamp) ([]archive.Store, error) {
	list := []archive.Store{h.store(houseName, filepath.Join(h.data.path, houseName), "")}
	entries, err := os.ReadDir(filepath.Join(h.data.path, deploymentsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		dir := filepath.Join(h.data.path, deploymentsName, e.Name())
		if _, err := os.Stat(filepath.Join(dir, "store")); err == nil {
			list = append(list, h.store(deploymentsName+"/"+e.Name(), filepath.Join(dir, "store"), filepath.Join(dir, "blobs")))
		}
	}
	return list, nil
}

// store is one that is opened when it is used.
func (h *stopped) store(name, dir, blobs string) archive.Store {
	return archive.Store{Name: name, Changed: func() time.Time { return changed(dir) }, Use: func(ctx context.Context) (*archive.Access, error) {
		store, err := pebblestore.Open(dir, pebblestore.Options{Log: h.log, CacheSize: 8 << 20, MaxOpenFiles: 100})
		if err != nil {
			return nil, err
		}
		db, err := database.Open(ctx, database.Options{Store: store, Log: h.log})
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		a := &archive.Access{DB: db, Release: func() {
			if err := db.Close(); err != nil {
				h.log.Warn("store did not close well", "store", name, "err", err)
			}
		}}
		if blobs != "" {
			if a.Blobs, err = openBlobs(blobs); err != nil {
				return nil, errors.Join(err, db.Close())
			}
		}
		return a, nil
	}}
}

// openBlobs opens the files of a deployment.
func openBlobs(dir string) (archive.Blobs, error) { return blob.OpenDir(dir) }
