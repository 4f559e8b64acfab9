package workos

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// authenticatePath is the one endpoint with its own ways of saying no.
const authenticatePath = "/user_management/authenticate"

// maxAuthenticate bounds the body; the longest honest ones have some kilobytes.
const maxAuthenticate = 64 << 10

// authenticateBody is the body of every grant, as JSON or as a form.
type authenticateBody struct {
	GrantType                 string `json:"grant_type"`
	ClientID                  string `json:"client_id"`
	ClientSecret              string `json:"client_secret"`
	Code                      string `json:"code"`
	CodeVerifier              string `json:"code_verifier"`
	RefreshToken              string `json:"refresh_token"`
	OrganizationID            string `json:"organization_id"`
	Email                     string `json:"email"`
	Password                  string `json:"password"`
	PendingAuthenticationTok  string `json:"pending_authentication_token"`
	AuthenticationChallengeID string `json:"authentication_challenge_id"`
	DeviceCode                string `json:"device_code"`
	InvitationToken           string `json:"invitation_token"`
	RadarChallengeID          string `json:"radar_challenge_id"`
	VerificationID            string `json:"verification_id"`
	PhoneNumber               string `json:"phone_number"`
	IPAddress                 string `json:"ip_address"`
	UserAgent                 string `json:"user_agent"`
}

// grantAnswer is the answer to a grant. There is no expires_in and no token_type.
type grantAnswer struct {
	User           userObject              `json:"user"`
	OrganizationID identity.OrganizationID `json:"organization_id,omitempty"`
	AccessToken    string                  `json:"access_token"`
	RefreshToken   string                  `json:"refresh_token,omitempty"`
	Method         identity.Method         `json:"authentication_method,omitempty"`

	Impersonator *impersonatorObject `json:"impersonator,omitempty"`
	OAuthTokens  *oauthTokens        `json:"oauth_tokens,omitempty"`
}

