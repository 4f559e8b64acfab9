package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/udf"
	"github.com/lentil-dev/lentil/internal/value"
)

// Streaming import: connectors add records to tables of the app, batch by batch. A
// table whose records have a primary key is given an index on it first
// (docs.convex.dev/streaming-import-api).

// primaryKeyIndex is what that index is called; functions and pushes do not see it.
const primaryKeyIndex = database.PrivateMark + "primary_key"

// FieldPath is a field, possibly within objects: the names on the way to it.
type FieldPath []string

// maxKeyFields is how many fields a primary key has at most, as an index has.
const maxKeyFields = 16

// Ingest is records for tables.
type Ingest struct {
	Tables   map[string]IngestTable `json:"tables"`
	Messages []IngestMessage        `json:"messages"`
}

// IngestTable says how records go into a table: with a primary key they replace the
// one that has the same, without they are added. The JSON Schema that connectors send
// along is not looked at; the schema of the app is.
type IngestTable struct {
	PrimaryKey []FieldPath `json:"primaryKey"`
}

// IngestMessage is one record.
type IngestMessage struct {
	TableName string          `json:"tableName"`
	Data      json.RawMessage `json:"data"`
}

// checkTable refuses names that connectors cannot write to.
func checkTable(name string) error {
	if err := value.CheckIdentifier("table name", name); err != nil {
		return err
	}
	if name[0] == '_' {
		return apierr.New(apierr.BadRequest, "InvalidTableName", "The table %q cannot be imported into: names that begin with an underscore are the system's.", name)
	}
	return nil
}

// indexFields are the fields of a primary key as an index has them.
func indexFields(key []FieldPath) ([]string, error) {
	if len(key) == 0 || len(key) > maxKeyFields {
		return nil, apierr.New(apierr.BadRequest, "InvalidPrimaryKey", "A primary key has between 1 and %d fields, not %d.", maxKeyFields, len(key))
	}
	var list []string
	for _, path := range key {
		if len(path) == 0 {
			return nil, apierr.New(apierr.BadRequest, "InvalidPrimaryKey", "A field of a primary key is a list of names, and this one is empty.")
		}
		for _, name := range path {
			if err := value.CheckIdentifier("field of a primary key", name); err != nil {
				return nil, err
			}
		}
		name := strings.Join(path, ".")
		if slices.Contains(list, name) {
			return nil, apierr.New(apierr.BadRequest, "InvalidPrimaryKey", "The field %q is in the primary key twice.", name)
		}
		list = append(list, name)
	}
	return list, nil
}

// keyIndex finds a table's index on its primary key.
func keyIndex(tx *database.Tx, table string) (database.Index, bool) {
	for _, ix := range tx.Indexes(table) {
		if ix.Name == primaryKeyIndex {
			return ix, true
		}
	}
	return database.Index{}, false
}

// AddPrimaryKeys begins to index tables by their primary keys. Tables that do not
// exist are created; an index on other fields is replaced.
func (s *Service) AddPrimaryKeys(ctx context.Context, keys map[string][]FieldPath) error {
	want := map[string][]string{}
	for table, key := range keys {
		if err := checkTable(table); err != nil {
			return err
		}
		list, err := indexFields(key)
		if err != nil {
			return under(fmt.Sprintf("table %q", table), err)
		}
		want[table] = list
	}
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		for _, table := range slices.Sorted(maps.Keys(want)) {
			if ix, ok := keyIndex(tx, table); ok {
				if slices.Equal(ix.Fields, want[table]) {
					continue
				}
				if err := tx.DropIndex(ctx, table, primaryKeyIndex); err != nil {
					return err
				}
			}
			if err := tx.AddIndex(ctx, table, primaryKeyIndex, want[table], database.Enabled); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("backup: add primary keys: %w", err)
	}
	return nil
}

// needKey is the answer to records with a primary key that nobody has indexed.
func needKey(table string, fields []string) error {
	what := ""
	if fields != nil {
		what = fmt.Sprintf(" over %s", strings.Join(fields, ", "))
	}
	return apierr.New(apierr.BadRequest, "PrimaryKeyIndexMissing", "Table %q has no primary key index%s. Add it with PUT /api/streaming_import/add_primary_key_indexes first.", table, what)
}

// PrimaryKeysReady tells whether the indexes of all those tables are built.
func (s *Service) PrimaryKeysReady(ctx context.Context, tables []string) (ready bool, err error) {
	ready = true
	err = s.DB.View(ctx, func(tx *database.Tx) error {
		for _, table := range tables {
			ix, ok := keyIndex(tx, table)
			if !ok {
				return needKey(table, nil)
			}
			ready = ready && ix.State == database.Enabled
		}
		return nil
	})
	return ready, err
}

