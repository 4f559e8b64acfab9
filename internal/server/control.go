package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/lentil-dev/lentil/internal/mail"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire/management"
)

// openControl puts together what answers on the control listener: the management API
// of the official tools, the dashboard, and what probes ask.
func (s *Server) openControl(ctx context.Context) error {
	api, dashboard, err := s.controlRooms(ctx)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.answerMetrics)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s.cfg.Version) })
	mux.HandleFunc("POST "+BackupPath, s.backUpNow)
	s.roster(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if api.Serves(r.URL.Path) {
			api.ServeHTTP(w, r)
			return
		}
		dashboard.ServeHTTP(w, r)
	})
	s.control = s.traffic.control.counted(mux)
	return nil
}

// controlRooms makes the management API and the dashboard. What is not there yet
// says so.
func (s *Server) controlRooms(ctx context.Context) (api *management.API, dashboard http.Handler, err error) {
	api = &management.API{
		Platform: s.platform, BaseURL: s.controlURL(), Trusted: s.outbox != nil && onlyHere(s.controlSocket, s.controlURL()), Invite: s.inviteToWorkspace, Log: s.log,
	}
	if err := api.Open(); err != nil {
		return nil, nil, err
	}
	site, err := s.openDashboard(ctx)
	if err != nil {
		return nil, nil, err
	}
	api.Frame = site.Show
	return api, site, nil
}

// inviteToWorkspace mails that an address may see a team's WorkOS workspace now.
func (s *Server) inviteToWorkspace(ctx context.Context, i management.Invitation) error {
	return s.flow.Mail.Send(ctx, mail.Message{
		To:      i.Email,
		Subject: "You can open the WorkOS workspace " + i.Workspace,
		Text: "You were invited to the WorkOS workspace " + i.Workspace + " of the team " + i.Team + ".\n\n" +
			"It is part of this house's dashboard: " + i.URL + "\n",
	})
}

// controlURL is the control plane's address; see authKitURL for its host.
func (s *Server) controlURL() string {
	host := s.cfg.Host
	if host == "127.0.0.1" {
		host = "localhost"
	}
	return address(s.cfg.ControlURL, host, s.controlSocket.number)
}

// controlFront is what answers on the control listener: where only this machine
// reaches it, to this machine's names alone.
func (s *Server) controlFront() http.Handler {
	if !onlyHere(s.controlSocket, s.controlURL()) {
		return s.control
	}
	return ownHost(s.controlURL(), "control-url", func(string) bool { return false }, s.control)
}

// HouseToken derives the access token with the owner's rights from a data directory,
// whether or not the house in it runs: who may read its secrets may know it.
func HouseToken(dir string, masters [][]byte) (string, error) {
	ring, err := (&dataDir{path: dir}).peekRing(masters)
	if err != nil {
		return "", explain(dir, err)
	}
	return token.HouseToken(ring.Root)
}

// writeRefusal answers in the words of the deployments' own protocol, so that pages
// of other origins, too, can read what is wrong.
func writeRefusal(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, message})
}
