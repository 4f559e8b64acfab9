package udf

import (
	"context"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// Kind is what a function is registered as. The names are those of the wire.
type Kind uint8

// The kinds of function. HTTPAction only occurs in log entries.
const (
	Query Kind = iota + 1
	Mutation
	Action
	HTTPAction
)

// kindNames are the kinds as the log stream, the analysis and messages spell them.
var kindNames = [...]string{Query: "Query", Mutation: "Mutation", Action: "Action", HTTPAction: "HttpAction"}

// String gives the kind as the wire spells it: "Query", "Mutation", "Action", "HttpAction".
func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return "Unknown"
}

// KindNamed is the inverse of Kind.String; ok is false for any other text.
func KindNamed(name string) (k Kind, ok bool) {
	for i, n := range kindNames {
		if i > 0 && n == name {
			return Kind(i), true
		}
	}
	return 0, false
}

// Request asks for one run of a function on behalf of a caller.
type Request struct {
	// Path names the function, as "messages:list"; "messages.js:list", "dir/mod:fn" and "mod" (its default
	// export) are understood too. Paths below "_system/" name Go functions of Runner.System.
	Path string
	// Component is the path of a component instance, "" for the app; only admins may name another.
	Component string
	// Args is JSON: the object of arguments, or an array of none or one of them. Empty means {}.
	Args []byte
	// Caller is on whose behalf the function runs.
	Caller token.Caller
	// Internal permits internal functions; admins and the house itself are always permitted.
	Internal bool

	// Session and SessionRequest identify a mutation of a socket if HasSession is set: it happens exactly once.
	Session        string
	SessionRequest uint32
	HasSession     bool

	// Journal is that of the last run of the same live query; nil at first.
	Journal *string
	// At is the snapshot a query reads; 0 means the newest.
	At persistence.Timestamp

	// RequestID shows up in messages and logs; a random one is made when empty. For sockets see SessionRequestID.
	RequestID string
	// IP, UserAgent and AuthToken are what ctx.meta.getRequestMetadata tells; empty means null.
	IP, UserAgent, AuthToken string
	// CallerName is the "caller" of log entries, such as "SyncWorker" or "HttpApi".
	CallerName string

	node bool // the function turned out to be one of a "use node" module
	// badAuth is why the credential of the HTTP request behind the call is not good; getUserIdentity throws it.
	badAuth error

	parent string // execution id of the action that made the call

	origin *value.ID // the scheduled function that this is a run of, or was called by; nil for none
	// claim and settle bracket the run of a job's mutation within its transaction. When claim is false there is
	// nothing to run.
	claim  func(context.Context, *database.Tx) (bool, error)
	settle func(context.Context, *database.Tx) error
}

// Outcome is how a run ended as far as its caller may know. Outcomes of queries
// are shared through the cache: they must not be changed.
type Outcome struct {
	Kind    Kind
	Value   []byte   // Convex-JSON; nil when Failure is set
	Failure *Failure // thrown by user code or by a rule it broke; distinct from an error, which is ours
	Logs    []string // "[LOG] 'x'"; never nil
	Journal *string  // end cursor of the page a query read; nil if it read none

	audits []auditTemplate // of queries: to be written for everybody who is handed the result

	Reads      *database.ReadSet     // of queries: what the result depends on; one pointer per cached result
	TS         persistence.Timestamp // snapshot of a query, commit of a mutation
	UsedCaller bool                  // if not, the result may be shared between callers
	Cached     bool                  // served without running
	Hash       [16]byte              // of value or message (without its request id) and logs: equal means nothing new to send
}

// Failure is what the caller is told when a function fails.
type Failure struct {
	// Message as clients see it: "[Request ID: …] Server Error\nUncaught Error: …".
	Message string
	// Data is the payload of a ConvexError in Convex-JSON; nil for any other failure.
	Data []byte
	// Text is Message without the line that carries the request id.
	Text string
}
