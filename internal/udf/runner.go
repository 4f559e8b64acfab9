package udf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/search"
	"github.com/lentil-dev/lentil/internal/token"
)

// Runner runs the functions of one deployment. Fill the fields, call Open, and
// keep Run going until the end.
type Runner struct {
	DB     *database.DB
	Engine *isolate.Engine
	// Node runs the actions of "use node" modules; without it they are refused.
	Node *node.Pool
	// Sealer seals cursors; it must be made from a secret that outlives the process.
	Sealer *token.Sealer
	// Files is the file storage behind ctx.storage, opened already; without it ctx.storage is refused.
	Files *filestorage.Store
	// Search keeps the search and vector indexes, opened already; without it searches are refused.
	Search *search.Service
	Log    *slog.Logger
	// CloudURL and SiteURL are the addresses that user code sees as CONVEX_CLOUD_URL and CONVEX_SITE_URL.
	CloudURL, SiteURL string
	// Redact keeps messages and log lines of user code from its callers; ConvexError data still reaches them.
	Redact bool
	// Deployment is its name, for ctx.meta.getDeploymentMetadata.
	Deployment string
	// System holds the functions below "_system/", keyed as "_system/cli/tables:default"; admins only.
	System map[string]SystemFunction
	// CacheBytes bounds the cache of query results; 0 means 128 MiB.
	CacheBytes int64
	// LogEntries bounds the ring of function-log entries; 0 means 4,096.
	LogEntries int

	cache    *cache
	programs *programs
	node     *programs // of "use node" modules
	logs     *LogStream
	live     liveCache
	trees    treeCache
	lanes    lanes
	heat     heat
	parsed   parsedSchemas
	signer   *token.Signer
	keys     *token.LocalKeySet
	loader   func(context.Context, []isolate.Module, isolate.Import) (javascript, error)
}

// Defaults of the optional fields.
const (
	defaultCacheBytes = 128 << 20
	defaultLogEntries = 4096
)

// Open checks the fields and prepares the tables of the registry. It starts nothing.
func (r *Runner) Open(ctx context.Context) error {
	if r.DB == nil || r.Engine == nil || r.Sealer == nil || r.Log == nil {
		return errors.New("udf: Runner needs DB, Engine, Sealer and Log")
	}
	for path, f := range r.System {
		if f.Run == nil || f.Kind != Query && f.Kind != Mutation {
			return fmt.Errorf("udf: system function %s must be a query or a mutation", path)
		}
	}
	if r.CacheBytes == 0 {
		r.CacheBytes = defaultCacheBytes
	}
	if r.LogEntries == 0 {
		r.LogEntries = defaultLogEntries
	}
	r.cache = newCache(r.CacheBytes)
	r.programs, r.node = &programs{}, &programs{}
	r.loader = func(ctx context.Context, m []isolate.Module, world isolate.Import) (javascript, error) {
		return r.Engine.Load(isolate.WithGroup(ctx, r.Deployment), m, world)
	}
	r.logs = newLogStream(r.LogEntries)
	if err := r.DB.EnsureTables(ctx, slices.Concat(tables, scheduler.Tables)); err != nil {
		return fmt.Errorf("udf: open registry: %w", err)
	}
	return r.openSigning(ctx)
}

// sweepEvery is how often garbage is looked for.
const sweepEvery = time.Hour

// Run loads the live program ahead of the first call, and then collects garbage
// (request records, unused sources) until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.warmLive(ctx); err != nil && ctx.Err() == nil {
		r.Log.Warn("live program not loaded ahead", "err", err)
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := r.sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.Log.Warn("garbage of functions not collected", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close releases the loaded programs. No call may be running.
func (r *Runner) Close() error {
	r.programs.close()
	r.node.close()
	return nil
}

// Logs is the stream of function-log entries.
func (r *Runner) Logs() *LogStream { return r.logs }

// Any runs a function as whatever it is registered as. A function that does
// not exist is looked up as a query, so that the outcome tells so.
func (r *Runner) Any(ctx context.Context, q Request) (*Outcome, error) {
	kind := Query
	path, ok := parsePath(q.Path)
	if f, system := r.System[systemKey(q.Path)]; system {
		kind = f.Kind
	} else if ok {
		err := r.DB.View(ctx, func(tx *database.Tx) error {
			l, err := r.liveIn(ctx, tx, q.Component)
			if err == nil && l.functions[path] != nil {
				kind = l.functions[path].Kind
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	switch kind {
	case Mutation:
		return r.Mutation(ctx, q)
	case Action:
		return r.Action(ctx, q)
	default:
		return r.Query(ctx, q)
	}
}

// prepare completes a request.
func (q *Request) prepare() error {
	if q.RequestID == "" {
		if q.HasSession {
			q.RequestID = SessionRequestID(q.Session, q.SessionRequest)
		} else {
			q.RequestID = NewRequestID()
		}
	}
	if q.CallerName == "" {
		q.CallerName = "HttpApi"
	}
	return nil
}

// internalAllowed tells whether the request may run internal functions.
func (q *Request) internalAllowed() bool { return q.Internal || q.Caller.IsAdmin() }
