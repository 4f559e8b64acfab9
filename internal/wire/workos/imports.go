package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/transfer"
)

// firebaseHeader holds the parameters of a Firebase project's hashes. They are secret,
// so they stand in no address.
const firebaseHeader = "Lentil-Firebase-Hash"

// importUsers is POST /_lentil/v1/imports: the users of another service, CSV or JSON,
// read as they come.
func (a *API) importUsers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	i := &transfer.Import{Identity: a.Identity, Environment: environment(r).ID, Hash: authflow.ForeignHash,
		Source: q.Get("source"), OnConflict: transfer.OnConflict(q.Get("on_conflict")), DryRun: q.Get("dry_run") == "true"}
	if text := r.Header.Get(firebaseHeader); text != "" {
		var err error
		if i.Firebase, err = transfer.ParseFirebase(text); err != nil {
			return invalid("The header %s cannot be used: %v.", firebaseHeader, err)
		}
	}
	done, err := i.Run(r.Context(), r.Body)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, done)
	return nil
}
