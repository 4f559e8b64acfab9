package workos

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/wire"
)

// The protocol says no in three ways (workos-api.md §1.6): OAuth bodies
// {error, error_description}, plain bodies {code, message}, and step-ups, which
// are plain with extra members and status 403. Which one it is depends on the
// grant and the code, not on the endpoint; authflow says so with its Refusal,
// and what is refused before a grant is looked at is in this file's tables.

// statuses are the codes whose status is not their kind's usual one.
var statuses = map[string]int{
	"invalid_request_parameters": http.StatusUnprocessableEntity,
	"invalid_session_id":         http.StatusUnprocessableEntity,
	"invalid_redirect_uri":       http.StatusUnprocessableEntity,
	"invalid_url":                http.StatusUnprocessableEntity,
	"too_many_endpoints":         http.StatusUnprocessableEntity,
	"no_such_event_yet":          http.StatusUnprocessableEntity,
	"invalid_app_homepage_url":   http.StatusUnprocessableEntity,
	"invalid_cors_origin":        http.StatusUnprocessableEntity,
	"auth_method_mismatch":       http.StatusUnprocessableEntity,
	"claim_expired":              http.StatusGone,
	// The convex CLI takes 422 with "already exists" for a redirect URI and 409 for
	// an origin as done (§7.1).
	"duplicate_redirect_uri": http.StatusUnprocessableEntity,
	"duplicate_cors_origin":  http.StatusConflict,
}

// oauthCodes are the codes of this room that have OAuth bodies.
var oauthCodes = map[string]bool{
	"invalid_request": true, "invalid_client": true, "unauthorized_client": true, "invalid_grant": true,
	"sign_up_not_allowed": true, "authentication_method_not_allowed": true, "invitation_invalid": true,
	"unsupported_grant_type": true, "server_error": true, "too_many_requests": true, "temporarily_unavailable": true,
}

// retryAfter is how many seconds a caller is asked to wait when the house is busy.
const retryAfter = "1"

// dialect writes a refusal.
func dialect(w http.ResponseWriter, r *http.Request, e *apierr.Error) {
	status := wire.Status(e.Kind)
	if s, ok := statuses[e.Code]; ok {
		status = s
	}
	body := map[string]any{}
	oauth := oauthCodes[e.Code]
	switch d := e.Details.(type) {
	case nil:
	case *authflow.Refusal:
		oauth = d.OAuth
		addRefusal(body, d)
	case authflow.Refusal:
		oauth = d.OAuth
		addRefusal(body, &d)
	case atStatus:
		status = d.status
		if d.details != nil {
			addMembers(body, d.details)
		}
	default:
		addMembers(body, d)
	}
	code, message := e.Code, e.Message
	if e.Kind == apierr.Internal {
		code, message = "server_error", "Something went wrong on our side. (request id "+wire.RequestID(r.Context())+")"
		oauth = oauth || r.URL.Path == authenticatePath
	}
	// The OAuth endpoint never answers 401 or 403 in that form: clients read 400
	// (RFC 6749 §5.2 allows it throughout).
	if oauth && status > http.StatusBadRequest && status < http.StatusTooManyRequests && r.URL.Path == authenticatePath {
		status = http.StatusBadRequest
	}
	if oauth {
		body["error"], body["error_description"] = code, message
	} else {
		body["code"], body["message"] = code, message
	}
	h := w.Header()
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="Lentil"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if h.Get("Retry-After") == "" {
			h.Set("Retry-After", retryAfter)
		}
	}
	h.Set("Cache-Control", "no-store")
	writeJSON(w, status, body)
}

// atStatus are details of a refusal whose status is not its code's usual one.
type atStatus struct {
	status  int
	details any
}

// addRefusal adds the extra members of a grant's refusal that are not empty.
func addRefusal(body map[string]any, d *authflow.Refusal) {
	for name, value := range map[string]string{
		"pending_authentication_token": d.PendingAuthenticationToken,
		"email":                        d.Email,
		"email_verification_id":        d.EmailVerificationID,
		"authkit_redirect_url":         d.AuthKitRedirectURL,
		"radar_challenge_id":           d.RadarChallengeID,
	} {
		if value != "" {
			body[name] = value
		}
	}
	if d.ConnectionIDs != nil {
		body["connection_ids"] = d.ConnectionIDs
	}
	if d.User != nil {
		body["user"] = newUserObject(d.User)
	}
	if d.Organizations != nil {
		body["organizations"] = d.Organizations
	}
	if d.Factors != nil {
		factors := []map[string]string{}
		for _, f := range d.Factors {
			factors = append(factors, map[string]string{"id": string(f.ID), "type": string(f.Type)})
		}
		body["authentication_factors"] = factors
	}
}

// addMembers adds the members of any other details: an object's own, or a list
// as "errors".
func addMembers(body map[string]any, d any) {
	b, err := json.Marshal(d)
	if err != nil {
		return
	}
	var object map[string]any
	if json.Unmarshal(b, &object) == nil {
		for k, v := range object {
			body[k] = v
		}
		return
	}
	var list []any
	if json.Unmarshal(b, &list) == nil {
		body["errors"] = list
	}
}

// writeJSON writes v with a status. The answer is measured beforehand, so that
// short ones need no chunks.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"code":"server_error","message":"The answer could not be written."}`)
	}
	b.Truncate(len(bytes.TrimRight(b.Bytes(), "\n")))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

// oauthError makes an error with an OAuth body.
func oauthError(code, format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, code, format, args...).With(&authflow.Refusal{OAuth: true})
}

// invalid makes the error for a request whose members are not right.
func invalid(format string, args ...any) *apierr.Error {
	return apierr.New(apierr.BadRequest, "invalid_request_parameters", format, args...)
}
