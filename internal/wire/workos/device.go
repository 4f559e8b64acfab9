package workos

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire"
)

// devicePath begins the flow of devices without a keyboard.
const devicePath = "/user_management/authorize/device"

// enterPath is the page where people enter a device's code; web/login serves it.
const enterPath = "/device"

// authorizeDevice is POST /user_management/authorize/device, as JSON or as a form.
func (a *API) authorizeDevice(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	b, err := wire.Body(r, maxAuthenticate)
	if err != nil {
		return asOAuth(err)
	}
	var body struct {
		ClientID string `json:"client_id"`
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		v, err := url.ParseQuery(string(b))
		if err != nil {
			return oauthError("invalid_request", "The form in the body cannot be decoded.")
		}
		body.ClientID = v.Get("client_id")
	} else if len(b) > 0 {
		if err := json.Unmarshal(b, &body); err != nil {
			return oauthError("invalid_request", "The body must be a JSON object or a form with client_id.")
		}
	}
	if err := a.atHome(r, body.ClientID); err != nil {
		return oauthError("invalid_client", "Invalid client ID.").Wrap(err)
	}
	d, err := a.Flow.AuthorizeDevice(r.Context(), identity.ClientID(body.ClientID), a.clientIP(r))
	if err != nil {
		return err
	}
	env, err := a.Identity.EnvironmentByClient(r.Context(), identity.ClientID(body.ClientID))
	if err != nil {
		return err
	}
	page := a.peopleURL(r, env) + enterPath
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": d.DeviceCode, "user_code": d.UserCode, "verification_uri": page, "verification_uri_complete": page + "?user_code=" + url.QueryEscape(d.UserCode),
		"expires_in": int(d.Expires.Seconds()), "interval": int(d.Interval.Seconds()),
	})
	return nil
}
