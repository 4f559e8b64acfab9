package udf

import (
	"container/list"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// maxClockAge is how long the result of a query that looked at the clock may be
// served (convex-runtime.md §6.3: 1 + 15 + 1 s).
const maxClockAge = 17 * time.Second

// cache holds results of queries, least recently used last, and the runs that
// are under way, so that identical ones happen once.
//
// A result is kept under the query's shared key if the run did not ask who
// called. If it did, the shared key holds a mark (an entry without outcome) and
// the result is kept under a key with the caller in it.
type cache struct {
	mu      sync.Mutex
	entries map[string]*list.Element // of *cacheEntry
	order   list.List
	bytes   int64
	limit   int64
	flights map[string]*flight
}

// cacheEntry is a result, valid for every snapshot in [from, through].
type cacheEntry struct {
	key           string
	out           *Outcome // nil marks a query that asks for its caller
	from, through persistence.Timestamp
	expires       time.Time // zero: never
	size          int64
}

// flight is one run that others may wait for. The rest is set before done is closed.
type flight struct {
	done   chan struct{}
	caller string
	out    *Outcome
	err    error
}

// newCache makes a cache of so many bytes.
func newCache(limit int64) *cache {
	return &cache{entries: map[string]*list.Element{}, limit: limit, flights: map[string]*flight{}}
}

// sharedKey identifies a query apart from its caller. The arguments count as
// they are written: clients write equal arguments equally.
func (q *Request) sharedKey() string {
	var b strings.Builder
	b.Grow(len(q.Path) + len(q.Args) + 64)
	b.WriteString(strconv.FormatBool(q.internalAllowed()))
	for _, s := range [...]string{q.Component, q.Path, string(q.Args)} {
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	if q.Journal != nil {
		b.WriteByte(' ')
		b.WriteString(*q.Journal)
	}
	return b.String()
}

// entryCost is what an entry takes besides key, value and lines.
const entryCost = 600

// cost is what keeping an outcome takes.
func (o *Outcome) cost() int64 {
	if o == nil {
		return 0
	}
	n := len(o.Value)
	for _, l := range o.Logs {
		n += len(l) + 16
	}
	for _, a := range o.audits {
		n += len(a.body) + 64
	}
	return int64(n + 64*o.Reads.Intervals())
}

// find gives the entry of a key and its present range of validity. The caller holds mu.
func (c *cache) find(key string) *cacheEntry {
	el := c.entries[key]
	if el == nil {
		return nil
	}
	e := el.Value.(*cacheEntry)
	if !e.expires.IsZero() && time.Now().After(e.expires) {
		c.remove(el)
		return nil
	}
	c.order.MoveToFront(el)
	return e
}

// put keeps an outcome unless a newer one is there. The caller holds mu.
func (c *cache) put(key string, out *Outcome, at persistence.Timestamp, expires time.Time) {
	if el := c.entries[key]; el != nil {
		if e := el.Value.(*cacheEntry); out != nil && e.out != nil && e.from > at {
			return
		}
		c.remove(el)
	}
	e := &cacheEntry{key: key, out: out, from: at, through: at, expires: expires}
	e.size = int64(len(key)) + entryCost + out.cost()
	if e.size > c.limit/4 {
		return
	}
	c.entries[key] = c.order.PushFront(e)
	c.bytes += e.size
	for c.bytes > c.limit {
		c.remove(c.order.Back())
	}
}

// remove forgets an entry. The caller holds mu.
func (c *cache) remove(el *list.Element) {
	e := c.order.Remove(el).(*cacheEntry)
	delete(c.entries, e.key)
	c.bytes -= e.size
}

// lookup is what the cache says about a query: an outcome and the range it is known
// valid for, or a run to wait for, or neither, and the caller has to run it
// under the flight it was given.
type lookup struct {
	key           string
	out           *Outcome
	from, through persistence.Timestamp
	wait, own     *flight
}

// look finds an outcome or a run, or registers a new run. stale is an outcome that
// turned out not to be valid, which counts as missing.
func (c *cache) look(shared, caller string, stale *Outcome) lookup {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := lookup{key: shared}
	e := c.find(shared)
	if e != nil && e.out == nil {
		l.key = shared + "\x00" + caller
		e = c.find(l.key)
	}
	if e != nil && e.out != stale {
		l.out, l.from, l.through = e.out, e.from, e.through
		return l
	}
	if f := c.flights[l.key]; f != nil {
		l.wait = f
		return l
	}
	l.own = &flight{done: make(chan struct{}), caller: caller}
	c.flights[l.key] = l.own
	return l
}

// extend notes that an outcome was found valid at another snapshot.
func (c *cache) extend(key string, out *Outcome, at persistence.Timestamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.entries[key]; el != nil {
		if e := el.Value.(*cacheEntry); e.out == out {
			e.from, e.through = min(e.from, at), max(e.through, at)
		}
	}
}

// land ends a run: its outcome is kept if it may be, and those who wait get it.
func (c *cache) land(l lookup, shared string, out *Outcome, expires time.Time, err error) {
	f := l.own
	f.out, f.err = out, err
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, l.key)
	if err == nil && out.Failure == nil {
		if out.UsedCaller {
			c.put(shared, nil, out.TS, time.Time{})
			c.put(shared+"\x00"+f.caller, out, out.TS, expires)
		} else {
			c.put(shared, out, out.TS, expires)
		}
	}
	close(f.done)
}

// validAt tells whether an outcome known valid in [from, through] is so at a snapshot.
func validAt(db *database.DB, out *Outcome, from, through, at persistence.Timestamp) bool {
	switch {
	case at > through:
		return db.Unchanged(out.Reads, through, at)
	case at < from:
		return db.Unchanged(out.Reads, at, from)
	}
	return true
}

// Query runs a query, or answers from the cache. The error is ours or an
// *apierr.Error of the house; what user code threw is in the Outcome.
func (r *Runner) Query(ctx context.Context, q Request) (*Outcome, error) {
	if err := q.prepare(); err != nil {
		return nil, err
	}
	at, latest := q.At, r.DB.Latest()
	if at == 0 {
		at = latest
	}
	if at > latest {
		return nil, apierr.New(apierr.BadRequest, "TimestampInFuture", "The timestamp %d lies after the newest commit.", at)
	}
	if q.badAuth != nil { // results would pass for those of nobody
		out, _, err := r.runQuery(ctx, &q, at)
		if err == nil {
			err = r.auditQuery(ctx, &q, out)
		}
		return out, err
	}
	shared, caller := q.sharedKey(), q.Caller.CacheKey()
	var stale *Outcome
	for {
		l := r.cache.look(shared, caller, stale)
		switch {
		case l.out != nil:
			if !validAt(r.DB, l.out, l.from, l.through, at) {
				stale = l.out
				continue
			}
			if at < l.from || at > l.through {
				r.cache.extend(l.key, l.out, at)
			}
			hit := *l.out
			hit.TS, hit.Cached = at, true
			r.loggedHit(&q, &hit)
			return &hit, r.auditQuery(ctx, &q, &hit)
		case l.own != nil:
			out, err := r.fly(ctx, q, at, l, shared)
			if err == nil {
				err = r.auditQuery(ctx, &q, out)
			}
			return out, err
		}
		select {
		case <-l.wait.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if f := l.wait; f.err != nil {
			return nil, f.err
		} else if (f.caller == caller || !f.out.UsedCaller) && validAt(r.DB, f.out, f.out.TS, f.out.TS, at) {
			hit := *f.out
			hit.TS, hit.Cached = at, true
			r.loggedHit(&q, &hit)
			return &hit, r.auditQuery(ctx, &q, &hit)
		}
	}
}

// flightTimeout bounds a run of a query from outside, loading of the program included.
const flightTimeout = 90 * time.Second

// fly runs a query for everybody who waits for the flight. It goes on when the
// one who came first gives up.
func (r *Runner) fly(ctx context.Context, q Request, at persistence.Timestamp, l lookup, shared string) (out *Outcome, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTimeout)
	defer cancel()
	var expires time.Time
	landed := false
	defer func() {
		if !landed { // a panic passes through: nobody must wait for ever
			r.cache.land(l, shared, nil, expires, errPanicked)
		}
	}()
	out, observedTime, err := r.runQuery(ctx, &q, at)
	if observedTime {
		expires = time.Now().Add(maxClockAge)
	}
	landed = true
	r.cache.land(l, shared, out, expires, err)
	return out, err
}
