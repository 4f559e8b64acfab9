package convexsync

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/wire"
)

const (
	// maxMutationTime bounds one mutation with all its retries (convex-sync.md §4.3).
	maxMutationTime = 60 * time.Second
	// maxConcurrent is how many queries of one connection run at once (§4.2).
	maxConcurrent = 20
	// callerName is how log entries name this front.
	callerName = "SyncWorker"
)

// run runs a mutation or an action. It does not end with the socket: an action
// cannot be taken back, and a mutation is best finished, for its record answers
// the client that comes back.
func (s *session) run(r Run) {
	defer s.server.end()
	s.mu.Lock()
	session := s.machine.Session()
	s.mu.Unlock()
	req := udf.Request{
		Path: r.Path, Component: r.Component, Args: r.Args, Caller: r.Caller,
		Session: session, SessionRequest: r.RequestID, HasSession: !r.Action,
		RequestID: udf.SessionRequestID(session, r.RequestID), IP: s.ip, UserAgent: s.agent, CallerName: callerName,
	}
	ctx := context.WithoutCancel(s.ctx)
	var outcome *udf.Outcome
	err := wire.Recover(func() (err error) {
		if r.Action {
			outcome, err = s.server.Runner.Action(ctx, req)
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, maxMutationTime)
		defer cancel()
		outcome, err = s.server.Runner.Mutation(ctx, req)
		if errors.Is(err, context.DeadlineExceeded) {
			err = apierr.New(apierr.Overloaded, "SystemTimeoutError", "Your request timed out.").Wrap(err)
		}
		return err
	})
	s.note("function did not finish", r.Path, err)
	var reply *Reply
	if err == nil {
		reply = replyOf(outcome)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.perform(s.machine.Done(r, reply, err))
	if s.leaving && s.machine.actions == 0 {
		s.finish(goingAway)
	}
}

// note logs a fault of ours, once.
func (s *session) note(what, path string, err error) {
	if err == nil || s.server.Log == nil || errors.Is(err, context.Canceled) { // its session or the house is at its end
		return
	}
	if _, ok := apierr.As(err); !ok {
		s.server.Log.Error(what, "function", path, "err", err)
	}
}

// replyOf is an outcome as the client is told it.
func replyOf(o *udf.Outcome) *Reply {
	r := &Reply{Value: o.Value, Logs: o.Logs, Journal: o.Journal, Hash: o.Hash, TS: uint64(o.TS)}
	if o.Failure != nil {
		r.Failed, r.Message, r.Data = true, o.Failure.Message, o.Failure.Data
	}
	return r
}

// computed is a query that ran.
type computed struct {
	due     DueQuery
	outcome *udf.Outcome // nil if the house refused the query in a lasting way
	reply   *Reply
	err     error
}

// compute computes one transition: every query of the set at one timestamp.
func (s *session) compute() {
	defer s.server.end()
	// What the client sent in one go is mostly here already; let the reader take
	// it in first, so that it becomes one transition.
	runtime.Gosched()
	s.carryOn()
	s.mu.Lock()
	due, effects, ok := s.machine.Begin(time.Now())
	s.perform(effects)
	if !ok {
		s.mu.Unlock()
		return
	}
	var maybe []*liveQuery // by position in due.Queries; nil runs anyway
	for _, d := range due.Queries {
		if d.Fresh {
			maybe = append(maybe, nil)
		} else {
			maybe = append(maybe, s.live[d.ID])
		}
	}
	s.mu.Unlock()

	ts := s.server.DB.Latest()
	var todo []computed
	for i, d := range due.Queries {
		if maybe[i] == nil || !maybe[i].current() {
			todo = append(todo, computed{due: d})
		}
	}
	s.runQueries(todo, due, ts)
	if i := slices.IndexFunc(todo, func(c computed) bool { return c.err != nil }); i >= 0 {
		s.note("live query did not finish", todo[i].due.Path, todo[i].err)
		s.mu.Lock()
		s.perform(s.machine.Failed(todo[i].err, due))
		s.mu.Unlock()
		return
	}

	subs := make([]*database.Subscription, len(todo)) // taken before the lock, which readers wait for
	for i := range todo {
		if o := todo[i].outcome; o != nil && o.Reads != nil {
			subs[i] = s.server.DB.Subscribe(o.Reads, ts)
		}
	}
	results := make([]Result, len(todo))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range todo {
		results[i] = Result{ID: c.due.ID, Reply: c.reply}
		if old := s.live[c.due.ID]; old != nil {
			s.server.watcher.leave(old)
			delete(s.live, c.due.ID)
		}
		q := &liveQuery{session: s, sub: subs[i]}
		if s.ended || !s.machine.has(c.due.ID) {
			if q.sub != nil {
				q.sub.Close()
			}
			continue
		}
		s.live[c.due.ID] = q
		if q.sub != nil {
			s.server.watcher.join(q)
		}
	}
	s.perform(s.machine.Computed(uint64(ts), results))
}

// runQueries runs the queries at ts, several at once.
func (s *session) runQueries(todo []computed, due Due, ts persistence.Timestamp) {
	if len(todo) == 1 {
		s.runQuery(&todo[0], due, ts)
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxConcurrent)
	for i := range todo {
		slots <- struct{}{}
		wg.Go(func() {
			s.runQuery(&todo[i], due, ts)
			<-slots
		})
	}
	wg.Wait()
}

// runQuery runs one query. A refusal of the house that would be the same next
// time is the query's failure; any other error is tried again later.
func (s *session) runQuery(c *computed, due Due, ts persistence.Timestamp) {
	c.err = wire.Recover(func() (err error) {
		c.outcome, err = s.server.Runner.Query(s.ctx, udf.Request{
			Path: c.due.Path, Component: c.due.Component, Args: c.due.Args, Caller: due.Caller, Journal: c.due.Journal,
			At: ts, IP: s.ip, UserAgent: s.agent, CallerName: callerName,
		})
		return err
	})
	if c.err == nil {
		c.reply = replyOf(c.outcome)
		return
	}
	if e, ok := apierr.As(c.err); ok && lasting(e.Kind) {
		sum := sha256.Sum256([]byte(e.Message))
		c.reply, c.outcome, c.err = &Reply{Failed: true, Message: e.Message}, nil, nil
		copy(c.reply.Hash[:], sum[:])
		return
	}
	c.err = fmt.Errorf("convexsync: query %s: %w", c.due.Path, c.err)
}
