package server

import (
	"context"
	"log/slog"

	"github.com/lentil-dev/lentil/internal/agent"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/auditlog"
	"github.com/lentil-dev/lentil/internal/featureflag"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/integration"
	"github.com/lentil-dev/lentil/internal/radar"
	"github.com/lentil-dev/lentil/internal/vault"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// smaller are the services that no other room of the house but the API needs.
type smaller struct {
	vault        vault.Service
	flags        featureflag.Service
	auditLogs    auditlog.Service
	applications application.Service
	integrations integration.Service
	radar        radar.Service
	agents       agent.Service
}

// open opens them all over the house's identity service.
func (s *smaller) open(ctx context.Context, id *identity.Service, log *slog.Logger) error {
	s.vault.Identity, s.flags.Identity, s.agents.Identity = id, id, id
	s.auditLogs.Identity, s.auditLogs.Log = id, log
	s.applications.Identity, s.applications.Log = id, log
	s.integrations.Identity, s.integrations.Log = id, log
	s.radar.Identity, s.radar.Log = id, log
	for _, open := range []func(context.Context) error{s.vault.Open, s.flags.Open, s.auditLogs.Open, s.applications.Open, s.integrations.Open, s.radar.Open, s.agents.Open} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rooms are those that work in the background.
func (s *smaller) rooms() []func(context.Context) error {
	return []func(context.Context) error{s.auditLogs.Run, s.applications.Run, s.integrations.Run, s.radar.Run}
}

// all is what the API at base speaks for.
func (s *smaller) all(base string) workos.Services {
	s.integrations.Callback = base + workos.IntegrationCallback
	return workos.Services{Vault: &s.vault, Flags: &s.flags, AuditLogs: &s.auditLogs, Applications: &s.applications, Integrations: &s.integrations, Radar: &s.radar, Agents: &s.agents}
}