// ClearTables deletes all documents of tables, in as many transactions as that takes.
// Tables that do not exist are empty as they are.
func (s *Service) ClearTables(ctx context.Context, tables []string) error {
	for _, table := range tables {
		if err := checkTable(table); err != nil {
			return err
		}
	}
	for _, table := range tables {
		for more := true; more; {
			_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
				more = false
				var ids []value.ID
				size := 0
				err := each(ctx, tx, table, database.ByCreationTime, database.Asc, nil, func(d *database.Document) (bool, error) {
					ids, size = append(ids, d.ID), size+len(d.JSON())
					more = len(ids) == batchDocuments || size >= batchBytes
					return !more, nil
				})
				for _, id := range ids {
					if err == nil {
						err = tx.Delete(ctx, id)
					}
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("backup: clear table %s: %w", table, err)
			}
		}
	}
	return nil
}

// incomingRecord is a record that is about to be written.
type incomingRecord struct {
	at     int // its place among the messages, from 1
	table  string
	fields value.Object
	key    []byte   // of its primary key in the index; nil if it has none
	names  []string // the fields of that key
}

// AddRecords writes records in the order in which they come. After a failure those of
// earlier transactions stay.
func (s *Service) AddRecords(ctx context.Context, in Ingest) error {
	keys := map[string][]string{}
	for table, how := range in.Tables {
		if err := checkTable(table); err != nil {
			return err
		}
		if len(how.PrimaryKey) > 0 {
			list, err := indexFields(how.PrimaryKey)
			if err != nil {
				return under(fmt.Sprintf("table %q", table), err)
			}
			keys[table] = list
		}
	}
	// Everything is read before anything is written.
	records := make([]incomingRecord, 0, len(in.Messages))
	for i, m := range in.Messages {
		r, err := in.record(m, keys[m.TableName])
		if err != nil {
			return under(fmt.Sprintf("message %d", i+1), err)
		}
		r.at = i + 1
		records = append(records, r)
	}
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && n < batchDocuments && size < batchBytes {
			size += value.Size(records[n].fields)
			n++
		}
		_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
			check, err := udf.Writes(ctx, tx)
			if err != nil {
				return err
			}
			for _, r := range records[:n] {
				if err := r.write(ctx, tx, check); err != nil {
					return under(fmt.Sprintf("message %d", r.at), err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// record reads a message.
func (in *Ingest) record(m IngestMessage, key []string) (r incomingRecord, err error) {
	if _, ok := in.Tables[m.TableName]; !ok {
		return r, apierr.New(apierr.BadRequest, "UnknownStream", "The table %q is not among `tables`.", m.TableName)
	}
	r = incomingRecord{table: m.TableName, names: key}
	if r.fields, err = document(m.Data); err != nil {
		return r, err
	}
	for _, name := range key {
		v, ok := at(r.fields, name)
		if !ok {
			return r, apierr.New(apierr.BadRequest, "PrimaryKeyMissing", "The record has no field %q, which is part of the primary key of table %q.", name, m.TableName)
		}
		r.key = value.AppendKey(r.key, v)
	}
	return r, nil
}

// at finds a field by its path.
func at(o value.Object, path string) (value.Value, bool) {
	for {
		name, rest, deeper := strings.Cut(path, ".")
		v, ok := o.Get(name)
		if !ok || !deeper {
			return v, ok
		}
		if o, ok = v.(value.Object); !ok {
			return nil, false
		}
		path = rest
	}
}

// write adds the record, or replaces the one with its key.
func (r *incomingRecord) write(ctx context.Context, tx *database.Tx, check func(string, value.ID, value.Object) error) error {
	var have *database.Document
	if r.key != nil {
		ix, ok := keyIndex(tx, r.table)
		switch {
		case !ok || !slices.Equal(ix.Fields, r.names):
			return needKey(r.table, r.names)
		case ix.State != database.Enabled:
			return apierr.New(apierr.BadRequest, "PrimaryKeyIndexNotReady", "The primary key index of table %q is still being built. Ask /api/streaming_import/primary_key_indexes_ready until it is ready.", r.table)
		}
		c := tx.Scan(r.table, primaryKeyIndex, database.Prefix(r.key), database.Asc)
		defer c.Close()
		var err error
		if have, err = c.Next(ctx); err != nil {
			return err
		}
	}
	if have != nil {
		if err := check(r.table, have.ID, r.fields); err != nil {
			return err
		}
		return tx.Replace(ctx, have.ID, r.fields)
	}
	if err := check(r.table, value.ID{}, r.fields); err != nil {
		return err
	}
	_, err := tx.Insert(ctx, r.table, r.fields)
	return err
}
