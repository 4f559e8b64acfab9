package udf

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/search"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxSearchFilters is how many conditions a text search may have beside its text,
// maxVectorFilters how many alternatives a vector search (convex-runtime.md §5.7, §5.8).
const (
	maxSearchFilters = 8
	maxVectorFilters = 64
)

// Bounds of the limit of a vector search, and what it is if it is not given.
const (
	usualVectorLimit = 10
	maxVectorLimit   = 256
)

// searchSource is a text search as the source of a query. Its rows are in order
// of relevance, and their keys are their ranks.
type searchSource struct {
	service *search.Service
	index   database.Index
	missing bool // the table does not exist
	query   search.TextQuery

	from, to int // ranks, half open; to is 0 for no end
}

// searchSource resolves the index of a text search and checks its conditions.
func (q *query) searchSource(tx *database.Tx, name string, filters []rangeSpec) error {
	ix, ok, err := searchIndex(tx, name, database.Text)
	if err != nil {
		return err
	}
	s := &searchSource{index: ix, missing: !ok}
	q.search, q.table, q.fields = s, ix.Table, ix.Fields
	s.query.Filters = map[int]value.Value{}
	texts, equals := 0, 0
	for _, f := range filters {
		switch f.Type {
		case "Search":
			if texts++; texts > 1 {
				return invalid("DuplicateSearchFiltersError", "Search query against %s contains multiple search filters: there can only be one.", name)
			}
			if ok && f.Field != ix.Fields[0] {
				return invalid("IncorrectSearchField", "Search query against %s contains a search filter on field %q, but the index searches the field %q.",
					name, clip([]byte(f.Field)), ix.Fields[0])
			}
			if json.Unmarshal(f.Value, &s.query.Text) != nil {
				return badQuery("The text to search for must be a string.")
			}
		case "Eq":
			if equals++; equals > maxSearchFilters {
				return invalid("TooManyFilterConditionsInSearchQueryError", "Search query against %s has too many filter conditions. Max: %d.", name, maxSearchFilters)
			}
			v, err := parseQueryValue(f.Value)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			field := slices.Index(ix.Fields[1:], f.Field)
			if field < 0 {
				return invalid("IncorrectFilterFieldError", "Search query against %s contains an equality filter on field %q, but that field isn't among the index's filterFields, %s.",
					name, clip([]byte(f.Field)), fieldList(ix.Fields[1:]))
			}
			if have, twice := s.query.Filters[field]; twice && value.Compare(have, v) != 0 {
				s.missing = true // nothing equals two values
			}
			s.query.Filters[field] = v
		default:
			return badQuery("Unknown search filter %q.", f.Type)
		}
	}
	if texts == 0 {
		return invalid("MissingSearchFilterError", "Search query against %s does not contain any search filter. It must have exactly one.", name)
	}
	return nil
}

// searchIndex finds a text or vector index by its name on the wire.
func searchIndex(tx *database.Tx, name string, kind database.IndexKind) (database.Index, bool, error) {
	table, index, ok := strings.Cut(name, ".")
	if !ok {
		return database.Index{}, false, badQuery("The index name %q is not of the form table.index.", name)
	}
	if err := guardTable(table, "Search"); err != nil {
		return database.Index{}, false, err
	}
	ix, ok, err := tx.SearchIndex(table, index, kind)
	return ix, ok, queryError(err)
}

// open begins to read the search.
func (s *searchSource) open(tx *database.Tx) source { return &searchRows{source: s, tx: tx} }

// between narrows the search to the rows after one position up to another.
func (s *searchSource) between(begin, stop position) *searchSource {
	n := *s
	if len(begin.key) == 4 {
		n.from = int(binary.BigEndian.Uint32(begin.key))
	}
	if len(stop.key) == 4 {
		n.to = int(binary.BigEndian.Uint32(stop.key))
	}
	return &n
}

// searchRows reads the documents of a search. The search is made when the first
// one is asked for.
type searchRows struct {
	source *searchSource
	tx     *database.Tx
	found  *search.Results
	done   bool
}

// Next gives the next document.
func (r *searchRows) Next(ctx context.Context) (*database.Document, error) {
	if r.done || r.source.missing {
		return nil, nil
	}
	if r.found == nil {
		if r.source.service == nil {
			return nil, unsupported("Full text search (withSearchIndex) in this place")
		}
		var err error
		if r.found, err = r.source.service.Text(ctx, r.tx, r.source.index, r.source.query); err != nil {
			return nil, err
		}
		r.found.Skip(r.source.from)
	}
	if r.source.to > 0 && r.found.Rank() >= r.source.to {
		return nil, nil
	}
	return r.found.Next(ctx)
}

// Key is how many rows there were up to the one given last.
func (r *searchRows) Key() []byte { return binary.BigEndian.AppendUint32(nil, uint32(r.found.Rank())) }

// Close ends the reading.
func (r *searchRows) Close() { r.done = true }

