package authkit

import (
	"errors"
	"net/http"
)

// ErrSignedOut is what needs a session and found none.
var ErrSignedOut = errors.New("authkit: nobody is signed in")

// SwitchOrganization puts the session into another organization of the user, whose
// roles and permissions it then has. Write nothing before it. Where the organization wants
// more than the session has proven, its own sign-in for one, the error is an *Error
// with the code of what is wanted; SwitchHandler sends the browser there.
func (k *Kit) SwitchOrganization(w http.ResponseWriter, r *http.Request, organization string) (*Session, error) {
	v, _ := r.Context().Value(contextKey{}).(*visit)
	if v == nil {
		v = k.look(w, r)
	}
	if v.sealed == nil || v.session == nil {
		return nil, ErrSignedOut
	}
	fresh, err := k.grant(r.Context(), "refresh_token", map[string]any{"refresh_token": v.sealed.RefreshToken, "organization_id": organization})
	if err != nil {
		return nil, err
	}
	if err := k.save(w, fresh); err != nil {
		return nil, err
	}
	v.sealed, v.session = fresh, fresh.open()
	return v.session, nil
}

// further are the refusals that a sign-in in that organization cures
// (workos-api.md §1.6).
var further = map[string]bool{"sso_required": true, "mfa_enrollment": true, "mfa_challenge": true, "organization_selection_required": true}

// SwitchHandler takes a form with organization_id, and optionally return_to, and
// switches. Requests that another site caused are refused.
func (k *Kit) SwitchHandler() http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, r, http.StatusMethodNotAllowed, "method_not_allowed", "Send the form by POST.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		organization, back := r.FormValue("organization_id"), local(r.FormValue("return_to"))
		_, err := k.SwitchOrganization(w, r, organization)
		var e *Error
		switch {
		case err == nil:
			http.Redirect(w, r, back, http.StatusSeeOther)
		case errors.Is(err, ErrSignedOut), errors.As(err, &e) && further[e.Code]:
			k.begin(w, r, attempt{back: back, organization: organization})
		case errors.As(err, &e) && final(err):
			refuse(w, r, http.StatusForbidden, e.Code, "You cannot switch to that organization: "+e.Message)
		default:
			k.log.Warn("authkit: organization could not be switched", "err", err)
			refuse(w, r, http.StatusBadGateway, "identity_service_unavailable", "The identity service does not answer. Try again in a moment.")
		}
	}))
}
