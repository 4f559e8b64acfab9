package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// jwtTemplateObject is the environment's template of claims.
type jwtTemplateObject struct {
	Object    string `json:"object"`
	Content   string `json:"content"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// newJWTTemplateObject shows t.
func newJWTTemplateObject(t *identity.JWTTemplate) jwtTemplateObject {
	return jwtTemplateObject{"jwt_template", t.Content, identity.FormatTime(t.Created), identity.FormatTime(t.Updated)}
}

// getJWTTemplate is GET /user_management/jwt_template.
func (a *API) getJWTTemplate(w http.ResponseWriter, r *http.Request) error {
	t, err := a.Identity.JWTTemplate(r.Context(), environment(r).ID)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newJWTTemplateObject(t))
	return nil
}

// setJWTTemplate is PUT /user_management/jwt_template.
func (a *API) setJWTTemplate(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Content string `json:"content"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	t, err := a.Identity.SetJWTTemplate(r.Context(), environment(r).ID, body.Content)
	if e, ok := apierr.As(err); ok && e.Kind == apierr.BadRequest {
		return invalidField("content", e.Code, "%s", e.Message)
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, newJWTTemplateObject(t))
	return nil
}
