package archive

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Waits after a failure: the first, and the longest.
const (
	firstRetry   = 2 * time.Second
	longestRetry = 2 * time.Minute
)

// glance is how often a house that ships rarely is looked after in between.
const glance = 15 * time.Second

// Run backs up until ctx ends, then once more what is left, for as long as parting
// lasts. What goes wrong is told by State and tried again: a backup that cannot be made
// does not stop a house.
func (a *Archiver) Run(ctx context.Context) error {
	if err := a.prepare(); err != nil {
		return err
	}
	defer a.letGo()
	keeper, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	jobs := make(chan *job, 1)
	results := make(chan error, 1)
	go func() {
		defer close(ended)
		a.keep(keeper, jobs, results)
	}()
	defer func() {
		stop()
		<-ended
		for {
			select {
			case j := <-jobs:
				j.end()
				continue
			default:
			}
			return
		}
	}()
	tick := time.NewTicker(min(a.Every, glance))
	defer tick.Stop()
	var s schedule
	for {
		a.turn(ctx, &s, jobs)
		select {
		case <-ctx.Done():
			a.part(ctx, &s)
			return nil
		case err := <-results:
			s.finished(a, err)
		case q := <-a.asked():
			s.next = time.Time{}
			if q.base {
				s.baseNext = time.Time{}
			}
			a.tell(func(st *State) { st.Failing, st.Problem = time.Time{}, "" })
			a.shipped = time.Time{} // a heartbeat is due
			q.heard <- a.State()
		case <-tick.C:
		}
	}
}

// ask wants a backup at once.
type ask struct {
	base  bool
	heard chan State // gets how it stood when Run has heard it
}

// asked is where Run hears.
func (a *Archiver) asked() chan ask {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asks == nil {
		a.asks = make(chan ask)
	}
	return a.asks
}

