package udf

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// nullJSON answers operations whose result the library ignores.
var nullJSON = []byte("null")

// idArgs are the arguments that name a document.
type idArgs struct {
	ID       json.RawMessage `json:"id"`
	Table    *string         `json:"table"`
	IsSystem bool            `json:"isSystem"`
	Value    json.RawMessage `json:"value"`
}

// document reads the id of the arguments, checks that it belongs to the table
// that was named, if one was, and gives the name of its table; "" if there is no such table.
func (x *execution) document(a *idArgs, method string) (id value.ID, table string, err error) {
	var s string
	if err := json.Unmarshal(a.ID, &s); err != nil {
		return id, "", invalidArgument("id", method, "expected a string")
	}
	if id, err = value.ParseID(s); err != nil {
		return id, "", invalidArgument("id", method, "Unable to decode ID: "+messageOf(err))
	}
	table, _ = x.tx.TableName(id.Table)
	if a.Table != nil && *a.Table != table {
		got := table
		if got == "" {
			got = "unknown"
		}
		return id, "", invalid("InvalidTable", "Invalid argument `id` for `%s`: expected to be an Id<\"%s\">, got Id<\"%s\"> instead.", method, *a.Table, got)
	}
	return id, table, nil
}

// get answers ctx.db.get.
func (x *execution) get(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a idArgs
	if err := decode(args, "db.get", &a); err != nil {
		return nil, err
	}
	method := "db.get"
	if a.IsSystem {
		method = "db.system.get"
	}
	id, table, err := x.document(&a, method)
	switch {
	case err != nil:
		return nil, err
	case table == "": // no table with this number: no document either
		return nullJSON, nil
	case a.IsSystem && !virtualTables[table]:
		return nil, invalid("InvalidTable", "User tables cannot be accessed with db.system.")
	case !a.IsSystem && virtualTables[table]:
		return nil, invalid("InvalidTable", "System tables can only be accessed with db.system.")
	}
	doc, err := x.tx.Get(ctx, id)
	if err != nil || doc == nil {
		return nullJSON, err
	}
	return publicJSON(doc), nil
}

// count answers .count().
func (x *execution) count(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Table string `json:"table"`
	}
	if err := decode(args, "db.count", &a); err != nil {
		return nil, err
	}
	if err := guardTable(a.Table, "db.count"); err != nil {
		return nil, err
	}
	n, err := x.tx.Count(ctx, a.Table)
	if err != nil {
		return nil, err
	}
	return value.JSON(value.Float64(n)), nil
}

// insert answers ctx.db.insert.
func (x *execution) insert(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Table string          `json:"table"`
		Value json.RawMessage `json:"value"`
	}
	if err := decode(args, "db.insert", &a); err != nil {
		return nil, err
	}
	if strings.HasPrefix(a.Table, "_") {
		return nil, invalid("InvalidTable", "System tables (prefixed with `_`) are read-only.")
	}
	fields, err := value.ParseWritten(a.Value)
	if err != nil {
		return nil, invalidArgument("value", "db.insert", messageOf(err))
	}
	if err := x.checkDocument(ctx, a.Table, value.ID{}, fields); err != nil {
		return nil, err
	}
	id, err := x.tx.Insert(ctx, a.Table, fields)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, 48), `{"_id":"`...)
	out = id.Append(out)
	return append(out, `"}`...), nil
}

// checkDocument holds a document against the active schema, and against the one that a
// push waits for. The id is zero for a new document.
func (x *execution) checkDocument(ctx context.Context, table string, id value.ID, fields value.Object) error {
	held := x.run.schemas[x.space()]
	if held == nil {
		active, pending, err := x.run.r.schemas(ctx, x.tx)
		if err != nil {
			return err
		}
		if x.run.schemas == nil {
			x.run.schemas = map[value.Space]*heldSchemas{}
		}
		held = &heldSchemas{active, pending}
		x.run.schemas[x.space()] = held
	}
	return held.check(ctx, x.tx, table, id, fields)
}

