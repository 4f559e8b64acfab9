package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// fleet runs the deployments of the house; it is the server's platform.Fleet. Each
// has a berth, and is opened there when it is first asked for.
//
// Locks: fleet.mu is taken before a berth's, and never held while something is
// opened, closed or bound.
type fleet struct {
	server *Server
	secret []byte   // the house's master secret
	own    []string // host names of the house itself

	mu      sync.Mutex
	berths  map[string]*berth
	making  sync.Mutex // one berth is made at a time
	home    *berth
	running context.Context            //nolint:containedctx // that of Run, which is the fleet's life
	fail    func(name string, _ error) // tells Run that the home deployment failed
	wg      sync.WaitGroup             // what runs beside requests, of all vessels

	alone  atomic.Bool        // there is no deployment but the home one
	places *convexsync.Places // sockets of all
	kick   chan struct{}      // the keeper shall look now
}

// newFleet makes an empty fleet.
func newFleet(s *Server, secret []byte) *fleet {
	f := &fleet{server: s, secret: secret, berths: map[string]*berth{}, places: convexsync.NewPlaces(s.cfg.Limits.Sockets), own: s.cfg.ownNames(), kick: make(chan struct{}, 1)}
	f.alone.Store(true)
	return f
}

var _ platform.Fleet = (*fleet)(nil)

// berth finds a deployment's place, making it if the deployment exists.
func (f *fleet) berth(ctx context.Context, name string) (*berth, error) {
	f.mu.Lock()
	b := f.berths[name]
	f.mu.Unlock()
	if b != nil {
		return b, nil
	}
	row, err := f.server.platform.Deployment(ctx, name)
	if err != nil {
		return nil, err
	}
	return f.moor(ctx, row)
}

// moor makes the berth of a deployment: it binds the ports that it had last time, or
// new ones, and remembers them.
func (f *fleet) moor(ctx context.Context, row *platform.Deployment) (*berth, error) {
	f.making.Lock()
	defer f.making.Unlock()
	f.mu.Lock()
	b := f.berths[row.Name]
	f.mu.Unlock()
	if b != nil {
		return b, nil
	}
	// It may have been deleted since the row was read; Remove waits for us.
	row, err := f.server.platform.Deployment(ctx, row.Name)
	if err != nil {
		return nil, err
	}
	b = &berth{fleet: f, name: row.Name, home: row.Home, due: row.Due, expires: row.Expires}
	if row.Awake && !row.Home {
		b.due = time.Now() // the house ended without a word: whether it has jobs is not known
	}
	s := f.server
	if row.Home {
		b.sockets = []*socket{s.deploymentSocket, s.siteSocket}
	} else if s.cfg.DeploymentsDomain == "" {
		if b.sockets, err = f.bindPair(ctx, row.Name, row.Ports); err != nil {
			return nil, err
		}
		ports := platform.Ports{Deployment: b.sockets[0].number, Site: b.sockets[1].number}
		if err := s.platform.SavePorts(ctx, row.Name, ports); err != nil {
			b.unbind()
			return nil, err
		}
	}
	f.mu.Lock()
	f.berths[row.Name] = b
	if b.home {
		f.home = b
	} else {
		f.alone.Store(false)
		f.places.Share(true)
	}
	f.mu.Unlock()
	if !row.Home && len(b.sockets) > 0 {
		s.listeners.add(front{socket: b.sockets[0], handler: b.functions()})
		s.listeners.add(front{socket: b.sockets[1], handler: b.site()})
	}
	return b, nil
}

// unbind gives the ports back.
func (b *berth) unbind() {
	for _, s := range b.sockets {
		s.close()
	}
}

// Open gives a deployment that answers requests, opening it if need be. It stays
// open until ctx ends.
func (f *fleet) Open(ctx context.Context, name string) (*deployment.Deployment, error) {
	b, err := f.berth(ctx, name)
	if err != nil {
		return nil, err
	}
	v, release, err := b.acquire(ctx)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, release)
	return v.deployment, nil
}