// authenticate is POST /user_management/authenticate.
func (a *API) authenticate(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := a.admit(w, r); err != nil {
		return err
	}
	b, err := wire.Body(r, maxAuthenticate)
	if err != nil {
		return asOAuth(err)
	}
	body, err := decodeAuthenticate(r.Header.Get("Content-Type"), b)
	if err != nil {
		return err
	}
	if err := a.atHome(r, body.ClientID); err != nil {
		return oauthError("invalid_client", "Invalid client ID.").Wrap(err)
	}
	if err := a.admitClient(r, body.ClientID); err != nil {
		return err
	}
	grant := func(w http.ResponseWriter, r *http.Request) error { return a.grant(w, r, body) }
	switch authflow.GrantType(body.GrantType) {
	case authflow.GrantAuthorizationCode, authflow.GrantRefreshToken: // which know repetitions by themselves
		return grant(w, r)
	}
	env, err := a.Identity.EnvironmentByClient(r.Context(), identity.ClientID(body.ClientID))
	if err != nil { // Redeem has the words for it
		return grant(w, r)
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return a.once(w, r, env.ID, grant)
}

// grant redeems what a body brings.
func (a *API) grant(w http.ResponseWriter, r *http.Request, body *authenticateBody) error {
	q := grantRequest(r, body, a.clientIP(r))
	fromCookie := false
	if q.Type == authflow.GrantRefreshToken && q.RefreshToken == "" {
		if q.RefreshToken, fromCookie = refreshCookie(r, body.ClientID); !fromCookie {
			return oauthError("invalid_request", "Missing refresh token. Send refresh_token; a browser outside devMode "+
				"sends it as a cookie, which needs the app and this address to share a site.")
		}
	}
	g, err := a.Flow.Redeem(r.Context(), q)
	if err != nil {
		if e, ok := apierr.As(err); ok && fromCookie && e.Code == "invalid_grant" {
			a.forgetBrowser(w, r, identity.ClientID(body.ClientID), r.Header.Get("Origin"))
		}
		return err
	}
	answer := grantAnswer{User: newUserObject(g.User), OrganizationID: g.OrganizationID, AccessToken: g.AccessToken,
		RefreshToken: g.RefreshToken, Method: g.AuthenticationMethod, OAuthTokens: newOAuthTokens(g.OAuthProvider, g.OAuth)}
	if who := g.Impersonator; who != nil {
		answer.Impersonator = &impersonatorObject{who.Email, orNull(who.Reason)}
	}
	if r.Header.Get("Origin") != "" {
		a.rememberBrowser(w, r, g)
		if fromCookie {
			answer.RefreshToken = "" // script has no need to ever see it
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// admitClient checks a browser's origin against the environment of the client it
// names. An unknown client is left to authflow, which has the words for it.
func (a *API) admitClient(r *http.Request, client string) error {
	if r.Header.Get("Origin") == "" {
		return nil
	}
	env, err := a.Identity.EnvironmentByClient(r.Context(), identity.ClientID(client))
	if apierr.KindOf(err) == apierr.NotFound || apierr.KindOf(err) == apierr.BadRequest {
		return nil
	}
	if err != nil {
		return err
	}
	return a.admitTo(r, env)
}

// grantRequest is the request in authflow's words. A server tells the person's
// address and browser in the body; a browser is the person's.
func grantRequest(r *http.Request, b *authenticateBody, ip string) authflow.GrantRequest {
	q := authflow.GrantRequest{
		Type: authflow.GrantType(b.GrantType), ClientID: b.ClientID, ClientSecret: b.ClientSecret,
		Code: b.Code, CodeVerifier: b.CodeVerifier, RefreshToken: b.RefreshToken, Organization: identity.OrganizationID(b.OrganizationID),
		Email: b.Email, Password: b.Password, PendingAuthenticationToken: b.PendingAuthenticationTok,
		AuthenticationChallengeID: b.AuthenticationChallengeID, DeviceCode: b.DeviceCode,
		RadarChallengeID: b.RadarChallengeID, VerificationID: b.VerificationID, PhoneNumber: b.PhoneNumber,
		InvitationToken: b.InvitationToken, IPAddress: clip(b.IPAddress, 64), UserAgent: clip(b.UserAgent, 512),
		IdempotencyKey: clip(r.Header.Get("Idempotency-Key"), 256),
	}
	if q.ClientSecret == "" {
		q.ClientSecret, _ = bearer(r)
	}
	if r.Header.Get("Origin") != "" {
		q.IPAddress, q.UserAgent = ip, clip(r.UserAgent(), 512)
	}
	return q
}

// decodeAuthenticate reads the body by its content type; one without a type is
// taken for JSON if it looks like it.
func decodeAuthenticate(contentType string, b []byte) (*authenticateBody, error) {
	kind := ""
	if contentType != "" {
		var err error
		if kind, _, err = mime.ParseMediaType(contentType); err != nil {
			return nil, oauthError("invalid_request", "The Content-Type header is malformed; send application/json.")
		}
	}
	var body authenticateBody
	var err error
	switch text := strings.TrimSpace(string(b)); {
	case text == "":
		err = oauthError("invalid_request", "The request has no body; send a JSON object with grant_type and client_id.")
	case kind == "application/x-www-form-urlencoded", kind == "" && text[0] != '{':
		err = body.fromForm(text)
	case wire.IsJSON(contentType), kind == "", kind == "text/plain":
		err = body.fromJSON(b)
	default:
		err = oauthError("invalid_request", "A body of type %s is not understood; send application/json.", clip(kind, 64))
	}
	if err != nil {
		return nil, err
	}
	switch {
	case body.GrantType == "":
		return nil, oauthError("invalid_request", "The parameter grant_type is missing.")
	case body.ClientID == "":
		return nil, oauthError("invalid_request", "The parameter client_id is missing.")
	}
	return &body, nil
}

// fromJSON fills the body from a JSON object.
func (body *authenticateBody) fromJSON(b []byte) error {
	err := wire.Decode(b, body)
	if err == nil {
		return nil
	}
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) && typ.Field != "" {
		return oauthError("invalid_request", "The parameter %s must be a string, not a %s.", typ.Field, typ.Value)
	}
	return asOAuth(err)
}

// fromForm fills the body from a form, in which a parameter must not be repeated
// (RFC 6749 §3.2).
func (body *authenticateBody) fromForm(text string) error {
	v, err := url.ParseQuery(text)
	if err != nil {
		return oauthError("invalid_request", "The form in the body cannot be decoded.")
	}
	for name, to := range map[string]*string{
		"grant_type": &body.GrantType, "client_id": &body.ClientID, "client_secret": &body.ClientSecret,
		"code": &body.Code, "code_verifier": &body.CodeVerifier, "refresh_token": &body.RefreshToken,
		"organization_id": &body.OrganizationID, "email": &body.Email, "password": &body.Password,
		"pending_authentication_token": &body.PendingAuthenticationTok, "device_code": &body.DeviceCode,
		"authentication_challenge_id": &body.AuthenticationChallengeID, "invitation_token": &body.InvitationToken,
		"radar_challenge_id": &body.RadarChallengeID, "verification_id": &body.VerificationID, "phone_number": &body.PhoneNumber,
		"ip_address": &body.IPAddress, "user_agent": &body.UserAgent,
	} {
		if len(v[name]) > 1 {
			return oauthError("invalid_request", "The parameter %s is given more than once.", name)
		}
		*to = v.Get(name)
	}
	return nil
}

// asOAuth gives a refusal of the body's form the endpoint's own shape.
func asOAuth(err error) error {
	if e, ok := apierr.As(err); ok && e.Kind != apierr.Internal {
		return oauthError("invalid_request", "%s", e.Message).Wrap(err)
	}
	return err
}
