package convexsync

import (
	"time"

	"github.com/lentil-dev/lentil/internal/token"
)

// Effect is something for the shell to do.
type Effect interface{ isEffect() }

type (
	// Send queues a message for the client.
	Send struct{ Message serverMessage }
	// Verify asks who is behind a token; the answer is Authenticated. No client
	// message may be given to the machine before it.
	Verify struct {
		TokenType, Value string
		Acting           []byte
	}
	// Run asks to run a mutation or action; the answer is Done.
	Run struct {
		Action    bool
		RequestID uint32
		Path      string
		Component string
		Args      []byte
		Caller    token.Caller
	}
	// Wake says that a transition can be computed: call Begin when at leisure.
	Wake struct{}
	// Delay asks for RetryDue after a while.
	Delay struct{ For time.Duration }
	// Forget says that a query is gone and need not be watched.
	Forget struct{ Query uint32 }
	// Close ends the connection after everything queued is written. Code 0 is a
	// close frame without a code.
	Close struct {
		Code   int
		Reason string
	}
)

func (Send) isEffect()   {}
func (Verify) isEffect() {}
func (Run) isEffect()    {}
func (Wake) isEffect()   {}
func (Delay) isEffect()  {}
func (Forget) isEffect() {}
func (Close) isEffect()  {}

// Due is a transition to compute: every query of the set at one timestamp.
type Due struct {
	Caller  token.Caller
	Queries []DueQuery // by id
}

// DueQuery is a query of a Due. If it is not Fresh it need only run when what it
// read before has changed.
type DueQuery struct {
	ID    uint32
	Fresh bool
	Query
}

// Result is what a query came to when it ran.
type Result struct {
	ID    uint32
	Reply *Reply
}
