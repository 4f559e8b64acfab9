package identity

import (
	"slices"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// Bounds of a page (workos-operations.md).
const (
	defaultPage = 10
	maxPage     = 100
)

// PageOf reads one page of an index of any table in the house's store, whose fields
// are prefix… and then the id that cursors name. Rows that read does not want (ok
// false) do not count.
func PageOf[T any](tx *Tx, table, index string, prefix []string, p Page, read func(Record) (item T, id string, ok bool)) (*List[T], error) {
	return page(tx, table, index, prefix, p, read)
}

// page reads one page of an index whose fields are prefix… and then id. Rows that
// read does not want (ok false) do not count.
func page[T any](tx *Tx, table, index string, prefix []string, p Page, read func(Record) (item T, id string, ok bool)) (*List[T], error) {
	if p.Limit == 0 {
		p.Limit = defaultPage
	}
	if p.Order == "" {
		p.Order = NewestFirst
	}
	switch {
	case p.Limit < 1 || p.Limit > maxPage:
		return nil, apierr.New(apierr.BadRequest, "invalid_request_parameters", "limit must lie between 1 and %d.", maxPage)
	case p.Before != "" && p.After != "":
		return nil, apierr.New(apierr.BadRequest, "invalid_request_parameters", "Only one of before and after may be given.")
	case p.Order != NewestFirst && p.Order != OldestFirst:
		return nil, apierr.New(apierr.BadRequest, "invalid_request_parameters", "order must be asc or desc.")
	}
	base := key(prefix...)
	in := database.Prefix(base)
	// Reading away from a cursor: up if what follows it in the wanted order is
	// newer and what follows is wanted, or the reverse of both.
	up := (p.Order == OldestFirst) == (p.Before == "")
	if cursor := p.Before + p.After; cursor != "" {
		k := value.AppendKey(slices.Clone(base), value.String(cursor))
		if up {
			in.Lower = database.After(k)
		} else {
			in.Upper = k
		}
	}
	order := database.Desc
	if up {
		order = database.Asc
	}
	l := &List[T]{Data: []T{}}
	var ids []string
	more := false
	err := tx.Each(table, index, in, order, func(f Found) (bool, error) {
		item, id, ok := read(f.Record)
		if !ok {
			return true, nil
		}
		if more = len(ids) == p.Limit; more {
			return false, nil
		}
		l.Data, ids = append(l.Data, item), append(ids, id)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if p.Before != "" {
		slices.Reverse(l.Data)
		slices.Reverse(ids)
	}
	if n := len(ids); n > 0 {
		// Beyond the far end there is more if a row was left over; beyond the near
		// end there is the cursor's own row.
		if more && p.Before == "" || p.Before != "" {
			l.After = ids[n-1]
		}
		if more && p.Before != "" || p.After != "" {
			l.Before = ids[0]
		}
	}
	return l, nil
}
