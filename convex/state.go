package convex

import (
	"encoding/json"
	"slices"
)

// state is what outlives a connection: live queries and requests under way. All
// methods want Client.mu.
type state struct {
	ended error // why nothing works any more

	queries   map[uint32]*query
	byKey     map[string]*query
	nextQuery uint32

	requests    []*request // in the order of their numbers
	nextRequest uint32

	observed timestamp // the newest moment that was seen

	// Of the present connection.
	live     bool // the opening messages are queued; later ones may follow
	out      []message
	wake     chan struct{} // tells the writer of news in out
	querySet uint32        // version that was sent
	identity uint32        // likewise
	at       version       // where the last transition ended
}

// query is one live query, which many subscriptions may share.
type query struct {
	id      uint32
	key     string
	path    string
	args    json.RawMessage
	journal *string
	subs    []*Subscription

	number uint64 // of the result below; 0 for none yet
	value  json.RawMessage
	err    error
}

// requestKind is the type of message that a request is sent as.
type requestKind string

const (
	kindMutation requestKind = "Mutation"
	kindAction   requestKind = "Action"
)

// request is a mutation or action under way.
type request struct {
	id   uint32
	kind requestKind
	path string
	args json.RawMessage
	sent bool // handed to a connection

	release  func() // gives its place back
	done     chan struct{}
	result   json.RawMessage
	err      error
	answered bool      // a mutation that succeeded, and waits for …
	ts       timestamp // … a transition that reaches this moment
}

func (s *state) init() {
	s.queries, s.byKey, s.wake = map[uint32]*query{}, map[string]*query{}, make(chan struct{}, 1)
}

