// Package udf runs user functions inside transactions.
//
// It owns function paths; argument and return checks; the syscalls that user
// code makes through the library; the query language of ctx.db; retries on
// conflict; the records that make a mutation of a session happen exactly once;
// the runs of scheduled functions and cron jobs; pagination cursors and
// journals; log lines and their stream; the cache of query results; and what is
// live in a deployment: modules, environment variables, auth providers and the
// active schema, all of them rows read in the same transaction as the data, so
// that a push or a changed variable is one commit that invalidates exactly the
// live queries that it touches.
//
// It refuses to know how code arrives (deploy), how results travel (wire) and
// how JavaScript runs (isolate).
//
// Invariants:
//   - Every execution reads the row of the live package and that of the
//     environment; whoever changes modules rewrites the row of the package.
//   - A program (the modules evaluated under an environment) is loaded once and
//     kept while anybody runs in it; superseding it never fails a call.
//   - An Outcome in the cache is immutable and shared between callers, unless
//     the run observed who called.
//   - A mutation with a session is committed together with its record, so
//     a replay answers from the record and never runs again.
//
// Locks: programs.mu, liveCache.mu, cache.mu, lanes.mu, heat.mu and LogStream.mu are
// leaves; logBuffer.mu may be held while LogStream.mu is taken. None is held
// while a transaction or JavaScript runs. Turns in
// lanes are taken in the order of the lanes' names.
package udf
