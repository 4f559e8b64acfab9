package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/lentil-dev/lentil/internal/account"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/sideprocess"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/web/login"
	"github.com/lentil-dev/lentil/internal/wire/scim"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// open assembles the house from below: data directory, the house's own store,
// identity and control plane, sockets, the deployment, fronts.
func (s *Server) open(ctx context.Context) error {
	ring := &token.Ring{Root: make([]byte, 32)}
	rand.Read(ring.Root) // a house in memory has no keys but those of its own life
	if s.cfg.Data != "" {
		data, err := openDataDir(s.cfg.Data, s.cfg.MasterKeys)
		if err != nil {
			return err
		}
		s.data, ring = data, data.ring
		s.onClose(func() error { data.close(); return nil })
	}
	engine := meanwhile(s.openEngine)
	row, err := s.openHome(ctx, ring)
	if e, engineErr := engine(); engineErr != nil {
		err = errors.Join(err, engineErr)
	} else {
		s.engine = e
		s.onClose(e.Close)
	}
	if err != nil {
		return err
	}
	if err := s.openNode(); err != nil {
		return err
	}
	if row, err = s.provision(ctx, row.Name); err != nil {
		return err
	}
	if err := s.openFleet(ctx, ring.Root, row); err != nil {
		return err
	}
	if p := s.cfg.Project; p != nil && p.Component {
		if err := s.connectComponent(ctx, row); err != nil {
			return err
		}
	}
	s.addresses = Addresses{
		URL: s.home.deployment.CloudURL, SiteURL: s.home.deployment.SiteURL, AuthKitURL: s.authKitURL(), ControlURL: s.controlURL(),
		Deployment: row.Name, AdminKey: s.home.deployment.Admin.Key(),
		EnvironmentID: string(row.Environment), ClientID: string(row.Client), APIKey: row.APIKey,
		Port: s.authKitSocket.number, Health: s.authKitURL() + "/health",
	}
	if err := s.openFronts(ctx); err != nil {
		return err
	}
	if err := s.openPublic(ctx); err != nil {
		return err
	}
	if err := s.openBackup(ring.Root); err != nil {
		return err
	}
	if err := s.openVendorTLS(ring.Root); err != nil {
		return err
	}
	return s.persist() // a new house is on the disk before anybody hears of it
}

// meanwhile does something beside what else there is to do. What it returns waits for
// the outcome.
func meanwhile[T any](do func() (T, error)) (wait func() (T, error)) {
	done := make(chan struct{})
	var out T
	var err error
	go func() {
		defer close(done)
		out, err = do()
	}()
	return func() (T, error) {
		<-done
		return out, err
	}
}

// openHome opens the house and the addresses of its first deployment, whose row it gives.
func (s *Server) openHome(ctx context.Context, ring *token.Ring) (*platform.Deployment, error) {
	if err := s.openHouse(ctx, ring); err != nil {
		return nil, err
	}
	row, err := s.platform.EnsureDeployment(ctx, s.cfg.Deployment)
	if err != nil {
		return nil, err
	}
	return row, s.bindAll(ctx, row.Ports)
}

