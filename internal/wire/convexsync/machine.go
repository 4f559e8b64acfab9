package convexsync

import (
	"cmp"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/token"
)

const (
	// maxMutations is how many mutations may wait on one connection (convex-sync.md §4.3).
	maxMutations = 1000
	// maxActions is how many actions may run for one connection.
	maxActions = 1000
	// maxQueries bounds the query set of one connection.
	maxQueries = 20_000
	// maxUnsent is how many transitions may wait to be written before no more are computed.
	maxUnsent = 2
	// firstRetry and lastRetry bound the waits between attempts at a transition
	// that the house could not compute.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 600 * time.Second
)

// Machine is one connection's state in the protocol. Feed it inputs with the
// methods below; each returns what to do, in order. It is not safe for
// concurrent use.
type Machine struct {
	connected bool
	session   string
	skew      *int64

	caller         token.Caller
	authenticating bool
	received       version // ts unused
	sent           version

	queries map[uint32]*query
	removed []uint32 // since the last transition's computation began

	scheduled bool    // something may have changed since the last computation began
	waking    bool    // a Wake is out and Begin has not come yet
	delayed   bool    // the last computation failed; RetryDue will come
	update    *update // being computed
	retry     time.Duration
	unsent    int   // transitions that are not written yet, a bulky one counting as all that may be
	weights   []int // of each, in order

	mutations []Run // waiting, the running one not included
	running   bool
	actions   int

	closed bool
	out    []Effect
}

// query is a live query.
type query struct {
	id uint32
	Query
	fresh   bool // must run whether or not what it read has changed
	known   bool // the client has been told a result
	hash    [16]byte
	journal *string // as the client has it
}

// update is a computation in progress.
type update struct {
	end     version // ts still open
	removed []uint32
}

// take returns the effects collected so far.
func (m *Machine) take() []Effect {
	out := m.out
	m.out = nil
	return out
}

// do adds an effect.
func (m *Machine) do(e Effect) { m.out = append(m.out, e) }

// Received takes a client's message as it came off the wire. now is the
// server's clock and latest its newest timestamp.
func (m *Machine) Received(raw []byte, now time.Time, latest uint64) []Effect {
	if m.closed {
		return nil
	}
	msg, err := decode(raw)
	if err != nil {
		m.fail(err)
		return m.take()
	}
	if c, ok := msg.(connect); ok != !m.connected {
		m.fail(apierr.New(apierr.BadRequest, "WSMessageOutOfOrder", "Connect must be the first message of a connection, and occur once."))
		return m.take()
	} else if ok {
		m.connect(c, now, latest)
		return m.take()
	}
	if m.authenticating {
		m.close(1011, "InternalServerError") // the shell must hold messages back; a fault of ours
		return m.take()
	}
	switch msg := msg.(type) {
	case authenticate:
		if msg.baseVersion != m.received.identity {
			m.close(1011, "InternalServerError")
			break
		}
		m.authenticating = true
		m.do(Verify{TokenType: msg.tokenType, Value: msg.value, Acting: msg.acting})
	case modifyQuerySet:
		m.modify(msg)
	case call:
		m.call(msg, now)
	}
	m.wake()
	return m.take()
}

// connect begins the session.
func (m *Machine) connect(c connect, now time.Time, latest uint64) {
	if c.maxObserved > latest {
		// The client has seen what this store has not: it must not go on as if
		// time had gone back (convex-sync.md §2.1).
		m.close(1011, "InternalServerError")
		return
	}
	m.connected, m.session = true, c.session
	m.queries = map[uint32]*query{}
	if c.clientTS != nil {
		skew := *c.clientTS - now.UnixMilli()
		m.skew = &skew
	}
}

// Session is the client's session id, "" before Connect.
func (m *Machine) Session() string { return m.session }

// modify changes the query set.
func (m *Machine) modify(msg modifyQuerySet) {
	if msg.base != m.received.querySet || msg.next <= msg.base {
		m.fail(apierr.New(apierr.BadRequest, "BaseVersionMismatch",
			"ModifyQuerySet from version %d to %d does not follow the present version %d.", msg.base, msg.next, m.received.querySet))
		return
	}
	for _, c := range msg.changes {
		q, there := m.queries[c.id]
		switch {
		case c.remove && !there, !c.remove && there:
			m.close(1011, "InternalServerError") // as at the peer; a client that does this is confused, a new start may help
			return
		case c.remove:
			delete(m.queries, c.id)
			m.removed = append(m.removed, c.id)
			m.do(Forget{Query: q.id})
		case len(m.queries) >= maxQueries:
			m.fail(apierr.New(apierr.BadRequest, "TooManyQueries", "A client may subscribe to at most %d queries.", maxQueries))
			return
		default:
			m.queries[c.id] = &query{id: c.id, Query: c.Query, fresh: true, journal: c.Query.Journal}
		}
	}
	m.received.querySet = msg.next
	m.scheduled = true
}

