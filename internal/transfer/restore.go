package transfer

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/value"
)

// Restore is an archive on its way into an environment.
type Restore struct {
	Identity    *identity.Service
	Environment *identity.Environment
	Resume      bool // after one that stopped: rows that are there are left alone
}

// Restored is what became of an archive.
type Restored struct {
	Made        string         `json:"made"` // when the archive was
	Environment string         `json:"environment"`
	Secrets     bool           `json:"secrets"`
	Rows        map[string]int `json:"rows"`     // by table
	Kept        map[string]int `json:"kept"`     // that were there already
	LeftOut     map[string]int `json:"left_out"` // that are of no use without the secrets that the archive does not have
}

// restoring is a restoration that runs.
type restoring struct {
	*Restore
	zip      *zip.Reader
	manifest *Manifest
	done     *Restored
}

// invalidArchive refuses an archive of which nothing was taken.
func invalidArchive(format string, args ...any) error {
	return apierr.New(apierr.BadRequest, "invalid_archive", "The archive cannot be imported: "+format+".", args...)
}

// Run keeps the archive in a file of its own, checks all of it, and then takes its
// rows, with their ids, into an environment that has no users and organizations yet.
func (r *Restore) Run(ctx context.Context, archive io.Reader) (*Restored, error) {
	f, err := os.CreateTemp("", "lentil-archive-*.zip")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size, err := io.Copy(f, archive)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, invalidArchive("it is no zip archive, or not a whole one")
	}
	g := &restoring{Restore: r, zip: z}
	if err := g.check(ctx); err != nil {
		return nil, err
	}
	return g.take(ctx)
}

