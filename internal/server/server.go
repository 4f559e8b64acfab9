package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lentil-dev/lentil/internal/archive"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/certificate"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/platform"
)

// Addresses say where a house answers and with which keys: what a program needs
// to use it.
type Addresses struct {
	URL        string `json:"url"`
	SiteURL    string `json:"siteUrl"`
	AuthKitURL string `json:"authkitUrl"`
	ControlURL string `json:"controlUrl,omitempty"` // dashboard and management API
	// DashboardLink signs the owner in to the dashboard, once; "" when they have
	// signed in before.
	DashboardLink string `json:"dashboardLink,omitempty"`
	Deployment    string `json:"deployment"`
	AdminKey      string `json:"adminKey"`
	EnvironmentID string `json:"environmentId"`
	ClientID      string `json:"clientId"`
	APIKey        string `json:"apiKey"`
	OutboxURL     string `json:"outboxUrl,omitempty"`
	// LocalURL is where programs of this machine find the deployment, where URL is a
	// name for the world.
	LocalURL string `json:"localUrl,omitempty"`
	Port     int    `json:"port"`   // of the sign-in service, as the official emulator tells it
	Health   string `json:"health"` // likewise

	// LocalControlURL is where programs of this machine reach the control listener,
	// whatever its public address is.
	LocalControlURL string `json:"localControlUrl,omitempty"`

	// Where programs of this machine find the house at the vendors' names: a TLS
	// listener on the loopback address, its authority's certificate (a file), and the
	// hash of its key for Chromium's --ignore-certificate-errors-spki-list.
	VendorTLSPort int    `json:"vendorTlsPort,omitempty"`
	VendorCA      string `json:"vendorCa,omitempty"`
	VendorKeyHash string `json:"vendorKeyHash,omitempty"`
}

// Server is an open house. Call Run once.
type Server struct {
	cfg  Config
	log  *slog.Logger
	data *dataDir // nil for a house in memory

	deploymentSocket, siteSocket, authKitSocket, controlSocket *socket
	vendorTLSSocket                                            *socket             // nil where nobody is to find the house at the vendors' names
	httpsSocket, httpSocket                                    *socket             // what host names share; nil without names
	hosts                                                      hosts               // who answers to which name
	keeper                                                     *certificate.Keeper // nil where we speak no TLS

	db        *database.DB // the house's own: control plane and identity
	persist   func() error // brings the store of a new house to the disk
	identity  *identity.Service
	services  services
	flow      *authflow.Flow
	outbox    *mail.Outbox // nil when mail leaves the house
	platform  *platform.Service
	engine    *isolate.Engine
	node      *node.Pool
	stores    *pebblestore.Shared // of all stores; nil in memory
	fleet     *fleet
	home      *vessel      // the home deployment, which is open as long as the house
	control   http.Handler // of the control listener, whatever the host name
	api       http.Handler // the sign-in service's API
	fronts    []front      // those of the house, without the fleet's
	listeners listeners
	vendor    vendorWay
	keySets   sync.Map // client id → token.KeySet of our own; a set follows rotation by itself
	addresses Addresses
	admission *admission
	peers     *peers
	files     int // that the process may have open
	began     time.Time
	clock     clock
	backup    *archive.Archiver // nil: the house is not backed up all the time
	houseID   string            // that depots know it by
	backing   sync.Mutex        // held while a backup is made that was asked for
	moment    atomic.Int64      // up to which backups may have copied what is closed
	tally     tally
	traffic   struct{ authKit, control traffic }
	refusals  diagnosis.Ledger // of tokens, origins and redirect URIs, for the doctor

	serving  chan struct{} // closed when Run has begun to answer
	stopping chan struct{} // closed when Run begins to stop
	closed   chan struct{} // closed when Run has ended
	closers  []func() error
}

// Open opens everything, in order, and binds the sockets; nothing answers before
// Run. Its errors are lines for the person who started the house.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	files := raiseFiles()
	if err := cfg.prepare(files); err != nil {
		return nil, err
	}
	if k := cfg.keeper(); k != nil { // a mistake in their files is told before anything is opened
		if err := k.Open(); err != nil {
			return nil, err
		}
	}
	for _, doubt := range Doubts(cfg) {
		cfg.Notice("%s", doubt)
	}
	s := &Server{cfg: cfg, persist: func() error { return nil }, log: cfg.Log, files: files, began: time.Now(), serving: make(chan struct{}), stopping: make(chan struct{}), closed: make(chan struct{})}
	s.tally.begin()
	s.admission = &admission{limits: &s.cfg.Limits}
	trusted, err := parseProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	s.peers = &peers{trusted: trusted, header: cfg.ClientAddressHeader, nearby: !cfg.Hosts.any()}
	s.listeners.drain, s.listeners.leaving = s.cfg.DrainTime, s.stopping
	s.listeners.log, s.listeners.admission, s.listeners.peers = cfg.Log, s.admission, s.peers
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.explain(err), s.close())
	}
	return s, nil
}

