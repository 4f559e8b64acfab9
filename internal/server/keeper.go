package server

import (
	"context"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Intervals of the keeper, who closes deployments that nobody uses and opens those
// that have something to do.
const (
	defaultIdle = 5 * time.Minute
	// expiryNotice is how long before its end a deployment that expires is a problem
	// that status tells.
	expiryNotice = 24 * time.Hour
	// expiryEvery is how often expired deployments are looked for.
	expiryEvery = time.Minute
	// retryDue is when a deployment that could not be opened for its jobs is tried again.
	retryDue = time.Minute
	// keeperRest is the longest rest, so that what is due by the clock of a machine
	// that slept is found.
	keeperRest = 30 * time.Second
)

// look makes the keeper look now.
func (f *fleet) look() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// keep keeps the fleet in order until ctx ends.
func (f *fleet) keep(ctx context.Context) {
	var looked time.Time
	for {
		if time.Since(looked) >= expiryEvery {
			looked = time.Now()
			f.finishDeletions(ctx)
			f.expire(ctx)
		}
		f.wake(ctx)
		f.closeIdle(ctx)
		rest := time.NewTimer(f.rest())
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		case <-f.kick:
			rest.Stop()
		}
	}
}

// rest is how long nothing has to be done.
func (f *fleet) rest() time.Duration {
	rest := min(keeperRest, f.server.cfg.DeploymentIdle/4)
	for _, b := range f.all() {
		b.mu.Lock()
		if b.vessel == nil && !b.due.IsZero() {
			rest = min(rest, time.Until(b.due))
		}
		b.mu.Unlock()
	}
	return max(rest, time.Millisecond)
}

// wake opens the deployments that have jobs which are due; their schedulers do the
// rest.
func (f *fleet) wake(ctx context.Context) {
	for _, b := range f.all() {
		b.mu.Lock()
		due := b.vessel == nil && !b.gone && !b.due.IsZero() && !b.due.After(time.Now())
		b.mu.Unlock()
		if !due || ctx.Err() != nil {
			continue
		}
		_, release, err := b.acquire(ctx)
		if err != nil {
			b.mu.Lock()
			b.due = time.Now().Add(retryDue)
			b.mu.Unlock()
			continue // open has logged it
		}
		release()
	}
}

// closeIdle closes deployments that nobody has used for a while, and sooner those
// that rest longest while more are open than the process has files for.
func (f *fleet) closeIdle(ctx context.Context) {
	var open []*berth
	for _, b := range f.all() {
		if !b.home && b.current() != nil {
			open = append(open, b)
		}
	}
	idle := f.server.cfg.DeploymentIdle
	lastUsed := func(b *berth) time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.used
	}
	slices.SortFunc(open, func(a, b *berth) int { return lastUsed(a).Compare(lastUsed(b)) })
	excess := len(open) - f.maxOpen()
	if f.server.data == nil {
		return // what is in memory would be lost
	}
	for i, b := range open {
		now := time.Now()
		since, ahead := now.Add(-idle), now.Add(idle)
		if i < excess {
			since, ahead = now.Add(-time.Second), now.Add(time.Second)
		}
		if err := b.closeIdle(ctx, since, ahead); err != nil && ctx.Err() == nil {
			f.server.log.Warn("idle deployment did not close well", "deployment", b.name, "err", err)
		}
	}
}

// filesOfStore is how many files an open store needs beside its tables: the log, the
// manifest, locks and directories.
const filesOfStore = 12

// maxOpen is how many deployments may be open without being used.
func (f *fleet) maxOpen() int { return max(8, f.server.files/8/filesOfStore) }

// expire deletes the deployments whose time is over, and takes in when the others'
// is.
func (f *fleet) expire(ctx context.Context) {
	all, err := f.server.platform.Deployments(ctx)
	f.mu.Lock()
	for _, d := range all {
		if b := f.berths[d.Name]; b != nil {
			b.mu.Lock()
			b.expires = d.Expires
			b.mu.Unlock()
		}
	}
	f.mu.Unlock()
	for _, d := range all {
		if d.Home || d.Expires.IsZero() || d.Expires.After(time.Now()) {
			continue
		}
		if c := &f.server.clock; c.doubted() {
			if !c.told {
				c.told = true
				f.server.log.Warn("expired deployment is not deleted yet: by the clock this house has written nothing for more than a day, and the clock may be wrong",
					"deployment", d.Name, "expired", d.Expires, "until", c.began.Add(clockWait))
			}
			continue
		}
		done, derr := f.server.platform.DeleteExpired(ctx, d.Name, time.Now())
		if derr != nil && apierr.KindOf(derr) != apierr.NotFound {
			err = derr
		}
		if !done {
			continue
		}
		f.server.log.Info("expired deployment was deleted", "deployment", d.Name, "expired", d.Expires)
	}
	if err != nil && ctx.Err() == nil {
		f.server.log.Error("expired deployments were not deleted", "err", err)
	}
}

// finishDeletions deletes what is left of deployments whose deletion was broken off, by a
// crash or by what went wrong.
func (f *fleet) finishDeletions(ctx context.Context) {
	names, err := f.server.platform.Deleting(ctx)
	for _, name := range names {
		if derr := f.server.platform.DeleteDeployment(ctx, name); derr != nil && apierr.KindOf(derr) != apierr.NotFound {
			err = derr
		}
	}
	if err != nil && ctx.Err() == nil {
		f.server.log.Error("deletion of deployments was not finished", "err", err)
	}
}
