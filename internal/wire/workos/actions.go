package workos

import (
	"net/http"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// actionObject is the address that decides about registrations or sign-ins.
type actionObject struct {
	Object    string `json:"object"`
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	URL       string `json:"endpoint_url"`
	Secret    string `json:"secret"`
	Enabled   bool   `json:"enabled"`
	OnFailure string `json:"on_failure"`
	Timeout   int64  `json:"timeout_ms"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newActionObject shows e.
func newActionObject(e *webhook.ActionEndpoint) actionObject {
	return actionObject{"action_endpoint", string(e.ID), string(e.Kind), e.URL, e.Secret, e.Enabled, string(e.OnFailure), e.Timeout.Milliseconds(),
		identity.FormatTime(e.Created), identity.FormatTime(e.Updated)}
}

// listActions shows the environment's actions, at most one of each kind.
func (a *API) listActions(w http.ResponseWriter, r *http.Request) error {
	list, err := a.Webhooks.Actions(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	return writeList(w, &identity.List[webhook.ActionEndpoint]{Data: list}, newActionObject)
}

// putAction makes or changes the action of a kind; members that are absent stay.
func (a *API) putAction(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		URL       string              `json:"endpoint_url"`
		Secret    string              `json:"secret"`
		Enabled   *bool               `json:"enabled"`
		OnFailure webhook.VerdictName `json:"on_failure"`
		Timeout   int64               `json:"timeout_ms"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.Timeout < 0 || body.Timeout > 1<<20 {
		return invalidField("timeout_ms", "invalid_timeout_ms", "The timeout is too long.")
	}
	e, err := a.Webhooks.PutAction(r.Context(), environment(r), webhook.ActionKind(r.PathValue("kind")), webhook.ActionChange{
		URL: body.URL, Secret: body.Secret, Enabled: body.Enabled, OnFailure: body.OnFailure, Timeout: time.Duration(body.Timeout) * time.Millisecond})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newActionObject(e))
	return nil
}

// deleteAction ends the action of a kind.
func (a *API) deleteAction(w http.ResponseWriter, r *http.Request) error {
	if err := a.Webhooks.DeleteAction(r.Context(), environment(r).ID, webhook.ActionKind(r.PathValue("kind"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
