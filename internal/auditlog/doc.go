// Package auditlog keeps what an environment's application reports its customers
// to have done: actions with versioned schemas, events by organisation, exports
// as CSV files, and how long each organisation's events are kept.
//
// It knows nothing of HTTP. It is not the environment's own history, which is
// identity's events.
//
// Invariants:
//   - An event is stored only if it fits the schema of its action and version; a schema
//     never changes, it gets a successor.
//   - An idempotency key stores at most one event within a day.
//   - An export shows the events of its organisation, range and filters that there
//     were when it was made, however long it is kept.
//   - Nothing is read but by an index that begins with environment and organisation.
package auditlog