// check holds a document against both.
func (h *heldSchemas) check(ctx context.Context, tx *database.Tx, table string, id value.ID, fields value.Object) error {
	if err := h.active.CheckDocument(table, fields, tx); err != nil {
		return err
	}
	if tx.Space() == 0 {
		if err := checkStaged(ctx, tx, h.active, table, id, fields); err != nil {
			return err
		}
	}
	return h.pending.check(ctx, tx, table, id, fields)
}

// Writes is what holds documents that the house itself writes in a user's name against
// the schemas, as those of a mutation are. It is good for the transaction; the id is
// zero for a new document.
func Writes(ctx context.Context, tx *database.Tx) (check func(table string, id value.ID, fields value.Object) error, err error) {
	var held heldSchemas
	if held.active, err = ActiveSchema(ctx, tx); err != nil {
		return nil, err
	}
	if held.pending, err = PendingSchema(ctx, tx); err != nil {
		return nil, err
	}
	return func(table string, id value.ID, fields value.Object) error {
		return held.check(ctx, tx, table, id, fields)
	}, nil
}

// existing finds the document that a write is about.
func (x *execution) existing(ctx context.Context, a *idArgs, method, verb string) (*database.Document, string, error) {
	id, table, err := x.document(a, method)
	if err != nil {
		return nil, "", err
	}
	var doc *database.Document
	if virtualTables[table] {
		return nil, "", invalid("InvalidTable", "System tables (prefixed with `_`) are read-only.")
	}
	if table != "" {
		if doc, err = x.tx.Get(ctx, id); err != nil {
			return nil, "", err
		}
	}
	if doc == nil {
		return nil, "", invalid("NonexistentDocument", "%s on nonexistent document ID %s", verb, id)
	}
	return doc, table, nil
}

// shallowMerge answers ctx.db.patch.
func (x *execution) shallowMerge(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a idArgs
	if err := decode(args, "db.patch", &a); err != nil {
		return nil, err
	}
	patch, err := value.ParsePatch(a.Value)
	if err != nil {
		return nil, invalidArgument("value", "db.patch", messageOf(err))
	}
	doc, table, err := x.existing(ctx, &a, "db.patch", "Update")
	if err != nil {
		return nil, err
	}
	for _, name := range [...]string{"_id", "_creationTime"} {
		if v, ok := patch.Get(name); ok && v.Kind() == value.KindUndefined {
			return nil, invalidArgument("value", "db.patch", "the system field `"+name+"` cannot be removed")
		}
	}
	return x.put(ctx, doc, table, doc.Object().Merge(patch))
}

// replace answers ctx.db.replace.
func (x *execution) replace(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a idArgs
	if err := decode(args, "db.replace", &a); err != nil {
		return nil, err
	}
	fields, err := value.ParseWritten(a.Value)
	if err != nil {
		return nil, invalidArgument("value", "db.replace", messageOf(err))
	}
	doc, table, err := x.existing(ctx, &a, "db.replace", "Replace")
	if err != nil {
		return nil, err
	}
	return x.put(ctx, doc, table, fields)
}

// put stores what a document becomes. The library ignores the answer, so the
// document is not encoded for it.
func (x *execution) put(ctx context.Context, doc *database.Document, table string, fields value.Object) ([]byte, error) {
	if err := x.checkDocument(ctx, table, doc.ID, fields); err != nil {
		return nil, err
	}
	return nullJSON, x.tx.Replace(ctx, doc.ID, fields)
}

// remove answers ctx.db.delete with the document as it was.
func (x *execution) remove(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a idArgs
	if err := decode(args, "db.delete", &a); err != nil {
		return nil, err
	}
	doc, _, err := x.existing(ctx, &a, "db.delete", "Delete")
	if err != nil {
		return nil, err
	}
	return doc.JSON(), x.tx.Delete(ctx, doc.ID)
}

// normalizeID answers ctx.db.normalizeId: the id if it is one of the table.
func (x *execution) normalizeID(_ context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Table string `json:"table"`
		ID    string `json:"idString"`
	}
	if err := decode(args, "db.normalizeId", &a); err != nil {
		return nil, err
	}
	number, ok := x.tx.TableNumber(a.Table)
	id, err := value.ParseID(a.ID)
	if !ok || err != nil || id.Table != number {
		return []byte(`{"id":null}`), nil
	}
	return append(value.AppendQuoted([]byte(`{"id":`), id.String()), '}'), nil
}
