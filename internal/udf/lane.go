package udf

import (
	"context"
	"slices"
	"sync"
)

// lanes order the mutations that conflict. A lane has a name: what the calls that
// clash have in common, mostly a value of their arguments (see heat), else the
// function. One that lost waits its turn behind the others of its lanes, so that
// they do not go on defeating each other; one that loses again in its turn holds
// back newcomers of its function until it has committed, and one that loses
// further those of all functions. Calls that do not conflict never notice.
type lanes struct {
	mu    sync.Mutex
	lanes map[string]*lane
	held  map[string]*held // functions whose newcomers wait; everybody for all
}

// lane is one queue; users is guarded by lanes.mu.
type lane struct {
	turn  chan struct{} // holds one token: whose turn it is; Go's channels are fair
	users int           // in the lane, waiting or running
}

// held is why newcomers wait.
type held struct {
	opened  chan struct{} // closed when they may go on
	holders int
}

// everybody is the name under which newcomers of all functions are held back.
const everybody = ""

// pass waits while newcomers of a function are held back.
func (ls *lanes) pass(ctx context.Context, function string) error {
	for {
		ls.mu.Lock()
		h := ls.held[everybody]
		if h == nil {
			h = ls.held[function]
		}
		ls.mu.Unlock()
		if h == nil {
			return nil
		}
		select {
		case <-h.opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// enter waits for a turn in each of some lanes. They are taken in the order of
// their names, whoever takes them, so that nobody waits in a circle. Unless it
// fails, leave with the same names must follow.
func (ls *lanes) enter(ctx context.Context, names []string) error {
	slices.Sort(names)
	for i, name := range names {
		l := ls.join(name)
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			ls.forget(name)
			ls.leave(names[:i])
			return ctx.Err()
		}
	}
	return nil
}

// join gives the lane of a name and counts a user of it.
func (ls *lanes) join(name string) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.lanes[name]
	if l == nil {
		if ls.lanes == nil {
			ls.lanes = map[string]*lane{}
		}
		l = &lane{turn: make(chan struct{}, 1)}
		ls.lanes[name] = l
	}
	l.users++
	return l
}

// crowded tells whether more than one is in a lane.
func (ls *lanes) crowded(name string) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.lanes[name]
	return l != nil && l.users > 1
}

// leave ends a turn in each of some lanes.
func (ls *lanes) leave(names []string) {
	for _, name := range names {
		ls.mu.Lock()
		l := ls.lanes[name]
		ls.mu.Unlock()
		<-l.turn
		ls.forget(name)
	}
}

// forget counts one user less and drops the lane with the last.
func (ls *lanes) forget(name string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.lanes[name]
	if l.users--; l.users == 0 {
		delete(ls.lanes, name)
	}
}

// hold holds back newcomers of a function, or of all; release must follow.
func (ls *lanes) hold(function string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	h := ls.held[function]
	if h == nil {
		if ls.held == nil {
			ls.held = map[string]*held{}
		}
		h = &held{opened: make(chan struct{})}
		ls.held[function] = h
	}
	h.holders++
}

// release ends a hold.
func (ls *lanes) release(function string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	h := ls.held[function]
	if h.holders--; h.holders == 0 {
		close(h.opened)
		delete(ls.held, function)
	}
}
