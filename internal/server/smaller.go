package server

import (
	"context"
	"log/slog"

	"github.com/lentil-dev/lentil/internal/application"
	"github.com/lentil-dev/lentil/internal/auditlog"
	"github.com/lentil-dev/lentil/internal/featureflag"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/vault"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// smaller are the services that no other room of the house but the API needs.
type smaller struct {
	vault        vault.Service
	flags        featureflag.Service
	auditLogs    auditlog.Service
	applications application.Service
}

// open opens them all over the house's identity service.
func (s *smaller) open(ctx context.Context, id *identity.Service, log *slog.Logger) error {
	s.vault.Identity, s.flags.Identity = id, id
	s.auditLogs.Identity, s.auditLogs.Log = id, log
	s.applications.Identity, s.applications.Log = id, log
	for _, open := range []func(context.Context) error{s.vault.Open, s.flags.Open, s.auditLogs.Open, s.applications.Open} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// all is what the API speaks for.
func (s *smaller) all() workos.Services {
	return workos.Services{Vault: &s.vault, Flags: &s.flags, AuditLogs: &s.auditLogs, Applications: &s.applications}
}
