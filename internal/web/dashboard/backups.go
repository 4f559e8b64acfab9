package dashboard

import (
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/backup"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/platform"
)

// backupsView shows the deployment's last export and its imports. Backups of the
// whole house are made beside the house (lentil backup) and are no matter of a
// deployment's page.
type backupsView struct {
	*Visit
	Export  *exportRow
	Imports []importRow
}

// exportRow is the last export.
type exportRow struct {
	ID, State       string
	Files           bool
	Made, Expires   time.Time
	Size            int64
	Ready, Underway bool
}

// importRow is an import.
type importRow struct {
	ID, State, Message, Mode string
	Created                  time.Time
	Rows                     int64
	Waits, Underway          bool
}

func (backupsView) template() string { return "backups" }
func (backupsView) heading() string  { return "Backups" }

// unixMilli is a time in milliseconds.
func unixMilli(ms float64) time.Time { return time.UnixMicro(int64(ms * 1000)) }

// showBackups shows them.
func (s *Site) showBackups(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &backupsView{Visit: v}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Export, out.Imports = nil, nil
		e, err := backup.LatestExport(v.Context(), tx)
		if err != nil {
			return err
		}
		if e != nil {
			out.Export = &exportRow{ID: e.ID.String(), State: e.State, Files: e.IncludeStorage, Expires: e.Expires, Size: e.Size,
				Ready: e.State == "completed", Underway: e.State == "requested" || e.State == "in_progress"}
			if e.Complete != 0 {
				out.Export.Made = e.Complete.Time()
			}
		}
		list, err := backup.Imports(v.Context(), tx)
		for _, i := range list {
			out.Imports = append(out.Imports, importRow{ID: i.ID.String(), State: i.State, Message: i.Message, Mode: string(i.Options.Mode), Created: unixMilli(i.Created), Rows: i.Rows,
				Waits: i.State == "waiting_for_confirmation", Underway: i.State == "uploaded" || i.State == "in_progress"})
		}
		return err
	})
	return out, err
}

// export asks for an export.
func (s *Site) export(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	if _, err := d.Backup.RequestExport(v.Context(), v.PostForm.Get("files") != ""); err != nil {
		return "", err
	}
	v.Say("The export is being made; it can be downloaded here in a moment.")
	return "", nil
}

// downloadExport sends an export to whoever may see all data in one piece.
func (s *Site) downloadExport(w http.ResponseWriter, r *http.Request) error {
	v, err := s.visit(w, r, &page{scope: inDeployment, need: platform.Developer})
	if err != nil {
		return err
	}
	d, err := v.Open()
	if err != nil {
		return err
	}
	e, body, err := d.Backup.OpenExport(r.Context(), r.PathValue("id"), 0)
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Length", strconv.FormatInt(e.Size, 10))
	h.Set("Content-Disposition", `attachment; filename="`+v.Row.Name+"-"+strconv.FormatInt(int64(e.Start), 10)+`.zip"`)
	_, _ = io.Copy(w, body)
	return nil
}

// importZip takes in an export. What it would change is told before it is done.
func (s *Site) importZip(v *Visit, part *multipart.Part) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	mode := backup.Mode(v.PostForm.Get("mode"))
	if mode == "" {
		mode = backup.RequireEmpty
	}
	ctx := v.Context()
	token, err := d.Backup.StartUpload(ctx)
	if err != nil {
		return "", err
	}
	one, err := d.Backup.UploadPart(ctx, token, 1, part)
	if err != nil {
		return "", err
	}
	if _, err := d.Backup.FinishUpload(context.WithoutCancel(ctx), token, []string{one}, backup.ImportOptions{Mode: mode, Format: "zip"}); err != nil {
		return "", err
	}
	v.Say("The file is here. It is read through next; then you are asked to confirm.")
	return "", nil
}

// confirmImport performs, or gives up, an import that waits.
func (s *Site) confirmImport(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	switch v.PostForm.Get("answer") {
	case "import":
		err = d.Backup.Perform(v.Context(), v.PostForm.Get("id"))
		v.Say("Importing.")
	case "cancel":
		err = d.Backup.CancelImport(v.Context(), v.PostForm.Get("id"))
		v.Say("Canceled.")
	default:
		err = apierr.New(apierr.BadRequest, "NoAnswer", "Say whether to import or to cancel.")
	}
	return "", err
}
