package convexsync

import (
	"sync"

	"github.com/lentil-dev/lentil/internal/database"
)

// liveQuery is what a connection keeps of a query's last result: what tells
// when it no longer holds.
type liveQuery struct {
	session *session
	sub     *database.Subscription // nil if the result depends on nothing
	group   *group                 // guarded by watcher.mu
	place   int                    // in group.members; guarded by watcher.mu
}

// current tells whether the result still holds at every timestamp that was
// visible before the call. It asks the database rather than the channel, because
// a write becomes visible a moment before the channels of those it met are closed.
func (q *liveQuery) current() bool { return q.sub == nil || q.sub.Current() }

// watcher waits for the read sets of live queries. All connections that wait
// for one read set share a goroutine, so that a thousand subscribers of a query
// cost one, and their wake-up one pass over a list.
type watcher struct {
	mu     sync.Mutex
	groups map[<-chan struct{}]*group
}

// group is everybody who waits for one channel.
type group struct {
	done    <-chan struct{}
	members []*liveQuery
	quit    chan struct{} // closed when the last member leaves
}

// join begins watching; the session is told once when the read set is met.
func (w *watcher) join(q *liveQuery) {
	done := q.sub.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.groups[done]
	if g == nil {
		g = &group{done: done, quit: make(chan struct{})}
		if w.groups == nil {
			w.groups = map[<-chan struct{}]*group{}
		}
		w.groups[done] = g
		go w.wait(g)
	}
	q.group, q.place = g, len(g.members)
	g.members = append(g.members, q)
}

// leave ends watching.
func (w *watcher) leave(q *liveQuery) {
	if q.sub == nil {
		return
	}
	q.sub.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	g := q.group
	if g == nil {
		return
	}
	q.group = nil
	last := len(g.members) - 1
	g.members[q.place] = g.members[last]
	g.members[q.place].place = q.place
	g.members[last] = nil
	g.members = g.members[:last]
	if last == 0 {
		delete(w.groups, g.done)
		close(g.quit)
	}
}

// wait tells the members of a group when their channel closes.
func (w *watcher) wait(g *group) {
	select {
	case <-g.quit:
		return
	case <-g.done:
	}
	w.mu.Lock()
	members := g.members
	g.members = nil
	for _, q := range members {
		q.group = nil
	}
	if w.groups[g.done] == g {
		delete(w.groups, g.done)
	}
	w.mu.Unlock()
	for _, q := range members {
		q.session.invalidated()
	}
}
