// Package wire is what all fronts share: handlers that return errors, the
// dialects in which a protocol says no, bounded decoding of bodies, request
// ids, and recovery from panics.
//
// It refuses to know any protocol: status numbers and body shapes exist only in
// the Dialect that each front brings. An error that is not an *apierr.Error is
// the house's own fault: it is logged with the request id and shown to the
// caller as Internal.
package wire