// Explain turns what can be wrong with a directory of state into one line for the
// person who named it.
func Explain(dir string, err error) error { return explain(dir, err) }

// explain names the data directory in errors that come from it.
func (s *Server) explain(err error) error {
	if err == nil || s.cfg.Data == "" {
		return err
	}
	var sock *net.OpError
	if errors.As(err, &sock) {
		return err // bind has said what is wrong
	}
	return explain(s.cfg.Data, err)
}

// Addresses say where the house answers.
func (s *Server) Addresses() Addresses { return s.addresses }

// Stopping is closed when the house begins to stop, for whatever reason.
func (s *Server) Stopping() <-chan struct{} { return s.stopping }

// Closed is closed when Run has ended.
func (s *Server) Closed() <-chan struct{} { return s.closed }

// Run answers requests until ctx ends or something that the house cannot live
// without fails, then lets running requests finish and closes everything. The
// Server is of no use afterwards.
func (s *Server) Run(ctx context.Context) error {
	stop := sync.OnceFunc(func() { close(s.stopping) })
	defer close(s.closed)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	context.AfterFunc(ctx, stop)

	// Two rings: the rooms run until the last request is answered, the house's own
	// store until the last room has ended.
	// What the last requests commit is backed up still.
	ring := map[string]func(context.Context) error{"house": s.db.Run}
	if s.backup != nil {
		ring["backup"] = s.backup.Run
	}
	stores := s.background(cancel, ring)
	rooms := s.background(cancel, map[string]func(context.Context) error{
		"identity": s.identity.Run, "services": s.services.Run, "directory": s.services.directory.Run, "sso": s.services.sso.Run, "webhooks": s.services.webhooks.Run, "authflow": s.flow.Run, "fleet": s.fleet.Run,
	})
	if s.keeper != nil {
		ends := s.background(cancel, map[string]func(context.Context) error{"certificates": s.keeper.Run})
		defer ends()
	}
	for _, f := range s.fronts {
		s.listeners.add(f)
	}
	close(s.serving)
	serving, leave := s.linger(ctx)
	waited := make(chan struct{}) // sockets and requests have the same time
	context.AfterFunc(serving, func() { defer close(waited); s.awaitCalls() })
	err := s.listeners.serve(serving)
	leave()
	if ctx.Err() == nil {
		cancel(err)
	}
	stop()
	<-waited
	rooms()
	s.engine.EndActions() // those of sockets have had their time
	stores()
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		cause = nil // a stop that was asked for
	}
	if cause == nil {
		cause = err
	}
	return errors.Join(s.explain(cause), s.close())
}

// linger is a context that ends after ctx does: at once if the house has failed,
// else when balancers have had DrainDelay to see that it is not ready any more.
func (s *Server) linger(ctx context.Context) (_ context.Context, leave func()) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if s.cfg.DrainDelay > 0 && errors.Is(context.Cause(ctx), context.Canceled) {
			s.log.Info("not ready any more", "until_stop", s.cfg.DrainDelay)
			select {
			case <-time.After(s.cfg.DrainDelay):
			case <-out.Done():
			}
		}
		cancel()
	})
	return out, func() { stop(); cancel() }
}

// awaitCalls closes sockets, and lets mutations and actions finish that came by them.
func (s *Server) awaitCalls() {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTime)
	defer cancel()
	s.fleet.wait(ctx)
}

// background runs long-lived things until the returned function is called, which
// waits for them to end. One that ends before fails the house.
func (s *Server) background(fail context.CancelCauseFunc, runs map[string]func(context.Context) error) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for name, run := range runs {
		wg.Go(func() {
			err := run(ctx)
			if ctx.Err() != nil {
				return
			}
			if err == nil {
				err = errors.New("ended by itself")
			}
			fail(fmt.Errorf("%s: %w", name, err))
		})
	}
	return func() { cancel(); wg.Wait() }
}

// Ready waits until every listener answers.
func (s *Server) Ready(ctx context.Context) error {
	select {
	case <-s.serving:
	case <-s.stopping:
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, f := range s.fronts {
		transport := &http.Transport{DisableKeepAlives: true}
		if f.proxied {
			transport.DialContext = s.peers.dial
		}
		client := &http.Client{Timeout: time.Minute, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
		addr := f.socket.listeners[0].Addr().(*net.TCPAddr)
		if addr.IP.IsUnspecified() {
			addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: addr.Port}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr.String()+"/version", nil)
		if err != nil {
			return err
		}
		req.Host = "localhost"
		res, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", f.socket.purpose, err)
		}
		res.Body.Close()
	}
	return nil
}

// onClose remembers how to undo a step of opening.
func (s *Server) onClose(f func() error) { s.closers = append(s.closers, f) }

// close undoes what was opened, in reverse.
func (s *Server) close() error {
	var errs []error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		f := s.closers[last]
		s.closers = s.closers[:last]
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// address makes a public URL from the host that people use and a bound port.
func address(configured, host string, port int) string {
	if configured != "" {
		return configured
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port))
}
