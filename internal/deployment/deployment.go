package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deploy"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/logstream"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/search"
	"github.com/lentil-dev/lentil/internal/sysudf"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/udf"
)

// Config says what a deployment is made of.
type Config struct {
	// Name is the deployment's name, as it stands in its admin key.
	Name string
	// Dir holds the store and the blobs; "" keeps both in memory.
	Dir string
	// Secret is the house's master secret, of at least 16 random bytes. The
	// deployment's own secrets are derived from it and its name.
	Secret []byte
	// CloudURL and SiteURL are its public addresses.
	CloudURL, SiteURL string
	// Engine runs its functions; shared by all deployments of a house.
	Engine *isolate.Engine
	// Node runs its actions in Node.js; shared likewise.
	Node *node.Pool
	// House resolves JWKS URLs to the house's own key sets; nil for none.
	House func(jwksURL string) token.KeySet
	// Retell says what a session's token would say now, see token.Verifier; nil for
	// identities that end with their tokens.
	Retell func(ctx context.Context, jwksURL, session string) (json.RawMessage, error)
	// Client fetches other providers' keys; nil means http.DefaultClient.
	Client *http.Client
	Log    *slog.Logger
	// Refusals remembers why tokens were refused; nil for nothing.
	Refusals *diagnosis.Ledger
	// Retention is how long old revisions stay readable, WriteLog how many
	// written keys are remembered, StoreFiles how many files the store may keep
	// open. Zeros are the defaults of the rooms below.
	Retention            time.Duration
	WriteLog, StoreFiles int
	// DocumentCache and ResultCache are the bytes of decoded documents and of results of
	// queries that may be kept; zeros are the defaults of the rooms below.
	DocumentCache int
	ResultCache   int64
	// After is the moment that everything is committed after; backups end there.
	After persistence.Timestamp
	// Stores is what the stores of the house share; nil for nothing.
	Stores *pebblestore.Shared
}

// Deployment is an open deployment.
type Deployment struct {
	Name              string
	CloudURL, SiteURL string

	DB     *database.DB
	Blobs  blob.Store
	Files  *filestorage.Store
	Search *search.Service
	Runner *udf.Runner
	Jobs   *scheduler.Worker
	Deploy *deploy.Service
	Backup *backup.Service
	// Streams sends logs to webhooks.
	Streams *logstream.Service
	Gate    *token.Gate
	Admin   *token.AdminKeys

	log *slog.Logger
}

// Open opens or creates a deployment. Functions can be called from now on; what
// goes on beside them needs Run.
func Open(ctx context.Context, c Config) (_ *Deployment, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("deployment %s: %w", c.Name, err)
		}
	}()
	secret, err := token.DeploymentSecret(c.Secret, c.Name)
	if err != nil {
		return nil, err
	}
	d := &Deployment{Name: c.Name, CloudURL: c.CloudURL, SiteURL: c.SiteURL, log: c.Log, Admin: token.NewAdminKeys(c.Name, secret)}
	var store persistence.Store = persistence.NewMemory()
	persist := func() error { return nil }
	d.Blobs = blob.NewMemory()
	if c.Dir != "" {
		if d.Blobs, err = blob.OpenDir(filepath.Join(c.Dir, "blobs")); err != nil {
			return nil, err
		}
		kept, err := pebblestore.Open(filepath.Join(c.Dir, "store"), pebblestore.Options{Log: c.Log, MaxOpenFiles: c.StoreFiles, Shared: c.Stores, Hold: true})
		if err != nil {
			return nil, err
		}
		store, persist = kept, kept.Persist
	}
	if d.DB, err = database.Open(ctx, database.Options{Store: store, Log: c.Log, Retention: c.Retention, LogSize: c.WriteLog, CacheSize: c.DocumentCache}); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	err = d.DB.Settle(c.After)
	if err == nil {
		err = d.assemble(ctx, c, secret)
	}
	if err == nil {
		err = persist()
	}
	if err != nil {
		return nil, errors.Join(err, d.DB.Close())
	}
	return d, nil
}

