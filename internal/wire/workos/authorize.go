package workos

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
)

// The lengths beyond which parameters of an authorize request are not honest.
// State is sealed by some clients and has 500 bytes and more (workos-api.md §1.3.2).
const (
	maxAuthorizeQuery = 32 << 10
	maxState          = 16 << 10
	maxParameter      = 4 << 10
)

// authorize is GET /user_management/authorize. It only reads the request; whether
// it is right is authflow's to say, and what the person then sees is the pages'.
func (a *API) authorize(w http.ResponseWriter, r *http.Request) error {
	if fetched(r) {
		return a.notNavigated(w, r)
	}
	q, err := decodeAuthorize(r.URL.RawQuery)
	if err == nil {
		err = a.atHome(r, q.ClientID)
	}
	if err != nil {
		a.Pages.Refuse(w, r, err)
		return nil
	}
	return a.Pages.Authorize(w, r, q)
}

// decodeAuthorize reads the query of an authorize request.
func decodeAuthorize(raw string) (authflow.AuthorizeRequest, error) {
	var q authflow.AuthorizeRequest
	if len(raw) > maxAuthorizeQuery {
		return q, apierr.New(apierr.TooLarge, "request_too_long", "The sign-in request of the app is too long.")
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return q, apierr.New(apierr.BadRequest, "malformed_request",
			"The sign-in request of the app is damaged: its query cannot be decoded.").Wrap(err)
	}
	for name, values := range v {
		if authorizeParameters[name] && len(values) > 1 {
			return q, apierr.New(apierr.BadRequest, "repeated_parameter",
				"The sign-in request of the app names %q more than once.", name)
		}
		limit := maxParameter
		if name == "state" {
			limit = maxState
		}
		if len(values[0]) > limit && authorizeParameters[name] {
			return q, apierr.New(apierr.TooLarge, "request_too_long",
				"The sign-in request of the app is too long: %q has more than %d bytes.", name, limit)
		}
	}
	q = authflow.AuthorizeRequest{
		ClientID: v.Get("client_id"), RedirectURI: v.Get("redirect_uri"), ResponseType: v.Get("response_type"),
		State: v.Get("state"), HasState: v.Has("state"),
		CodeChallenge: v.Get("code_challenge"), CodeChallengeMethod: v.Get("code_challenge_method"),
		ScreenHint: v.Get("screen_hint"), LoginHint: v.Get("login_hint"), Prompt: v.Get("prompt"),
		MaxAge:   v.Get("max_age"),
		Provider: v.Get("provider"), OrganizationID: v.Get("organization_id"), ConnectionID: v.Get("connection_id"),
		DomainHint: v.Get("domain_hint"), InvitationToken: v.Get("invitation_token"),
		PasswordResetToken: v.Get("password_reset_token"),
		ProviderScopes:     scopes(v), ProviderParams: bracketed(v, "provider_query_params"), Context: v.Get("context"),
	}
	switch {
	case q.ClientID == "":
		return q, apierr.New(apierr.BadRequest, "missing_client_id",
			"The sign-in request of the app has no client_id. Is the client id set in the app's environment?")
	case q.RedirectURI == "":
		return q, apierr.New(apierr.BadRequest, "missing_redirect_uri",
			"The sign-in request of the app has no redirect_uri, so there is nowhere to return to.")
	}
	return q, nil
}

// authorizeParameters are the parameters that are read and may be given once.
var authorizeParameters = map[string]bool{
	"client_id": true, "redirect_uri": true, "response_type": true, "state": true, "code_challenge": true,
	"code_challenge_method": true, "screen_hint": true, "login_hint": true, "prompt": true, "max_age": true,
	"provider": true, "organization_id": true, "connection_id": true, "domain_hint": true,
	"invitation_token": true, "password_reset_token": true, "context": true,
}

// fetched reports whether script, or a framework's prefetch, asked for what only a
// navigation can use. Sec-Fetch-Mode alone does not tell: Node's fetch sends it
// too, without being a browser.
func fetched(r *http.Request) bool {
	h := r.Header
	for _, name := range []string{"Origin", "RSC", "Next-Router-State-Tree", "Next-Router-Prefetch"} {
		if h.Get(name) != "" {
			return true
		}
	}
	mode := h.Get("Sec-Fetch-Mode")
	return h.Get("Sec-Fetch-Site") != "" && (mode == "cors" || mode == "same-origin")
}

// needsNavigation is the code of the refusal of such a request.
const needsNavigation = "authorize_needs_navigation"

// notNavigated answers such a request with something that its developer can read:
// a redirect to the pages would only show up as a CORS failure.
func (a *API) notNavigated(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Add("Vary", "Origin, RSC, Next-Router-State-Tree, Next-Router-Prefetch, Sec-Fetch-Mode")
	const must = "The browser must navigate here (window.location, a link, a redirect of a page); it cannot be fetched by script."
	switch {
	case r.Header.Get("Next-Action") != "":
		// Next.js throws what it reads here as the action's error, if the type is exactly
		// this one (its server-action-reducer); JSON would be "an unexpected response".
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusBadRequest)
		_, err := io.WriteString(w, "Nobody is signed in any more, so the app sent this server action on to the sign-in page, "+
			"which cannot be fetched by script. Reload the page to sign in again.")
		return err
	case strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/x-component") || r.Header.Get("RSC") != "":
		return apierr.New(apierr.BadRequest, needsNavigation,
			must+" In Next.js, link to the page that signs in with a plain <a>, or with <Link prefetch={false}>.")
	}
	return apierr.New(apierr.BadRequest, needsNavigation, must)
}
