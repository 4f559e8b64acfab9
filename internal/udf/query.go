package udf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/scheduler"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxOperators is how many operators a query may have (convex-runtime.md §5.4).
const maxOperators = 256

// maxQuerySize bounds the JSON of a query: each level of a filter is scanned again.
const maxQuerySize = 1 << 20

// Names of the two indexes that every table has.
const (
	byID           = "by_id"
	byCreationTime = "by_creation_time"
)

// querySpec is a query as the library writes it.
type querySpec struct {
	Source struct {
		Type      string      `json:"type"`
		TableName string      `json:"tableName"`
		IndexName string      `json:"indexName"`
		Range     []rangeSpec `json:"range"`
		Filters   []rangeSpec `json:"filters"` // of a search
		Order     *string     `json:"order"`
	} `json:"source"`
	Operators []struct {
		Filter json.RawMessage `json:"filter"`
		Limit  *float64        `json:"limit"`
	} `json:"operators"`
}

// operator is one step of a query: a filter, or a limit when filter is nil.
type operator struct {
	filter expr
	limit  int
}

// query is a query ready to be read in one transaction.
type query struct {
	table, index string
	fields       []string // declared fields of the index
	interval     database.Interval
	order        database.Order
	operators    []operator
	search       *searchSource // instead of an interval
	fingerprint  [16]byte      // of everything but page options: cursors carry it
}

// parseQuery understands a query and resolves its index in the transaction.
func parseQuery(tx *database.Tx, raw json.RawMessage) (*query, error) {
	if len(raw) > maxQuerySize {
		return nil, badQuery("The query is too large (%s > maximum size %s).", value.FormatSize(len(raw)), value.FormatSize(maxQuerySize))
	}
	var spec querySpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, badQuery("The query cannot be understood: %v", err)
	}
	if len(spec.Operators) > maxOperators {
		return nil, badQuery("Query has too many operators: %d", len(spec.Operators))
	}
	q := &query{order: database.Asc}
	if o := spec.Source.Order; o != nil {
		switch *o {
		case "asc":
		case "desc":
			q.order = database.Desc
		default:
			return nil, badQuery("Unknown order %q: it is \"asc\" or \"desc\".", *o)
		}
	}
	if err := q.source(tx, &spec); err != nil {
		return nil, err
	}
	for _, o := range spec.Operators {
		op, err := parseOperator(o.Filter, o.Limit)
		if err != nil {
			return nil, err
		}
		q.operators = append(q.operators, op)
	}
	q.fingerprint = fingerprint(raw, q.fields)
	return q, nil
}

// source resolves the table, the index and the range of a query.
func (q *query) source(tx *database.Tx, spec *querySpec) error {
	switch spec.Source.Type {
	case "FullTableScan":
		q.table, q.index = spec.Source.TableName, byCreationTime
		return guardTable(q.table, "FullTableScan")
	case "IndexRange":
		table, index, ok := strings.Cut(spec.Source.IndexName, ".")
		if !ok {
			return badQuery("The index name %q is not of the form table.index.", spec.Source.IndexName)
		}
		q.table, q.index = table, index
	case "Search":
		return q.searchSource(tx, spec.Source.IndexName, spec.Source.Filters)
	default:
		return badQuery("Unknown query source %q.", spec.Source.Type)
	}
	if err := guardTable(q.table, "IndexRange"); err != nil {
		return err
	}
	var err error
	if q.fields, err = indexFields(tx, q.table, q.index); err != nil {
		return err
	}
	all := slices.Clip(q.fields)
	if q.index != byID && q.index != byCreationTime {
		all = append(all, "_creationTime")
	}
	if q.index != byID {
		all = append(all, "_id")
	}
	bounds, err := sortRange(q.table+"."+q.index, all, spec.Source.Range)
	if err != nil {
		return err
	}
	if q.index != byID {
		bounds.ids, _ = tx.TableNumber(q.table)
		bounds.last = len(all) - 1
	}
	q.interval.Lower, q.interval.Upper = bounds.keyRange()
	return nil
}

// indexFields gives the fields a query may compare in the order of the index.
func indexFields(tx *database.Tx, table, index string) ([]string, error) {
	switch index {
	case byID:
		return []string{"_id"}, nil
	case byCreationTime:
		return []string{"_creationTime"}, nil
	}
	for _, ix := range tx.Indexes(table) {
		if ix.Name != index || ix.Kind != database.Ordered || virtualTables[table] || strings.HasPrefix(ix.Name, database.PrivateMark) { // whose indexes are the house's own
			continue
		}
		switch ix.State {
		case database.Enabled:
			return ix.Fields, nil
		case database.Staged:
		default:
			return nil, invalid("IndexNotReady", "Index %s.%s is currently backfilling and not available to query yet.", table, index)
		}
	}
	return nil, invalid("IndexNotFound", "Index %s.%s not found.", table, index)
}

