// Package apierr holds the one error that a caller of the house may see.
//
// Every room that refuses a caller's request returns an *Error: a Kind from a
// closed list, a short machine-readable code, and a message that says what was
// wrong and what to do next. What went wrong inside is kept as the wrapped cause
// for the log and is never shown. The room knows nothing of HTTP or of any wire
// format: each front (a wire room) turns an *Error into its own dialect.
//
// Invariant: an error that is not an *Error is the house's own fault; fronts
// answer it as Internal with a request id and log it.
package apierr
