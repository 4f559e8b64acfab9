package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lentil-dev/lentil/internal/wire"
)

// readiness is what GET /ready answers: whether new work should be sent here.
type readiness struct {
	Ready  bool   `json:"ready"`
	Status string `json:"status"`
	Advice string `json:"advice"`
}

// readiness tells how it stands. A house that is alive but takes leave is not ready:
// balancers send new work elsewhere while what it has begun ends.
func (s *Server) readiness() readiness {
	select {
	case <-s.stopping:
		return readiness{false, "stopping", "This house takes leave; ask again in a moment, the next one will answer."}
	default:
	}
	select {
	case <-s.serving:
		return readiness{true, "ready", ""}
	default:
		return readiness{false, "starting", "This house is opening its stores; ask again in a moment."}
	}
}

// Alive asks the house whether it answers, as a probe would.
func (s *Server) Alive(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address("", s.cfg.Host, s.deploymentSocket.number)+"/health", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /health answered %s", res.Status)
	}
	return nil
}

// answerReady answers GET /ready.
func (s *Server) answerReady(w http.ResponseWriter) {
	state := s.readiness()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = wire.WriteJSON(w, state)
}

// probe answers what supervisors and balancers ask of a machine by its address.
func (s *Server) probe(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.Path {
	case "/ready":
		s.answerReady(w)
	case "/health":
		w.Header().Set("Cache-Control", "no-store")
		_ = wire.WriteJSON(w, map[string]string{"status": "ok"})
	default:
		return false
	}
	return true
}

// probed answers GET /ready before a front of the house's own does. HTTP actions
// have no such front: all their paths are the app's.
func (s *Server) probed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			s.answerReady(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}
