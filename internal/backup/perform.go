package backup

import (
	"archive/zip"
	"context"
	"fmt"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/value"
)

// perform does what was confirmed.
func (s *Service) perform(ctx context.Context, i *Import) error {
	f, err := s.openParts(ctx, i.token)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := openArchive(&i.Options, f)
	if err != nil {
		return err
	}
	bytes := map[value.ID]filestorage.Bytes{}
	for _, b := range a.tables {
		if b.name != filestorage.FileTable {
			continue
		}
		t := &target{bringing: b}
		if t.number, err = peekNumber(b, a); err != nil {
			return err
		}
		if err := eachFile(ctx, t, a.files[b.folder], func(in incoming, entry *zip.File) (err error) {
			bytes[in.id], err = s.putFile(ctx, t, in, entry)
			return err
		}); err != nil {
			return err
		}
	}
	var rows int64
	is, err := s.advance(ctx, i.ID, inProgress, func(tx *database.Tx, row *database.Document) error {
		p, err := s.makePlan(ctx, tx, i.Options, a)
		if err != nil {
			return err
		}
		check, err := p.checkers(ctx, tx)
		if err != nil {
			return err
		}
		rows = 0
		for _, t := range append(p.tables, p.others...) {
			if i.Options.Mode == Replace || i.Options.Mode == ReplaceAll {
				if err := s.clear(ctx, tx, t); err != nil {
					return err
				}
			}
		}
		for _, t := range p.tables {
			n, err := s.write(ctx, tx, t, a, check(t), bytes)
			if err != nil {
				return err
			}
			rows += n
		}
		return s.over(ctx, tx, row, completed, "rows", value.Int64(rows), "message", nil)
	})
	if is && err == nil {
		s.Log.Info("import completed", "import", i.ID.String(), "documents", rows)
	}
	return err
}

// clear deletes the documents of a table.
func (s *Service) clear(ctx context.Context, tx *database.Tx, t *target) error {
	var ids []value.ID
	if err := documents(ctx, tx, t.name, func(d *database.Document) error {
		ids = append(ids, d.ID)
		return nil
	}); err != nil {
		return err
	}
	for _, id := range ids {
		if t.name == filestorage.FileTable {
			if _, err := s.Files.Delete(ctx, tx, id); err != nil {
				return err
			}
		} else if err := tx.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// write adds the documents of a table.
func (s *Service) write(ctx context.Context, tx *database.Tx, t *target, a *archive, c checker, bytes map[value.ID]filestorage.Bytes) (n int64, err error) {
	if t.number == 0 {
		_, err = tx.CreateTable(ctx, t.name)
	} else {
		_, err = tx.NumberedTable(ctx, t.name, t.number)
	}
	if err != nil {
		return 0, t.at(err)
	}
	now := float64(time.Now().UnixMilli())
	if t.name == filestorage.FileTable {
		err = eachFile(ctx, t, a.files[t.folder], func(in incoming, _ *zip.File) error {
			n++
			if in.created == 0 {
				in.created = now
			}
			return s.restoreFile(ctx, tx, in, bytes[in.id])
		})
		return n, err
	}
	err = t.read(ctx, func(in incoming) error {
		n++
		if in.created == 0 {
			in.created = now
		}
		if err := c.check(in); err != nil {
			return err
		}
		if in.id.Table == 0 {
			_, err := tx.Insert(ctx, t.name, in.fields)
			return err
		}
		if err := tx.Restore(ctx, in.id, in.created, in.fields); err != nil {
			return under(fmt.Sprintf("line %d", in.line), err)
		}
		return nil
	})
	return n, err
}
