package server

import (
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/web/portal"
	"github.com/lentil-dev/lentil/internal/web/testidp"
	"github.com/lentil-dev/lentil/internal/webhook"
	"github.com/lentil-dev/lentil/internal/wire/workos"
)

// services are what there is beside sign-in.
type services struct {
	smaller
	directory     directory.Service
	authorization authorization.Service
	sso           sso.Service
	passkeys      passkey.Service
	testIdP       testidp.IdP
	webhooks      webhook.Service
	portal        portal.Portal
}

// open opens them all over the house's identity service.
func (s *services) open(ctx context.Context, id *identity.Service, log *slog.Logger) error {
	if err := s.smaller.open(ctx, id, log); err != nil {
		return err
	}
	s.directory.Identity, s.directory.Log, s.authorization.Identity = id, log, id
	s.sso.Identity, s.sso.Sealer, s.sso.Log = id, id.Sealer, log
	s.testIdP.SSO, s.testIdP.Sealer, s.testIdP.Log = &s.sso, id.Sealer, log
	s.webhooks.Identity, s.webhooks.Log, s.passkeys.Identity = id, log, id
	for _, open := range []func(context.Context) error{s.sso.Open, s.directory.Open, s.authorization.Open, s.webhooks.Open, s.passkeys.Open} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return s.testIdP.Open()
}

// Run keeps going what works in the background, until ctx ends.
func (s *services) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range s.smaller.rooms() {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// fill puts them behind the API, whose address is known by now.
func (s *services) fill(api *workos.API) error {
	api.Directory, api.Authorization = &s.directory, &s.authorization
	api.SSO, s.sso.BaseURL = &s.sso, api.BaseURL
	api.Webhooks = &s.webhooks
	api.Services = s.smaller.all(api.BaseURL)
	api.Beside = map[string]http.Handler{testidp.Mount: &s.testIdP, portal.Mount: &s.portal}
	s.portal = portal.Portal{SSO: &s.sso, Directory: &s.directory, Log: api.Log, BaseURL: api.BaseURL}
	return s.portal.Open()
}
