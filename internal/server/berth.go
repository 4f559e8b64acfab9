package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/deployment"
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

	mu     sync.Mutex // guards the rest
	vessel *vessel    // what is open; nil when closed
	moving chan struct{}
	uses   int       // requests and callers that hold it open
	used   time.Time // when the last of them went
	gone   bool      // the deployment was deleted
	fault  error     // why it could not be opened, or stopped
	faulty time.Time // since when
}

// vessel is an open deployment with what answers for it.
type vessel struct {
	deployment *deployment.Deployment
	sync       *convexsync.Server
	functions  http.Handler
	site       http.Handler
	stop       func() // ends what runs beside requests, and waits for it
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
func (b *berth) release() {
	b.mu.Lock()
	b.uses--
	b.used = time.Now()
	b.mu.Unlock()
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

// broken is the answer of a deployment that cannot be opened. Call it with mu held.
func (b *berth) broken() error {
	return apierr.New(apierr.Unavailable, "DeploymentUnavailable",
		"The deployment %s cannot be opened: %v. Others of this house are not affected; lentil status tells more.", b.name, b.fault).Wrap(b.fault)
}

// open fills the berth and tells who waits. moving is set.
func (b *berth) open(ctx context.Context) {
	v, err := b.fleet.launch(ctx, b)
	if err != nil {
		b.fleet.server.log.Error("deployment could not be opened", "deployment", b.name, "err", err)
	}
	b.mu.Lock()
	b.vessel, b.used = v, time.Now()
	b.setFault(err)
	b.settle()
	b.mu.Unlock()
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

// close empties the berth, whoever is using it; fault says why, nil if it was wanted.
func (b *berth) close(ctx context.Context, fault error) error {
	for {
		b.mu.Lock()
		if b.moving == nil {
			break
		}
		wait := b.moving
		b.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	v := b.vessel
	if v == nil {
		b.mu.Unlock()
		return nil
	}
	b.vessel, b.moving = nil, make(chan struct{})
	b.mu.Unlock()
	err := v.close(ctx)
	b.mu.Lock()
	b.setFault(fault)
	b.settle()
	b.mu.Unlock()
	return err
}

// close lets what runs finish, and closes the deployment.
func (v *vessel) close(ctx context.Context) error {
	calls, cancel := context.WithTimeout(ctx, drainTime)
	v.sync.Wait(calls)
	cancel()
	v.stop()
	return v.deployment.Close()
}

// serve answers for the deployment on one of its addresses.
func (b *berth) serve(pick func(*vessel) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, release, err := b.acquire(r.Context())
		if err != nil {
			refuse(w, r, err)
			return
		}
		defer release()
		pick(v).ServeHTTP(w, r)
	})
}

// functions and site are the two addresses of a deployment.
func (b *berth) functions() http.Handler {
	return b.serve(func(v *vessel) http.Handler { return v.functions })
}

func (b *berth) site() http.Handler {
	return b.serve(func(v *vessel) http.Handler { return v.site })
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
