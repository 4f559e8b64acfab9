package udf

import (
	"context"
	"sync"
)

// lanes order the mutations that conflict, by function. One that lost once waits its
// turn behind the others that did, so that they do not go on defeating each
// other; one that loses again in its turn holds back newcomers until it has
// committed. Functions that do not conflict never notice.
type lanes struct {
	mu    sync.Mutex
	lanes map[string]*lane
}

// lane is the queue of one function. Its fields other than turn are guarded by lanes.mu.
type lane struct {
	turn   chan struct{} // holds one token: whose turn it is
	users  int           // in the lane, waiting or running
	opened chan struct{} // closed when newcomers may go on; nil while they may
}

// pass waits while newcomers of a function are held back.
func (ls *lanes) pass(ctx context.Context, path string) error {
	for {
		ls.mu.Lock()
		var opened chan struct{}
		if l := ls.lanes[path]; l != nil {
			opened = l.opened
		}
		ls.mu.Unlock()
		if opened == nil {
			return nil
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// enter waits for a turn in the lane of a function. Unless it fails, leave must follow.
func (ls *lanes) enter(ctx context.Context, path string) error {
	ls.mu.Lock()
	l := ls.lanes[path]
	if l == nil {
		if ls.lanes == nil {
			ls.lanes = map[string]*lane{}
		}
		l = &lane{turn: make(chan struct{}, 1)}
		ls.lanes[path] = l
	}
	l.users++
	ls.mu.Unlock()
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		ls.mu.Lock()
		ls.forget(path, l)
		ls.mu.Unlock()
		return ctx.Err()
	}
}

// hold holds back newcomers until the one whose turn it is leaves.
func (ls *lanes) hold(path string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.lanes[path]; l.opened == nil {
		l.opened = make(chan struct{})
	}
}

// leave ends a turn.
func (ls *lanes) leave(path string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.lanes[path]
	if l.opened != nil {
		close(l.opened)
		l.opened = nil
	}
	<-l.turn
	ls.forget(path, l)
}

// forget counts one user less and drops the lane with the last. The caller holds mu.
func (ls *lanes) forget(path string, l *lane) {
	if l.users--; l.users == 0 {
		delete(ls.lanes, path)
	}
}
