package transfer

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/identity"
)

// Export is what goes out of an environment.
type Export struct {
	Identity    *identity.Service
	Environment *identity.Environment
	Secrets     bool // hashes of passwords and whatever else opens something
}

// Archive writes everything, as it is at one moment, to be read by Restore or by other
// programs. An archive without a manifest, which comes last, was broken off.
func (e *Export) Archive(ctx context.Context, w io.Writer) (*Manifest, error) {
	snap, err := e.Identity.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	z := zip.NewWriter(w)
	m := &Manifest{Format: ArchiveVersion, Made: identity.FormatTime(time.Now()), Environment: string(e.Environment.ID), ClientID: string(e.Environment.ClientID),
		Secrets: e.Secrets, Files: map[string]*FileEntry{}}
	file := func(name string, write func(w io.Writer) (rows int, err error)) error {
		f, err := z.Create(name)
		if err != nil {
			return err
		}
		sum := sha256.New()
		b := bufio.NewWriterSize(io.MultiWriter(f, sum), 64<<10)
		n, err := write(b)
		if err == nil {
			err = b.Flush()
		}
		m.Files[name] = &FileEntry{Rows: n, SHA256: hex.EncodeToString(sum.Sum(nil))}
		return err
	}
	for _, t := range movedTables {
		if err := file(rowsFolder+t.table+".jsonl", func(w io.Writer) (int, error) { return e.table(ctx, snap, &t, w) }); err != nil {
			return nil, fmt.Errorf("export %s: %w", t.table, err)
		}
	}
	if err := file(settingsName, func(w io.Writer) (int, error) { return e.settings(ctx, snap, w) }); err != nil {
		return nil, fmt.Errorf("export settings: %w", err)
	}
	for name, format := range map[string]string{usersCSV: "csv", usersLines: "jsonl"} {
		if err := file(name, func(w io.Writer) (int, error) { return e.users(ctx, snap, w, format) }); err != nil {
			return nil, fmt.Errorf("export users: %w", err)
		}
	}
	f, err := z.Create(manifestName)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(f)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	return m, z.Close()
}

// rowsOf calls f for a table's rows of the environment.
func (e *Export) rowsOf(ctx context.Context, snap *identity.Snapshot, t *moved, f func(identity.Record) error) error {
	env := string(e.Environment.ID)
	if t.owner == "" {
		return snap.Each(ctx, t.table, t.index, func(_ *identity.Tx, r identity.Found) error { return f(r.Record) }, env)
	}
	return snap.Each(ctx, t.owner, "on_environment", func(tx *identity.Tx, owner identity.Found) error {
		all, err := tx.All(t.table, t.index, owner.Text("id"))
		for i := range all {
			if err == nil {
				err = f(all[i].Record)
			}
		}
		return err
	}, env)
}

// table writes the rows of a table.
func (e *Export) table(ctx context.Context, snap *identity.Snapshot, t *moved, w io.Writer) (n int, err error) {
	err = e.rowsOf(ctx, snap, t, func(r identity.Record) error {
		b, err := t.write(r, e.Identity.Sealer, e.Secrets)
		if err != nil {
			return err
		}
		n++
		_, err = w.Write(append(b, '\n'))
		return err
	})
	return n, err
}

// settings writes the row of the environment but for its secret.
func (e *Export) settings(ctx context.Context, snap *identity.Snapshot, w io.Writer) (n int, err error) {
	t := &moved{table: "environments", index: "on_id"}
	return 1, snap.View(ctx, func(tx *identity.Tx) error {
		f, err := tx.First(t.table, t.index, string(e.Environment.ID))
		if err != nil || f == nil {
			return err
		}
		b, err := t.write(identity.Record{Fields: f.Fields.Without("secret")}, e.Identity.Sealer, false)
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	})
}

// Users writes the users alone, in CSV or JSON lines, as Import reads them.
func (e *Export) Users(ctx context.Context, w io.Writer, format string) (int, error) {
	snap, err := e.Identity.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer snap.Release()
	return e.users(ctx, snap, w, format)
}

// userColumns are the columns of a CSV of users.
var userColumns = []string{"id", "email", "email_verified", "first_name", "last_name", "profile_picture_url", "external_id", "locale", "metadata",
	"organizations", "last_sign_in_at", "created_at", "updated_at", "password_hash_type", "password_hash", "password_salt_position"}

// users writes the users of a snapshot.
func (e *Export) users(ctx context.Context, snap *identity.Snapshot, w io.Writer, format string) (n int, err error) {
	table := csv.NewWriter(w)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	if format == "csv" {
		table.Write(userColumns)
	}
	err = snap.Each(ctx, "users", "on_environment", func(tx *identity.Tx, f identity.Found) error {
		u, err := e.user(tx, identity.UserID(f.Text("id")))
		if err != nil {
			return err
		}
		n++
		if format != "csv" {
			return lines.Encode(u)
		}
		record := make([]string, len(userColumns))
		for i, name := range userColumns {
			switch v := u[name].(type) {
			case nil:
			case string:
				record[i] = v
			case bool:
				record[i] = strconv.FormatBool(v)
			default:
				b, err := json.Marshal(v)
				if err != nil {
					return err
				}
				record[i] = string(b)
			}
		}
		return table.Write(record)
	}, string(e.Environment.ID))
	table.Flush()
	if err == nil {
		err = table.Error()
	}
	return n, err
}

// user is a user as other programs read it.
func (e *Export) user(tx *identity.Tx, id identity.UserID) (map[string]any, error) {
	env := e.Environment.ID
	u, err := tx.User(env, id)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"id": string(u.ID), "email": u.Email, "email_verified": u.EmailVerified, "first_name": u.FirstName, "last_name": u.LastName,
		"profile_picture_url": u.ProfilePictureURL, "external_id": u.ExternalID, "locale": u.Locale,
		"created_at": identity.FormatTime(u.Created), "updated_at": identity.FormatTime(u.Updated)}
	if len(u.Metadata) > 0 {
		out["metadata"] = u.Metadata
	}
	if !u.LastSignIn.IsZero() {
		out["last_sign_in_at"] = identity.FormatTime(u.LastSignIn)
	}
	memberships, err := tx.Memberships(env, id)
	if err != nil {
		return nil, err
	}
	var orgs []map[string]any
	for _, m := range memberships {
		o, err := tx.Organization(env, m.Organization)
		if err != nil {
			return nil, err
		}
		if m.Status == identity.MembershipActive {
			orgs = append(orgs, map[string]any{"external_id": o.ExternalID, "name": o.Name, "roles": m.Roles})
		}
	}
	if orgs != nil {
		out["organizations"] = orgs
	}
	if e.Secrets {
		hash, err := tx.Password(id)
		if err != nil {
			return nil, err
		}
		if hash != "" {
			out["password_hash_type"], out["password_hash"], out["password_salt_position"] = writtenHash(hash)
		}
	}
	for name, v := range out {
		if v == "" {
			delete(out, name)
		}
	}
	return out, nil
}

// writtenHash is a stored hash as the API takes it.
func writtenHash(hash string) (kind, text, position string) {
	if rest, ok := strings.CutPrefix(hash, "{SSHA;prefix}"); ok {
		return "ssha", "{SSHA}" + rest, "prefix"
	}
	if rest, ok := strings.CutPrefix(hash, "{SSHA256;prefix}"); ok {
		return "ssha256", "{SSHA256}" + rest, "prefix"
	}
	for begin, kind := range beginnings {
		if strings.HasPrefix(hash, begin) {
			return kind, hash, ""
		}
	}
	return "", hash, ""
}
