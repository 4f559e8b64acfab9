package deploy

// state is how far a push is. A push that is over has no state: its row is gone.
type state string

// The states of a push.
const (
	started   state = "started"   // inspected and stored; nothing else knows of it
	pending   state = "pending"   // its indexes are being built, documents checked, writes held against its schema
	validated state = "validated" // all documents match its schema, and writes still are held against it
	failed    state = "failed"    // a document does not match
)

// event is what can happen to a push.
type event string

// The events.
const (
	begin     event = "begin"     // the client waits for the first time
	checked   event = "checked"   // the last document was found to match
	mismatch  event = "mismatch"  // a document does not match
	finish    event = "finish"    // the client finishes
	supersede event = "supersede" // another push begins
)

// over is the state of a push that has no row any more.
const over state = ""

// moves is the machine: what becomes of a push. What is not listed must not
// happen. A push that is merely started is not superseded, because generating
// code starts pushes that are never waited for.
var moves = map[state]map[event]state{
	started:   {begin: pending},
	pending:   {checked: validated, mismatch: failed, supersede: over},
	validated: {mismatch: failed, finish: over, supersede: over},
	failed:    {supersede: over},
}

// on gives the state after an event; ok is false if it must not happen.
func (s state) on(e event) (next state, ok bool) {
	next, ok = moves[s][e]
	return next, ok
}
