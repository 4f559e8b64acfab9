package workos

import (
	"net/http"
	"net/url"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// impersonatePath is where the page of an impersonation lives; web/login serves it.
const impersonatePath = "/impersonate"

// impersonationObject is an impersonation. URL is shown once, when it is made.
type impersonationObject struct {
	Object         string             `json:"object"`
	ID             string             `json:"id"`
	UserID         string             `json:"user_id"`
	OrganizationID *string            `json:"organization_id"`
	Impersonator   impersonatorObject `json:"impersonator"`
	URL            string             `json:"url,omitempty"`
	UsedAt         *string            `json:"used_at"`
	ExpiresAt      string             `json:"expires_at"`
	CreatedAt      string             `json:"created_at"`
}

// newImpersonationObject shows i.
func newImpersonationObject(i *authflow.Impersonation) impersonationObject {
	o := impersonationObject{Object: "impersonation", ID: i.ID, UserID: string(i.User), OrganizationID: orNull(string(i.Organization)),
		Impersonator: impersonatorObject{i.Email, orNull(i.Reason)}, ExpiresAt: identity.FormatTime(i.Expires), CreatedAt: identity.FormatTime(i.Created)}
	if !i.Used.IsZero() {
		o.UsedAt = orNull(identity.FormatTime(i.Used))
	}
	return o
}

// createImpersonation is POST /_lentil/v1/impersonations.
func (a *API) createImpersonation(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		UserID            identity.UserID         `json:"user_id"`
		OrganizationID    identity.OrganizationID `json:"organization_id"`
		Reason            string                  `json:"reason"`
		ImpersonatorEmail string                  `json:"impersonator_email"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	i, secret, err := a.Flow.NewImpersonation(r.Context(), environment(r).ID, authflow.NewImpersonation{User: body.UserID, Organization: body.OrganizationID,
		Email: body.ImpersonatorEmail, Reason: body.Reason})
	if err != nil {
		return err
	}
	o := newImpersonationObject(i)
	o.URL = a.peopleURL(r, environment(r)) + impersonatePath + "?token=" + url.QueryEscape(secret)
	writeJSON(w, http.StatusCreated, o)
	return nil
}

// listImpersonations is GET /_lentil/v1/impersonations.
func (a *API) listImpersonations(w http.ResponseWriter, r *http.Request) error {
	p, err := pageOf(r)
	if err != nil {
		return err
	}
	l, err := a.Flow.Impersonations(r.Context(), environment(r).ID, p)
	if err != nil {
		return err
	}
	return writeList(w, l, newImpersonationObject)
}