// Addresses tells where a deployment and its HTTP actions answer.
func (f *fleet) Addresses(ctx context.Context, name string) (url, siteURL string, err error) {
	b, err := f.berth(ctx, name)
	if err != nil {
		return "", "", err
	}
	url, siteURL = f.addresses(b)
	return url, siteURL, nil
}

// AdminKey is the deployment's own admin key.
func (f *fleet) AdminKey(name string) (string, error) { return token.AdminKeyOf(f.secret, name) }

// CheckAdminKey refuses what is not the deployment's own admin key.
func (f *fleet) CheckAdminKey(name, key string) error {
	secret, err := token.DeploymentSecret(f.secret, name)
	if err != nil {
		return err
	}
	return token.NewAdminKeys(name, secret).Check(key)
}

// revoked ends what a deploy key has opened.
func (f *fleet) revoked(c platform.Credential) {
	if c.Kind != platform.DeployKey {
		return
	}
	f.mu.Lock()
	b := f.berths[c.Deployment]
	f.mu.Unlock()
	if b == nil {
		return
	}
	if v := b.current(); v != nil {
		v.sync.Sever(c.ID)
	}
}

// Remove closes a deployment and deletes all that it has stored. Its row says that it is
// going, so that no berth is made for it any more.
func (f *fleet) Remove(ctx context.Context, name string) error {
	f.making.Lock() // a berth that is being made is there, or will not be
	f.mu.Lock()
	b := f.berths[name]
	f.mu.Unlock()
	f.making.Unlock()
	if b != nil {
		if b.home {
			return apierr.New(apierr.Conflict, "HomeDeployment", "%s is the deployment that this house was started for; it cannot be deleted.", name)
		}
		b.mu.Lock()
		b.gone = true
		b.mu.Unlock()
		err := b.close(ctx, nil)
		if b.current() != nil { // what is open must not lose its files
			return fmt.Errorf("close %s, which is deleted: %w", name, err)
		}
		if err != nil {
			f.server.log.Warn("deployment that is deleted did not close well", "deployment", name, "err", err)
		}
		for _, s := range b.sockets {
			f.server.listeners.drop(s)
		}
		b.unbind()
	}
	if f.server.data != nil {
		if err := os.RemoveAll(filepath.Join(f.server.data.path, deploymentsName, name)); err != nil {
			return fmt.Errorf("delete the data of %s: %w", name, err)
		}
	}
	f.mu.Lock()
	delete(f.berths, name)
	f.mu.Unlock()
	return nil
}

// launch opens a deployment and starts what runs beside its requests.
func (f *fleet) launch(ctx context.Context, b *berth) (*vessel, error) {
	f.mu.Lock()
	running := f.running
	f.mu.Unlock()
	if running != nil && running.Err() != nil {
		return nil, errStopping
	}
	row, err := f.server.platform.Deployment(ctx, b.name)
	if err != nil {
		return nil, err
	}
	if !row.Home && !row.Awake {
		// Noted first: after a crash it is opened to see what there is to do.
		if err := f.server.platform.ChangeDeployment(ctx, b.name, func(d *platform.Deployment) { d.Awake, d.Due = true, time.Time{} }); err != nil {
			return nil, err
		}
	}
	url, site := f.addresses(b)
	v, err := f.server.openVessel(ctx, f.secret, row, url, site)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	if running = f.running; running == nil {
		b.lay(v) // Run starts what lies in the berths when it begins, which may be at once
	} else if running.Err() == nil {
		f.start(running, b, v)
	}
	f.mu.Unlock()
	if running != nil && running.Err() != nil {
		v.stop()
		return nil, errors.Join(errStopping, v.deployment.Close())
	}
	f.look() // there may be too many open
	return v, nil
}

// errStopping is the answer while the house stops.
var errStopping = apierr.New(apierr.Unavailable, "HouseStopping", "This house is stopping. Try again in a moment.")

