package server

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"

	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/wire/convexhttp"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// openVessel opens a deployment over the house's engine and puts the protocols on it.
func (s *Server) openVessel(ctx context.Context, secret []byte, row *platform.Deployment, url, siteURL string) (*vessel, error) {
	c := deployment.Config{
		Name: row.Name, Secret: secret, Engine: s.engine, Node: s.node, House: s.houseKeys, Retell: s.retell, Log: s.log, Refusals: &s.refusals,
		CloudURL: url, SiteURL: siteURL,
		Retention: s.cfg.Limits.Retention, WriteLog: s.cfg.Limits.WriteLog, Stores: s.stores,
		After: persistence.Timestamp(s.moment.Load()),
	}
	c.DocumentCache, c.ResultCache = cacheShare(len(s.fleet.vessels()))
	if s.data != nil {
		c.Dir = filepath.Join(s.data.path, deploymentsName, row.Name)
	}
	d, err := deployment.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	d.Deploy.Guard = func(ctx context.Context, texts []string) error {
		return s.platform.GuardEnvironment(ctx, row.Name, texts)
	}
	if err := s.prepare(ctx, d, row); err != nil {
		return nil, &unprepared{errors.Join(err, d.Close())}
	}
	d.Gate.Keys = func(ctx context.Context, key string) (string, error) {
		return s.platform.DeployKeyID(ctx, row.Name, key)
	}
	return s.rig(d, row.Home), nil
}

// unprepared is why an opening failed after it may have committed.
type unprepared struct{ error }

// Unwrap is what happened.
func (u *unprepared) Unwrap() error { return u.error }

// prepare sets the environment variables that a deployment begins with. The home
// deployment always has those of its environment; others may remove theirs.
func (s *Server) prepare(ctx context.Context, d *deployment.Deployment, row *platform.Deployment) error {
	if row.Home {
		return d.EnsureVariables(ctx, map[string]string{
			"WORKOS_CLIENT_ID": string(row.Client), "WORKOS_API_KEY": row.APIKey, "WORKOS_ENVIRONMENT_ID": string(row.Environment),
		})
	}
	if row.Prepared {
		return nil
	}
	vars, err := s.platform.FirstVariables(ctx, row)
	if err != nil {
		return err
	}
	if err := d.EnsureVariables(ctx, vars); err != nil {
		return err
	}
	return s.platform.ChangeDeployment(ctx, row.Name, func(now *platform.Deployment) { now.Prepared = true })
}

// rig puts the protocols on a deployment. The admins of the home one see how the whole
// house stands.
func (s *Server) rig(d *deployment.Deployment, home bool) *vessel {
	v := &vessel{deployment: d, stop: func() {}}
	v.ending, v.cut = context.WithCancel(context.Background())
	v.sync = &convexsync.Server{Runner: d.Runner, DB: d.DB, Authenticate: d.Gate.Message, CarryOn: d.Gate.CarryOn, Readmit: d.Gate.Readmit, Places: s.fleet.places, Log: s.log}
	if s.data != nil {
		v.sync.Known = filepath.Join(s.data.path, deploymentsName, d.Name, "known-clients")
	}
	status := func() Status { return s.status(v) }
	if home {
		status = s.Status
	}
	api := &convexhttp.Server{
		Name: d.Name, Version: s.cfg.Version, CloudURL: d.CloudURL, SiteURL: d.SiteURL,
		Runner: d.Runner, Deploy: d.Deploy, Files: d.Files, Backup: d.Backup, Streams: d.Streams, DB: d.DB, Gate: d.Gate, Log: s.log,
		Diagnosis: func(ctx context.Context) (any, error) { return s.diagnose(ctx, d, status().Problems) },
		Status:    func() any { return status() },
		Problems:  func() []string { return status().Problems },
	}
	mux := http.NewServeMux()
	v.sync.Mount(mux)
	mux.Handle("/", api.Handler())
	v.functions, v.site = mux, api.Site()
	return v
}
