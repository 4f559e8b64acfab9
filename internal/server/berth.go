package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/wire"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// berth is a deployment's place in the fleet. It is there as long as the deployment
// has a row; what lies in it comes and goes.
type berth struct {
	fleet *fleet
	name  string
	home  bool
	// sockets are the deployment's own listeners, for functions and for HTTP actions;
	// none where it is addressed by host name.
	sockets []*socket
	traffic [2]traffic // of functions and of HTTP actions

	mu      sync.Mutex // guards the rest
	vessel  *vessel    // what is open; nil when closed
	moving  chan struct{}
	opened  int64                 // how often a vessel came
	newest  persistence.Timestamp // of what was committed when the last one went; 0: unknown
	uses    int                   // requests and callers that hold it open
	used    time.Time             // when the last of them went
	expires time.Time             // when it will be deleted; zero for never
	due     time.Time             // when it must be opened for a job; zero for never, or while open
	drained chan struct{}         // closed when the last of them goes, if somebody waits for it
	gone    bool                  // the deployment was deleted, or the house has closed
	fault   error                 // why it could not be opened, or stopped
	faulty  time.Time             // since when
}

// vessel is an open deployment with what answers for it.
type vessel struct {
	deployment *deployment.Deployment
	sync       *convexsync.Server
	functions  http.Handler
	site       http.Handler
	stop       func()          // ends what runs beside requests, and waits for it
	ending     context.Context //nolint:containedctx // ends when requests must, by cut
	cut        context.CancelFunc
}

// faultPause is how long a deployment that cannot be opened is not tried again.
const faultPause = 5 * time.Second

// acquire gives what is open, opening it if need be, and holds it open until release
// is called.
func (b *berth) acquire(ctx context.Context) (v *vessel, release func(), err error) {
	for {
		b.mu.Lock()
		switch {
		case b.gone:
			b.mu.Unlock()
			return nil, nil, apierr.New(apierr.NotFound, "DeploymentNotFound", "The deployment %s was deleted.", b.name)
		case b.moving != nil:
			wait := b.moving
			b.mu.Unlock()
			select {
			case <-wait:
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
		case b.vessel != nil:
			v = b.vessel
			b.uses++
			b.mu.Unlock()
			return v, sync.OnceFunc(b.release), nil
		case b.fault != nil && time.Since(b.faulty) < faultPause:
			err := b.broken()
			b.mu.Unlock()
			return nil, nil, err
		default:
			b.moving = make(chan struct{})
			b.mu.Unlock()
			// Others wait for the same opening, so that it must not end with this caller.
			go b.open(context.WithoutCancel(ctx))
		}
	}
}

// release gives back what acquire gave.
func (b *berth) release() { b.drop(true) }

// drop ends one use; touched says that it counts as one.
func (b *berth) drop(touched bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uses--; touched {
		b.used = time.Now()
	}
	if b.uses == 0 && b.drained != nil {
		close(b.drained)
		b.drained = nil
	}
}

// peek gives what is open, if anything is, and keeps it from being closed as long as
// somebody looks at it; nil if nothing is.
func (b *berth) peek() (v *vessel, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vessel == nil || b.moving != nil {
		return nil, func() {}
	}
	b.uses++
	return b.vessel, sync.OnceFunc(func() { b.drop(false) })
}

// inspect is acquire for what must not keep a deployment open that nobody uses.
func (b *berth) inspect(ctx context.Context) (v *vessel, release func(), err error) {
	v, _, err = b.acquire(ctx)
	return v, sync.OnceFunc(func() { b.drop(false) }), err
}

// hold is inspect for what was seen open before: archive.ErrClosed if it has been closed
// since.
func (b *berth) hold(ctx context.Context, seen *vessel) (v *vessel, release func(), err error) {
	if err := b.begin(ctx); err != nil {
		return nil, nil, err
	}
	defer b.mu.Unlock()
	if b.vessel != seen {
		return nil, nil, archive.ErrClosed
	}
	b.uses++
	return seen, sync.OnceFunc(func() { b.drop(false) }), nil
}

// reason is why the berth is empty; err if that is not known.
func (b *berth) reason(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		return b.fault
	}
	return err
}

// broken is the answer of a deployment that cannot be opened. The reason names files of
// the house, which are nobody else's business. Call it with mu held.
func (b *berth) broken() error {
	return apierr.New(apierr.Unavailable, "DeploymentUnavailable",
		"The deployment %s cannot be opened; others of this house are not affected. Whoever runs the house finds the reason in its log and by lentil status.", b.name).Wrap(b.fault)
}

// open fills the berth and tells who waits. moving is set.
func (b *berth) open(ctx context.Context) {
	v, err := b.fleet.launch(ctx, b)
	if err != nil {
		b.fleet.server.log.Error("deployment could not be opened", "deployment", b.name, "err", err)
	}
	b.mu.Lock()
	b.vessel, b.used = v, time.Now()
	if err == nil {
		b.due = time.Time{}
	} else if retry := time.Now().Add(retryDue); !b.due.IsZero() && b.due.Before(retry) {
		b.due = retry // what it must be opened for waits still
	}
	b.opened++
	if half := (*unprepared)(nil); errors.As(err, &half) {
		b.newest = 0
	}
	b.setFault(err)
	b.settle()
	b.mu.Unlock()
}