// call queues a mutation or starts an action.
func (m *Machine) call(c call, now time.Time) {
	if m.caller.Expired(now) {
		m.authError(token.ErrExpired, false)
		return
	}
	r := Run{Action: c.action, RequestID: c.requestID, Path: c.path, Component: c.component, Args: c.args, Caller: m.caller}
	switch {
	case c.action && m.actions >= maxActions:
		m.close(1013, "TooManyInflightActionsForSingleClient")
	case c.action:
		m.actions++
		m.do(r)
	case len(m.mutations) >= maxMutations:
		m.close(1013, "TooManyConcurrentMutations")
	default:
		m.mutations = append(m.mutations, r)
		m.nextMutation()
	}
}

// nextMutation starts the first waiting mutation if none runs.
func (m *Machine) nextMutation() {
	if m.running || len(m.mutations) == 0 {
		return
	}
	m.running = true
	m.do(m.mutations[0])
	m.mutations[0] = Run{} // let go of its arguments
	m.mutations = m.mutations[1:]
}

// Caller is on whose behalf the connection acts now.
func (m *Machine) Caller() token.Caller { return m.caller }

// Authenticated answers a Verify.
func (m *Machine) Authenticated(caller token.Caller, err error) []Effect {
	if m.closed {
		return nil
	}
	m.authenticating = false
	switch {
	case err == nil:
		m.caller = caller
		m.received.identity++
		for _, q := range m.queries {
			q.fresh = true
		}
		m.scheduled = true
		m.wake()
	default:
		switch apierr.KindOf(err) {
		case apierr.Unauthenticated, apierr.Forbidden, apierr.BadRequest:
			m.authError(err, true)
		default:
			m.fail(err)
		}
	}
	return m.take()
}

// Carried says that the identity old, which has ended, goes on as next; with an error
// of the house the connection ends, and its client comes back. It is heeded while old
// is still the caller. The identity's version is as before: the client has the token
// that it has.
func (m *Machine) Carried(old, next token.Caller, err error) []Effect {
	if m.closed || m.authenticating || m.caller.Claims != old.Claims {
		return nil
	}
	if err != nil {
		m.fail(err)
		return m.take()
	}
	if m.caller.CacheKey() != next.CacheKey() {
		for _, q := range m.queries {
			q.fresh = true
		}
		m.scheduled = true
	}
	m.caller = next
	m.wake()
	return m.take()
}

// Done answers a Run: with a reply, or with an error of the house.
func (m *Machine) Done(r Run, reply *Reply, err error) []Effect {
	if m.closed {
		return nil
	}
	if err != nil {
		// A refusal that will be the same next time is the function's failure
		// for the client; anything else ends the connection, and the client
		// sends a mutation again on the next one.
		e, ok := apierr.As(err)
		if !ok || !lasting(e.Kind) {
			m.fail(err)
			return m.take()
		}
		reply = &Reply{Failed: true, Message: e.Message}
	}
	if r.Action {
		m.actions--
	} else {
		m.running = false
	}
	m.do(Send{response{action: r.Action, requestID: r.RequestID, reply: reply}})
	if !r.Action {
		m.nextMutation()
	}
	m.scheduled = true
	m.wake()
	return m.take()
}

// Invalidated says that something a query read has changed.
func (m *Machine) Invalidated() []Effect {
	if m.closed {
		return nil
	}
	m.scheduled = true
	m.wake()
	return m.take()
}

// wake asks for Begin if a transition can be computed now.
func (m *Machine) wake() {
	if m.scheduled && !m.waking && !m.delayed && m.update == nil && m.unsent < maxUnsent && !m.closed {
		m.waking = true
		m.do(Wake{})
	}
}

// Begin starts computing a transition, with everything received so far. ok is
// false when there is nothing to compute; the effects are to be done either way.
func (m *Machine) Begin(now time.Time) (due Due, effects []Effect, ok bool) {
	if !m.waking || m.closed {
		return Due{}, nil, false
	}
	m.waking = false
	if m.authenticating {
		// Messages behind the token wait, and so does the transition: the
		// answer schedules it again.
		return Due{}, nil, false
	}
	if m.caller.Expired(now) {
		m.authError(token.ErrExpired, false)
		return Due{}, m.take(), false
	}
	m.scheduled = false
	m.update = &update{end: m.received, removed: m.removed}
	m.removed = nil
	due = Due{Caller: m.caller, Queries: make([]DueQuery, 0, len(m.queries))}
	for _, q := range m.queries {
		due.Queries = append(due.Queries, DueQuery{ID: q.id, Fresh: q.fresh, Query: q.Query})
		q.fresh = false
	}
	slices.SortFunc(due.Queries, func(a, b DueQuery) int { return cmp.Compare(a.ID, b.ID) })
	return due, nil, true
}