// Now has Run back up everything at once, and make a base if that is wanted, and returns
// when that is done, or failed.
func (a *Archiver) Now(ctx context.Context, base bool, doing func(string)) (Done, error) {
	q := ask{base, make(chan State, 1)}
	d := Done{Depot: a.Depot.String()}
	select {
	case a.asked() <- q:
	case <-ctx.Done():
		return d, context.Cause(ctx)
	}
	before := <-q.heard
	d.First = before.Base.IsZero()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for said := time.Now(); ; {
		st := a.State()
		switch {
		case !st.Failing.IsZero():
			return d, errors.New(st.Problem)
		// Not by the clock, which may have been set back: a heartbeat was due, and a base that
		// has begun since lies behind all that was backed up.
		case st.Segments > before.Segments && !st.Through.IsZero() && (!base || st.Base.After(before.Through)):
			d.Through, d.Bytes = st.Through, st.Bytes-before.Bytes
			if st.Base != before.Base {
				d.Base = &st.Newest
			}
			return d, partly(st.partial)
		case st.Doing != "" && time.Since(said) > time.Second:
			said = time.Now()
			doing(st.Doing)
		}
		select {
		case <-ctx.Done():
			return d, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// schedule is when things are due.
type schedule struct {
	opened   bool
	next     time.Time // of a segment, or of the next try
	wait     time.Duration
	making   bool      // a base is being made
	baseNext time.Time // zero: at once, which is what somebody asks for
	baseErr  error     // why the last one was not made
}

// partly says what a backup was left without, if it was without anything.
func partly(broken error) error {
	if broken == nil {
		return nil
	}
	return fmt.Errorf("all but this is backed up: %w", broken)
}

// turn does what is due.
func (a *Archiver) turn(ctx context.Context, s *schedule, jobs chan<- *job) {
	a.pauseAll()
	if time.Now().Before(s.next) || ctx.Err() != nil {
		return
	}
	err := a.step(ctx, s, jobs)
	if errors.Is(err, errChain) {
		a.Log.Warn("backup begins anew", "err", err)
		a.note.Chain = 0
	}
	if err == nil {
		s.wait, s.next = 0, time.Now().Add(a.Every)
		switch {
		case s.making && a.State().Base.IsZero(): // nothing is backed up yet
		case a.broken != nil:
			a.failed(partly(a.broken))
		case s.baseErr == nil:
			a.tell(func(st *State) { st.Failing, st.Problem = time.Time{}, "" })
		}
		return
	}
	if ctx.Err() != nil {
		return
	}
	s.wait = min(max(2*s.wait, firstRetry), longestRetry)
	s.next = time.Now().Add(s.wait)
	a.failed(err)
}

// step opens the depot if need be, begins a chain or a base if one is due, and ships.
func (a *Archiver) step(ctx context.Context, s *schedule, jobs chan<- *job) error {
	if !s.opened {
		if err := a.open(ctx); err != nil {
			return err
		}
		s.opened, s.baseNext = true, a.State().Base.Add(a.BaseEvery)
	}
	if fresh := a.note.Chain == 0; !s.making && (fresh || time.Now().After(s.baseNext)) {
		j, err := a.begin(ctx, fresh)
		if err != nil {
			return err
		}
		s.making, s.baseNext = true, time.Now().Add(a.BaseEvery)
		jobs <- j // nothing else is there: only one is made at a time
	}
	if a.note.Chain == 0 {
		return nil // the base that is being made is of the chain before
	}
	return a.ship(ctx, false)
}

// finished takes note of how the making of a base ended.
func (s *schedule) finished(a *Archiver, err error) {
	s.making, s.baseErr = false, err
	if err == nil {
		if !s.baseNext.IsZero() { // else another was asked for while this one was made
			s.baseNext = time.Now().Add(a.BaseEvery)
		}
		a.shipped, s.next = time.Time{}, time.Time{} // it may be the first that counts
		if err := a.saveNote(); err != nil {
			a.failed(err)
		}
		return
	}
	a.failed(fmt.Errorf("base: %w", err))
	s.baseNext = time.Now().Add(longestRetry)
	if a.State().Base.IsZero() {
		a.note.Chain = 0 // a chain without a base is none
		s.next = time.Now().Add(firstRetry)
	}
}

// failed tells that something went wrong.
func (a *Archiver) failed(err error) {
	a.tell(func(st *State) {
		if st.Failing.IsZero() {
			st.Failing = time.Now()
			a.Log.Warn("backup failed, is tried again", "depot", st.Depot, "err", err)
		}
		st.Problem = err.Error()
	})
}

// parting is how long a house that stops waits for what is left to be backed up.
const parting = 5 * time.Second

// part ships what is left when the house stops, or says that nothing is: every moment
// until then can be restored, also those in which nothing happened. A depot that is away
// is not waited for to hear that.
func (a *Archiver) part(ctx context.Context, s *schedule) {
	if !s.opened || a.note.Chain == 0 {
		return
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if err := a.ship(end, a.State().Failing.IsZero()); err != nil {
		a.Log.Warn("the last commits are not backed up yet; they are when the house starts again", "err", err)
	}
}

// keep makes bases as they come, and tidies up after each and every hour.
func (a *Archiver) keep(ctx context.Context, jobs <-chan *job, results chan<- error) {
	hour := time.NewTicker(mergeEvery)
	defer hour.Stop()
	var last *job
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			_, err := a.base(ctx, j)
			j.end()
			if last = j; ctx.Err() != nil {
				return
			}
			results <- err
			if err != nil {
				continue
			}
		case <-hour.C:
		}
		if last == nil {
			continue
		}
		t := tidy{v: last.v, house: a.House.ID(), chain: last.chain, keep: a.Keep, now: time.Now(), settle: func(ctx context.Context) error { return a.passed(ctx, time.Now()) }}
		if err := t.run(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("old backups not tidied up", "err", err)
		}
	}
}

// passed waits until a moment is backed up.
func (a *Archiver) passed(ctx context.Context, t time.Time) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for !a.State().Through.After(t) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// Done is what one backup did.
type Done struct {
	Depot   string    `json:"depot"`
	Through time.Time `json:"through"`
	// Base is what a new base has; nil if only commits were shipped.
	Base  *Summary `json:"base,omitempty"`
	Bytes int64    `json:"bytes"` // of segments
	First bool     `json:"first"` // an unbroken history begins here
}

// Once backs up everything up to now: the commits since the last time, where that is
// possible, and a base if one is due.
func (a *Archiver) Once(ctx context.Context) (Done, error) {
	if err := a.prepare(); err != nil {
		return Done{}, err
	}
	defer func() { a.letGo() }()
	d := Done{Depot: a.Depot.String()}
	if err := a.open(ctx); err != nil {
		return d, err
	}
	if a.note.Chain != 0 {
		if err := a.ship(ctx, true); errors.Is(err, errChain) {
			a.note.Chain = 0
		} else if err != nil {
			return d, err
		}
	}
	d.Bytes = a.State().Bytes
	if d.First = a.note.Chain == 0; d.First || time.Since(a.State().Base) >= a.BaseEvery {
		j, err := a.begin(ctx, d.First)
		if err != nil {
			return d, err
		}
		sum, err := a.base(ctx, j)
		j.end()
		if err != nil {
			return d, err
		}
		d.Base = &sum
		if len(j.broken) > 0 {
			a.broken = j.broken
		}
		if !d.First {
			if err := a.ship(ctx, true); err != nil {
				return d, err
			}
		}
	}
	if err := a.saveNote(); err != nil {
		return d, err
	}
	t := tidy{v: a.vault, house: a.House.ID(), chain: a.note.Chain, keep: a.Keep, now: time.Now(), settle: func(context.Context) error { return nil }}
	if err := t.run(ctx); err != nil {
		return d, fmt.Errorf("everything is backed up, but old backups are not tidied up: %w", err)
	}
	d.Through = a.through.Time()
	return d, partly(a.broken)
}
