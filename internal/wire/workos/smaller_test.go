package workos

import (
	"testing"

	"github.com/lentil-dev/lentil/internal/agent"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/auditlog"
	"github.com/lentil-dev/lentil/internal/featureflag"
	"github.com/lentil-dev/lentil/internal/integration"
	"github.com/lentil-dev/lentil/internal/radar"
	"github.com/lentil-dev/lentil/internal/vault"
)

// openSmaller fills the API's Services.
func openSmaller(t testing.TB, a *API) {
	t.Helper()
	a.Vault = &vault.Service{Identity: a.Identity}
	check(t, a.Vault.Open(t.Context()))
	a.Flags = &featureflag.Service{Identity: a.Identity}
	check(t, a.Flags.Open(t.Context()))
	a.AuditLogs = &auditlog.Service{Identity: a.Identity}
	check(t, a.AuditLogs.Open(t.Context()))
	a.Applications = &application.Service{Identity: a.Identity}
	check(t, a.Applications.Open(t.Context()))
	a.Integrations = &integration.Service{Identity: a.Identity, Callback: a.BaseURL + IntegrationCallback}
	check(t, a.Integrations.Open(t.Context()))
	a.Radar = &radar.Service{Identity: a.Identity}
	check(t, a.Radar.Open(t.Context()))
	a.Agents = &agent.Service{Identity: a.Identity}
	check(t, a.Agents.Open(t.Context()))
}
