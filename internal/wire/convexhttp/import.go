package convexhttp

import (
	"context"
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/wire"
)

// startUpload answers POST /api/import/start_upload.
func (s *Server) startUpload(q *request) error {
	token, err := s.Backup.StartUpload(q.Context())
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"uploadToken": token})
}

// uploadPart answers POST /api/import/upload_part. The body goes to the disk as it
// comes.
func (s *Server) uploadPart(q *request) error {
	part, err := strconv.Atoi(q.URL.Query().Get("partNumber"))
	if err != nil {
		return apierr.New(apierr.BadRequest, "InvalidPartNumber", "The query parameter `partNumber` must be a number.")
	}
	name, err := s.Backup.UploadPart(q.Context(), q.URL.Query().Get("uploadToken"), part, q.Body)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, name)
}

// importArgs are the options of an import as clients name them.
type importArgs struct {
	TableName     string `json:"tableName"`
	ComponentPath string `json:"componentPath"`
	Mode          string `json:"mode"`
	Format        string `json:"format"`
}

// options are the same as backup knows them.
func (a importArgs) options() backup.ImportOptions {
	return backup.ImportOptions{Table: a.TableName, Component: a.ComponentPath, Mode: backup.Mode(a.Mode), Format: a.Format}
}

// finishUpload answers POST /api/import/finish_upload.
func (s *Server) finishUpload(q *request) error {
	var b struct {
		Import      importArgs `json:"import"`
		UploadToken string     `json:"uploadToken"`
		PartTokens  []string   `json:"partTokens"`
	}
	if err := s.body(q, maxSmallBody, &b); err != nil {
		return err
	}
	id, err := s.Backup.FinishUpload(q.Context(), b.UploadToken, b.PartTokens, b.Import.options())
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"importId": id.String()})
}

// importBody answers POST /api/import, by which older clients upload in one piece.
func (s *Server) importBody(q *request) error {
	p := q.URL.Query()
	a := importArgs{TableName: p.Get("tableName"), ComponentPath: p.Get("componentPath"), Mode: p.Get("mode"), Format: p.Get("format")}
	if a.Mode == "" {
		a.Mode = string(backup.RequireEmpty)
	}
	token, err := s.Backup.StartUpload(q.Context())
	if err != nil {
		return err
	}
	part, err := s.Backup.UploadPart(q.Context(), token, 1, q.Body)
	if err != nil {
		return err
	}
	id, err := s.Backup.FinishUpload(q.Context(), token, []string{part}, a.options())
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"importId": id.String()})
}

// importID reads the body that names an import.
func (s *Server) importID(q *request) (string, error) {
	var b struct {
		ImportID string `json:"importId"`
	}
	err := s.body(q, maxSmallBody, &b)
	return b.ImportID, err
}

// performImport answers POST /api/perform_import.
func (s *Server) performImport(q *request) error {
	id, err := s.importID(q)
	if err != nil {
		return err
	}
	return done(q, s.Backup.Perform(context.WithoutCancel(q.Context()), id))
}

// cancelImport answers POST /api/cancel_import.
func (s *Server) cancelImport(q *request) error {
	id, err := s.importID(q)
	if err != nil {
		return err
	}
	return done(q, s.Backup.CancelImport(context.WithoutCancel(q.Context()), id))
}
