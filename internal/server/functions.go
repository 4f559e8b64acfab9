package server

import (
	"io"
	"net/http"

	"github.com/lentil-dev/lentil/internal/wire/convexsync"
)

// deploymentFronts are what answers on the deployment's two addresses.
func (s *Server) deploymentFronts() (functions, site http.Handler, err error) {
	d := s.deployment
	s.sync = &convexsync.Server{Runner: d.Runner, DB: d.DB, Authenticate: d.Gate.Message, Log: s.log}
	mux := http.NewServeMux()
	s.sync.Mount(mux)
	return mux, http.HandlerFunc(noActions), nil
}

// noActions is the HTTP-actions site of a version that does not run them.
func noActions(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/version" {
		io.WriteString(w, "unknown")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(http.StatusNotImplemented)
	io.WriteString(w, `{"code":"HttpActionsNotSupported","message":"This version of Lentil does not run HTTP actions yet (convex/http.ts). Queries, mutations and actions are at the deployment's own address."}`+"\n")
}