// lay puts in what is being opened; nobody uses it before settle.
func (b *berth) lay(v *vessel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vessel = v
}

// setFault notes why the berth is empty, or that it need not be. Call it with mu held.
func (b *berth) setFault(err error) {
	b.fault, b.faulty = err, time.Time{}
	if err != nil {
		b.faulty = time.Now()
	}
}

// settle ends an opening or closing. Call it with mu held.
func (b *berth) settle() {
	close(b.moving)
	b.moving = nil
}

// begin starts to move the berth, when nobody else does. The lock is held if err is nil.
func (b *berth) begin(ctx context.Context) error {
	for {
		b.mu.Lock()
		if b.moving == nil {
			return nil
		}
		wait := b.moving
		b.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close empties the berth, whoever is using it; fault says why, nil if it was wanted.
func (b *berth) close(ctx context.Context, fault error) error {
	if err := b.begin(ctx); err != nil {
		return err
	}
	v := b.vessel
	if v == nil {
		b.mu.Unlock()
		return nil
	}
	b.moving = make(chan struct{})
	b.mu.Unlock()
	return b.empty(ctx, v, fault)
}

// empty closes what is open. moving is set.
func (b *berth) empty(ctx context.Context, v *vessel, fault error) error {
	b.mu.Lock()
	gone := b.gone
	b.mu.Unlock()
	calls, cancel := context.WithTimeout(ctx, drainTime)
	var due time.Time
	if gone {
		v.sync.Dismiss(calls, "The deployment "+b.name+" was deleted.")
		v.stop()
	} else {
		v.sync.Wait(calls)
		v.stop()
		due = b.fleet.note(ctx, b, v)
	}
	drained := b.home || b.drain(calls, v)  // home is held by the house itself, to its end
	drained = drained && calls.Err() == nil // else sockets may have calls that run still
	cancel()
	newest := v.deployment.DB.Latest()
	err := v.deployment.Close()
	if err != nil || !drained {
		newest = 0 // a request may have committed still
	}
	b.mu.Lock()
	b.vessel, b.due, b.newest = nil, due, newest
	b.setFault(fault)
	b.settle()
	b.mu.Unlock()
	return err
}

// drain ends the requests that still run, and waits for them until ctx ends; false if
// some go on.
func (b *berth) drain(ctx context.Context, v *vessel) bool {
	v.cut()
	b.mu.Lock()
	if b.uses == 0 {
		b.mu.Unlock()
		return true
	}
	drained := make(chan struct{})
	b.drained = drained
	b.mu.Unlock()
	select {
	case <-drained:
		return true
	case <-ctx.Done():
		b.fleet.server.log.Warn("deployment was closed under requests that did not end", "deployment", b.name)
		return false
	}
}

// closeIdle empties the berth if nobody has used it since a time and nothing goes on
// in it, nor will before ahead.
func (b *berth) closeIdle(ctx context.Context, since, ahead time.Time) error {
	b.mu.Lock()
	v := b.vessel
	// A socket is counted before its request lets go of the berth.
	if v == nil || b.moving != nil || b.uses > 0 || b.used.After(since) || v.sync.Busy() {
		b.mu.Unlock()
		return nil
	}
	b.moving = make(chan struct{})
	b.mu.Unlock()
	idle, due, err := v.deployment.Idle(ctx)
	if err != nil || !idle || !due.IsZero() && due.Before(ahead) {
		b.mu.Lock()
		b.settle()
		b.mu.Unlock()
		return err
	}
	return b.empty(ctx, v, nil)
}

// serve answers for the deployment on one of its addresses.
func (b *berth) serve(pick func(*vessel) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, release, err := b.acquire(r.Context())
		if err == nil && b.crowded() {
			release()
			err = errCrowded
		}
		if err != nil {
			refuse(w, r, err)
			return
		}
		defer release()
		if !b.home { // which is never closed under its requests
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(v.ending, cancel)()
			r = r.WithContext(ctx)
		}
		pick(v).ServeHTTP(w, r)
	})
}

// errCrowded is the answer of a deployment that takes more than its part of the house.
var errCrowded = apierr.New(apierr.Overloaded, "TooManyConcurrentRequests",
	"This deployment is answering as many requests as it may. Try again in a moment.")

// crowded says whether the deployment answers so many requests that none would be
// left for the others of the house.
func (b *berth) crowded() bool {
	if b.fleet.alone.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	limit := b.fleet.server.cfg.Limits.Requests
	return b.uses > max(1, limit-limit/8)
}

// functions and site are the two addresses of a deployment.
func (b *berth) functions() http.Handler {
	return b.traffic[0].counted(b.serve(func(v *vessel) http.Handler { return v.functions }))
}

func (b *berth) site() http.Handler {
	return b.traffic[1].counted(b.serve(func(v *vessel) http.Handler { return v.site }))
}

// refuse answers for a deployment that does not answer itself, in its words.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := apierr.As(err)
	if !ok {
		if errors.Is(err, context.Canceled) {
			return // nobody is there any more
		}
		e = apierr.New(apierr.Internal, "InternalServerError", "Your request couldn't be completed. Try again later.")
	}
	writeRefusal(w, r, wire.Status(e.Kind), e.Code, e.Message)
}
