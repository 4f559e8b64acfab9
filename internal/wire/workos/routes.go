package workos

import (
	"net/http"
	"slices"

	"github.com/lentil-dev/lentil/internal/wire"
)

// corsPolicy says which foreign origins may read a route's answers.
type corsPolicy uint8

const (
	corsNone     corsPolicy = iota // servers only
	corsOpen                       // anybody: the answer is public
	corsBrowser                    // registered origins, with credentials
	corsReadable                   // nobody, but whoever tries reads why
)

// Route is a row of the table of routes.
type Route struct {
	Method, Path string
	Operation    string // its name in the inventory; empty for what is ours alone
	Auth         string // as in the inventory

	cors    corsPolicy
	ownAuth bool // the handler looks at the API key itself
	handle  wire.Handler
}

// routes is the table: every operation the house offers, group by group; each
// group's rows stand in the file of its shapes. Unknown members of bodies and
// unknown query parameters are ignored throughout, as the real service does.
func (a *API) routes() []Route {
	return slices.Concat(
		a.signInRoutes(),
		a.discoveryRoutes(),
		a.userRoutes(),
		a.factorRoutes(),
		a.organizationRoutes(),
		a.membershipRoutes(),
		a.invitationRoutes(),
		a.groupRoutes(),
		a.roleRoutes(),
		a.authorizationRoutes(),
		a.ssoRoutes(),
		a.directoryRoutes(),
		a.settingRoutes(),
		a.eventRoutes(),
		a.webhookRoutes(),
		a.keyRoutes(),
		a.flagRoutes(),
		a.applicationRoutes(),
		a.auditLogRoutes(),
		a.vaultRoutes(),
		a.pipeRoutes(),
		a.radarRoutes(),
		a.portalRoutes(),
		a.agentRoutes(),
		a.emulatorRoutes(),
		a.operatorRoutes(),
	)
}

// signInRoutes are visited by browsers; authenticate is called by browsers and
// servers, and looks at the API key itself: public clients have none.
func (a *API) signInRoutes() []Route {
	return []Route{
		{"GET", "/user_management/authorize", "authorize", "public", corsReadable, false, a.authorize},
		{"POST", "/user_management/authenticate", "authenticate", "key", corsBrowser, true, a.authenticate},
		{"POST", devicePath, "authorizeDevice", "public", corsOpen, false, a.authorizeDevice},
		{"GET", "/user_management/sessions/logout", "logout", "public", corsNone, false, a.logout},
		{"POST", "/user_management/sessions/revoke", "revokeSession", "key", corsNone, false, a.revokeSession},
		{"GET", "/sso/jwks/{clientId}", "getJwks", "public", corsOpen, false, a.jwks},
		{"GET", "/health", "", "public", corsOpen, false, health},
	}
}

// userRoutes are about users.
func (a *API) userRoutes() []Route {
	return []Route{
		{"GET", "/user_management/users", "listUsers", "key", corsNone, false, a.listUsers},
		{"POST", "/user_management/users", "createUser", "key", corsNone, false, a.createUser},
		{"GET", "/user_management/users/external_id/{external_id}", "getUserByExternalId", "key", corsNone, false, a.userByExternalID},
		{"GET", "/user_management/users/{id}", "getUser", "key", corsNone, false, a.getUser},
		{"PUT", "/user_management/users/{id}", "updateUser", "key", corsNone, false, a.updateUser},
		{"DELETE", "/user_management/users/{id}", "deleteUser", "key", corsNone, false, a.deleteUser},
		{"GET", "/user_management/users/{id}/sessions", "listSessions", "key", corsNone, false, a.listSessions},
		{"GET", "/user_management/users/{id}/identities", "getUserIdentities", "key", corsNone, false, a.userIdentities},
		{"POST", "/user_management/users/{id}/email_change/send", "sendEmailChange", "key", corsNone, false, a.sendEmailChange},
		{"POST", "/user_management/users/{id}/email_change/confirm", "confirmEmailChange", "key", corsNone, false, a.confirmEmailChange},
		{"POST", "/user_management/users/{id}/email_verification/send", "sendVerificationEmail", "key", corsNone, false, a.sendVerificationEmail},
		{"POST", "/user_management/users/{id}/email_verification/confirm", "verifyEmail", "key", corsNone, false, a.verifyEmail},
		{"GET", "/user_management/email_verification/{id}", "getEmailVerification", "key", corsNone, false, a.getEmailVerification},
		{"POST", "/user_management/password_reset", "createPasswordReset", "key", corsNone, false, a.createPasswordReset},
		{"POST", "/user_management/password_reset/confirm", "resetPassword", "key", corsNone, false, a.resetPassword},
		{"GET", "/user_management/password_reset/{id}", "getPasswordReset", "key", corsNone, false, a.getPasswordReset},
	}
}

// settingRoutes are about the environment itself.
func (a *API) settingRoutes() []Route {
	return []Route{
		{"GET", "/user_management/redirect_uris", "listRedirectUris", "key", corsNone, false, a.listRedirectURIs},
		{"POST", "/user_management/redirect_uris", "createRedirectUri", "key", corsNone, false, a.createRedirectURI},
		{"DELETE", "/user_management/redirect_uris/{id}", "deleteRedirectUri", "key", corsNone, false, a.deleteRedirectURI},
		{"GET", "/user_management/cors_origins", "listCorsOrigins", "key", corsNone, false, a.listCORSOrigins},
		{"POST", "/user_management/cors_origins", "createCorsOrigin", "key", corsNone, false, a.createCORSOrigin},
		{"GET", "/user_management/jwt_template", "getJwtTemplate", "key", corsNone, false, a.getJWTTemplate},
		{"PUT", "/user_management/jwt_template", "updateJwtTemplate", "key", corsNone, false, a.setJWTTemplate},
		// Not in the public description, but the convex CLI calls it (workos-api.md §7.1).
		{"PUT", "/user_management/app_homepage_url", "", "key", corsNone, false, a.setHomepage},
	}
}

// Routes lists the table for documentation and tests.
func Routes() []Route { return (&API{}).routes() }

// health says that the front answers.
func health(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	return wire.WriteRawJSON(w, []byte(`{"status":"ok"}`))
}
