package workos

import (
	"net/http"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/identity"
)

// maxBody bounds the JSON bodies of the API.
const maxBody = 256 << 10

// logout is GET /user_management/sessions/logout: visited by browsers, and called
// by fetch without CORS. It needs no credentials and forgives a session that is
// gone.
func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	back := q.Get("return_to")
	out, err := a.Flow.Logout(r.Context(), authflow.LogoutRequest{SessionID: q.Get("session_id"), ReturnTo: back})
	if err != nil {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			a.Pages.Refuse(w, r, err)
			return nil
		}
		return err
	}
	if out.Client != "" {
		if err := a.forgetClient(w, r, out.Client); err != nil {
			return err
		}
	}
	return a.Pages.SignedOut(w, r, out, back)
}

// forgetClient clears the cookies of a client for every origin of its environment:
// a navigation does not say from where it comes.
func (a *API) forgetClient(w http.ResponseWriter, r *http.Request, client identity.ClientID) error {
	if _, err := r.Cookie(hasSessionCookie); err != nil {
		a.forgetBrowser(w, r, client)
		return nil
	}
	env, err := a.Identity.EnvironmentByClient(r.Context(), client)
	if err != nil {
		return err
	}
	list, err := a.Identity.CORSOrigins(r.Context(), env.ID, identity.Page{Limit: 100})
	if err != nil {
		return err
	}
	origins := []string{a.baseURL(r)}
	for _, o := range list.Data {
		origins = append(origins, o.Origin)
	}
	a.forgetBrowser(w, r, client, origins...)
	return nil
}

// revokeSession is POST /user_management/sessions/revoke.
func (a *API) revokeSession(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		SessionID string `json:"session_id"`
	}
	if err := decodeBody(r, &body); err != nil {
		return err
	}
	if body.SessionID == "" {
		return missing("session_id")
	}
	err := a.Identity.RevokeSession(r.Context(), environment(r).ID, identity.SessionID(body.SessionID))
	if e, ok := apierr.As(err); ok && e.Kind == apierr.NotFound {
		return apierr.New(apierr.BadRequest, e.Code, "%s", e.Message).Wrap(err) // the description has 400 only
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

// sessionObject is a session as lists show it.
type sessionObject struct {
	Object         string  `json:"object"`
	ID             string  `json:"id"`
	UserID         string  `json:"user_id"`
	OrganizationID string  `json:"organization_id,omitempty"`
	Status         string  `json:"status"`
	AuthMethod     string  `json:"auth_method"`
	IPAddress      *string `json:"ip_address"`
	UserAgent      *string `json:"user_agent"`
	ExpiresAt      string  `json:"expires_at"`
	EndedAt        *string `json:"ended_at"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`

	Impersonator *impersonatorObject `json:"impersonator,omitempty"`
}

// impersonatorObject is who acts as the user.
type impersonatorObject struct {
	Email  string  `json:"email"`
	Reason *string `json:"reason"`
}

// listSessions is GET /user_management/users/{id}/sessions.
func (a *API) listSessions(w http.ResponseWriter, r *http.Request) error {
	page, err := pageOf(r)
	if err != nil {
		return err
	}
	list, err := a.Identity.Sessions(r.Context(), environment(r).ID, identity.UserID(r.PathValue("id")), page)
	if err != nil {
		return err
	}
	now := identity.Now(r.Context())
	return writeList(w, list, func(s *identity.Session) sessionObject {
		o := sessionObject{
			Object: "session", ID: string(s.ID), UserID: string(s.User), OrganizationID: string(s.Organization),
			Status: string(s.Status(now)), AuthMethod: s.Method.AuthMethod(),
			IPAddress: orNull(s.IPAddress), UserAgent: orNull(s.UserAgent),
			ExpiresAt: identity.FormatTime(s.Expires), EndedAt: timeOrNull(s.Ended),
			CreatedAt: identity.FormatTime(s.Created), UpdatedAt: identity.FormatTime(s.Updated),
		}
		if s.Impersonator != nil {
			o.Impersonator = &impersonatorObject{s.Impersonator.Email, orNull(s.Impersonator.Reason)}
		}
		return o
	})
}

// revokeSessions is POST /_lentil/v1/sessions/revoke: of one user, or of everybody.
func (a *API) revokeSessions(w http.ResponseWriter, r *http.Request) error {
	var b struct {
		UserID string `json:"user_id"`
		All    bool   `json:"all"`
	}
	if err := decodeBody(r, &b); err != nil {
		return err
	}
	var n int
	var err error
	switch env := environment(r).ID; {
	case b.UserID != "" && b.All:
		return invalidField("all", "all_invalid", "Give user_id or all, not both.")
	case b.UserID != "":
		n, err = a.Identity.RevokeSessionsOf(r.Context(), env, identity.UserID(b.UserID))
	case b.All:
		n, err = a.Identity.RevokeAllSessions(r.Context(), env)
	default:
		return missing("user_id")
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]int{"revoked": n})
	return nil
}