// openHouse opens the house's own store and what keeps its rows there.
func (s *Server) openHouse(ctx context.Context, ring *token.Ring) error {
	seal := ring.Sealer()
	var store persistence.Store = persistence.NewMemory()
	firstKey := token.GenerateKey
	if s.data.isNew() {
		firstKey = meanwhile(token.GenerateKey) // takes as long as all the rest of a first start
	}
	if s.data != nil {
		s.stores = pebblestore.NewShared(storeCache, 2*storeFiles(s.files))
		s.onClose(func() error { s.stores.Close(); return nil })
		kept, err := pebblestore.Open(filepath.Join(s.data.path, houseName), pebblestore.Options{Log: s.log, Shared: s.stores, Hold: true})
		if err != nil {
			return err
		}
		store, s.persist = kept, kept.Persist
	}
	var err error
	if s.db, err = database.Open(ctx, database.Options{Store: store, Log: s.log, Retention: s.cfg.Limits.Retention}); err != nil {
		return errors.Join(err, store.Close())
	}
	s.onClose(s.db.Close)
	s.clock = newClock(s.began, s.db.OpenedAt())
	s.identity = &identity.Service{DB: s.db, Sealer: seal, Doubt: s.clock.doubted, FirstKey: firstKey, Observe: s.countEvent, Log: s.log}
	if err := s.identity.Open(ctx); err != nil {
		return err
	}
	if err := s.services.open(ctx, s.identity, s.log); err != nil {
		return err
	}
	house, err := token.HouseToken(ring.Root)
	if err != nil {
		return err
	}
	s.platform = &platform.Service{DB: s.db, Identity: s.identity, Sealer: seal, HouseToken: house, Log: s.log}
	if err := s.platform.Open(ctx); err != nil {
		return err
	}
	hasher := &authflow.Hasher{}
	if len(s.cfg.Hashes) > 0 {
		hasher.Side = &sideprocess.Pool{Command: s.cfg.Hashes, Workers: max(1, runtime.NumCPU()/2), Log: s.log}
		s.onClose(hasher.Side.Close)
	}
	var policy authflow.Policy
	if s.cfg.Breached != "" {
		var err error
		if policy.Breached, err = authflow.OpenBreached(s.cfg.Breached); err != nil {
			return fmt.Errorf("breached passwords: %w", err)
		}
		s.onClose(policy.Breached.Close)
	}
	s.flow = &authflow.Flow{Identity: s.identity, Hasher: hasher, Policy: policy, Flags: &s.services.flags, Actions: authflow.Guarded{Radar: &s.services.radar, Next: &s.services.webhooks}, Log: s.log}
	s.flow.Refreshed = func(outcome string) { s.tally.add("lentil_refreshes_total", outcome, "") }
	s.services.webhooks.Attempted = func(outcome string) { s.tally.add("lentil_webhook_attempts_total", outcome, "") }
	s.flow.SSO, s.flow.Rules = &s.services.sso, &s.services.sso
	s.flow.Passkeys = &s.services.passkeys
	if s.cfg.SMTP != "" {
		if s.flow.Mail, err = mail.ParseSMTP(s.cfg.SMTP, s.cfg.MailFrom); err != nil {
			return err
		}
	} else {
		s.outbox = &mail.Outbox{Keep: authflow.OutboxKeeper{Identity: s.identity}}
		s.flow.Mail = s.outbox
	}
	s.flow.Mail = countedMail{s.flow.Mail, &s.tally}
	return s.flow.Open(ctx)
}

// bindAll binds the four listeners and remembers their ports.
func (s *Server) bindAll(ctx context.Context, last platform.Ports) error {
	if err := s.bindPublic(ctx); err != nil {
		return err
	}
	for _, b := range []struct {
		into            **socket
		purpose         string
		wish            Port
		last, byDefault int
	}{
		{&s.deploymentSocket, "the deployment", s.cfg.Port, last.Deployment, DefaultPort},
		{&s.siteSocket, "HTTP actions", s.cfg.SitePort, last.Site, DefaultSitePort},
		{&s.authKitSocket, "sign-in", s.cfg.AuthKitPort, last.AuthKit, DefaultAuthKitPort},
		{&s.controlSocket, "the dashboard", s.cfg.ControlPort, last.Control, DefaultControlPort},
	} {
		sock, err := bindNear(ctx, s.cfg.Host, b.purpose, b.wish, b.last, b.byDefault, s.cfg.Notice)
		if err != nil {
			return err
		}
		*b.into = sock
		s.onClose(func() error { sock.close(); return nil })
	}
	return s.bindVendorTLS(ctx, last.VendorTLS)
}

// authKitURL is the sign-in service's address. It is "localhost" where people
// develop, because their pages are: cookies between two ports of one host name are
// same-site, between localhost and 127.0.0.1 they are not.
func (s *Server) authKitURL() string {
	host := s.cfg.Host
	if host == "127.0.0.1" {
		host = "localhost"
	}
	return address(s.cfg.AuthKitURL, host, s.authKitSocket.number)
}

// provision makes sure that the deployment has its identity environment, and
// saves where it answers.
func (s *Server) provision(ctx context.Context, name string) (*platform.Deployment, error) {
	want := platform.DevEnvironment{Client: identity.ClientID(s.cfg.Client), Settings: func(st *identity.Settings) {
		st.Configure(identity.ConfiguredSettings{IssuerTemplate: s.cfg.Issuer, AccessTokenLifetime: s.cfg.AccessTokenLifetime, RefreshReuseWindow: s.cfg.RefreshReuseWindow})
	}}
	if p := s.cfg.Project; p != nil {
		want.Name, want.RedirectURIs, want.CORSOrigins, want.HomepageURL = p.Name, p.RedirectURIs, p.CORSOrigins, p.HomepageURL
	}
	row, err := s.platform.EnsureDevEnvironment(ctx, name, want)
	if err != nil {
		return nil, err
	}
	return row, s.platform.SavePorts(ctx, name, platform.Ports{
		Deployment: s.deploymentSocket.number, Site: s.siteSocket.number, AuthKit: s.authKitSocket.number, Control: s.controlSocket.number,
		VendorTLS: s.vendorTLSSocket.port(),
	})
}

