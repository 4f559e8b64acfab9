package transfer

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/lentil-dev/lentil/internal/identity"
)

// template sets the template of further claims.
func (a *applying) template() error {
	if a.seed.JWTTemplate == "" {
		return nil
	}
	_, _, err := a.ask("jwtTemplate", http.MethodPut, "/user_management/jwt_template", given("content", string(a.seed.JWTTemplate)))
	if err == nil {
		a.report.Made["jwtTemplate"] = 1
	}
	return err
}

// invitations invites people who are not invited yet.
func (a *applying) invitations() error {
	for i, n := range a.seed.Invitations {
		at := fmt.Sprintf("invitations[%d]", i)
		body := given("email", n.Email, "role_slug", n.Role, "expires_in_days", n.ExpiresInDays, "organization_id", a.organizations[n.Organization])
		if _, _, err := a.make("invitations", at, "/user_management/invitations", body,
			"email_already_invited", "email_already_invited_to_organization", "user_already_exists", "user_already_organization_member"); err != nil {
			return err
		}
	}
	return nil
}

// keys makes API keys. A value makes a key of the environment, as in the official
// emulator, where it is one, too.
func (a *applying) keys() error {
	values := map[string]string{}
	for _, text := range a.seed.APIKeys.Texts {
		values[text] = "seed"
	}
	for i, k := range a.seed.APIKeys.Keys {
		at := fmt.Sprintf("apiKeys[%d]", i)
		if k.Value != "" {
			values[k.Value] = k.Name
		}
		path, body := "/organizations/"+a.organizations[k.Organization]+"/api_keys", given("name", k.Name, "permissions", k.Permissions, "expires_at", k.ExpiresAt)
		if k.UserID != "" {
			path = "/user_management/users/" + k.UserID + "/api_keys"
			body["organization_id"] = a.organizations[k.Organization]
		}
		there, err := a.find(at, path+"?limit=100", func(m map[string]any) bool { return m["name"] == k.Name })
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["apiKeys"]++
			continue
		}
		if _, _, err := a.make("apiKeys", at, path, body); err != nil {
			return err
		}
	}
	for value, name := range values {
		if _, _, err := a.make("apiKeys", "apiKeys", "/_lentil/v1/api_keys", given("name", name, "value", value)); err != nil {
			return err
		}
	}
	return nil
}

// applications makes applications.
func (a *applying) applications() error {
	for i, p := range a.seed.ConnectApplications {
		at := fmt.Sprintf("connectApplications[%d]", i)
		there, err := a.find(at, "/connect/applications?limit=100", func(m map[string]any) bool { return m["name"] == p.Name })
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["connectApplications"]++
			continue
		}
		body := given("name", p.Name, "application_type", "m2m", "description", p.Description, "scopes", p.Scopes, "organization_id", a.organizations[p.Organization])
		if p.Type == "oauth" {
			uris := []map[string]any{}
			for j, u := range p.RedirectURIs {
				uris = append(uris, map[string]any{"uri": u, "default": j == 0})
			}
			body["application_type"], body["redirect_uris"], body["is_first_party"] = "oauth", uris, p.Organization == ""
		}
		if p.ClientID != "" {
			body["client_id"] = p.ClientID
		}
		answer, made, err := a.make("connectApplications", at, "/connect/applications", body)
		if err != nil {
			return err
		}
		if made && p.ClientSecret != "" {
			if _, _, err := a.ask(at+".client_secret", http.MethodPost, "/connect/applications/"+id(answer)+"/client_secrets", given("secret", p.ClientSecret)); err != nil {
				return err
			}
		}
		if p.Audience != "" {
			a.note("audience of applications is not seeded: the tokens of machines are for the environment's client")
		}
	}
	return nil
}

// endpoints registers addresses that hear of events.
func (a *applying) endpoints() error {
	for i, e := range a.seed.WebhookEndpoints {
		at := fmt.Sprintf("webhookEndpoints[%d]", i)
		there, err := a.find(at, "/webhook_endpoints?limit=100", func(m map[string]any) bool { return m["endpoint_url"] == e.address() })
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["webhookEndpoints"]++
			continue
		}
		events := e.Events
		if len(events) == 0 {
			events = subscribable()
		}
		answer, made, err := a.make("webhookEndpoints", at, "/webhook_endpoints", given("endpoint_url", e.address(), "events", events, "secret", e.Secret))
		if err != nil {
			return err
		}
		if made && e.Enabled != nil && !*e.Enabled {
			if _, _, err := a.ask(at+".enabled", http.MethodPatch, "/webhook_endpoints/"+id(answer), given("status", "disabled")); err != nil {
				return err
			}
		}
	}
	return nil
}

// subscribable are the events that an endpoint without a list hears of.
func subscribable() []string {
	return slices.DeleteFunc(identity.EventNames(), func(name string) bool { return !identity.WebhookEvent(name) })
}

// connections makes connections to the test identity provider.
func (a *applying) connections() error {
	for i, n := range a.seed.Connections {
		at := fmt.Sprintf("connections[%d]", i)
		org := a.organizations[n.Organization]
		there, err := a.find(at, "/connections?limit=100&organization_id="+org, func(m map[string]any) bool { return m["name"] == n.Name })
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["connections"]++
			continue
		}
		if n.Type != "" && n.Type != "TestIdp" {
			a.note("connections are seeded with the type TestIdp: the house is the identity provider, whoever comes chooses who to be")
		}
		answer, made, err := a.make("connections", at, "/_lentil/v1/connections", given("organization_id", org, "name", n.Name, "connection_type", "TestIdp", "protocol", "saml", "optional", true))
		if err != nil {
			return err
		}
		if made && n.State == "inactive" {
			if _, _, err := a.ask(at+".state", http.MethodPatch, "/_lentil/v1/connections/"+id(answer), given("state", "inactive")); err != nil {
				return err
			}
		}
	}
	return nil
}

// flags makes feature flags.
func (a *applying) flags() error {
	for i, f := range a.seed.FeatureFlags {
		if _, _, err := a.make("featureFlags", fmt.Sprintf("featureFlags[%d]", i), "/_lentil/v1/feature-flags", f); err != nil {
			return err
		}
	}
	return nil
}

// hooks makes error hooks, after all else: they would strike the seed itself.
func (a *applying) hooks() error {
	for i, h := range a.seed.ErrorHooks {
		there, err := a.find(fmt.Sprintf("errorHooks[%d]", i), "/_emulate/hooks", func(m map[string]any) bool {
			return m["method"] == h["method"] && m["path"] == h["path"] && m["status"] == h["status"]
		})
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["errorHooks"]++
			continue
		}
		if _, _, err := a.make("errorHooks", fmt.Sprintf("errorHooks[%d]", i), "/_emulate/hooks", h); err != nil {
			return err
		}
	}
	return nil
}
