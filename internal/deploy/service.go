package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/udf"
)

// Service takes pushes for one deployment. Fill the fields and call Open.
type Service struct {
	DB     *database.DB
	Runner *udf.Runner
	Engine *isolate.Engine
	Log    *slog.Logger
	// Guard is asked whether the deployment may be given texts that may name an identity
	// environment: values of variables, and what auth providers are made of. Nil lets
	// everything pass.
	Guard func(ctx context.Context, texts []string) error

	mu    sync.Mutex
	walks map[string]*walk // documents being checked, by id of the push
	known definitionCache
	dry   []*push // the newest dry runs, oldest first; they have no rows
}

// Limits of pushes (convex-cli §2.6, §8.2; convex-runtime §5.5).
const (
	MaxPushBytes = 200_000_000 // of a decoded body
	maxModules   = 4096
	maxCodeBytes = 32 << 20 // sources without their maps
	maxDryRuns   = 4        // kept for their finish_push
	maxPath      = 1024     // length of a module's path

	maxDefinitions = 256 // of components
	maxInstances   = 512 // of components, the app included
	maxNesting     = 8   // of components, as calls across them (convex-runtime §7.3)
)

// Intervals of waiting.
const (
	longestWait = 60 * time.Second // of one wait_for_schema, whatever the client asks for
	usualWait   = 10 * time.Second // when it does not say
	pushAge     = time.Hour        // rows of pushes that nobody waits for are removed after this
)

// Open prepares the table of pushes.
func (s *Service) Open(ctx context.Context) error {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.walks = map[string]*walk{}
	if err := s.DB.EnsureTables(ctx, []database.TableDef{{Name: pushTable}, {Name: historyTable}}); err != nil {
		return fmt.Errorf("deploy: open: %w", err)
	}
	return nil
}

// ConfigHashes lists the live modules, so that the client sends only those that changed.
func (s *Service) ConfigHashes(ctx context.Context) (*ConfigHashes, error) {
	out := &ConfigHashes{Config: Config{Functions: "convex/"}, ModuleHashes: []ConfigModuleHash{}}
	err := s.DB.View(ctx, func(tx *database.Tx) error {
		providers, err := udf.AuthProviders(ctx, tx)
		if err != nil {
			return err
		}
		if out.Config.AuthInfo, err = marshalList(providers); err != nil {
			return err
		}
		modules, err := udf.LiveModules(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range modules {
			out.ModuleHashes = append(out.ModuleHashes, ConfigModuleHash{m.Path, m.Hash, m.Environment})
		}
		config, ok, err := udf.LiveConfig(ctx, tx)
		if ok {
			out.UDFServerVersion = &config.ServerVersion
			if config.NodeVersion != "" {
				out.NodeVersion = &config.NodeVersion
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("deploy: list module hashes: %w", err)
	}
	return out, nil
}

// ReportPushCompleted takes the client's timings of a push.
func (s *Service) ReportPushCompleted(_ context.Context, spans []json.RawMessage) error {
	s.Log.Debug("push completed", "spans", len(spans))
	return nil
}

// marshalList writes a list, and an empty one where there is none.
func marshalList[T any](list []T) (json.RawMessage, error) {
	if list == nil {
		list = []T{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	return b, nil
}

// bad makes a refusal of a push.
func bad(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...)
}

// clip cuts a text that a message quotes.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
