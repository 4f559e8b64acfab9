package database

import "github.com/lentil-dev/lentil/internal/persistence"

// Stats is a picture of a database for a metrics page.
type Stats struct {
	Latest        persistence.Timestamp
	Horizon       persistence.Timestamp // snapshots below it are gone
	Commit        CommitStats
	Subscriptions int // distinct read sets that are watched
	LogKeys       int // index keys in the write log
	CacheBytes    int
	CacheHits     int64
	CacheMisses   int64
	DiskBytes     int64 // 0 for a store in memory
}

// Stats takes the picture.
func (db *DB) Stats() Stats {
	s := Stats{Latest: db.Latest(), Horizon: persistence.Timestamp(db.horizon.Load())}
	db.commits.mu.Lock()
	s.Commit = db.commits.stats
	db.commits.mu.Unlock()
	db.watch.mu.Lock()
	s.Subscriptions = len(db.watch.nodes)
	db.watch.mu.Unlock()
	db.writes.mu.RLock()
	s.LogKeys = db.writes.keys.count
	db.writes.mu.RUnlock()
	for i := range db.cache.shards {
		c := &db.cache.shards[i]
		c.mu.Lock()
		s.CacheBytes += c.bytes
		s.CacheHits += c.hits
		s.CacheMisses += c.misses
		c.mu.Unlock()
	}
	if d, ok := db.store.(interface{ DiskBytes() int64 }); ok {
		s.DiskBytes = d.DiskBytes()
	}
	return s
}
