package server

import (
	"context"
	"net/http"

	"github.com/lentil-dev/lentil/internal/wire/convexhttp"
	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// deploymentFronts are what answers on the deployment's two addresses.
func (s *Server) deploymentFronts() (functions, site http.Handler) {
	d := s.deployment
	s.sync = &convexsync.Server{Runner: d.Runner, DB: d.DB, Authenticate: d.Gate.Message, MaxSockets: s.cfg.Limits.Sockets, Log: s.log}
	api := &convexhttp.Server{
		Name: d.Name, Version: s.cfg.Version, CloudURL: d.CloudURL, SiteURL: d.SiteURL,
		Runner: d.Runner, Deploy: d.Deploy, Files: d.Files, Backup: d.Backup, Streams: d.Streams, DB: d.DB, Gate: d.Gate, Log: s.log,
		Diagnosis: func(ctx context.Context) (any, error) { return s.diagnose(ctx, d) },
		Status:    func() any { return s.Status() },
		Problems:  func() []string { return s.Status().Problems },
	}
	mux := http.NewServeMux()
	s.sync.Mount(mux)
	mux.Handle("/", api.Handler())
	return mux, api.Site()
}
