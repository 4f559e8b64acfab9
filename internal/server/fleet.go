package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
)

// fleet runs the deployments of the house; it is the server's platform.Fleet. Each
// has a berth, and is opened there when it is first asked for.
//
// Locks: fleet.mu is taken before a berth's, and never held while something is
// opened, closed or bound.
type fleet struct {
	server *Server
	secret []byte // the house's master secret

	mu       sync.Mutex
	berths   map[string]*berth
	making   sync.Mutex // one berth is made at a time; guards nextPair
	nextPair int        // where the search for free ports goes on
	home     *berth
	running  context.Context            //nolint:containedctx // that of Run, which is the fleet's life
	fail     func(name string, _ error) // tells Run that the home deployment failed
	wg       sync.WaitGroup             // what runs beside requests, of all vessels
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
	b = &berth{fleet: f, name: row.Name, home: row.Home}
	s := f.server
	if row.Home {
		b.sockets = []*socket{s.deploymentSocket, s.siteSocket}
	} else {
		var err error
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
	}
	f.mu.Unlock()
	if !row.Home {
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

// addresses are the public ones of a berth.
func (f *fleet) addresses(b *berth) (url, siteURL string) {
	cfg := &f.server.cfg
	if b.home {
		url, siteURL = cfg.URL, cfg.SiteURL
	}
	return address(url, cfg.Host, b.sockets[0].number), address(siteURL, cfg.Host, b.sockets[1].number)
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

// Remove closes a deployment and deletes all that it has stored.
func (f *fleet) Remove(ctx context.Context, name string) error {
	f.mu.Lock()
	b := f.berths[name]
	f.mu.Unlock()
	if b != nil {
		if b.home {
			return apierr.New(apierr.Conflict, "HomeDeployment", "%s is the deployment that this house was started for; it cannot be deleted.", name)
		}
		b.mu.Lock()
		b.gone = true
		b.mu.Unlock()
		if err := b.close(ctx, nil); err != nil {
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
	row, err := f.server.platform.Deployment(ctx, b.name)
	if err != nil {
		return nil, err
	}
	url, site := f.addresses(b)
	v, err := f.server.openVessel(ctx, f.secret, row, url, site)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	running := f.running
	f.mu.Unlock()
	if running != nil {
		f.start(running, b, v)
	}
	return v, nil
}

// start starts what runs beside the requests of a deployment.
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
	defer f.wg.Wait()
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// wait lets mutations and actions finish whose sockets have gone.
func (f *fleet) wait(ctx context.Context) {
	var wg sync.WaitGroup
	for _, v := range f.vessels() {
		wg.Go(func() { v.sync.Wait(ctx) })
	}
	wg.Wait()
}

// vessels are the open deployments.
func (f *fleet) vessels() (all []*vessel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.berths {
		b.mu.Lock()
		if b.vessel != nil {
			all = append(all, b.vessel)
		}
		b.mu.Unlock()
	}
	return all
}

// close closes everything that is open; nothing runs any more.
func (f *fleet) close() error {
	var errs []error
	for _, v := range f.vessels() {
		errs = append(errs, v.deployment.Close())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.berths {
		b.mu.Lock()
		b.vessel, b.gone = nil, true
		b.mu.Unlock()
		if !b.home {
			b.unbind()
		}
	}
	return errors.Join(errs...)
}
