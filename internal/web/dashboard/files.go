package dashboard

import (
	"context"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/value"
)

// filesView lists stored files, newest first.
type filesView struct {
	*Visit
	Rows       []fileRow
	Components []string
	Component  string
	Next       string
	First      string
	Open       *fileRow // the one that is previewed
}

// fileRow is a stored file.
type fileRow struct {
	ID, Type, Digest string
	Size             int64
	Created          float64
	Raw, Link        string
	Picture, Text    bool
}

// When is when the file was stored.
func (f fileRow) When() any { return when(unixMilli(f.Created)) }

func (filesView) template() string { return "files" }
func (filesView) heading() string  { return "Files" }

// pictures are the types that are shown as pictures: those that browsers draw and
// that cannot hold scripts.
var pictures = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/avif": true}

// pageFiles is how many files a page shows.
const pageFiles = 50

// showFiles lists files.
func (s *Site) showFiles(v *Visit) (view, error) {
	d, err := v.Open()
	if err != nil {
		return nil, err
	}
	out := &filesView{Visit: v, Component: v.Q("component")}
	err = d.DB.View(v.Context(), func(tx *database.Tx) error {
		out.Rows, out.Next, out.Open, out.Components = nil, "", nil, nil
		tx, tree, err := v.space(v.Context(), tx)
		if err != nil {
			return err
		}
		if len(tree.All) > 1 || v.Q("component") != "" {
			for _, c := range tree.All {
				out.Components = append(out.Components, c.Path)
			}
		}
		return out.read(v.Context(), tx)
	})
	return out, err
}

// read reads a page of files.
func (v *filesView) read(ctx context.Context, tx *database.Tx) error {
	var span database.Interval
	if after := v.Q("after"); after != "" {
		key, err := base64.RawURLEncoding.DecodeString(after)
		if err != nil {
			return apierr.New(apierr.BadRequest, "BadPage", "This page does not exist. Go back to the first one.")
		}
		span.Upper, v.First = key, v.With("after", "", "open", "")
	}
	c := tx.Scan(filestorage.FileTable, byCreation, span, database.Desc)
	defer c.Close()
	var last []byte
	for {
		doc, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if doc == nil {
			break
		}
		if len(v.Rows) == pageFiles {
			v.Next = v.With("after", base64.RawURLEncoding.EncodeToString(last), "open", "")
			break
		}
		last = slices.Clone(c.Key())
		v.Rows = append(v.Rows, v.file(doc))
	}
	for i := range v.Rows {
		if v.Rows[i].ID == v.Q("open") {
			v.Open = &v.Rows[i]
		}
	}
	return nil
}

// file makes the row of a file.
func (v *filesView) file(doc *database.Document) fileRow {
	o := doc.Object()
	f := fileRow{ID: doc.ID.String(), Created: doc.CreationTime}
	if t, ok := o.Get("contentType"); ok {
		s, _ := t.(value.String)
		f.Type = string(s)
	}
	if n, ok := o.Get("size"); ok {
		size, _ := n.(value.Float64)
		f.Size = int64(size)
	}
	if t, ok := o.Get("sha256"); ok {
		s, _ := t.(value.String)
		f.Digest = string(s)
	}
	q := url.Values{}
	if v.Component != "" {
		q.Set("component", v.Component)
	}
	f.Raw = address(v.Base()+"/files/raw/"+f.ID, q)
	kind, _, _ := mime.ParseMediaType(f.Type)
	f.Picture = pictures[kind]
	f.Text = !f.Picture && (strings.HasPrefix(kind, "text/") || kind == "application/json") && f.Size <= maxTextPreview
	return f
}

// maxTextPreview bounds the texts that are shown.
const maxTextPreview = 256 << 10

// rawFile sends the bytes of a file: pictures and texts to be looked at, everything
// else to be kept. What is looked at is shut off from everything.
func (s *Site) rawFile(w http.ResponseWriter, r *http.Request) error {
	v, err := s.visit(w, r, &page{scope: inDeployment})
	if err != nil {
		return err
	}
	d, err := v.Open()
	if err != nil {
		return err
	}
	id, err := value.ParseID(r.PathValue("id"))
	if err != nil {
		return filestorage.ErrNoFile
	}
	var f *filestorage.File
	err = d.DB.View(r.Context(), func(tx *database.Tx) error {
		tx, _, err := v.space(r.Context(), tx)
		if err != nil {
			return err
		}
		id.Space = tx.Space()
		f, err = d.Files.Get(r.Context(), tx, id)
		return err
	})
	if err != nil {
		return err
	}
	if f == nil {
		return filestorage.ErrNoFile
	}
	body, err := d.Files.Read(r.Context(), f, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'self'")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	kind, _, _ := mime.ParseMediaType(f.ContentType)
	switch {
	case r.URL.Query().Has("keep") || !pictures[kind] && !strings.HasPrefix(kind, "text/") && kind != "application/json":
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.ID.String() + extension(kind)}))
	case pictures[kind]:
		h.Set("Content-Type", kind)
	default:
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(http.StatusOK)
	_, _ = io.Copy(w, body)
	return nil
}

// extension is how names of files of a type end.
func extension(kind string) string {
	if list, err := mime.ExtensionsByType(kind); err == nil && len(list) > 0 {
		slices.Sort(list)
		return list[0]
	}
	return ""
}

// uploadFile stores a file.
func (s *Site) uploadFile(v *Visit, part *multipart.Part) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	var space value.Space
	if err := d.DB.View(v.Context(), func(tx *database.Tx) error {
		in, _, err := v.space(v.Context(), tx)
		if err == nil {
			space = in.Space()
		}
		return err
	}); err != nil {
		return "", err
	}
	b, err := d.Files.Put(v.Context(), part)
	if err != nil {
		return "", err
	}
	id, err := d.Files.Add(context.WithoutCancel(v.Context()), space, b, part.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	v.Say("Stored %s as %s.", clipText(part.FileName(), 80), id)
	return "", nil
}

// deleteFile deletes a file.
func (s *Site) deleteFile(v *Visit) (string, error) {
	d, err := v.Open()
	if err != nil {
		return "", err
	}
	id, err := value.ParseID(v.PostForm.Get("id"))
	if err != nil {
		return "", err
	}
	ctx := v.Context()
	_, err = d.DB.Update(ctx, func(tx *database.Tx) error {
		tx, _, err := v.space(ctx, tx)
		if err != nil {
			return err
		}
		id.Space = tx.Space()
		found, err := d.Files.Delete(ctx, tx, id)
		if err == nil && !found {
			err = filestorage.ErrNoFile
		}
		return err
	})
	if err != nil {
		return "", err
	}
	v.Say("The file is deleted.")
	return v.With("open", ""), nil
}