// note writes down what a deployment that is being closed leaves undone, and gives
// the time at which it must be opened for it: soon if that is something without a time, or
// not known.
func (f *fleet) note(ctx context.Context, b *berth, v *vessel) (due time.Time) {
	if b.home {
		return due
	}
	idle, due, err := v.deployment.Idle(ctx)
	if err == nil {
		err = f.server.platform.ChangeDeployment(ctx, b.name, func(d *platform.Deployment) { d.Awake, d.Due = !idle, due })
	}
	if err != nil {
		// The row still says that it is open, so that the next start looks.
		f.server.log.Warn("jobs of a closed deployment were not noted", "deployment", b.name, "err", err)
	}
	if due.IsZero() && (err != nil || !idle) {
		due = time.Now().Add(retryDue)
	}
	return due
}

// start starts what runs beside the requests of a deployment. The lock is held, so
// that Run does not wait for the end of all before this one has begun.
func (f *fleet) start(running context.Context, b *berth, v *vessel) {
	ctx, cancel := context.WithCancel(running)
	done := make(chan struct{})
	f.wg.Go(func() {
		defer close(done)
		err := v.deployment.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		f.failed(b, err)
	})
	v.stop = func() { cancel(); <-done }
}

// failed is what follows when an open deployment cannot go on: the house ends with
// its home, and lives on without any other.
func (f *fleet) failed(b *berth, err error) {
	if b.home {
		f.fail(b.name, err)
		return
	}
	f.server.log.Error("deployment stopped", "deployment", b.name, "err", err)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*drainTime)
		defer cancel()
		if cerr := b.close(ctx, err); cerr != nil {
			f.server.log.Warn("deployment that stopped did not close well", "deployment", b.name, "err", cerr)
		}
	}()
}

// Run lets deployments do what goes on beside requests, until ctx ends. It returns
// earlier if the home deployment fails.
func (f *fleet) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	f.mu.Lock()
	f.running = ctx
	f.fail = func(name string, err error) {
		select {
		case failed <- fmt.Errorf("deployment %s: %w", name, err):
		default:
		}
	}
	for _, b := range f.berths {
		b.mu.Lock()
		if b.vessel != nil {
			f.start(ctx, b, b.vessel)
		}
		b.mu.Unlock()
	}
	f.mu.Unlock()
	var kept sync.WaitGroup
	kept.Go(func() { f.keep(ctx) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		stop()
	}
	f.barrier() // nothing is started from here on
	kept.Wait()
	f.wg.Wait()
	return err
}

// barrier waits until whoever holds the lock has let go of it: who takes it later
// sees that the house stops.
func (f *fleet) barrier() {
	f.mu.Lock()
	defer f.mu.Unlock()
}

// wait lets mutations and actions finish whose sockets have gone.
func (f *fleet) wait(ctx context.Context) {
	var wg sync.WaitGroup
	for _, v := range f.vessels() {
		wg.Go(func() { v.sync.Wait(ctx) })
	}
	wg.Wait()
}

// all are the berths, by name.
func (f *fleet) all() []*berth {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := slices.Collect(maps.Values(f.berths))
	slices.SortFunc(list, func(a, b *berth) int { return strings.Compare(a.name, b.name) })
	return list
}

// current is what is open in the berth; nil if nothing is.
func (b *berth) current() *vessel {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.vessel
}

// vessels are the open deployments.
func (f *fleet) vessels() (list []*vessel) {
	for _, b := range f.all() {
		if v := b.current(); v != nil {
			list = append(list, v)
		}
	}
	return list
}

// close closes everything that is open; nothing runs any more.
func (f *fleet) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var errs []error
	for _, b := range f.all() {
		errs = append(errs, b.close(ctx, errStopping))
		b.mu.Lock()
		b.gone = true
		b.mu.Unlock()
		if !b.home {
			b.unbind()
		}
	}
	return errors.Join(errs...)
}
