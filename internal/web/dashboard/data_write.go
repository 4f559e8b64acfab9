package dashboard

import (
	"context"
	"crypto/sha256"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// shortHash is enough to see whether something has changed.
func shortHash(b []byte) (h [8]byte) {
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}

// table is the table that a form is about: one of the user's.
func (v *Visit) table(tx *database.Tx) (string, error) {
	name := v.Q("table")
	if name == "" || strings.HasPrefix(name, "_") {
		return "", apierr.New(apierr.BadRequest, "TableMissing", "Choose a table first.")
	}
	if _, ok := tx.Table(name); !ok {
		return "", apierr.New(apierr.NotFound, "TableNotFound", "There is no table %q.", name)
	}
	return name, nil
}

// write runs f in a transaction of the deployment, with what holds documents against
// the schema.
func (v *Visit) write(f func(ctx context.Context, tx *database.Tx, check func(string, value.ID, value.Object) error) error) error {
	d, err := v.Open()
	if err != nil {
		return err
	}
	ctx := v.Context()
	_, err = d.DB.Update(ctx, func(tx *database.Tx) error {
		tx, _, err := v.space(ctx, tx)
		if err != nil {
			return err
		}
		check, err := udf.Writes(ctx, tx)
		if err != nil {
			return err
		}
		return f(ctx, tx, check)
	})
	v.site.counts.forget(v.Row.Name)
	return err
}

// find reads the document that a form is about.
func (v *Visit) find(ctx context.Context, tx *database.Tx, table, text string) (*database.Document, error) {
	id, err := value.ParseID(text)
	if err != nil {
		return nil, err
	}
	id.Space = tx.Space()
	doc, err := tx.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if name, _ := tx.TableName(id.Table); doc == nil || name != table {
		return nil, apierr.New(apierr.NotFound, "DocumentNotFound", "The document %s is not in the table %s any more.", text, table)
	}
	return doc, nil
}

// errChanged is the answer to a form that was made from what is not there any more.
var errChanged = apierr.New(apierr.Conflict, "ChangedMeanwhile",
	"Somebody changed this meanwhile. What is there now stands below; save again to put what you wrote in its place.")

// addDocument makes a document.
func (s *Site) addDocument(v *Visit) (string, error) {
	o, err := readObject(v.PostForm.Get("value"))
	if err != nil {
		return "", err
	}
	var made value.ID
	err = v.write(func(ctx context.Context, tx *database.Tx, check func(string, value.ID, value.Object) error) error {
		table, err := v.table(tx)
		if err != nil {
			return err
		}
		if err := noSystemFields(o); err != nil {
			return err
		}
		if err := check(table, value.ID{}, o); err != nil {
			return err
		}
		made, err = tx.Insert(ctx, table, o)
		return err
	})
	if err != nil {
		return "", err
	}
	v.Say("Added %s.", made)
	return v.With("new", ""), nil
}

// noSystemFields refuses fields that the house sets.
func noSystemFields(o value.Object) error {
	for name := range o.All() {
		if strings.HasPrefix(name, "_") {
			return apierr.New(apierr.BadRequest, "SystemField", "The field %s is set by the deployment; leave it out.", name)
		}
	}
	return nil
}

// saveDocument changes a document, or one field of it.
func (s *Site) saveDocument(v *Visit) (string, error) {
	field, text := v.PostForm.Get("field"), v.PostForm.Get("value")
	var val value.Value
	var o value.Object
	var err error
	switch {
	case field == "":
		if o, err = readObject(text); err == nil {
			err = noSystemFields(o)
		}
	case strings.HasPrefix(field, "_"):
		err = noSystemFields(value.ObjectOf(value.Field{Name: field, Value: value.Null{}}))
	case strings.TrimSpace(text) != "" && strings.TrimSpace(text) != "undefined": // both take the field away
		val, err = readLiteral(text)
	}
	if err != nil {
		return "", err
	}
	err = v.write(func(ctx context.Context, tx *database.Tx, check func(string, value.ID, value.Object) error) error {
		table, err := v.table(tx)
		if err != nil {
			return err
		}
		doc, err := v.find(ctx, tx, table, v.PostForm.Get("id"))
		if err != nil {
			return err
		}
		is := doc.Object().Without("_id").Without("_creationTime")
		next := o
		if field == "" {
			if digestOf(is) != v.PostForm.Get("was") {
				return errChanged
			}
		} else {
			now, _ := is.Get(field)
			if digestOf(now) != v.PostForm.Get("was") {
				return errChanged
			}
			if next = is.Without(field); val != nil {
				next = is.With(field, val)
			}
		}
		if err := check(table, doc.ID, next); err != nil {
			return err
		}
		return tx.Replace(ctx, doc.ID, next)
	})
	if err != nil {
		return "", err
	}
	v.Say("Saved.")
	return v.With("edit", "", "field", ""), nil
}

// maxDelete bounds the documents that one form deletes.
const maxDelete = 500

// doomDocuments asks whether documents shall be deleted: it shows the page with them.
func (s *Site) doomDocuments(v *Visit) (string, error) {
	if n := len(v.PostForm["id"]); n == 0 {
		return "", apierr.New(apierr.BadRequest, "NothingChosen", "Choose the documents to delete first.")
	}
	shown, err := s.showData(v)
	if err != nil {
		return "", err
	}
	return "", s.shown(v, shown)
}

// deleteDocuments deletes those that were chosen and confirmed.
func (s *Site) deleteDocuments(v *Visit) (string, error) {
	ids := v.PostForm["id"]
	if len(ids) == 0 || len(ids) > maxDelete {
		return "", apierr.New(apierr.BadRequest, "NothingChosen", "Choose between 1 and %d documents.", maxDelete)
	}
	err := v.write(func(ctx context.Context, tx *database.Tx, _ func(string, value.ID, value.Object) error) error {
		table, err := v.table(tx)
		if err != nil {
			return err
		}
		for _, text := range ids {
			doc, err := v.find(ctx, tx, table, text)
			if err != nil {
				return err
			}
			if err := tx.Delete(ctx, doc.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	v.Say("Deleted %s.", plural(len(ids), "document"))
	return v.With("edit", "", "field", ""), nil
}

// clearTable deletes all documents of a table, some at a time.
func (s *Site) clearTable(v *Visit) (string, error) {
	if err := confirm(v, v.Q("table")); err != nil {
		return "", err
	}
	total := 0
	for {
		n := 0
		err := v.write(func(ctx context.Context, tx *database.Tx, _ func(string, value.ID, value.Object) error) error {
			table, err := v.table(tx)
			if err != nil {
				return err
			}
			n = 0
			c := tx.Scan(table, byCreation, database.Interval{}, database.Asc)
			defer c.Close()
			for n < maxDelete {
				doc, err := c.Next(ctx)
				if err != nil || doc == nil {
					return err
				}
				if err := tx.Delete(ctx, doc.ID); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		if total += n; n < maxDelete {
			break
		}
	}
	v.Say("Deleted %s.", plural(total, "document"))
	return v.With("after", "", "before", "", "edit", ""), nil
}
