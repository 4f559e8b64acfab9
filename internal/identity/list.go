package identity

import (
	"slices"
	"strings"

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
	return pageMerged(tx, table, index, [][]string{prefix}, p, read)
}

// check fills in what a page leaves open and refuses what cannot be.
func (p *Page) check() error {
	if p.Limit == 0 {
		p.Limit = defaultPage
	}
	if p.Order == "" {
		p.Order = NewestFirst
	}
	switch {
	case p.Limit < 1 || p.Limit > maxPage:
		return apierr.New(apierr.BadRequest, "invalid_request_parameters", "limit must lie between 1 and %d.", maxPage)
	case p.Before != "" && p.After != "":
		return apierr.New(apierr.BadRequest, "invalid_request_parameters", "Only one of before and after may be given.")
	case p.Order != NewestFirst && p.Order != OldestFirst:
		return apierr.New(apierr.BadRequest, "invalid_request_parameters", "order must be asc or desc.")
	}
	return nil
}

// up reports whether ids grow while reading away from the cursor: what follows it
// in the wanted order is newer and what follows is wanted, or the reverse of both.
func (p *Page) up() bool { return (p.Order == OldestFirst) == (p.Before == "") }

// entry is an item on its way into a page.
type entry[T any] struct {
	id   string
	item T
}

// pageMerged reads one page of several lists as if they were one. Each is a part
// of an index whose fields are its prefix… and then id.
func pageMerged[T any](tx *Tx, table, index string, prefixes [][]string, p Page, read func(Record) (item T, id string, ok bool)) (*List[T], error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	var all []entry[T]
	for _, prefix := range prefixes {
		base := key(prefix...)
		in, order := database.Prefix(base), database.Desc
		if p.up() {
			order = ascending
		}
		if cursor := p.Before + p.After; cursor != "" {
			k := value.AppendKey(slices.Clone(base), value.String(cursor))
			if p.up() {
				in.Lower = database.After(k)
			} else {
				in.Upper = k
			}
		}
		n := 0
		err := tx.Each(table, index, in, order, func(f Found) (bool, error) {
			if item, id, ok := read(f.Record); ok {
				all = append(all, entry[T]{id, item})
				n++
			}
			return n <= p.Limit, nil // one more tells whether there is a next page
		})
		if err != nil {
			return nil, err
		}
	}
	if len(prefixes) > 1 {
		slices.SortStableFunc(all, func(a, b entry[T]) int { return strings.Compare(a.id, b.id) })
		if !p.up() {
			slices.Reverse(all)
		}
	}
	return finish(all, p), nil
}

// pageOf takes one page of a list of ids in ascending order. What load gives as
// nil does not count.
func pageOf[T any](ids []string, p Page, load func(id string) (*T, error)) (*List[T], error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if !p.up() {
		slices.Reverse(ids)
	}
	cursor := p.Before + p.After
	var all []entry[T]
	for _, id := range ids {
		if c := strings.Compare(id, cursor); cursor != "" && (c == 0 || (c > 0) != p.up()) {
			continue
		}
		item, err := load(id)
		if err != nil {
			return nil, err
		}
		if item == nil {
			continue
		}
		if all = append(all, entry[T]{id, *item}); len(all) > p.Limit {
			break
		}
	}
	return finish(all, p), nil
}

// finish makes a page of what was read away from the cursor; anything beyond the
// limit says that there is more.
func finish[T any](all []entry[T], p Page) *List[T] {
	more := len(all) > p.Limit
	all = all[:min(len(all), p.Limit)]
	if p.Before != "" {
		slices.Reverse(all)
	}
	l := &List[T]{Data: make([]T, len(all))}
	for i := range all {
		l.Data[i] = all[i].item
	}
	if n := len(all); n > 0 {
		// Beyond the far end there is more if a row was left over; beyond the near
		// end there is the cursor's own row.
		if more && p.Before == "" || p.Before != "" {
			l.After = all[n-1].id
		}
		if more && p.Before != "" || p.After != "" {
			l.Before = all[0].id
		}
	}
	return l
}
