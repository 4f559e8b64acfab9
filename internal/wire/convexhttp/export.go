package convexhttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// requestExport answers POST /api/export/request/zip; exports are of the whole
// deployment.
func (s *Server) requestExport(q *request) error {
	storage, err := boolParam(q, "includeStorage")
	if err != nil {
		return err
	}
	if c := q.URL.Query().Get("component"); c != "" {
		return apierr.New(apierr.Unsupported, "ComponentExportNotSupported", "Exporting one component alone is not offered by this version of Lentil; leave the component out to export everything.")
	}
	id, err := s.Backup.RequestExport(q.Context(), storage)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"snapshotId": id.String()})
}

// boolParam reads a query parameter that is true or false; absent it is false.
func boolParam(q *request, name string) (bool, error) {
	v := q.URL.Query().Get(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, apierr.New(apierr.BadRequest, "BadQueryParameter", "The query parameter `%s` must be true or false.", name)
	}
	return b, nil
}

// downloadExport answers GET and HEAD of /api/export/zip/{name}.
func (s *Server) downloadExport(q *request) error {
	e, body, err := s.Backup.OpenExport(q.Context(), q.PathValue("name"), 0)
	if err != nil {
		return err
	}
	defer func() { body.Close() }()
	from, n, partial, ok := byteRange(q.Header.Get("Range"), e.Size)
	if !ok {
		return apierr.New(apierr.BadRequest, "RangeNotSatisfiable", "The range is not within the export, or there is more than one.")
	}
	if from > 0 {
		body.Close()
		if _, body, err = s.Backup.OpenExport(q.Context(), q.PathValue("name"), from); err != nil {
			return err
		}
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=snapshot_%s_%d.zip", s.Name, int64(e.Start)))
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	h.Set("Accept-Ranges", "bytes")
	h.Set("Cache-Control", "no-store")
	status := http.StatusOK
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, e.Size))
		status = http.StatusPartialContent
	}
	q.w.WriteHeader(status)
	if q.Method == http.MethodHead {
		return nil
	}
	if _, err := io.CopyN(q.w, body, n); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// done answers with null, as routes do whose status says everything.
func done(q *request, err error) error {
	if err != nil {
		return err
	}
	return wire.WriteRawJSON(q.w, []byte("null"))
}

// expireExport answers POST /api/export/set_expiration/{name}.
func (s *Server) expireExport(q *request) error {
	var b struct {
		At int64 `json:"expirationTsNs"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	return done(q, s.Backup.ExpireExport(q.Context(), q.PathValue("name"), time.Unix(0, b.At)))
}

// cancelExport answers POST /api/export/cancel/{name}.
func (s *Server) cancelExport(q *request) error {
	return done(q, s.Backup.CancelExport(context.WithoutCancel(q.Context()), q.PathValue("name")))
}
