package platform

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// deleteTime bounds a deletion that was begun: most of it is waiting for requests to end
// and removing files.
const deleteTime = 2 * time.Minute

// errNotDue means that a deployment is not to be deleted any more.
var errNotDue = errors.New("platform: the deployment's time is not over")

// DeleteDeployment removes a deployment with all that it has stored, its keys, and
// its identity environment with the users in it. The home deployment stays. Its name is
// not given again: derived keys and backups know deployments by name.
//
// The row is marked first, so that nobody opens the deployment any more, and goes
// last: what a crash leaves half done is found by it (Deleting). A deletion that was
// begun goes on when ctx ends: who has asked may have gone.
func (s *Service) DeleteDeployment(ctx context.Context, name string) error {
	return s.deleteIf(ctx, name, func(*Deployment) bool { return true })
}

// DeleteExpired is DeleteDeployment for one whose time is over at now; false if it is
// not: somebody has given it more time since it was looked at.
func (s *Service) DeleteExpired(ctx context.Context, name string, now time.Time) (bool, error) {
	err := s.deleteIf(ctx, name, func(d *Deployment) bool { return d.over(now) })
	if errors.Is(err, errNotDue) {
		return false, nil
	}
	return err == nil, err
}

// over says whether a deployment's time is over. That of the home one never is.
func (d *Deployment) over(now time.Time) bool {
	return !d.Home && !d.Expires.IsZero() && !d.Expires.After(now)
}

// deleteIf is DeleteDeployment if due says so, or has said so before.
func (s *Service) deleteIf(ctx context.Context, name string, due func(*Deployment) bool) error {
	done, err := s.going.begin(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	d, err := s.mark(ctx, name, due)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTime)
	defer cancel()
	if err := s.Fleet.Remove(ctx, name); err != nil {
		return err
	}
	if d.Environment != "" {
		if err := s.Identity.DeleteEnvironment(ctx, d.Environment); err != nil && apierr.KindOf(err) != apierr.NotFound {
			return err
		}
	}
	return s.Identity.Update(ctx, func(tx *identity.Tx) error {
		keys, err := tx.All(tableCredentials, "on_scope", deploymentScope(name))
		if err != nil {
			return err
		}
		for i := range keys {
			if err := tx.Remove(&keys[i]); err != nil {
				return err
			}
		}
		f, err := tx.First(tableDeployments, "by_name", name)
		if err != nil || f == nil {
			return err
		}
		// One that never was opened has left nothing that knows its name.
		if was, err := s.decode(f.Record); err != nil {
			return err
		} else if was.Awake || was.Prepared || !was.Due.IsZero() {
			if err := tx.Add(tableRetired, identity.Row{identity.Text("name", name), identity.Time("deleted", tx.Now())}); err != nil {
				return err
			}
		}
		return tx.Remove(f)
	})
}

// mark notes that a deployment is going, and gives it as it is then: nothing changes it
// from there on.
func (s *Service) mark(ctx context.Context, name string, due func(*Deployment) bool) (d *Deployment, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(tableDeployments, "by_name", name)
		if err != nil {
			return err
		}
		if f == nil {
			return noDeployment(name)
		}
		if d, err = s.decode(f.Record); err != nil {
			return fmt.Errorf("platform: delete deployment %s: %w", name, err)
		}
		switch {
		case d.Home:
			return apierr.New(apierr.Conflict, "HomeDeployment", "%s is the deployment that this house was started for; it cannot be deleted.", name)
		case d.Deleting:
			return nil
		case !due(d):
			return errNotDue
		}
		return tx.Patch(f, identity.Row{identity.Flag("deleting", true)})
	})
	return d, err
}

// retired says whether a deployment had the name that was deleted.
func retired(tx *identity.Tx, name string) (bool, error) {
	f, err := tx.First(tableRetired, "by_name", name)
	return f != nil, err
}

// Deleting lists the names of deployments whose deletion was begun and not ended, and at
// which nobody is.
func (s *Service) Deleting(ctx context.Context) (names []string, err error) {
	err = s.Identity.View(ctx, func(tx *identity.Tx) error {
		names = nil
		return tx.Each(tableDeployments, "by_name", database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			if name := f.Text("name"); f.Flag("deleting") && !s.going.taken(name) {
				names = append(names, name)
			}
			return true, nil
		})
	})
	return names, err
}

// turns lets one at a time do something to what has a name. The zero value is ready.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // closed when it is over
}

// taken says whether somebody has the turn.
func (t *turns) taken(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.busy[name] != nil
}

// begin waits for the turn; done ends it.
func (t *turns) begin(ctx context.Context, name string) (done func(), err error) {
	for {
		t.mu.Lock()
		wait := t.busy[name]
		if wait == nil {
			if t.busy == nil {
				t.busy = map[string]chan struct{}{}
			}
			over := make(chan struct{})
			t.busy[name] = over
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.busy, name)
				close(over)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
