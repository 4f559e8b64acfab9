package backup

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// Names within a ZIP file (convex-cli.md §6.5).
const (
	documentsFile  = "documents.jsonl"
	tablesFolder   = "_tables"
	storageFolder  = "_storage"
	componentsName = "_components"
)

// readme is the file that tells people what the ZIP file is.
const readme = `# Snapshot of the deployment %s

Taken at %s (timestamp %d).

Each folder is a table. ` + "`documents.jsonl`" + ` has a document a line, as JSON; what JSON has no
form for is written {"$integer": "<8 bytes, base64>"}, {"$bytes": "<base64>"} and
{"$float": "<8 bytes, base64>"}, the bytes of numbers in little-endian order.
` + "`_tables`" + ` has the numbers of the tables, which ids are made of; ` + "`_storage`" + `, if it is here, the
uploaded files; ` + "`_components`" + `, the same for each component.

` + "`npx convex import --replace-all <this file>`" + ` brings a deployment back to this state.
`

// zipWriter writes a snapshot.
type zipWriter struct {
	*Service
	z    *zip.Writer
	tx   *database.Tx
	when time.Time
}

// writeZip writes the snapshot of a transaction.
func (s *Service) writeZip(ctx context.Context, dst io.Writer, tx *database.Tx, includeStorage bool) error {
	b := bufio.NewWriterSize(dst, 256<<10)
	w := &zipWriter{s, zip.NewWriter(b), tx, tx.Snapshot().Time().UTC()}
	// Speed is what matters here: documents shrink well at any level.
	w.z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	f, err := w.create("README.md", zip.Deflate)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, readme, s.Name, w.when.Format(time.RFC3339), int64(tx.Snapshot())); err != nil {
		return err
	}
	tree, err := udf.Components(ctx, tx)
	if err != nil {
		return err
	}
	if err := w.space(ctx, "", tx, includeStorage); err != nil {
		return err
	}
	for _, c := range tree.All {
		if c.Path == "" {
			continue
		}
		if err := w.space(ctx, folderOf(c.Path), tx.In(c.Space), includeStorage); err != nil {
			return err
		}
	}
	if err := w.z.Close(); err != nil {
		return err
	}
	return b.Flush()
}

// create begins a file.
func (w *zipWriter) create(name string, method uint16) (io.Writer, error) {
	return w.z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: w.when})
}

// space writes the tables of a namespace below a folder.
func (w *zipWriter) space(ctx context.Context, folder string, tx *database.Tx, includeStorage bool) error {
	f, err := w.create(folder+tablesFolder+"/"+documentsFile, zip.Deflate)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range tx.Tables() {
		if t.System() && !(includeStorage && t.Name == filestorage.FileTable) {
			continue
		}
		names = append(names, t.Name)
		if _, err := fmt.Fprintf(f, "{\"name\":%s,\"id\":%d}\n", value.AppendQuoted(nil, t.Name), t.Number); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := w.table(ctx, folder, tx, name); err != nil {
			return fmt.Errorf("backup: export table %s%s: %w", folder, name, err)
		}
	}
	if includeStorage {
		return w.files(ctx, folder, tx)
	}
	return nil
}

// documents calls f for each document of a table, in the order of ids, in which
// the store has them together.
func documents(ctx context.Context, tx *database.Tx, table string, f func(*database.Document) error) error {
	c := tx.Scan(table, database.ByID, database.Interval{}, database.Asc)
	defer c.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := c.Next(ctx)
		if err != nil || d == nil {
			return err
		}
		if err := f(d); err != nil {
			return err
		}
	}
}

// table writes the documents of a table: the very text they are stored in.
func (w *zipWriter) table(ctx context.Context, folder string, tx *database.Tx, table string) error {
	f, err := w.create(folder+table+"/"+documentsFile, zip.Deflate)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 64<<10)
	err = documents(ctx, tx, table, func(d *database.Document) error {
		b.Write(d.JSON())
		return b.WriteByte('\n') // says what Write met with, too
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// extensions are endings that make files open with a click; others get none.
var extensions = map[string]string{
	"application/json": ".json", "application/pdf": ".pdf", "application/zip": ".zip", "audio/mpeg": ".mp3", "image/gif": ".gif", "image/jpeg": ".jpeg",
	"image/png": ".png", "image/svg+xml": ".svg", "image/webp": ".webp", "text/csv": ".csv", "text/html": ".html", "text/plain": ".txt", "video/mp4": ".mp4",
}

// files writes the bytes of stored files. They are not compressed: most are
// already.
func (w *zipWriter) files(ctx context.Context, folder string, tx *database.Tx) error {
	return documents(ctx, tx, filestorage.FileTable, func(d *database.Document) error {
		// Each in a transaction of its own: one would remember every file it looked at.
		look, err := w.DB.BeginAt(ctx, tx.Snapshot())
		if err != nil {
			return err
		}
		file, err := w.Files.Get(ctx, look.In(tx.Space()), d.ID)
		if err != nil || file == nil {
			return err
		}
		r, err := w.Files.Read(ctx, file, 0)
		if errors.Is(err, filestorage.ErrNoFile) {
			return fmt.Errorf("backup: file %s was deleted and swept while the export ran", d.ID)
		}
		if err != nil {
			return err
		}
		defer r.Close()
		kind, _, _ := strings.Cut(file.ContentType, ";")
		f, err := w.create(folder+storageFolder+"/"+d.ID.String()+extensions[strings.TrimSpace(kind)], zip.Store)
		if err != nil {
			return err
		}
		n, err := io.Copy(f, r)
		if err == nil && n != file.Size {
			err = fmt.Errorf("backup: file %s has %d bytes, not %d", d.ID, n, file.Size)
		}
		return err
	})
}
