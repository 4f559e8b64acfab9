package workos

import (
	"net/http"
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/radar"
)

// radarRoutes are about risk assessment.
func (a *API) radarRoutes() []Route {
	return []Route{
		{"POST", "/radar/attempts", "createAttempt", "key", corsNone, false, a.assessAttempt},
		{"PUT", "/radar/attempts/{id}", "updateAttempt", "key", corsNone, false, a.updateRadarAttempt},
		{"POST", "/radar/lists/{type}/{action}", "addListEntry", "key", corsNone, false, a.addListEntry},
		{"DELETE", "/radar/lists/{type}/{action}", "removeListEntry", "key", corsNone, false, a.removeListEntry},
		{"POST", "/user_management/radar_challenges", "sendRadarSmsChallenge", "key", corsNone, false, a.sendRadarSMS},
		{"GET", "/user_management/radar_challenges/{id}", "getRadarChallenge", "key", corsNone, false, a.getRadarChallenge},
	}
}

// assessAttempt is POST /radar/attempts.
func (a *API) assessAttempt(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		IPAddress string `json:"ip_address"`
		UserAgent string `json:"user_agent"`
		Email     string `json:"email"`
		Method    string `json:"auth_method"`
		Action    string `json:"action"`
		Signals   string `json:"signals_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	methods := []string{"Password", "Passkey", "Authenticator", "SMS_OTP", "Email_OTP", "Social", "SSO", "Other"}
	if !slices.Contains(methods, b.Method) {
		return apierr.New(apierr.BadRequest, "bad_request", "auth_method must be one of %v.", methods)
	}
	if b.Action != "sign-up" && b.Action != "sign-in" {
		return apierr.New(apierr.BadRequest, "bad_request", "action must be sign-up or sign-in.")
	}
	id, j, err := a.Radar.Assess(r.Context(), environment(r).ID, radar.Attempt{
		Subject: radar.Subject{IPAddress: b.IPAddress, UserAgent: b.UserAgent, Email: b.Email, Fingerprint: b.Signals}, Method: b.Method, SignUp: b.Action == "sign-up",
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Verdict radar.Verdict `json:"verdict"`
		Reason  string        `json:"reason"`
		ID      string        `json:"attempt_id"`
		Control string        `json:"control,omitempty"`
		List    radar.Kind    `json:"blocklist_type,omitempty"`
	}{j.Verdict, j.Reason, id, j.Control, j.List})
	return nil
}

// updateRadarAttempt is PUT /radar/attempts/{id}.
func (a *API) updateRadarAttempt(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Challenge string `json:"challenge_status"`
		Attempt   string `json:"attempt_status"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	for _, s := range []string{b.Challenge, b.Attempt} {
		if s != "" && s != "success" {
			return apierr.New(apierr.BadRequest, "bad_request", "A status is success, or is not sent.")
		}
	}
	return noContent(w, a.Radar.Note(r.Context(), environment(r).ID, r.PathValue("id"), b.Attempt != "", b.Challenge != ""))
}

// listEntry is the body of both operations on lists.
type listEntry struct {
	Entry string `json:"entry"`
}

// addListEntry is POST /radar/lists/{type}/{action}. A new entry could be answered
// without a body, but the official clients read one in any case.
func (a *API) addListEntry(w http.ResponseWriter, r *http.Request) error {
	var b listEntry
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	fresh, err := a.Radar.Add(r.Context(), environment(r).ID, radar.Kind(r.PathValue("type")), radar.Action(r.PathValue("action")), b.Entry)
	if err != nil {
		return err
	}
	message := "Entry already present in list"
	if fresh {
		message = "Entry added to list"
	}
	writeJSON(w, http.StatusOK, map[string]string{"message": message})
	return nil
}

// removeListEntry is DELETE /radar/lists/{type}/{action}, with a body.
func (a *API) removeListEntry(w http.ResponseWriter, r *http.Request) error {
	var b listEntry
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	return noContent(w, a.Radar.Remove(r.Context(), environment(r).ID, radar.Kind(r.PathValue("type")), radar.Action(r.PathValue("action")), b.Entry))
}

// sendRadarSMS is POST /user_management/radar_challenges: the house has no carrier.
func (a *API) sendRadarSMS(_ http.ResponseWriter, r *http.Request) error {
	var b struct {
		User identity.UserID `json:"user_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	if _, err := a.Identity.User(r.Context(), environment(r).ID, b.User); err != nil {
		return err
	}
	return apierr.New(apierr.BadRequest, "sms_not_available", "Lentil sends no text messages. Challenge the user by a code by mail (magic auth) instead.")
}

// getRadarChallenge is GET /user_management/radar_challenges/{id}. The house's own
// sign-in refuses or lets in and challenges by its second factors, so there are
// never any of these.
func (a *API) getRadarChallenge(_ http.ResponseWriter, r *http.Request) error {
	return identity.NotFound("Radar challenge", r.PathValue("id"))
}
