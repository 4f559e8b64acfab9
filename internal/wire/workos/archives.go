package workos

import (
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/transfer"
	"github.com/lentil-dev/lentil/internal/wire"
)

// exporting is the export that a request asks for.
func (a *API) exporting(r *http.Request) *transfer.Export {
	return &transfer.Export{Identity: a.Identity, Environment: environment(r), Secrets: r.URL.Query().Get("secrets") == "true"}
}

// exportArchive is GET /_lentil/v1/export: everything of the environment in a zip
// archive. An export that fails on the way ends the connection, so that nobody takes
// half of one for a whole.
func (a *API) exportArchive(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="environment.zip"`)
	_, err := a.exporting(r).Archive(r.Context(), w)
	return a.brokenOff(r, err)
}

// exportUsers is GET /_lentil/v1/export/users: the users alone, as JSON lines or with
// ?format=csv.
func (a *API) exportUsers(w http.ResponseWriter, r *http.Request) error {
	format := r.URL.Query().Get("format")
	switch format {
	case "", "jsonl":
		w.Header().Set("Content-Type", "application/jsonl")
	case "csv":
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	default:
		return apierr.New(apierr.BadRequest, "invalid_format", "format is jsonl or csv; %.20q is neither.", format)
	}
	_, err := a.exporting(r).Users(r.Context(), w, format)
	return a.brokenOff(r, err)
}

// brokenOff ends the connection of an answer that cannot be finished.
func (a *API) brokenOff(r *http.Request, err error) error {
	if err == nil {
		return nil
	}
	if r.Context().Err() == nil {
		a.Log.Error("export broken off", "environment", environment(r).ID, "request_id", wire.RequestID(r.Context()), "err", err)
	}
	panic(http.ErrAbortHandler)
}

// importArchive is POST /_lentil/v1/imports/archive: an archive of an export, with all
// ids, into an environment that has no users and organizations yet.
func (a *API) importArchive(w http.ResponseWriter, r *http.Request) error {
	i := &transfer.Restore{Identity: a.Identity, Environment: environment(r), Resume: r.URL.Query().Get("resume") == "true"}
	done, err := i.Run(r.Context(), r.Body)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, done)
	return nil
}
