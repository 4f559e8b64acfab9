package convex

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Errors of a client itself.
var (
	// ErrClosed is what calls return after Close.
	ErrClosed = errors.New("convex: the client is closed")
	// ErrInterrupted is what an action returns that was under way when the
	// connection broke; it may have run.
	ErrInterrupted = errors.New("convex: connection lost while the action was in flight")
)

// FunctionError is what a function threw.
type FunctionError struct {
	Path    string
	Message string
	// Data is the payload of a ConvexError as JSON; nil for other errors.
	Data json.RawMessage
	// Logs are the lines that the function logged, where the deployment shows them.
	Logs []string
}

// Error is part of error.
func (e *FunctionError) Error() string {
	return fmt.Sprintf("convex: %s: %s", e.Path, e.Message)
}

// Decode reads the payload of a ConvexError; it fails if there is none.
func (e *FunctionError) Decode(out any) error {
	if e.Data == nil {
		return fmt.Errorf("convex: the error of %s has no payload: it is not a ConvexError", e.Path)
	}
	return decodeResult(e.Data, out)
}

// AuthError says that the deployment does not accept the token, and that the token
// source had no better one.
type AuthError struct{ Message string }

// Error is part of error.
func (e *AuthError) Error() string { return "convex: not signed in: " + e.Message }

// FatalError says that the deployment and this client do not understand each other.
// The client is of no use afterwards.
type FatalError struct{ Message string }

// Error is part of error.
func (e *FatalError) Error() string { return "convex: the deployment ended the session: " + e.Message }