// openEngine starts what runs the functions of all deployments.
func (s *Server) openEngine() (*isolate.Engine, error) {
	s.vendor.next = http.DefaultTransport.(*http.Transport).Clone()
	return isolate.Open(isolate.Options{Client: &http.Client{Transport: &s.vendor}, Workers: s.cfg.Workers, Queue: s.cfg.Limits.Queue, Log: s.log})
}

// openNode readies what runs actions in Node.js.
func (s *Server) openNode() error {
	options := node.Options{Binary: s.cfg.Node, Workers: s.cfg.NodeWorkers, Timeout: s.cfg.NodeTimeout, Memory: int64(s.cfg.NodeMemory) << 20, Log: s.log}
	if s.data != nil {
		options.Dir = filepath.Join(s.data.path, nodeName)
	}
	if s.cfg.Project != nil {
		options.Project = s.cfg.Project.Dir
	}
	var err error
	if s.node, err = node.Open(options); err != nil {
		return err
	}
	s.onClose(s.node.Close)
	return nil
}

// openFleet makes the fleet and opens the home deployment in it.
func (s *Server) openFleet(ctx context.Context, secret []byte, row *platform.Deployment) error {
	s.fleet = newFleet(s, secret)
	s.platform.Fleet, s.platform.Revoked = s.fleet, s.fleet.revoked
	s.onClose(s.fleet.close)
	home, err := s.fleet.moor(ctx, row)
	if err != nil {
		return err
	}
	// It is held open for as long as the house is.
	if s.home, _, err = home.acquire(ctx); err != nil {
		return home.reason(err)
	}
	return nil
}

// openFronts puts the protocols on the listeners.
func (s *Server) openFronts(ctx context.Context) error {
	base := s.authKitURL()
	pages := &login.Pages{Flow: s.flow, Refusals: &s.refusals, Connect: &s.services.applications, Identity: s.identity, Log: s.log, BaseURL: base}
	if s.outbox != nil && s.private() {
		pages.Outbox = s.outbox
		s.addresses.OutboxURL = base + login.OutboxPath
	}
	pages.Account = &account.Service{Identity: s.identity, Flow: s.flow, Passkeys: &s.services.passkeys, SSO: &s.services.sso, Applications: &s.services.applications, Log: s.log}
	if err := pages.Open(); err != nil {
		return err
	}
	api := &workos.API{Identity: s.identity, Flow: s.flow, Letters: s.flow, Hasher: s.flow.Hasher, Policy: s.flow.Policy, Pages: pages, Log: s.log, BaseURL: base, Refusals: &s.refusals}
	if s.outbox != nil {
		api.Outbox, api.TestEnvironment = s.outbox, identity.EnvironmentID(s.addresses.EnvironmentID)
	}
	if err := s.services.fill(api); err != nil {
		return err
	}
	api.Admit = s.flow.Admit
	if err := api.Open(); err != nil {
		return err
	}
	directories := &scim.API{Directory: &s.services.directory, Log: s.log, BaseURL: base}
	if err := directories.Open(); err != nil {
		return err
	}
	s.api = api
	s.vendor.open(s.cfg.VendorHost, s.private(), api)
	var authKit http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, scim.Prefix) {
			directories.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	if s.private() {
		authKit = ownHost(base, "authkit-url", s.ownDomain, authKit)
	}
	authKit = s.traffic.authKit.counted(authKit)
	if err := s.openControl(ctx); err != nil {
		return err
	}
	s.fronts = []front{
		{socket: s.deploymentSocket, handler: s.probed(s.fleet.functions())}, {socket: s.siteSocket, handler: s.fleet.site()},
		{socket: s.authKitSocket, handler: s.probed(authKit)}, {socket: s.controlSocket, handler: here(s.probed(s.controlFront()))},
	}
	return s.fleet.moorAll(context.Background())
}

// private says whether only people on this machine reach the sign-in service.
// What helps a developer there, such as reading everybody's mail, must not be
// offered anywhere else.
func (s *Server) private() bool { return onlyHere(s.authKitSocket, s.authKitURL()) }

// onlyHere says whether only people on this machine reach a socket, under a name of
// this machine's.
func onlyHere(sock *socket, public string) bool {
	for _, l := range sock.listeners {
		if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			return false
		}
	}
	u, err := url.Parse(public)
	return err == nil && loopbackName(u.Hostname())
}