// vectorSearch answers ctx.vectorSearch of actions, as of the newest snapshot.
func (x *execution) vectorSearch(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Query struct {
			Index       string          `json:"indexName"`
			Limit       *float64        `json:"limit"`
			Vector      json.RawMessage `json:"vector"`
			Expressions json.RawMessage `json:"expressions"`
		} `json:"query"`
	}
	if err := decode(args, "vectorSearch", &a); err != nil {
		return nil, err
	}
	if x.run.r.Search == nil {
		return nil, unsupported("Vector search (ctx.vectorSearch)")
	}
	limit := float64(usualVectorLimit)
	if a.Query.Limit != nil {
		limit = *a.Query.Limit
	}
	if limit < 1 || limit > maxVectorLimit || limit != math.Trunc(limit) {
		return nil, invalid("InvalidVectorQuery", "Vector queries require a limit that is an integer between 1 and %d, but the limit is %v.", maxVectorLimit, limit)
	}
	q := search.VectorQuery{Limit: int(limit)}
	list, err := parseQueryValue(a.Query.Vector)
	if err != nil {
		return nil, err
	}
	vector, ok := list.(value.Array)
	for _, e := range vector {
		f, isFloat := e.(value.Float64)
		ok = ok && isFloat && !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0)
		q.Vector = append(q.Vector, float32(f))
	}
	if !ok {
		return nil, invalid("InvalidVectorQuery", "The vector of a vector query must be an array of finite float64 numbers.")
	}
	var hits []search.VectorHit
	var ix database.Index
	err = x.read(ctx, func(tx *database.Tx) error {
		var exists bool
		var err error
		if ix, exists, err = searchIndex(tx, a.Query.Index, database.Vector); err != nil {
			return err
		}
		if !exists {
			return invalid("IndexNotFound", "Index %s not found.", clip([]byte(a.Query.Index)))
		}
		if len(q.Vector) != ix.Dimensions {
			return invalid("InvalidVectorQuery", "Vector query against %s has a vector of %d dimensions, but the index has %d.", a.Query.Index, len(q.Vector), ix.Dimensions)
		}
		if q.Any, err = vectorFilter(a.Query.Expressions, ix, true); err != nil {
			return err
		}
		hits, err = x.run.r.Search.Vectors(ctx, tx, ix, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := []byte(`{"results":[`)
	for i, h := range hits {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"_id":`...)
		out = value.AppendQuoted(out, value.ID{Table: ix.Number, Internal: h.ID}.String())
		out = append(out, `,"_score":`...)
		out = strconv.AppendFloat(out, h.Score, 'g', -1, 64)
		out = append(out, '}')
	}
	return append(out, `]}`...), nil
}

// vectorFilter reads the filter of a vector search: null, one comparison of a
// field with a value, or any number of them of which one has to hold.
func vectorFilter(raw json.RawMessage, ix database.Index, outermost bool) ([]search.Equal, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var e struct {
		Eq []json.RawMessage `json:"$eq"`
		Or []json.RawMessage `json:"$or"`
	}
	if err := json.Unmarshal(raw, &e); err != nil || (e.Eq == nil) == (e.Or == nil) || e.Or != nil && !outermost {
		return nil, invalid("InvalidVectorQuery", "The filter of a vector query must be one q.eq, or one q.or of several.")
	}
	if e.Or != nil {
		var all []search.Equal
		for _, part := range e.Or {
			some, err := vectorFilter(part, ix, false)
			if err != nil {
				return nil, err
			}
			if all = append(all, some...); len(all) > maxVectorFilters {
				return nil, invalid("InvalidVectorQuery", "The filter of a vector query against %s.%s has more than %d conditions.", ix.Table, ix.Name, maxVectorFilters)
			}
		}
		if len(all) == 0 {
			return nil, invalid("InvalidVectorQuery", "The filter of a vector query must have a condition in each q.or.")
		}
		return all, nil
	}
	var field struct {
		Path *string `json:"$field"`
	}
	var literal struct {
		Value json.RawMessage `json:"$literal"`
	}
	if len(e.Eq) != 2 || json.Unmarshal(e.Eq[0], &field) != nil || field.Path == nil || json.Unmarshal(e.Eq[1], &literal) != nil || literal.Value == nil {
		return nil, invalid("InvalidVectorQuery", "A condition of a vector query must compare a filter field with a value.")
	}
	n := slices.Index(ix.Fields[1:], *field.Path)
	if n < 0 {
		return nil, invalid("InvalidVectorQuery", "Vector query against %s.%s has a condition on field %q, but that field isn't among the index's filterFields, %s.",
			ix.Table, ix.Name, clip([]byte(*field.Path)), fieldList(ix.Fields[1:]))
	}
	v, err := parseQueryValue(literal.Value)
	if err != nil {
		return nil, err
	}
	return []search.Equal{{Field: n, Value: v}}, nil
}
