package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// Options says what a database is made of. Zero values of all but Store are
// defaults.
type Options struct {
	Store     persistence.Store
	Log       *slog.Logger  // default: discard
	Retention time.Duration // how long old revisions stay readable; default 4 hours
	CacheSize int           // bytes of documents kept decoded; default 32 MiB
	LogSize   int           // writes remembered for conflicts and subscriptions; default 200,000
}

// DB is one database: a store, its newest snapshot, and who waits for changes.
type DB struct {
	store     persistence.Store
	log       *slog.Logger
	retention time.Duration
	openedAt  persistence.Timestamp // see OpenedAt

	visible  atomic.Pointer[snapshot] // the newest snapshot; moved by publish only
	history  history                  // catalogs of earlier ones
	cache    *cache
	commits  committer
	watch    watch
	writes   writeLog
	horizon  atomic.Int64  // snapshots below it may have been pruned
	holds    holds         // snapshots that the horizon must not pass
	building sync.Mutex    // held while indexes are built, by Run or EnsureTables
	kick     chan struct{} // there may be an index to build
	retiring chan struct{} // there may be a retired table to empty
	broken   chan struct{} // closed when the store has failed
	searcher Searcher      // nil: nothing is searched
}

// snapshot is what a new transaction begins with.
type snapshot struct {
	ts  persistence.Timestamp
	cat *catalog
}

// formatCell names the cell with the version of what database stores.
//
// 1 (November 2026): documents of format 1; _tables and _index as in catalog.go.
const formatCell = "database.format"

// format is the version that this code writes, and the newest that it reads.
const format = "1"

// Open reads the catalog of a store. It starts nothing: transactions work from
// now on, but indexes are built and old revisions pruned only while Run runs.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{
		store: o.Store, log: o.Log, retention: o.Retention,
		kick: make(chan struct{}, 1), retiring: make(chan struct{}, 1), broken: make(chan struct{}),
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.retention == 0 {
		db.retention = 4 * time.Hour
	}
	if o.CacheSize == 0 {
		o.CacheSize = 32 << 20
	}
	if o.LogSize == 0 {
		o.LogSize = 200_000
	}
	cell, err := db.store.Cell(ctx, formatCell)
	switch {
	case err != nil:
		return nil, fmt.Errorf("database: open: %w", err)
	case cell == nil:
		if err := db.store.SetCell(ctx, formatCell, []byte(format)); err != nil {
			return nil, fmt.Errorf("database: open: %w", err)
		}
	case string(cell) != format:
		return nil, fmt.Errorf("database: open: format %q: %w", cell, persistence.ErrNewerFormat)
	}
	last, err := persistence.Newest(ctx, db.store)
	if err != nil {
		return nil, fmt.Errorf("database: open: %w", err)
	}
	if cell, err = db.store.Cell(ctx, horizonCell); err != nil {
		return nil, fmt.Errorf("database: open: %w", err)
	}
	horizon, err := decodeHorizon(cell)
	if err != nil {
		return nil, err
	}
	if cell, err = db.store.Cell(ctx, restoredCell); err != nil {
		return nil, fmt.Errorf("database: open: %w", err)
	}
	restored, err := decodeHorizon(cell)
	if err != nil {
		return nil, err
	}
	last = max(last, restored)
	db.openedAt = last
	db.horizon.Store(int64(horizon))
	db.cache = newCache(o.CacheSize, last)
	cat, err := db.loadCatalog(ctx, last)
	if err != nil {
		return nil, err
	}
	db.visible.Store(&snapshot{last, cat})
	db.history.add(last, cat)
	db.writes.init(last, o.LogSize)
	db.watch.init()
	db.commits.init(last, cat)
	return db, nil
}

// Run builds indexes, empties retired tables and forgets old revisions until ctx ends or the store
// fails, and then returns what it failed with.
func (db *DB) Run(ctx context.Context) error {
	done := make(chan error, 2)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { done <- db.retain(ctx) }()
	go func() { done <- db.empty(ctx) }()
	err := db.build(ctx)
	stop()
	err = errors.Join(err, <-done, <-done)
	if failed := db.commits.failure(); failed != nil {
		return failed
	}
	return err
}

// Close waits for commits in progress, refuses new ones, and closes the store.
func (db *DB) Close() error {
	db.commits.close()
	if err := db.store.Close(); err != nil {
		return fmt.Errorf("database: close: %w", err)
	}
	return nil
}

// Latest is the timestamp of the newest visible commit.
func (db *DB) Latest() persistence.Timestamp { return db.visible.Load().ts }

// OpenedAt is the timestamp of the newest commit that was there when the store was
// opened: whoever had it before was alive then. It is 0 for a new store.
func (db *DB) OpenedAt() persistence.Timestamp { return db.openedAt }

// Begin starts a transaction at the newest snapshot.
func (db *DB) Begin(ctx context.Context) (*Tx, error) {
	s := db.visible.Load()
	return newTx(db, s.ts, s.cat), nil
}

