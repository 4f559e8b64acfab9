package pebblestore

import "github.com/cockroachdb/pebble/v2"

// Shared is what the stores of one process have in common, so that many small ones
// take no more than one large one: the blocks kept in memory, and the files kept open.
type Shared struct {
	cache *pebble.Cache
	files *pebble.FileCache
}

// fileShards is how many parts a shared cache of files has; each has a lock.
const fileShards = 4

// NewShared makes room for so many bytes of blocks, as they are needed, and files.
func NewShared(cacheSize int64, files int) *Shared {
	return &Shared{cache: pebble.NewCache(cacheSize), files: pebble.NewFileCache(fileShards, files)}
}

// Close gives the room back. The stores must be closed.
func (s *Shared) Close() {
	s.files.Unref()
	s.cache.Unref()
}

// Bytes is what the blocks in memory take.
func (s *Shared) Bytes() int64 { return s.cache.Metrics().Size }