// Computed ends the computation that Begin started: the results of the queries
// that ran, by id, all of them at ts, and all others are as they were.
func (m *Machine) Computed(ts uint64, results []Result) []Effect {
	if m.closed || m.update == nil {
		return nil
	}
	u := m.update
	m.update, m.retry = nil, 0
	t := &transition{start: m.sent, end: u.end, skew: m.skew}
	t.end.ts = max(ts, m.sent.ts)
	for _, id := range u.removed {
		t.changes = append(t.changes, modification{query: id})
	}
	for _, r := range results {
		q, there := m.queries[r.ID]
		if !there {
			continue // removed meanwhile; the next transition says so
		}
		q.Journal = r.Reply.Journal
		if q.known && q.hash == r.Reply.Hash && equalJournal(q.journal, r.Reply.Journal) {
			continue
		}
		q.known, q.hash, q.journal = true, r.Reply.Hash, r.Reply.Journal
		t.changes = append(t.changes, modification{query: r.ID, reply: r.Reply})
	}
	slices.SortStableFunc(t.changes, func(a, b modification) int { return cmp.Compare(a.query, b.query) })
	m.sent = t.end
	weight := 1
	if t.size() >= bulky {
		weight = maxUnsent
	}
	m.unsent += weight
	m.weights = append(m.weights, weight)
	m.do(Send{t})
	m.wake()
	return m.take()
}

// equalJournal compares two journals, either of which may be absent.
func equalJournal(a, b *string) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// Failed ends the computation that Begin started, when the house could not
// finish it. It is tried again after a while, with what was received meanwhile;
// the client is told nothing, as the next attempt may well succeed.
func (m *Machine) Failed(err error, due Due) []Effect {
	if m.closed || m.update == nil {
		return nil
	}
	if apierr.KindOf(err) == apierr.Unauthenticated {
		m.authError(err, false)
		return m.take()
	}
	m.removed = append(m.update.removed, m.removed...)
	m.update = nil
	for _, d := range due.Queries {
		if q, there := m.queries[d.ID]; there && d.Fresh {
			q.fresh = true
		}
	}
	m.scheduled, m.delayed = true, true
	m.retry = min(max(2*m.retry, firstRetry), lastRetry)
	m.do(Delay{For: m.retry})
	return m.take()
}

// RetryDue answers a Delay.
func (m *Machine) RetryDue() []Effect {
	m.delayed = false
	m.wake()
	return m.take()
}

// Written says that a transition has left the outbound queue.
func (m *Machine) Written() []Effect {
	m.unsent -= m.weights[0]
	m.weights = m.weights[1:]
	m.wake()
	return m.take()
}

// lasting tells whether a refusal of this kind would be repeated.
func lasting(k apierr.Kind) bool {
	switch k {
	case apierr.BadRequest, apierr.Forbidden, apierr.NotFound, apierr.Conflict, apierr.TooLarge, apierr.Unsupported:
		return true
	case apierr.Internal, apierr.Unauthenticated, apierr.RateLimited, apierr.Overloaded, apierr.Unavailable:
		return false
	}
	return false
}

// fail ends the connection for an error, in the way of convex-sync.md §3.8.
func (m *Machine) fail(err error) {
	e, ok := apierr.As(err)
	if !ok {
		m.close(1011, "InternalServerError")
		return
	}
	switch e.Kind {
	case apierr.Unauthenticated:
		m.authError(err, false)
	case apierr.RateLimited, apierr.Overloaded, apierr.Unavailable:
		m.close(1013, e.Code)
	case apierr.Forbidden, apierr.NotFound:
		m.do(Send{fatalError{e.Message}})
		m.close(1000, e.Code)
	case apierr.BadRequest, apierr.Conflict, apierr.TooLarge, apierr.Unsupported:
		m.do(Send{fatalError{e.Message}})
		m.close(0, "")
	case apierr.Internal:
		m.close(1011, "InternalServerError")
	}
}

// authError refuses an identity and ends the connection. The version is that of
// the last transition, by which the client tells which of its tokens is meant.
func (m *Machine) authError(err error, attempted bool) {
	message := "The token could not be verified."
	if e, ok := apierr.As(err); ok {
		message = e.Message
	}
	m.do(Send{authError{message: message, baseVersion: m.sent.identity, attempted: attempted}})
	m.close(0, "")
}

// close ends the connection and lets go of what waits.
func (m *Machine) close(code int, reason string) {
	if m.closed {
		return
	}
	m.closed = true
	m.queries, m.mutations, m.removed, m.update = nil, nil, nil, nil
	m.do(Close{Code: code, Reason: reason})
}

// has tells whether a query is in the set.
func (m *Machine) has(id uint32) bool {
	_, ok := m.queries[id]
	return ok
}
