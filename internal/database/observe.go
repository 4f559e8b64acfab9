package database

import (
	"context"
	"sync"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// Observed collects what the Views under a context read, of however many
// databases, so that whoever showed it to a person learns when it has changed.
type Observed struct {
	mu   sync.Mutex
	seen []sight
}

// sight is what one View read.
type sight struct {
	db    *DB
	reads *ReadSet
	at    persistence.Timestamp
}

// observedKey is the context key of an *Observed.
type observedKey struct{}

// maxSights bounds what one Observed remembers; what reads more than that is told
// to look again at once, which is safe and only slow.
const maxSights = 10_000

// Observe gives a context under which every View is noted.
func Observe(ctx context.Context) (context.Context, *Observed) {
	o := &Observed{}
	return context.WithValue(ctx, observedKey{}, o), o
}

// observe notes what a transaction read, if somebody observes. It does so also
// where the View failed: what was not found may appear.
func observe(ctx context.Context, tx *Tx) {
	o, _ := ctx.Value(observedKey{}).(*Observed)
	if o == nil {
		return
	}
	reads := tx.Reads()
	if reads.Empty() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.seen) <= maxSights {
		o.seen = append(o.seen, sight{tx.db, reads, tx.Snapshot()})
	}
}

// Changed gives a channel that is closed once anything that was seen so far has
// changed. Call stop when it is not waited for any more.
func (o *Observed) Changed() (changed <-chan struct{}, stop func()) {
	o.mu.Lock()
	seen := o.seen
	o.mu.Unlock()
	out := make(chan struct{})
	if len(seen) > maxSights {
		close(out)
		return out, func() {}
	}
	over := make(chan struct{})
	first := sync.OnceFunc(func() { close(out) })
	subs := make([]*Subscription, len(seen))
	var wg sync.WaitGroup
	for i, s := range seen {
		subs[i] = s.db.Subscribe(s.reads, s.at)
		wg.Go(func() {
			select {
			case <-subs[i].Done():
				first()
			case <-over:
			}
		})
	}
	return out, sync.OnceFunc(func() {
		close(over)
		wg.Wait()
		for _, s := range subs {
			s.Close()
		}
	})
}
