package udf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// queryStream begins reading a query.
func (x *execution) queryStream(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Query json.RawMessage `json:"query"`
	}
	if err := decode(args, "queryStream", &a); err != nil {
		return nil, err
	}
	q, err := x.parseQuery(a.Query)
	if err != nil {
		return nil, err
	}
	if x.streams == nil {
		x.streams = map[int]*stream{}
	}
	x.lastStream++
	x.streams[x.lastStream] = q.open(x.tx)
	return append(strconv.AppendInt([]byte(`{"queryId":`), int64(x.lastStream), 10), '}'), nil
}

// parseQuery understands a query of the program.
func (x *execution) parseQuery(raw json.RawMessage) (*query, error) {
	q, err := parseQuery(x.tx, raw)
	if err == nil && q.search != nil {
		q.search.service = x.run.r.Search
	}
	return q, err
}

// streamArgs names an open stream.
type streamArgs struct {
	QueryID int `json:"queryId"`
}

// streamID reads {"queryId":n}, which is asked for every row, without a decoder
// when it is written as the library does.
func streamID(args json.RawMessage, method string) (int, error) {
	if digits, ok := bytes.CutPrefix(args, []byte(`{"queryId":`)); ok && len(digits) > 1 && len(digits) < 10 {
		n := 0
		for i, c := range digits {
			switch {
			case c >= '0' && c <= '9':
				n = 10*n + int(c-'0')
				continue
			case c == '}' && i == len(digits)-1:
				return n, nil
			}
			break
		}
	}
	var a streamArgs
	err := decode(args, method, &a)
	return a.QueryID, err
}

// queryStreamNext gives the next row of a stream as it is stored.
func (x *execution) queryStreamNext(ctx context.Context, args json.RawMessage) ([]byte, error) {
	id, err := streamID(args, "queryStreamNext")
	if err != nil {
		return nil, err
	}
	s := x.streams[id]
	if s == nil {
		return nil, invalid("QueryNotFound", "Invalid argument `queryId` for `queryStreamNext`: there is no open query %d.", id)
	}
	doc, err := s.next(ctx)
	if err != nil {
		return nil, queryError(err)
	}
	if doc == nil {
		delete(x.streams, id)
		return []byte(`{"value":null,"done":true}`), nil
	}
	body := publicJSON(doc)
	out := make([]byte, 0, len(body)+32)
	out = append(out, `{"value":`...)
	out = append(out, body...)
	return append(out, `,"done":false}`...), nil
}

// queryError makes the database's error about an index one that user code may see.
func queryError(err error) error {
	var ie *database.IndexError
	if errors.As(err, &ie) {
		code := "IndexNotFound"
		if ie.Backfilling {
			code = "IndexNotReady"
		}
		return apierr.New(apierr.BadRequest, code, "%s", ie.Error())
	}
	return err
}

// queryCleanup closes a stream and tells whether it was open.
func (x *execution) queryCleanup(_ context.Context, args json.RawMessage) ([]byte, error) {
	id, err := streamID(args, "queryCleanup")
	if err != nil {
		return nil, err
	}
	s := x.streams[id]
	if s == nil {
		return []byte("false"), nil
	}
	s.close()
	delete(x.streams, id)
	return []byte("true"), nil
}

// queryPage answers .paginate(). The end of the page that the outermost query
// reads is its journal: a later run of the same live query stops there again.
func (x *execution) queryPage(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a struct {
		Query     json.RawMessage `json:"query"`
		Cursor    *string         `json:"cursor"`
		EndCursor *string         `json:"endCursor"`
		PageSize  float64         `json:"pageSize"`
		MaxRows   *float64        `json:"maximumRowsRead"`
		MaxBytes  *float64        `json:"maximumBytesRead"`
	}
	if err := decode(args, "queryPage", &a); err != nil {
		return nil, err
	}
	if x.live.tree != nil {
		return nil, invalid("PaginationNotSupportedInComponents", "paginate() is only supported in the app. "+
			"In a component use `paginator` of convex-helpers, or take() with a range of an index.")
	}
	if x.paginated {
		return nil, invalid("MultiplePaginatedDatabaseQueries", "This query or mutation function ran multiple paginated queries. "+
			"Convex only supports a single paginated query in each function.")
	}
	x.paginated = true
	o := pageOptions{cursor: a.Cursor, end: a.EndCursor}
	if err := o.sizes(a.PageSize, a.MaxRows, a.MaxBytes); err != nil {
		return nil, err
	}
	outermost := x.kind == Query && x.depth == 0
	if outermost && o.end == nil {
		o.end = x.run.req.Journal
	}
	q, err := x.parseQuery(a.Query)
	if err != nil {
		return nil, err
	}
	p, err := q.readPage(ctx, x.tx, cursorSealer{x.run.r.Sealer}, o)
	if err != nil {
		return nil, queryError(err)
	}
	if outermost {
		x.run.journal = &p.next
	}
	return p.json(), nil
}

// sizes checks and sets the sizes of a page.
func (o *pageOptions) sizes(size float64, maxRows, maxBytes *float64) error {
	switch {
	case size < 1:
		return invalid("NoDocumentsForPagination", "Must request at least 1 document while paginating")
	case size > maxPageSize:
		return invalid("PageSizeTooLarge", "Page size %v is too large: at most %d documents can be requested at once", size, maxPageSize)
	}
	o.size = int(size)
	for _, l := range []struct {
		name string
		in   *float64
		out  *int
	}{{"maximumRowsRead", maxRows, &o.maxRows}, {"maximumBytesRead", maxBytes, &o.maxBytes}} {
		if l.in == nil {
			continue
		}
		if !(*l.in >= 1) {
			return invalid("InvalidPaginationLimit", "`%s` must be at least 1 while paginating, not %v", l.name, *l.in)
		}
		*l.out = int(min(*l.in, 1<<31))
	}
	return nil
}

// json is the answer to 1.0/queryPage.
func (p *page) json() []byte {
	n := 128
	for _, d := range p.documents {
		n += len(d.JSON()) + 1 // at least: what is public may be less
	}
	out := append(make([]byte, 0, n), `{"page":[`...)
	for i, d := range p.documents {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, publicJSON(d)...)
	}
	out = append(out, `],"isDone":`...)
	out = strconv.AppendBool(out, p.isDone)
	out = append(out, `,"continueCursor":`...)
	out = value.AppendQuoted(out, p.next)
	out = append(out, `,"splitCursor":`...)
	out = appendOptional(out, p.split)
	out = append(out, `,"pageStatus":`...)
	if p.status == "" {
		out = append(out, "null"...)
	} else {
		out = value.AppendQuoted(out, p.status)
	}
	return append(out, '}')
}

// appendOptional writes a JSON string, or null for nil.
func appendOptional(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, "null"...)
	}
	return value.AppendQuoted(dst, *s)
}