// send queues a message for the present connection.
func (s *state) send(m message) {
	s.out = append(s.out, m)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// addSubscription finds or adds the query of a subscription.
func (s *state) addSubscription(path string, args json.RawMessage, sub *Subscription) *query {
	key := path + "\x00" + string(args)
	q := s.byKey[key]
	if q == nil {
		q = &query{id: s.nextQuery, key: key, path: path, args: args}
		s.nextQuery++
		s.queries[q.id], s.byKey[key] = q, q
		if s.live {
			s.modify(modification{Type: "Add", QueryID: q.id, Path: q.path, Args: arguments(q.args)})
		}
	}
	q.subs = append(q.subs, sub)
	return q
}

// removeSubscription forgets a subscription, and its query if it was the last one.
func (s *state) removeSubscription(sub *Subscription) {
	q := sub.q
	sub.q = nil
	q.subs = slices.DeleteFunc(q.subs, func(other *Subscription) bool { return other == sub })
	if len(q.subs) > 0 {
		return
	}
	delete(s.queries, q.id)
	delete(s.byKey, q.key)
	if s.live {
		s.modify(modification{Type: "Remove", QueryID: q.id})
	}
}

// modify sends a change of the query set.
func (s *state) modify(list ...modification) {
	base := s.querySet
	s.querySet++
	next := s.querySet
	s.send(message{Type: "ModifyQuerySet", BaseVersion: &base, NewVersion: &next, Modifications: &list})
}

// addRequest numbers a request and sends it if it can.
func (s *state) addRequest(kind requestKind, path string, args json.RawMessage, release func()) (*request, error) {
	if s.ended != nil {
		return nil, s.ended
	}
	r := &request{id: s.nextRequest, kind: kind, path: canonical(path), args: args, release: release, done: make(chan struct{})}
	s.nextRequest++
	s.requests = append(s.requests, r)
	if s.live {
		s.sendRequest(r)
	}
	return r, nil
}

func (s *state) sendRequest(r *request) {
	r.sent = true
	id := r.id
	s.send(message{Type: string(r.kind), RequestID: &id, Path: r.path, Args: arguments(r.args)})
}

// finish ends a request.
func (s *state) finish(r *request, result json.RawMessage, err error) {
	s.requests = slices.DeleteFunc(s.requests, func(other *request) bool { return other == r })
	r.result, r.err = result, err
	close(r.done)
	r.release()
}

// abandon forgets a request whose caller has gone: one that was not sent yet is
// never sent. A mutation that was sent stays, to be sent again in its place.
func (s *state) abandon(r *request) {
	select {
	case <-r.done:
		return
	default:
	}
	if !r.sent || r.kind == kindAction {
		s.finish(r, nil, ErrInterrupted)
	}
}

// end fails everything for good.
func (s *state) end(why error) {
	if s.ended == nil {
		s.ended = why
	}
	s.fail(s.ended)
	for _, q := range s.queries {
		for _, sub := range q.subs {
			sub.tell()
		}
	}
}

// fail ends all requests.
func (s *state) fail(why error) {
	for len(s.requests) > 0 {
		s.finish(s.requests[0], nil, why)
	}
}

// refuse tells everybody that the deployment accepts no token that we have.
func (s *state) refuse(why error) {
	s.fail(why)
	for _, q := range s.queries {
		q.number++
		q.value, q.err = nil, why
		for _, sub := range q.subs {
			sub.tell()
		}
	}
}

// opening queues what a new connection begins with (convex-sync.md §4.1).
func (s *state) opening(connect message, auth *message) {
	s.out, s.querySet, s.identity, s.at = nil, 0, 0, version{}
	if s.observed > 0 {
		connect.MaxObserved = s.observed.String()
	}
	s.live = true
	s.send(connect)
	if auth != nil {
		s.authenticate(*auth)
	}
	list := make([]modification, 0, len(s.queries))
	for _, q := range s.queries {
		list = append(list, modification{Type: "Add", QueryID: q.id, Path: q.path, Args: arguments(q.args), Journal: q.journal})
	}
	slices.SortFunc(list, func(a, b modification) int { return int(a.QueryID) - int(b.QueryID) })
	s.modify(list...)
	for _, r := range s.requests {
		r.answered = false
		s.sendRequest(r)
	}
}

// authenticate sends who we are.
func (s *state) authenticate(m message) {
	base := s.identity
	s.identity++
	m.Type, m.BaseVersion = "Authenticate", &base
	s.send(m)
}

// lost is the end of a connection: actions that may have begun are not sent again.
func (s *state) lost() {
	s.live, s.out = false, nil
	for _, r := range slices.Clone(s.requests) {
		if r.kind == kindAction && r.sent {
			s.finish(r, nil, ErrInterrupted)
		}
	}
}

// respond takes the answer to a request.
func (s *state) respond(a *answer) {
	i := slices.IndexFunc(s.requests, func(r *request) bool { return r.id == a.RequestID })
	if i < 0 {
		return // of a request that was abandoned
	}
	r := s.requests[i]
	if !a.Success {
		var text string
		if json.Unmarshal(a.Result, &text) != nil {
			text = string(a.Result)
		}
		s.finish(r, nil, &FunctionError{Path: r.path, Message: text, Data: a.Data, Logs: a.Logs})
		return
	}
	if r.kind == kindAction || a.TS == nil {
		s.finish(r, a.Result, nil)
		return
	}
	r.answered, r.ts, r.result = true, *a.TS, a.Result
	s.observed = max(s.observed, *a.TS)
}

// transition takes the next moment of all live queries; it is false if that moment
// does not follow the last one.
func (s *state) transition(a *answer) bool {
	if a.Start != s.at {
		return false
	}
	s.at = a.End
	s.observed = max(s.observed, a.End.TS)
	for _, ch := range a.Changes {
		q := s.queries[ch.QueryID]
		if q == nil {
			continue // removed in the meantime
		}
		switch ch.Type {
		case "QueryUpdated":
			q.value, q.err = ch.Value, nil
		case "QueryFailed":
			q.value, q.err = nil, &FunctionError{Path: q.path, Message: ch.Message, Data: ch.Data, Logs: ch.Logs}
		default:
			continue
		}
		q.journal = ch.Journal
		q.number++
		for _, sub := range q.subs {
			sub.tell()
		}
	}
	for _, r := range slices.Clone(s.requests) {
		if r.answered && r.ts <= a.End.TS {
			s.finish(r, r.result, nil)
		}
	}
	return true
}
