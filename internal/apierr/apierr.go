package apierr

import (
	"errors"
	"fmt"
)

// Kind says in general terms why a request was refused. The list is closed;
// fronts switch over it exhaustively.
type Kind uint8

// The kinds, in the order in which fronts list them.
const (
	Internal        Kind = iota // our fault; the message is not for the caller
	BadRequest                  // the request cannot be understood or breaks a rule
	Unauthenticated             // no valid identity came with the request
	Forbidden                   // the identity may not do this
	NotFound                    // the thing named does not exist
	Conflict                    // it clashes with the present state
	TooLarge                    // a size limit was passed
	RateLimited                 // too many requests from this caller
	Overloaded                  // the house is busy; trying again later helps
	Unavailable                 // something the house depends on did not answer
	Unsupported                 // a known operation that this house does not offer
)

// kindNames are the kinds as they appear in logs.
var kindNames = [...]string{
	Internal: "internal", BadRequest: "bad request", Unauthenticated: "unauthenticated", Forbidden: "forbidden",
	NotFound: "not found", Conflict: "conflict", TooLarge: "too large", RateLimited: "rate limited",
	Overloaded: "overloaded", Unavailable: "unavailable", Unsupported: "unsupported",
}

// String names the kind for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is a refusal that a caller may see in full, except for its cause.
type Error struct {
	Kind    Kind   // why, in general
	Code    string // short machine-readable code, part of the wire contract
	Message string // for a person: what was wrong, what to do next
	Details any    // optional extra members of a protocol's error body; the front knows the type
	cause   error  // what went wrong inside, for the log only
}

// New makes an Error. The message is formatted as by fmt.Sprintf; with no
// arguments it is taken as it is.
func New(kind Kind, code, format string, args ...any) *Error {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return &Error{Kind: kind, Code: code, Message: format}
}

// Wrap returns a copy of e that carries err as its cause.
func (e *Error) Wrap(err error) *Error {
	c := *e
	c.cause = err
	return &c
}

// With returns a copy of e that carries details for the front.
func (e *Error) With(details any) *Error {
	c := *e
	c.Details = details
	return &c
}

// Error gives code, message and cause in one line, for logs.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// As finds the Error in err's chain; ok is false if there is none, which means
// that the fault is ours.
func As(err error) (e *Error, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// KindOf is the kind of err's Error, and Internal for any other error.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}
