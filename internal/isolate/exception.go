package isolate

// Cause tells the ways in which JavaScript fails.
type Cause uint8

// The causes of an Exception.
const (
	Thrown        Cause = iota // user code threw or rejected
	Timeout                    // UserTime or TotalTime ran out
	OutOfMemory                // the heap or the buffers reached their limit
	Fatal                      // the engine gave up on the isolate
	NeverResolves              // nothing is pending and the promise is not settled
	Developer                  // the program asked for what its kind may not do, or what is not there
)

// Exception is a failure of user code: a value, not an error.
type Exception struct {
	Text    string // "Uncaught Error: msg\n    at handler (../convex/messages.ts:3:5)", places mapped to the sources
	Name    string // "Error", "TypeError", …
	Message string
	Data    []byte // ConvexError data as JSON text, nil otherwise
	Code    string // wire code of a refusal at push ("AuthConfigMissingEnvironmentVariable"), else empty
	Cause   Cause
}

// Error lets an Exception travel as an error inside the house.
func (x *Exception) Error() string { return x.Text }