// parseOperator reads {"filter": E} or {"limit": n}.
func parseOperator(filter json.RawMessage, limit *float64) (operator, error) {
	switch {
	case filter != nil && limit == nil:
		e, err := parseExpr(filter, 0)
		return operator{filter: e}, err
	case limit != nil && filter == nil:
		if *limit < 0 || *limit != math.Trunc(*limit) || *limit > math.MaxInt32 {
			return operator{}, badQuery("The limit of a query must be a non-negative integer, not %v.", *limit)
		}
		return operator{limit: int(*limit)}, nil
	}
	return operator{}, badQuery("A query operator must be either a filter or a limit.")
}

// fingerprint identifies a query across restarts and across re-creation of its
// index by the same fields: the JSON that the library wrote, and those fields.
func fingerprint(raw json.RawMessage, fields []string) (f [16]byte) {
	h := sha256.New()
	var compact bytes.Buffer
	if json.Compact(&compact, raw) == nil {
		raw = compact.Bytes()
	}
	h.Write(raw)
	for _, field := range fields {
		h.Write([]byte{0})
		h.Write([]byte(field))
	}
	copy(f[:], h.Sum(nil))
	return f
}

// publicJSON is a document as user code sees it: rows of virtual tables have more than they show.
func publicJSON(d *database.Document) []byte {
	if !d.System() {
		return d.JSON()
	}
	return value.JSON(scheduler.Public(d))
}

// virtualTables are the system tables that ctx.db.system may read.
var virtualTables = map[string]bool{"_storage": true, "_scheduled_functions": true}

// guardTable keeps user code away from the house's own tables.
func guardTable(table, method string) error {
	if table == "" {
		return invalidArgument("table", method, "the table name is empty")
	}
	if strings.HasPrefix(table, "_") && !virtualTables[table] {
		return invalid("InvalidTable", "System tables can only be accessed with db.system. There is no system table `%s`.", table)
	}
	return nil
}

// stream reads the rows of a query one by one, no further than asked.
type stream struct {
	cursor source
	ops    []operator // limits count down
	rows   int        // scanned, filtered out or not
	bytes  int
	done   bool
}

// source is where a stream gets its documents from.
type source interface {
	Next(ctx context.Context) (*database.Document, error)
	Key() []byte // the position of the document given last
	Close()
}

// open starts reading the query.
func (q *query) open(tx *database.Tx) *stream {
	s := &stream{ops: append([]operator(nil), q.operators...)}
	if q.search != nil {
		s.cursor = q.search.open(tx)
		return s
	}
	s.cursor = tx.Scan(q.table, q.index, q.interval, q.order)
	return s
}

// next is the next document that passes all operators, nil at the end. It reads
// nothing once a limit is used up, so that the read set ends there.
func (s *stream) next(ctx context.Context) (*database.Document, error) {
	for {
		doc, passed, err := s.step(ctx)
		if err != nil || doc == nil || passed {
			return doc, err
		}
	}
}

// step scans one row and tells whether it passed; a nil document is the end.
func (s *stream) step(ctx context.Context) (doc *database.Document, passed bool, err error) {
	if s.done || s.exhausted() {
		s.close()
		return nil, false, nil
	}
	doc, err = s.cursor.Next(ctx)
	if err != nil || doc == nil {
		s.close()
		return nil, false, err
	}
	s.rows++
	s.bytes += doc.Size
	var fields value.Object
	for i := range s.ops {
		op := &s.ops[i]
		if op.filter == nil {
			op.limit--
			continue
		}
		if fields.Len() == 0 {
			fields = doc.Object()
		}
		ok, err := evalBool(op.filter, fields, "filter")
		if err != nil {
			return nil, false, err
		}
		if !ok {
			return doc, false, nil
		}
	}
	return doc, true, nil
}

// exhausted tells whether some limit lets nothing more through.
func (s *stream) exhausted() bool {
	for i := range s.ops {
		if s.ops[i].filter == nil && s.ops[i].limit <= 0 {
			return true
		}
	}
	return false
}

// close ends the stream; further reads find nothing.
func (s *stream) close() {
	if !s.done {
		s.done = true
		s.cursor.Close()
	}
}
