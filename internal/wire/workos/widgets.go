package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// widgetRoutes give out the tokens that pages of applications hold.
func (a *API) widgetRoutes() []Route {
	return []Route{
		{"POST", "/widgets/token", "createWidgetToken", "key", corsNone, false, a.createWidgetToken},
		{"POST", "/client/token", "createClientToken", "key", corsNone, false, a.createClientToken},
	}
}

// createWidgetToken is POST /widgets/token.
func (a *API) createWidgetToken(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Organization identity.OrganizationID `json:"organization_id"`
		User         identity.UserID         `json:"user_id"`
		Scopes       []string                `json:"scopes"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	t, err := a.Applications.WidgetToken(r.Context(), a.baseURL(r), environment(r).ID, b.User, b.Organization, b.Scopes)
	return writeToken(w, t, err)
}

// createClientToken is POST /client/token.
func (a *API) createClientToken(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		Organization identity.OrganizationID `json:"organization_id"`
		User         identity.UserID         `json:"user_id"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	t, err := a.Applications.ClientToken(r.Context(), a.baseURL(r), environment(r).ID, b.User, b.Organization)
	return writeToken(w, t, err)
}

// writeToken answers with a token that was made.
func writeToken(w http.ResponseWriter, token string, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, map[string]string{"token": token})
	return nil
}
