package identity

import (
	"context"
	"slices"

	"github.com/lentil-dev/lentil/internal/database"
)

// wipeBatch is how many nouns, with all that is theirs, one transaction of a reset
// deletes.
const wipeBatch = 50

// kept are this room's tables whose rows a reset leaves: an environment stays
// reachable by the same keys from the same applications, and looks the same.
var kept = []string{tableEnvironments, tableAPIKeys, tableSigningKeys, tableRedirects, tableOrigins, tableBranding}

// ResetEnvironment empties a test environment: its users, organizations, events and
// whatever else it holds, in this room and those above, are gone without an event.
// Its keys, addresses and settings stay (see Service.Keep), its clock is right again.
func (s *Service) ResetEnvironment(ctx context.Context, id EnvironmentID) (*Environment, error) {
	e, err := s.Environment(ctx, id)
	if err != nil {
		return nil, err
	}
	if e.Kind == Production {
		return nil, errTestOnly("Resetting an environment")
	}
	if err := s.wipe(ctx, id, false); err != nil {
		return nil, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		f, now, err := tx.environmentBy("on_id", string(id))
		if err != nil {
			return err
		}
		e = now
		e.Settings.Clock = 0
		if err := tx.firstRoles(id); err != nil {
			return err
		}
		return tx.Put(f.Doc, environmentRow(e, e.sealed))
	})
	if err != nil {
		return nil, err
	}
	s.Log.Info("environment reset", "environment", id)
	return e, nil
}

// DeleteEnvironment deletes an environment of any kind, with its keys, addresses,
// settings and all that it holds. Nobody signs in there any more from the first step
// on; the environment itself goes last, so that deleting it again ends what a crash
// broke off.
func (s *Service) DeleteEnvironment(ctx context.Context, id EnvironmentID) error {
	err := s.Update(ctx, func(tx *Tx) error {
		f, e, err := tx.environmentBy("on_id", string(id))
		if err != nil {
			return err
		}
		keys, err := tx.All(tableAPIKeys, "on_environment", string(id))
		if err != nil {
			return err
		}
		for i := range keys {
			if err := tx.Remove(&keys[i]); err != nil {
				return err
			}
		}
		e.ClientID = ClientID("deleted_" + string(id))
		return tx.Put(f.Doc, environmentRow(e, e.sealed))
	})
	if err != nil {
		return err
	}
	if err := s.wipe(ctx, id, true); err != nil {
		return err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		f, _, err := tx.environmentBy("on_id", string(id))
		if err != nil {
			return err
		}
		return tx.Remove(f)
	})
	if err == nil {
		s.Log.Info("environment deleted", "environment", id)
	}
	return err
}

// wipe deletes, in batches, what an environment holds; with its settings if whole.
func (s *Service) wipe(ctx context.Context, id EnvironmentID, whole bool) error {
	for _, step := range []func(*Tx) (bool, error){
		func(tx *Tx) (bool, error) { return tx.wipeOrganizations(id) },
		func(tx *Tx) (bool, error) { return tx.wipeUsers(id) },
		func(tx *Tx) (bool, error) { return tx.wipeRows(id, whole) },
	} {
		for more := true; more; {
			err := s.Update(ctx, func(tx *Tx) (err error) {
				tx.quiet = true
				more, err = step(tx)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return s.wipeUnlisted(ctx, id, whole)
}

// some gives the first ids of a table's rows of the environment.
func (tx *Tx) some(table string, id EnvironmentID) (ids []string, err error) {
	err = tx.Each(table, "on_environment", prefixOf(string(id)), database.Asc, func(f Found) (bool, error) {
		ids = append(ids, f.Text("id"))
		return len(ids) < wipeBatch, nil
	})
	return ids, err
}

// wipeOrganizations deletes some organizations with all that is theirs.
func (tx *Tx) wipeOrganizations(id EnvironmentID) (more bool, err error) {
	ids, err := tx.some(tableOrganizations, id)
	for _, org := range ids {
		if err := tx.DeleteOrganization(id, OrganizationID(org)); err != nil {
			return false, err
		}
	}
	return len(ids) > 0, err
}

// wipeUsers deletes some users with all that is theirs.
func (tx *Tx) wipeUsers(id EnvironmentID) (more bool, err error) {
	ids, err := tx.some(tableUsers, id)
	for _, user := range ids {
		if err := tx.DeleteUser(id, UserID(user)); err != nil {
			return false, err
		}
	}
	return len(ids) > 0, err
}

// wiped are the tables whose rows a reset deletes, or a deletion of the whole
// environment, each with the index that lists them by environment, or "" if it has
// none.
func (tx *Tx) wiped(whole bool) (tables []string, listed map[string]string) {
	listed = map[string]string{}
	for _, t := range tx.Tables() {
		settings := slices.Contains(kept, t.Name) || slices.Contains(tx.s.Keep, t.Name)
		if t.System() || t.Name == tableEnvironments || settings && !whole || slices.Contains(tx.s.Foreign, t.Name) {
			continue
		}
		tables = append(tables, t.Name)
		for _, ix := range tx.Indexes(t.Name) {
			if len(ix.Fields) > 0 && ix.Fields[0] == "environment" {
				listed[t.Name] = ix.Name
				break
			}
		}
	}
	return tables, listed
}

// wipeRows deletes some of the rows that are left of any room, found by the indexes
// that begin with the environment.
func (tx *Tx) wipeRows(id EnvironmentID, whole bool) (more bool, err error) {
	n := 0
	tables, listed := tx.wiped(whole)
	for _, table := range tables {
		index := listed[table]
		if index == "" {
			continue
		}
		var rows []Found
		err := tx.Each(table, index, prefixOf(string(id)), database.Asc, func(f Found) (bool, error) {
			rows = append(rows, f)
			return n+len(rows) < sweepBatch, nil
		})
		if err != nil {
			return false, err
		}
		for i := range rows {
			if err := tx.Remove(&rows[i]); err != nil {
				return false, err
			}
		}
		if n += len(rows); n >= sweepBatch {
			return true, nil
		}
	}
	return false, nil
}

// wipeUnlisted deletes the environment's rows of the tables without such an index:
// those to which only a secret or a deadline leads. They are read from end to end,
// since an index that nothing but a reset asks would cost every sign-in.
func (s *Service) wipeUnlisted(ctx context.Context, id EnvironmentID, whole bool) error {
	var tables []string
	var listed map[string]string
	if err := s.View(ctx, func(tx *Tx) error { tables, listed = tx.wiped(whole); return nil }); err != nil {
		return err
	}
	for _, table := range tables {
		if listed[table] != "" {
			continue
		}
		for span, more := (database.Interval{}), true; more; {
			var theirs []Found
			err := s.View(ctx, func(tx *Tx) error {
				n := 0
				theirs, more = nil, false
				return tx.Each(table, database.ByID, span, database.Asc, func(f Found) (bool, error) {
					if f.Text("environment") == string(id) {
						theirs = append(theirs, f)
					}
					span.Lower = database.After(key(f.Doc.String()))
					n++
					more = n == sweepBatch
					return !more, nil
				})
			})
			if err != nil {
				return err
			}
			if err := s.Update(ctx, func(tx *Tx) error {
				for i := range theirs {
					if d, err := tx.Get(ctx, theirs[i].Doc); err != nil {
						return err
					} else if d == nil {
						continue // swept meanwhile
					}
					if err := tx.Remove(&theirs[i]); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
