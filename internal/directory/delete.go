package directory

import (
	"context"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
)

// How many rows one transaction of a sweep deletes, how many such transactions a
// deletion does before it answers, and how often Run looks for the rest.
const (
	sweepBatch = 500
	sweepFirst = 4
	sweepEvery = time.Minute
)

// Delete ends a directory: its token is dead and its users are nobody's at once,
// and one event tells of it. The rows go in batches, small directories' before the
// answer. What its users became in the organisation stays, and is no longer the
// directory's to change (decision 78).
func (s *Service) Delete(ctx context.Context, env identity.EnvironmentID, id ID) error {
	err := s.Identity.Update(ctx, func(tx *identity.Tx) error {
		f, d, err := find(tx, env, id)
		if err != nil {
			return err
		}
		return end(tx, f, d)
	})
	if err != nil {
		return err
	}
	for range sweepFirst {
		done, err := s.sweep(ctx, env, id)
		if err != nil || done {
			return err
		}
	}
	return nil
}

// end makes a directory one that is being deleted.
func end(tx *identity.Tx, f *identity.Found, d *Directory) error {
	if d.State == Deleting {
		return nil
	}
	d.State, d.hash, d.Updated = Deleting, "", tx.Now()
	if err := tx.Put(f.Doc, directoryRow(d)); err != nil {
		return err
	}
	return tx.Record(d.Environment, "dsync.deleted", d.deletedData())
}

// gone ends the directories of an organisation that is about to be deleted; Run
// does the rest.
func gone(tx *identity.Tx, what identity.Gone) error {
	if what.User != "" || what.Membership != "" || what.Group != "" {
		return nil
	}
	rows, err := tx.All(tableDirectories, "on_organization", string(what.Environment), string(what.Organization))
	if err != nil {
		return err
	}
	for _, f := range rows {
		if err := end(tx, &f, readDirectory(f.Record)); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes some rows of a directory that is being deleted; done once none is
// left.
func (s *Service) sweep(ctx context.Context, env identity.EnvironmentID, id ID) (done bool, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		done = false
		f, d, err := find(tx, env, id)
		if err != nil {
			return err
		}
		left := sweepBatch
		var rows []identity.Found
		take := func(f identity.Found) (bool, error) {
			rows = append(rows, f)
			left--
			return left > 0, nil
		}
		if err := tx.Each(tableUsers, onDirectory, database.Prefix(identity.Key(string(id))), database.Asc, take); err != nil {
			return err
		}
		for _, r := range rows {
			u, err := readUser(r.Record)
			if err != nil {
				return err
			}
			in, err := tx.All(tableMembers, onUser, string(u.ID))
			if err != nil {
				return err
			}
			for _, m := range in {
				if err := tx.Remove(&m); err != nil {
					return err
				}
			}
			if err := s.release(tx, d, u); err != nil {
				return err
			}
		}
		if left > 0 {
			if err := tx.Each(tableGroups, onDirectory, database.Prefix(identity.Key(string(id))), database.Asc, take); err != nil {
				return err
			}
		}
		for _, r := range rows {
			if err := tx.Remove(&r); err != nil {
				return err
			}
		}
		if left == 0 {
			return nil
		}
		c, _, err := counts(tx, id)
		if err != nil {
			return err
		}
		if c != nil {
			if err := tx.Remove(c); err != nil {
				return err
			}
		}
		done = true
		return tx.Remove(f)
	})
	return done, err
}

// pendingRoles marks a directory whose users' roles are being computed anew.
const pendingRoles = "roles"

// remap computes the roles of some more users anew, after the mapping was changed;
// done once all have been.
func (s *Service) remap(ctx context.Context, env identity.EnvironmentID, id ID) (done bool, err error) {
	err = s.Identity.Update(ctx, func(tx *identity.Tx) error {
		done = true
		f, d, err := find(tx, env, id)
		if err != nil || d.State != Linked || d.pending != pendingRoles {
			return err
		}
		var list []UserID
		err = tx.Each(tableUsers, onDirectory, identity.Beyond(string(d.pendingAfter), database.Asc, string(id)), database.Asc, func(r identity.Found) (bool, error) {
			list = append(list, UserID(r.Text("id")))
			return len(list) < sweepBatch, nil
		})
		if err != nil {
			return err
		}
		if err := s.rerole(tx, d, list); err != nil {
			return err
		}
		if done = len(list) < sweepBatch; done {
			d.pending, d.pendingAfter = "", ""
		} else {
			d.pendingAfter = list[len(list)-1]
		}
		return tx.Put(f.Doc, directoryRow(d))
	})
	return done, err
}

// Run does what is left of deletions and of changed mappings, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := s.finish(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("work on directories failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// finish does what is left on all directories.
func (s *Service) finish(ctx context.Context) error {
	for _, job := range []struct {
		index, value string
		step         func(context.Context, identity.EnvironmentID, ID) (bool, error)
	}{{"on_state", string(Deleting), s.sweep}, {"on_pending", pendingRoles, s.remap}} {
		var list []Directory
		err := s.Identity.View(ctx, func(tx *identity.Tx) error {
			rows, err := tx.All(tableDirectories, job.index, job.value)
			list = list[:0]
			for _, f := range rows {
				list = append(list, *readDirectory(f.Record))
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range list {
			for done := false; !done; {
				if done, err = job.step(ctx, d.Environment, d.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
