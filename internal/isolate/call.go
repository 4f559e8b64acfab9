package isolate

import (
	"context"
	"time"
)

// Kind says what an invocation is allowed to do.
type Kind uint8

// The kinds of functions. Queries and mutations are deterministic: time stands
// still, randomness is seeded, there is no network. Actions live in the world.
const (
	Query Kind = iota + 1
	Mutation
	Action
)

// String gives the kind as the clients' protocols write it.
func (k Kind) String() string {
	switch k {
	case Query:
		return "Query"
	case Mutation:
		return "Mutation"
	case Action:
		return "Action"
	}
	return "Unknown"
}

// Limits bound one invocation; a zero field takes the default of its kind.
type Limits struct {
	UserTime  time.Duration // JavaScript only; waiting for the host is not counted (default 1 s; actions 10 min)
	TotalTime time.Duration // from the start of JavaScript to the end, host calls included (default 15 s; actions 10 min)
}

// Call is one invocation of an exported function.
type Call struct {
	Kind   Kind
	Module string   // path as pushed, "messages.js"
	Export string   // "list", "default"
	Method string   // method of the exported object: invokeQuery, invokeMutation, invokeAction
	Args   []string // string arguments of the method
	Now    time.Time
	Seed   [32]byte // of the invocation's random numbers; zero means a true random seed
	Host   Host
	Limits Limits
}

// Host is everything a running function may ask of the house. Calls come in
// the order the program made them, never two at once except AsyncSyscall in
// actions (at most 8 at once). Argument slices belong to the callee. A *Throw
// returned by a Host becomes an error the program can catch; any other error
// ends the run and is returned from Run.
//
// The context given to AsyncSyscall lends the caller's place in the worker
// pool: pass it on to Program.Run for nested calls.
type Host interface {
	// Syscall must answer at once: it runs with the function's stack beneath.
	Syscall(op string, args []byte) ([]byte, error)
	AsyncSyscall(ctx context.Context, op string, args []byte) ([]byte, error)
	// Print takes one line of the log: level is DEBUG, ERROR, WARN, INFO or
	// LOG, line the rendered messages joined by spaces.
	Print(level, line string)
}

// Throw is a Host's error that user code can catch as an Error. Data, if not
// nil, is JSON text that becomes the error's data member (a ConvexError of a
// nested call).
type Throw struct {
	Message string
	Data    []byte
}

// Error gives the message as the program sees it.
func (t *Throw) Error() string { return t.Message }

// Result is how an invocation ended.
type Result struct {
	Value          string // what the method's promise resolved to
	Exception      *Exception
	UserTime       time.Duration // JavaScript only
	ObservedTime   bool          // the function looked at the clock
	ObservedRandom bool          // the function used random numbers
	Unawaited      []string      // names of operations an action left running
}
