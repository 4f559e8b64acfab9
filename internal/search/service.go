package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// Service keeps the search and vector indexes of one database. Fill the fields,
// call Open before anything is written, and keep Run going.
type Service struct {
	DB  *database.DB
	Log *slog.Logger
	// Dir is where indexes are kept, so that they need not be built again after a
	// start; "" keeps them in memory only. It is a cache: it may be removed.
	Dir string
	// Patience is how long a search waits for an index that is being loaded; 0
	// means 5 seconds.
	Patience time.Duration

	limit   int      // of a growing segment
	found   []*index // by Open, for Run to load
	mu      sync.Mutex
	indexes map[persistence.IndexID]*index
	missed  persistence.Timestamp // newest commit that touched an index not followed yet
	kick    chan struct{}
	upkeep  sync.Mutex // held by maintain: what one round forgets, another must not save
}

// keepDead is for how long a replaced revision stays in memory: longer than any
// transaction lasts (convex-runtime.md §6.1). A search as of an older snapshot
// reads the table.
const keepDead = time.Minute

// Open makes the service the database's searcher. It starts nothing.
func (s *Service) Open() error {
	if s.DB == nil || s.Log == nil {
		return errors.New("search: Service needs DB and Log")
	}
	if s.Patience == 0 {
		s.Patience = 5 * time.Second
	}
	if s.limit == 0 {
		s.limit = growLimit
	}
	if s.Dir != "" {
		if err := os.MkdirAll(s.Dir, 0o700); err != nil {
			return fmt.Errorf("search: open: %w", err)
		}
	}
	s.indexes, s.kick = map[persistence.IndexID]*index{}, make(chan struct{}, 1)
	declared := map[persistence.IndexID]bool{}
	for _, info := range s.DB.SearchedIndexes() {
		if info.Built {
			x := newIndex(info, s.limit)
			s.indexes[info.ID], s.found = x, append(s.found, x)
		}
		declared[info.ID] = true
	}
	if s.Dir != "" {
		if err := s.sweepUndeclared(declared); err != nil {
			s.Log.Warn("files of dropped search indexes not removed", "err", err)
		}
	}
	s.DB.SetSearcher(s)
	return nil
}

// Close gives back what files are mapped. Run has ended, and nobody searches.
func (s *Service) Close() {
	for x := range s.all() {
		x.retire()
	}
}

// Digest is part of database.Searcher.
func (s *Service) Digest(fields []string, d *database.Document) *database.Digest {
	return analyse(fields, d).digest()
}

// Committed is part of database.Searcher.
func (s *Service) Committed(ts persistence.Timestamp, id persistence.IndexID, changes []database.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.indexes[id]; x != nil {
		x.told(ts, changes)
		return
	}
	s.missed = ts
	s.wake()
}

// wake lets Run look for work.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Build is part of database.Searcher: it is how an index of a table with
// documents comes about.
func (s *Service) Build(ctx context.Context, info database.Index, _ persistence.Timestamp) error {
	x, fresh := s.follow(info)
	if !fresh {
		return s.await(ctx, x)
	}
	return s.load(ctx, x)
}

// follow finds an index, or begins to queue what commits do to it; then it is
// fresh, and the caller has to load it.
func (s *Service) follow(info database.Index) (x *index, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x = s.indexes[info.ID]; x != nil {
		return x, false
	}
	x = newIndex(info, s.limit)
	s.indexes[info.ID] = x
	return x, true
}

// load fills an index and makes it ready. If it fails, the next to ask tries again.
func (s *Service) load(ctx context.Context, x *index) error {
	began := time.Now()
	err := s.settle(ctx)
	how := "read back"
	if err == nil {
		err = s.loadFrom(ctx, x, &how)
	}
	if err != nil {
		x.failed = fmt.Errorf("search: load index %s.%s: %w", x.info.Table, x.info.Name, err)
		s.mu.Lock()
		delete(s.indexes, x.info.ID)
		s.mu.Unlock()
	} else {
		s.Log.Debug("search index loaded", "table", x.info.Table, "index", x.info.Name, "how", how, "took", time.Since(began))
	}
	close(x.ready)
	return x.failed
}

// loadFrom fills an index from its files or, where that cannot be, its table.
func (s *Service) loadFrom(ctx context.Context, x *index, how *string) error {
	if s.Dir != "" {
		err := s.readBack(ctx, x)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.Log.Warn("search index is built again", "table", x.info.Table, "index", x.info.Name, "err", err)
		}
		if err := s.sweep(x.info.ID, nil); err != nil {
			s.Log.Warn("files of a search index not removed", "err", err)
		}
	}
	*how = "built"
	return x.build(ctx, s.DB, s.DB.Latest())
}

