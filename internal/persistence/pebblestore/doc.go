// Package pebblestore keeps a persistence.Store in a directory, in Pebble: an
// ordered key-value store with a write-ahead log. It is the embedded default.
//
// It owns the layout of keys and values, the lock on the directory, and the
// translation of disk errors. It refuses to know what documents and keys mean.
//
// Invariants, beyond those of persistence.Store:
//
//   - A batch is one write to the log, followed by a real fsync.
//   - Once anything has gone wrong while writing, the store is failed for
//     good: every later write is refused, Pebble is not called again, and what
//     was acknowledged is found when the directory is opened anew.
//   - Pebble never ends the process, whatever it thinks of an error.
package pebblestore
