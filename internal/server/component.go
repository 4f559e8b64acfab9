package server

import (
	"context"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// The routes of the component @convex-dev/workos-authkit on a deployment's site.
const (
	componentWebhook = "/workos/webhook"
	componentAction  = "/workos/action"
)

// componentEvents are those by which the component keeps its table of users
// (workos-api.md §6.4).
var componentEvents = []string{"user.created", "user.deleted", "user.updated"}

// connectComponent lets the environment of a development project tell the component
// of its users: a webhook endpoint at the deployment's site, both actions, which are
// not asked until somebody enables them, and the secrets of these in the
// deployment's variables. What is there already stays as it is, except that it
// follows the site to another port.
func (s *Server) connectComponent(ctx context.Context, row *platform.Deployment) error {
	env, err := s.identity.Environment(ctx, row.Environment)
	if err != nil {
		return err
	}
	site := strings.TrimRight(s.home.deployment.SiteURL, "/")
	hook, err := s.componentHook(ctx, env, site+componentWebhook)
	if err != nil {
		return err
	}
	secret, err := s.componentActions(ctx, env, site+componentAction)
	if err != nil {
		return err
	}
	return s.home.deployment.EnsureVariables(ctx, map[string]string{"WORKOS_WEBHOOK_SECRET": hook, "WORKOS_ACTION_SECRET": secret})
}

// ofComponent reports whether an address is that of a route of the component on this
// machine, on whatever port.
func ofComponent(address, route string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Path == route && loopbackName(u.Hostname())
}

// componentHook makes sure of the webhook endpoint and gives its secret.
func (s *Server) componentHook(ctx context.Context, env *identity.Environment, to string) (string, error) {
	hooks := &s.services.webhooks
	list, err := hooks.Endpoints(ctx, env.ID, identity.Page{Limit: 100})
	if err != nil {
		return "", err
	}
	for _, e := range list.Data {
		if !ofComponent(e.URL, componentWebhook) {
			continue
		}
		if e.URL != to {
			_, err = hooks.UpdateEndpoint(ctx, env, e.ID, webhook.EndpointChange{URL: &to})
		}
		return e.Secret, err
	}
	e, err := hooks.CreateEndpoint(ctx, env, webhook.NewEndpoint{URL: to, Events: componentEvents})
	if err != nil {
		return "", err
	}
	return e.Secret, nil
}

// componentActions makes sure of the actions, which share one secret, and gives it.
func (s *Server) componentActions(ctx context.Context, env *identity.Environment, to string) (secret string, err error) {
	hooks := &s.services.webhooks
	list, err := hooks.Actions(ctx, env.ID)
	if err != nil {
		return "", err
	}
	have := map[webhook.ActionKind]webhook.ActionEndpoint{}
	for _, a := range list {
		have[a.Kind] = a
		if ofComponent(a.URL, componentAction) {
			secret = a.Secret
		}
	}
	for _, kind := range []webhook.ActionKind{webhook.ActionAuthentication, webhook.ActionUserRegistration} {
		change := webhook.ActionChange{URL: to}
		if a, ok := have[kind]; !ok {
			off := false
			change.Enabled, change.Secret = &off, secret
		} else if a.URL == to || !ofComponent(a.URL, componentAction) {
			continue
		}
		made, err := hooks.PutAction(ctx, env, kind, change)
		if err != nil {
			return "", err
		}
		secret = made.Secret
	}
	return secret, nil
}