// settle waits until a commit that was told of before its index was followed is
// visible, so that a snapshot begun now has it.
func (s *Service) settle(ctx context.Context) error {
	s.mu.Lock()
	missed := s.missed
	s.mu.Unlock()
	for s.DB.Latest() < missed {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Millisecond): // a commit is durable already when it is told of
		}
	}
	return nil
}

// await waits for an index to be ready.
func (s *Service) await(ctx context.Context, x *index) error {
	select {
	case <-x.ready:
		return x.failed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maintainEvery is how often merges and indexes to load are looked for at least.
const maintainEvery = time.Second

// Run loads indexes and merges segments until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for _, x := range s.found {
		if err := s.load(ctx, x); err != nil && ctx.Err() == nil {
			s.Log.Error("search index not loaded", "err", err)
		}
	}
	for {
		s.maintain(ctx)
		select {
		case <-ctx.Done():
			s.saveAll(func(x *index) bool { return x.behind(s.DB.Latest()) })
			return nil
		case <-tick.C:
		case <-s.kick:
		}
	}
}

// all yields the indexes that are followed.
func (s *Service) all() func(yield func(*index) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*index
	for _, x := range s.indexes {
		list = append(list, x)
	}
	return func(yield func(*index) bool) {
		for _, x := range list {
			if !yield(x) {
				return
			}
		}
	}
}

// maintain loads what is declared and built but not followed, forgets what is
// not declared any more, takes in commits, and merges.
func (s *Service) maintain(ctx context.Context) {
	s.upkeep.Lock()
	defer s.upkeep.Unlock()
	declared := map[persistence.IndexID]bool{}
	for _, info := range s.DB.SearchedIndexes() {
		declared[info.ID] = true
		if !info.Built {
			continue
		}
		if x, fresh := s.follow(info); fresh {
			if err := s.load(ctx, x); err != nil && ctx.Err() == nil {
				s.Log.Error("search index not loaded", "err", err)
			}
		}
	}
	before := persistence.Timestamp(time.Now().Add(-keepDead).UnixNano())
	for x := range s.all() {
		if !x.isReady() {
			continue
		}
		if !declared[x.info.ID] {
			s.mu.Lock()
			delete(s.indexes, x.info.ID)
			s.mu.Unlock()
			x.retire()
			if s.Dir != "" {
				if err := s.sweep(x.info.ID, nil); err != nil {
					s.Log.Warn("files of a dropped search index not removed", "err", err)
				}
			}
			continue
		}
		x.catchUp()
		for ctx.Err() == nil && x.merge(before) {
		}
	}
	s.saveAll(func(x *index) bool { return x.due(s.DB.Latest()) })
}

// How often an index is saved: when there is much that a start would have to
// take in again, and at the latest when the log of commits may be forgotten.
const (
	saveEvery  = time.Minute
	saveLatest = 10 * time.Minute
)

// due tells whether an index ought to be saved.
func (x *index) due(latest persistence.Timestamp) bool {
	x.merging.Lock()
	defer x.merging.Unlock()
	x.mu.RLock()
	defer x.mu.RUnlock()
	fresh := slices.ContainsFunc(x.segments, func(s *segment) bool { return !s.saved })
	since := time.Since(x.savedAt)
	return fresh && since > saveEvery || x.saved < latest && since > saveLatest
}

// behind tells whether the files of an index lack something.
func (x *index) behind(latest persistence.Timestamp) bool {
	x.merging.Lock()
	defer x.merging.Unlock()
	return x.saved < latest
}

// saveAll saves the indexes that ask for it. What cannot be saved is built again
// after the next start.
func (s *Service) saveAll(which func(*index) bool) {
	if s.Dir == "" {
		return
	}
	for x := range s.all() {
		if x.isReady() && which(x) {
			if err := s.save(x); err != nil {
				s.Log.Warn("search index not saved", "table", x.info.Table, "index", x.info.Name, "err", err)
			}
		}
	}
}

