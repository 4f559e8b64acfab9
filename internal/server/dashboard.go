package server

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/web/dashboard"
	"github.com/lentil-dev/lentil/internal/web/login"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// openDashboard makes the dashboard, and the link of a house that nobody has signed
// in to yet.
func (s *Server) openDashboard(ctx context.Context) (*dashboard.Site, error) {
	site := &dashboard.Site{Platform: s.platform, Identity: s.identity, Log: s.log, BaseURL: s.controlURL(), Health: s.health, Accounts: s.flow, AuthKitURL: s.authKitURL()}
	site.Refusals = func(d *platform.Deployment) []diagnosis.Entry {
		return s.refusals.List(d.Name, string(d.Environment), "")
	}
	site.Webhooks, site.MailInvitation, site.Impersonate = &s.services.webhooks, s.mailInvitation, s.impersonate
	if s.private() {
		site.Outbox = s.outbox
	}
	if err := site.Open(); err != nil {
		return nil, err
	}
	var err error
	s.addresses.DashboardLink, err = site.FirstLink(ctx)
	return site, err
}

// mailInvitation mails the link by which an invitation is accepted.
func (s *Server) mailInvitation(e *identity.Environment, i *identity.Invitation, organization string) error {
	return s.flow.SendInvitation(e, i, s.pagesURL(e)+workos.InvitePath+"?token="+url.QueryEscape(i.Token), "", organization)
}

// impersonate makes an address that signs in as one of an environment's users, once.
func (s *Server) impersonate(ctx context.Context, e *identity.Environment, n authflow.NewImpersonation) (string, error) {
	_, secret, err := s.flow.NewImpersonation(ctx, e.ID, n)
	if err != nil {
		return "", err
	}
	return s.pagesURL(e) + login.ImpersonatePath + "?token=" + url.QueryEscape(secret), nil
}

// pagesURL is where people find an environment's hosted pages.
func (s *Server) pagesURL(e *identity.Environment) string {
	base := s.authKitURL()
	if e.Settings.Domain != "" {
		base = e.OwnURL(strings.HasPrefix(base, "https://"))
	}
	return base
}

// health is the status in the dashboard's words.
func (s *Server) health() dashboard.Health {
	st := s.Status()
	slices.Sort(st.Problems)
	plain := func(name string, g Gauge) dashboard.Gauge {
		return dashboard.Gauge{Name: name, Used: g.Used, Limit: g.Limit}
	}
	memory := func(name string, n int64) dashboard.Gauge { return dashboard.Gauge{Name: name, Used: n, Bytes: true} }
	return dashboard.Health{
		Version: st.Version, Began: time.Now().Add(-time.Duration(st.UptimeSeconds) * time.Second).Truncate(time.Minute), Problems: st.Problems,
		Gauges: []dashboard.Gauge{
			plain("Connections", st.Connections), plain("Sockets", st.Sockets), plain("Requests", st.Requests), plain("Subscriptions", st.Subscriptions),
			plain("Workers", st.Workers), plain("Waiting for a worker", st.Queue), plain("Write log", st.WriteLog), plain("Open files", st.Files),
			plain("Lost threads", st.ParkedThreads), plain("Refused", Gauge{Used: st.Refused}),
			memory("Memory", st.MemoryBytes), memory("This deployment's documents", st.StoreBytes), memory("Users and settings", st.HouseBytes), memory("Free on the disk", st.DiskFreeBytes),
		},
	}
}
