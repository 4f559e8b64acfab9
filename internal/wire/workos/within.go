package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/identity"
)

// change runs f in a transaction on behalf of the request's environment.
func change[T any](a *API, r *http.Request, f func(*identity.Tx, identity.EnvironmentID) (T, error)) (out T, err error) {
	err = a.Identity.Update(r.Context(), func(tx *identity.Tx) error {
		out, err = f(tx, environment(r).ID)
		return err
	})
	return out, err
}

// look runs f in a transaction that writes nothing.
func look[T any](a *API, r *http.Request, f func(*identity.Tx, identity.EnvironmentID) (T, error)) (out T, err error) {
	err = a.Identity.View(r.Context(), func(tx *identity.Tx) error {
		out, err = f(tx, environment(r).ID)
		return err
	})
	return out, err
}

// erase runs f in a transaction and answers with this status and no body.
func (a *API) erase(w http.ResponseWriter, r *http.Request, status int, f func(*identity.Tx, identity.EnvironmentID) error) error {
	err := a.Identity.Update(r.Context(), func(tx *identity.Tx) error { return f(tx, environment(r).ID) })
	if err == nil {
		w.WriteHeader(status)
	}
	return err
}

// show writes an object as make makes it, unless there was an error.
func show[T, U any](w http.ResponseWriter, status int, v T, err error, make func(T) U) error {
	if err == nil {
		writeJSON(w, status, make(v))
	}
	return err
}