// at finds an index that answers for a snapshot.
func (s *Service) at(ctx context.Context, info database.Index, snapshot persistence.Timestamp) (*index, error) {
	s.mu.Lock()
	x := s.indexes[info.ID]
	s.mu.Unlock()
	if x == nil {
		s.wake()
		var fresh bool
		if x, fresh = s.follow(info); fresh {
			// Whoever asks first builds it, which is right for the usual case
			// of an index declared on an empty table a moment ago.
			if err := s.load(context.WithoutCancel(ctx), x); err != nil {
				return nil, err
			}
		}
	}
	limit, stop := context.WithTimeout(ctx, s.Patience)
	defer stop()
	if err := s.await(limit, x); err != nil {
		if ctx.Err() == nil && limit.Err() != nil {
			kind := "Search"
			if info.Kind == database.Vector {
				kind = "Vector"
			}
			return nil, apierr.New(apierr.Overloaded, kind+"IndexesUnavailable",
				"%s indexes are bootstrapping and not yet available for use. Index %s.%s is being loaded; try again in a moment.", kind, info.Table, info.Name)
		}
		return nil, err
	}
	x.catchUp()
	if x.covers(snapshot) {
		return x, nil
	}
	// The snapshot is of before the index was loaded, or of long ago.
	past := newIndex(info, s.limit)
	if err := past.build(ctx, s.DB, snapshot); err != nil {
		return nil, err
	}
	return past, nil
}

// covers tells whether the index has what a snapshot sees.
func (x *index) covers(at persistence.Timestamp) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return at >= x.since
}

// Text searches within a transaction. The search becomes part of the read set,
// also where nothing is found.
func (s *Service) Text(ctx context.Context, tx *database.Tx, info database.Index, q TextQuery) (*Results, error) {
	m := q.match(info)
	if m == nil {
		return &Results{tx: tx}, nil
	}
	if err := tx.RecordMatch(m); err != nil {
		return nil, err
	}
	for {
		x, err := s.at(ctx, info, tx.Snapshot())
		if err != nil {
			return nil, err
		}
		x.mu.RLock()
		if tx.Snapshot() < x.since { // a merge came in between
			x.mu.RUnlock()
			continue
		}
		hits, err := x.searchText(ctx, tx.Snapshot(), m, tx.ChangesOf(info))
		x.mu.RUnlock()
		if err != nil {
			return nil, err
		}
		r := &Results{tx: tx}
		for _, h := range hits {
			r.ids = append(r.ids, value.ID{Table: info.Number, Internal: h.id, Space: info.Space})
		}
		return r, nil
	}
}

// Vectors finds the nearest vectors as of a transaction's snapshot. It is no
// part of the read set: vector searches are made by actions.
func (s *Service) Vectors(ctx context.Context, tx *database.Tx, info database.Index, q VectorQuery) ([]VectorHit, error) {
	for {
		x, err := s.at(ctx, info, tx.Snapshot())
		if err != nil {
			return nil, err
		}
		x.mu.RLock()
		if tx.Snapshot() < x.since {
			x.mu.RUnlock()
			continue
		}
		hits, err := x.searchVectors(ctx, tx.Snapshot(), q)
		x.mu.RUnlock()
		return hits, err
	}
}

// Results are the documents that a text search found, the best first.
type Results struct {
	tx   *database.Tx
	ids  []value.ID
	docs []*database.Document // fetched, not yet returned
	rank int                  // of the next document
}

// fetchSome is how many documents are read at a time.
const fetchSome = 32

// Next returns the next document, and nil at the end. Asking for more than a
// search may give is an error.
func (r *Results) Next(ctx context.Context) (*database.Document, error) {
	if len(r.docs) == 0 {
		switch {
		case r.rank >= len(r.ids):
			return nil, nil
		case r.rank >= MaxCandidates:
			return nil, apierr.New(apierr.BadRequest, "SearchQueryScannedTooManyDocuments",
				"Search query scanned too many documents (fetched %d). Consider using a smaller limit, paginating the query, or using a filter field to make the search query more selective.", MaxCandidates)
		}
		var err error
		if r.docs, err = r.tx.Found(ctx, r.ids[r.rank:min(len(r.ids), MaxCandidates, r.rank+fetchSome)]); err != nil {
			return nil, err
		}
	}
	d := r.docs[0]
	r.docs, r.rank = r.docs[1:], r.rank+1
	return d, r.tx.CountFound(d)
}

// Rank is how many documents came before the one to be returned next.
func (r *Results) Rank() int { return r.rank }

// Skip passes over documents up to a rank without reading them.
func (r *Results) Skip(rank int) { r.docs, r.rank = nil, max(r.rank, rank) }
