// Package database is the transaction engine: multi-version snapshots,
// serializable transactions over a persistence.Store, and subscriptions that
// tell when what a transaction read has changed.
//
// It owns the read set, the conflict check, the committer, indexes and their
// backfill, the catalog of tables, the write log, retention. It refuses to
// know JavaScript, identities and protocols.
//
// Invariants:
//
//   - Commit timestamps are unique and increase, also across restarts and
//     when the clock steps back.
//   - A transaction at snapshot s sees exactly the commits ≤ s, and its own
//     writes on top.
//   - A commit is answered only when it is durable and visible: afterwards
//     Latest is at or above its timestamp.
//   - A transaction commits at t only if no commit in (snapshot, t) wrote a
//     document whose old or new index key lies in an interval it read: the
//     history is serializable in the order of timestamps.
//   - No subscription misses a write that meets its read set; its channel is
//     closed only after that write is visible. It may be closed needlessly.
//
// Table and index metadata are documents of the tables _tables and _index in
// the same store; looking at them is a read like any other, so that a query
// which found a table or an index missing is invalidated when it appears.
//
// Tables live in namespaces: the app's, and one for each component instance.
// Names, numbers and ids are those of one namespace; Tx.In looks at the same
// transaction from another. In the store a table's number carries its namespace
// in its high bits (place), so ids as text, which lack it, reach no other one.
//
// Lock order: DB.building, then committer.mu, then watch.mu, then writeLog.mu;
// the catalog history, the document cache and a Searcher have leaf locks of their
// own. No lock but building is held while the store is called.
package database
