package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/database"
)

// eventPrefix is how ids of events begin.
const eventPrefix = "event_"

// waitForEvents is the longest that a reader of events waits for transactions that
// began before it.
const waitForEvents = 2 * time.Second

// chronicle gives events their ids and knows which of them may still appear.
//
// Readers go by "strictly after this id", so an event must never become visible
// behind one that was read already. Ids of one environment rise in the order in
// which they are given, whatever the clock does, but transactions commit in another:
// therefore the chronicle keeps, for every transaction that has written an event and
// has not ended, the first id it got, and readers stop below the least of these, or
// behind the newest id given so far if there is none (the horizon). A reader first
// waits for the transactions that were there before it, so that whoever has
// committed and then reads finds its own events.
//
// An id's timestamp is the event's created_at. The zero value is ready.
type chronicle struct {
	mu     sync.Mutex // leaf
	of     map[EnvironmentID]*sequence
	open   map[*recording]struct{}
	change chan struct{} // closed when events were committed; nil while nobody waits
}

// recording is one transaction that may write events.
type recording struct {
	first map[EnvironmentID]string // the least id given, over all runs of the closure
	done  chan struct{}            // made with the first event
	names []string                 // of the events of the closure's last run
}

// sequence makes ULIDs each of which is greater than all before it, also within one
// millisecond and when the clock steps back. The zero value is ready.
type sequence struct {
	last    uint64 // milliseconds
	newest  string // the id given last
	entropy *ulid.MonotonicEntropy
}

// next makes the next ULID, of the time now if that is not over.
func (s *sequence) next(now time.Time) (string, error) {
	if s.entropy == nil {
		s.entropy = ulid.Monotonic(rand.Reader, 0)
	}
	s.last = max(s.last, ulid.Timestamp(now))
	u, err := ulid.New(s.last, s.entropy)
	if err != nil { // the random part overflowed: borrow from the next millisecond
		s.last++
		if u, err = ulid.New(s.last, s.entropy); err != nil {
			return "", fmt.Errorf("identity: make id: %w", err)
		}
	}
	return u.String(), nil
}

// rising is a sequence for nouns whose newest must be the last. The zero value is
// ready.
type rising struct {
	mu  sync.Mutex // leaf
	seq sequence
}

// next makes the next ULID.
func (r *rising) next() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq.next(time.Now())
}

// next makes an id for an event of r in an environment whose clock shows now.
func (c *chronicle) next(r *recording, env EnvironmentID, now time.Time) (id string, at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of[env]
	if s == nil {
		s = c.begin(env, &sequence{})
	}
	u, err := s.next(now)
	if err != nil {
		return "", time.Time{}, err
	}
	id = eventPrefix + u
	s.newest = id
	if r.first == nil {
		r.first, r.done = map[EnvironmentID]string{}, make(chan struct{})
		c.open[r] = struct{}{}
	}
	if _, ok := r.first[env]; !ok {
		r.first[env] = id
	}
	return id, ulid.Time(s.last).UTC(), nil
}

// seed tells of an event that an earlier process wrote.
func (c *chronicle) seed(env EnvironmentID, id EventID) {
	u, err := ulid.ParseStrict(strings.TrimPrefix(string(id), eventPrefix))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// The random part of that id is somewhere in its millisecond; begin after it.
	c.begin(env, &sequence{last: u.Time() + 1, newest: string(id)})
}

// begin puts the sequence of an environment; c.mu is held.
func (c *chronicle) begin(env EnvironmentID, s *sequence) *sequence {
	if c.of == nil {
		c.of, c.open = map[EnvironmentID]*sequence{}, map[*recording]struct{}{}
	}
	c.of[env] = s
	return s
}

// end notes that r's transaction is over.
func (c *chronicle) end(r *recording, committed bool) {
	if r.first == nil {
		return
	}
	c.mu.Lock()
	delete(c.open, r)
	change := c.change
	if committed {
		c.change = nil
	}
	c.mu.Unlock()
	close(r.done)
	if committed && change != nil {
		close(change)
	}
}

// horizon waits for the transactions that are writing events of the environment now
// and gives what readers must stop below. Begin the reading transaction afterwards.
func (c *chronicle) horizon(ctx context.Context, env EnvironmentID) (string, error) {
	c.mu.Lock()
	var wait []*recording
	for r := range c.open {
		if r.first[env] != "" {
			wait = append(wait, r)
		}
	}
	c.mu.Unlock()
	if len(wait) > 0 {
		t := time.NewTimer(waitForEvents)
		defer t.Stop()
		for _, r := range wait {
			select {
			case <-r.done:
				continue
			case <-ctx.Done():
				return "", ctx.Err()
			case <-t.C:
			}
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of[env]
	if s == nil {
		return eventPrefix, nil // there are none
	}
	least := s.newest + "~" // just behind it: all ids have the same length
	for r := range c.open {
		if id := r.first[env]; id != "" {
			least = min(least, id)
		}
	}
	return least, nil
}

// changed is closed when events are next committed.
func (c *chronicle) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.change == nil {
		c.change = make(chan struct{})
	}
	return c.change
}

// EventsRecorded returns a channel that is closed when events are next committed, in
// any environment. Ask for it before looking at what there is.
func (s *Service) EventsRecorded() <-chan struct{} { return s.events.changed() }

// seedEvents lets ids of events rise beyond those of earlier processes.
func (s *Service) seedEvents(ctx context.Context) error {
	return s.View(ctx, func(tx *Tx) error {
		envs, err := tx.Environments()
		if err != nil {
			return err
		}
		for _, e := range envs {
			err := tx.Each(tableEvents, "on_environment", database.Prefix(key(string(e.ID))), database.Desc, func(f Found) (bool, error) {
				s.events.seed(e.ID, EventID(f.Text("id")))
				return false, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
