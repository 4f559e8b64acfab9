package workos

import (
	"github.com/lentil-dev/lentil/internal/agent"
	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/auditlog"
	"github.com/lentil-dev/lentil/internal/featureflag"
	"github.com/lentil-dev/lentil/internal/integration"
	"github.com/lentil-dev/lentil/internal/radar"
	"github.com/lentil-dev/lentil/internal/vault"
)

// Services are the smaller services beside sign-in, one room each.
type Services struct {
	Vault        *vault.Service
	Flags        *featureflag.Service
	AuditLogs    *auditlog.Service
	Applications *application.Service
	Integrations *integration.Service
	Radar        *radar.Service
	Agents       *agent.Service
}