// assemble fills in what stands on the database.
func (d *Deployment) assemble(ctx context.Context, c Config, secret []byte) error {
	sealer := token.NewSealer(secret)
	d.Files = &filestorage.Store{DB: d.DB, Blobs: d.Blobs, Sealer: sealer, CloudURL: c.CloudURL, Log: c.Log}
	if err := d.Files.Open(ctx); err != nil {
		return err
	}
	d.Search = &search.Service{DB: d.DB, Log: c.Log}
	if c.Dir != "" {
		d.Search.Dir = filepath.Join(c.Dir, "search")
	}
	if err := d.Search.Open(); err != nil {
		return err
	}
	d.Runner = &udf.Runner{
		DB: d.DB, Engine: c.Engine, Node: c.Node, Sealer: sealer, Files: d.Files, Search: d.Search, Log: c.Log,
		CloudURL: c.CloudURL, SiteURL: c.SiteURL, Deployment: c.Name, System: sysudf.Functions(), CacheBytes: c.ResultCache,
	}
	if err := d.Runner.Open(ctx); err != nil {
		return err
	}
	d.Jobs = &scheduler.Worker{DB: d.DB, Log: c.Log, Run: d.Runner.Job, Spaces: d.Runner.Spaces}
	d.Deploy = &deploy.Service{DB: d.DB, Runner: d.Runner, Engine: c.Engine, Log: c.Log}
	if err := d.Deploy.Open(ctx); err != nil {
		return err
	}
	d.Backup = &backup.Service{Name: c.Name, DB: d.DB, Blobs: d.Blobs, Files: d.Files, Log: c.Log}
	if err := d.Backup.Open(ctx); err != nil {
		return err
	}
	d.Streams = &logstream.Service{Name: c.Name, DB: d.DB, Logs: d.Runner.Logs(), Client: c.Client, Log: c.Log}
	if err := d.Streams.Open(ctx); err != nil {
		return err
	}
	d.Gate = &token.Gate{
		Admin:     d.Admin,
		Verifier:  &token.Verifier{House: d.house(c.House), Retell: c.Retell, Client: c.Client, Log: c.Log},
		Providers: d.Providers,
		Refusals:  c.Refusals, Scope: c.Name, Log: c.Log,
	}
	return nil
}

// house resolves the JWKS URL of the deployment itself to its own keys, so that
// auth.config.ts may trust what ctx.auth.signJwt signs; all others go on to next.
func (d *Deployment) house(next func(jwksURL string) token.KeySet) func(string) token.KeySet {
	return func(jwksURL string) token.KeySet {
		if jwksURL == d.Runner.JWKSURL() {
			return d.Runner.Keys()
		}
		if next == nil {
			return nil
		}
		return next(jwksURL)
	}
}

// Providers are the live auth providers, from the newest snapshot.
func (d *Deployment) Providers(ctx context.Context) (list []token.Provider, err error) {
	err = d.DB.View(ctx, func(tx *database.Tx) error {
		list, err = udf.AuthProviders(ctx, tx)
		return err
	})
	return list, err
}

// Run does what goes on beside requests (building indexes, retention, scheduled functions, exports and imports, sweeping)
// until ctx ends. An earlier return means that the store has failed.
func (d *Deployment) Run(ctx context.Context) error {
	g, each := errgroup.WithContext(ctx)
	g.Go(func() error { return d.DB.Run(each) })
	g.Go(func() error { return d.Search.Run(each) })
	g.Go(func() error { return d.Runner.Run(each) })
	g.Go(func() error { return d.Files.Run(each) })
	g.Go(func() error { return d.Deploy.Run(each) })
	g.Go(func() error { return d.Jobs.Work(each) })
	g.Go(func() error { return d.Backup.Run(each) })
	g.Go(func() error { return d.Streams.Run(each) })
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("deployment %s: %w", d.Name, err)
	}
	return nil
}

// Close releases everything, in reverse. No request may be running.
func (d *Deployment) Close() error {
	err := d.Runner.Close()
	d.Search.Close()
	err = errors.Join(err, d.DB.Close())
	if err != nil {
		return fmt.Errorf("deployment %s: close: %w", d.Name, err)
	}
	return nil
}

// EnsureVariables sets environment variables that are not set yet; those that
// are keep their value, whatever it is.
func (d *Deployment) EnsureVariables(ctx context.Context, want map[string]string) error {
	var changes []udf.EnvChange
	err := d.DB.View(ctx, func(tx *database.Tx) error {
		now, err := udf.Environment(ctx, tx)
		if err != nil {
			return err
		}
		for name, v := range want {
			if _, ok := now[name]; !ok {
				changes = append(changes, udf.EnvChange{Name: name, Value: &v})
			}
		}
		return nil
	})
	if err == nil && len(changes) > 0 {
		err = d.Deploy.UpdateEnvironment(ctx, &deploy.UpdateEnvironmentRequest{Changes: changes})
	}
	if err != nil {
		return fmt.Errorf("deployment %s: set variables: %w", d.Name, err)
	}
	return nil
}