// check reads everything without writing.
func (g *restoring) check(ctx context.Context) error {
	f, err := g.zip.Open(manifestName)
	if err != nil {
		return invalidArchive("it has no %s; was its export broken off?", manifestName)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil || json.Unmarshal(b, &g.manifest) != nil || g.manifest == nil {
		return invalidArchive("its %s cannot be read", manifestName)
	}
	if m := g.manifest; m.Format != ArchiveVersion {
		return invalidArchive("it has format %d, and this house reads %d", m.Format, ArchiveVersion)
	}
	for name, want := range g.manifest.Files {
		if want == nil {
			return invalidArchive("its %s cannot be read", manifestName)
		}
		sum := sha256.New()
		f, err := g.zip.Open(name)
		if err != nil {
			return invalidArchive("%.100s is missing", name)
		}
		_, err = io.Copy(sum, contextReader{ctx, f})
		f.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
			return invalidArchive("%.100s was changed or damaged", name)
		}
	}
	for i := range movedTables {
		t, n := &movedTables[i], 0
		err := g.lines(ctx, t, func(identity.Record) error { n++; return nil })
		if err != nil {
			return err
		}
		if e := g.manifest.Files[rowsFolder+t.table+".jsonl"]; e != nil && e.Rows != n {
			return invalidArchive("%s has %d rows, not the %d of the manifest", t.table, n, e.Rows)
		}
	}
	return g.Identity.View(ctx, g.fresh)
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read is part of io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// fresh refuses environments that have people already.
func (g *restoring) fresh(tx *identity.Tx) error {
	envs, err := tx.Environments()
	if err != nil {
		return err
	}
	for _, e := range envs {
		if string(e.ID) == g.manifest.Environment && e.ID != g.Environment.ID {
			return apierr.New(apierr.Conflict, "archive_of_this_house",
				"The archive is of the environment %q, which is in this house: ids are unique in a house. Import it into another house, or into that environment after a reset.", e.Name)
		}
	}
	if g.Resume {
		return nil
	}
	for _, table := range []string{"users", "organizations"} {
		f, err := tx.First(table, "on_environment", string(g.Environment.ID))
		if err != nil {
			return err
		}
		if f != nil {
			return apierr.New(apierr.Conflict, "environment_not_empty",
				"The environment has %s already. Import into a new environment, reset this one, or say resume if an import of this archive was broken off.", table)
		}
	}
	return nil
}

// lines reads the rows of a table; those of tables that the archive does not have are
// none.
func (g *restoring) lines(ctx context.Context, t *moved, f func(identity.Record) error) error {
	name := rowsFolder + t.table + ".jsonl"
	if g.manifest.Files[name] == nil {
		return nil
	}
	file, err := g.zip.Open(name)
	if err != nil {
		return invalidArchive("%s is missing", name)
	}
	defer file.Close()
	in := bufio.NewScanner(contextReader{ctx, file})
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; in.Scan(); n++ {
		r, err := t.read(in.Bytes(), g.Identity.Sealer)
		if err != nil {
			return invalidArchive("line %d of %s %v", n, name, err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return invalidArchive("a line of %s is longer than %d bytes", name, maxLine)
	}
	return in.Err()
}

// take writes the rows.
func (g *restoring) take(ctx context.Context) (*Restored, error) {
	m := g.manifest
	g.done = &Restored{Made: m.Made, Environment: m.Environment, Secrets: m.Secrets, Rows: map[string]int{}, Kept: map[string]int{}, LeftOut: map[string]int{}}
	for i := range movedTables {
		t := &movedTables[i]
		var batch []identity.Record
		flush := func() error {
			err := g.write(ctx, t, batch)
			batch = batch[:0]
			return err
		}
		err := g.lines(ctx, t, func(r identity.Record) error {
			if t.needs && !m.Secrets {
				g.done.LeftOut[t.table]++
				return nil
			}
			if batch = append(batch, r); len(batch) < importBatch {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return nil, g.halfway(t.table, err)
		}
	}
	if err := g.settings(ctx); err != nil {
		return nil, g.halfway("settings", err)
	}
	if err := g.Identity.MovedEvents(ctx, g.Environment.ID); err != nil {
		return nil, g.halfway("events", err)
	}
	return g.done, nil
}

// halfway says that something of the archive is there, and the rest is not.
func (g *restoring) halfway(at string, err error) error {
	n := 0
	for _, rows := range g.done.Rows {
		n += rows
	}
	say := "the house could not write them; its log says why"
	if e, ok := apierr.As(err); ok {
		say = e.Message
	}
	return apierr.New(apierr.BadRequest, "import_stopped",
		"The import stopped at %s: %s %d rows are written: reset the environment, or send the archive again and say resume.", at, say, n).Wrap(err)
}

// settings takes the settings of the environment.
func (g *restoring) settings(ctx context.Context) error {
	if g.manifest.Files[settingsName] == nil {
		return nil
	}
	f, err := g.zip.Open(settingsName)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLine))
	if err != nil {
		return err
	}
	r, err := (&moved{}).read(b, g.Identity.Sealer)
	if err != nil {
		return invalidArchive("%s %v", settingsName, err)
	}
	return g.Identity.MovedSettings(ctx, g.Environment.ID, r)
}

// write writes some rows in one transaction.
func (g *restoring) write(ctx context.Context, t *moved, batch []identity.Record) error {
	if len(batch) == 0 {
		return nil
	}
	var rows, kept int
	err := g.Identity.Update(ctx, func(tx *identity.Tx) error {
		rows, kept = 0, 0
		for _, r := range batch {
			wrote, err := g.one(tx, t, r)
			if err != nil {
				return err
			}
			if wrote {
				rows++
			} else {
				kept++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if g.done.Rows[t.table] += rows; kept > 0 {
		g.done.Kept[t.table] += kept
	}
	return nil
}

// refuseRow refuses a row that does not fit into this house.
func refuseRow(t *moved, r identity.Record, format string, args ...any) error {
	return apierr.New(apierr.Conflict, "row_refused", "the row %.80q of %s %s.", r.Text("id"), t.table, fmt.Sprintf(format, args...))
}

// one writes a row; wrote is false if it was there.
func (g *restoring) one(tx *identity.Tx, t *moved, r identity.Record) (wrote bool, err error) {
	env := g.Environment.ID
	if _, ok := r.Fields.Get("environment"); ok || t.owner == "" {
		r.Fields = r.Fields.With("environment", value.String(env))
	}
	for field, table := range t.refs {
		if name := r.Text(field); name != "" {
			f, err := tx.First(table, indexOf(table), string(env), name)
			if err != nil {
				return false, err
			}
			if f == nil {
				return false, refuseRow(t, r, "belongs to %s %.80q, which is not in the archive", field, name)
			}
		}
	}
	by := t.by
	if by == "" {
		by = t.index
	}
	there, err := g.same(tx, t.table, by, r)
	if err != nil {
		return false, err
	}
	if there != nil {
		if e, ok := there.Fields.Get("environment"); ok && e != value.String(env) {
			return false, refuseRow(t, r, "has an id that another environment of this house uses")
		}
		if !t.replace {
			return false, nil
		}
		return true, tx.ReplaceMoved(there, r)
	}
	if t.alone != "" {
		other, err := g.same(tx, t.table, t.alone, r)
		if err != nil {
			return false, err
		}
		if other != nil {
			return false, refuseRow(t, r, "is in another environment of this house already")
		}
	}
	if t.table == "users" {
		if err := g.user(tx, t, r); err != nil {
			return false, err
		}
	}
	return true, tx.InsertMoved(t.table, r)
}

// user refuses a user whose id another environment of the house has, or whose address
// another user of the environment.
func (g *restoring) user(tx *identity.Tx, t *moved, r identity.Record) error {
	envs, err := tx.Environments()
	if err != nil {
		return err
	}
	for _, e := range envs {
		u, err := tx.UserNamed(e.ID, identity.UserID(r.Text("id")))
		if err != nil {
			return err
		}
		if u != nil {
			return refuseRow(t, r, "has an id that another environment of this house uses")
		}
	}
	u, err := tx.UserByEmail(g.Environment.ID, r.Text("email"))
	if err == nil && u != nil {
		err = refuseRow(t, r, "has the address of a user who is there already")
	}
	return err
}

// same finds the row of a table that has the same values in all fields of an index; nil
// if there is none, or the row lacks a field.
func (g *restoring) same(tx *identity.Tx, table, index string, r identity.Record) (*identity.Found, error) {
	var k []byte
	for _, ix := range tx.Indexes(table) {
		if ix.Name != index {
			continue
		}
		for _, name := range ix.Fields {
			v, ok := r.Fields.Get(name)
			if !ok {
				return nil, nil
			}
			k = value.AppendKey(k, v)
		}
	}
	if k == nil {
		return nil, nil
	}
	var found *identity.Found
	err := tx.Each(table, index, database.Prefix(k), database.Asc, func(f identity.Found) (bool, error) {
		found = &f
		return false, nil
	})
	return found, err
}

// indexOf is the index of a table that begins with environment and id.
func indexOf(table string) string {
	if table == "directory_users" || table == "directory_groups" {
		return "on_id"
	}
	return "on_environment"
}