// BeginAt starts a transaction at a past snapshot.
func (db *DB) BeginAt(ctx context.Context, ts persistence.Timestamp) (*Tx, error) {
	s := db.visible.Load()
	switch {
	case ts > s.ts:
		return nil, fmt.Errorf("database: begin at %d: the newest commit is %d", ts, s.ts)
	case ts < persistence.Timestamp(db.horizon.Load()):
		return nil, fmt.Errorf("database: begin at %d: %w", ts, ErrTooOld)
	}
	cat := s.cat
	if ts < s.ts {
		if cat = db.history.at(ts); cat == nil {
			var err error
			if cat, err = db.loadCatalog(ctx, ts); err != nil {
				return nil, err
			}
		}
	}
	return newTx(db, ts, cat), nil
}

// View runs f in a transaction that is not committed. Observe tells what it read.
func (db *DB) View(ctx context.Context, f func(*Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer observe(ctx, tx)
	return f(tx)
}

// Retries of Update: more than udf makes for user code, since what the house
// does itself should not fail under load. The first wait is at least as long as the try
// took: on a busy machine a shorter one leads into the same crowd again.
const (
	updateTries = 16
	firstWait   = 5 * time.Millisecond
	longestWait = time.Second
)

// Update runs f in a transaction and commits it. If it conflicts, f runs again
// in a new one, after a random wait that grows. f must have no other effects.
func (db *DB) Update(ctx context.Context, f func(*Tx) error) (persistence.Timestamp, error) {
	for try := 1; ; try++ {
		began := time.Now()
		tx, err := db.Begin(ctx)
		if err != nil {
			return 0, err
		}
		if err := f(tx); err != nil {
			return 0, err
		}
		ts, err := db.Commit(ctx, tx)
		if !errors.Is(err, ErrConflict) || try == updateTries {
			return ts, err
		}
		wait := min(max(firstWait, time.Since(began))<<(try-1), longestWait)
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("database: update: %w", context.Cause(ctx))
		case <-time.After(rand.N(wait)):
		}
	}
}

// read finds one document as of a snapshot; nil if there is none.
func (db *DB) read(ctx context.Context, id persistence.DocID, at persistence.Timestamp) (*Document, error) {
	if d := db.cache.get(id, at); d != nil {
		return d, nil
	}
	docs, err := db.fetch(ctx, []persistence.DocID{id}, at)
	if err != nil {
		return nil, err
	}
	return docs[0], nil
}

// retained says whether what was just read at a snapshot can be trusted: the
// horizon moves before anything below it is pruned, so if it is not above the
// snapshot after the read, nothing was missing.
func (db *DB) retained(at persistence.Timestamp) error {
	if at < persistence.Timestamp(db.horizon.Load()) {
		return ErrTooOld
	}
	return nil
}

// fetch finds documents in the store, and keeps them in the cache.
func (db *DB) fetch(ctx context.Context, ids []persistence.DocID, at persistence.Timestamp) ([]*Document, error) {
	revs, err := db.store.Prior(ctx, ids, at)
	if err != nil {
		return nil, fmt.Errorf("database: read: %w", err)
	}
	if err := db.retained(at); err != nil {
		return nil, err
	}
	docs := make([]*Document, len(revs))
	for i, r := range revs {
		if r.Body == nil {
			continue
		}
		if docs[i], err = decodeDocument(r.Doc, r.TS, r.Body); err != nil {
			return nil, err
		}
		db.cache.put(docs[i], at)
	}
	return docs, nil
}

// loadCatalog reads the catalog as of a snapshot from the store.
func (db *DB) loadCatalog(ctx context.Context, at persistence.Timestamp) (*catalog, error) {
	var changes []*change
	for _, table := range [...]uint32{uint32(tablesTable), uint32(indexesTable)} {
		for e, err := range db.store.Scan(ctx, persistence.Primary(table), at, persistence.Span{}, Asc) {
			if err != nil {
				return nil, fmt.Errorf("database: load catalog: %w", err)
			}
			d, err := decodeDocument(e.Doc, e.TS, e.Body)
			if err != nil {
				return nil, err
			}
			changes = append(changes, &change{doc: e.Doc, new: d})
		}
	}
	return newCatalog().apply(changes)
}

// history holds the catalogs of snapshots since the database was opened.
type history struct {
	mu   sync.RWMutex
	list []snapshot // by timestamp; each holds from its timestamp to the next one's
}

// add notes that cat holds from ts on.
func (h *history) add(ts persistence.Timestamp, cat *catalog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.list); n == 0 || h.list[n-1].cat != cat {
		h.list = append(h.list, snapshot{ts, cat})
	}
}

// at is the catalog as of ts; nil if it is not known here.
func (h *history) at(ts persistence.Timestamp) *catalog {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i := len(h.list) - 1; i >= 0; i-- {
		if h.list[i].ts <= ts {
			return h.list[i].cat
		}
	}
	return nil
}

// forget drops catalogs that hold for no snapshot at or after ts.
func (h *history) forget(ts persistence.Timestamp) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.list) > 1 && h.list[1].ts <= ts {
		h.list = h.list[1:]
	}
}
