// Package persistence defines the append-only log of document revisions that
// everything durable in Lentil is a commit to, and holds the in-memory store.
//
// A Store keeps three things: revisions of documents, versioned entries of
// secondary indexes, and a few named cells. Bodies and keys are bytes to it;
// it refuses to know what a document means, which fields an index has, or
// what a transaction is.
//
// Invariants every store keeps (persistencetest examines them):
//
//   - Append is atomic for its whole batch, and durable when it returns.
//   - Commit timestamps strictly increase over the life of the store.
//   - A read at timestamp t sees exactly the commits with timestamps ≤ t that
//     had been appended when the read began, whatever is appended meanwhile.
//   - Prune(before) changes no read at any timestamp ≥ before.
//   - After an error from Append nothing more may be appended: the outcome is
//     known only after the store has been opened again.
//
// A store is safe for use by any number of goroutines, but only one of them
// may append at a time.
package persistence
