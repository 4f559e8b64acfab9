package identity

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/value"
)

// readEvent reads a row of events.
func readEvent(r Record) Event {
	return Event{ID: EventID(r.Text("id")), Name: r.Text("event"), Organization: r.Text("organization"), Data: []byte(r.Text("data")),
		Context: []byte(r.Text("context")), Created: r.Time("created"), sealed: r.Text("sealed")}
}

// Events lists the named events of an environment, all if none is named, oldest
// first whatever the page's order.
func (s *Service) Events(ctx context.Context, id EnvironmentID, names []string, p Page) (*List[Event], error) {
	return s.History(ctx, id, EventQuery{Names: names, After: EventID(p.After), Before: EventID(p.Before), Limit: p.Limit})
}

// LatestEvents lists the named events of an environment, all if none is named, newest
// first and older than before, if that is not "". The list's After is what the next
// page is before, if there is one.
func (s *Service) LatestEvents(ctx context.Context, id EnvironmentID, names []string, before EventID, limit int) (*List[Event], error) {
	l, err := s.History(ctx, id, EventQuery{Names: names, Before: before, Limit: limit, latest: true})
	if err != nil {
		return nil, err
	}
	slices.Reverse(l.Data)
	l.Before, l.After = "", l.Before
	return l, nil
}

// History lists a part of an environment's events, oldest first.
func (s *Service) History(ctx context.Context, id EnvironmentID, q EventQuery) (l *List[Event], err error) {
	horizon, err := s.events.horizon(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.View(ctx, func(tx *Tx) error {
		l, err = tx.events(id, q, horizon)
		return err
	})
	return l, err
}

// Event finds an event.
func (tx *Tx) Event(id EnvironmentID, event EventID) (*Event, error) {
	f, err := tx.First(tableEvents, "on_environment", string(id), string(event))
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, notFound("Event", string(event))
	}
	e := readEvent(f.Record)
	return &e, tx.reveal(id, &e)
}

// NewestEvent is the id of the newest event that readers may see, from which on a
// new reader would go; it need not belong to an event that still exists.
func (s *Service) NewestEvent(ctx context.Context, id EnvironmentID) (EventID, error) {
	horizon, err := s.events.horizon(ctx, id)
	if err != nil {
		return "", err
	}
	var newest EventID
	err = s.View(ctx, func(tx *Tx) error {
		base := key(string(id))
		in := database.Interval{Lower: base, Upper: value.AppendKey(slices.Clone(base), value.String(horizon))}
		return tx.Each(tableEvents, "on_environment", in, database.Desc, func(f Found) (bool, error) {
			newest = EventID(f.Text("id"))
			return false, nil
		})
	})
	return newest, err
}

// events reads a page below the horizon.
func (tx *Tx) events(id EnvironmentID, q EventQuery, horizon string) (*List[Event], error) {
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	if q.Limit < 1 || q.Limit > maxPage {
		return nil, apierr.New(apierr.BadRequest, "invalid_request_parameters", "limit must lie between 1 and %d.", maxPage)
	}
	// Every bound is one on ids, which begin with the time.
	from, below := eventPrefix, horizon
	if q.After != "" {
		from = max(from, string(q.After)+"~")
	}
	if q.Before != "" {
		below = min(below, string(q.Before))
	}
	if !q.Start.IsZero() {
		from = max(from, firstEventAt(q.Start))
	}
	if !q.End.IsZero() {
		below = min(below, firstEventAt(q.End.Truncate(time.Millisecond).Add(time.Millisecond)))
	}
	backwards := q.latest || q.Before != "" && q.After == "" && q.Start.IsZero()
	m := &merge{backwards: backwards}
	for _, span := range q.spans(id) {
		in := database.Interval{Lower: value.AppendKey(slices.Clone(span.prefix), value.String(from)), Upper: value.AppendKey(slices.Clone(span.prefix), value.String(below))}
		order := database.Asc
		if backwards {
			order = database.Desc
		}
		c := tx.Scan(tableEvents, span.index, in, order)
		defer c.Close()
		if err := m.add(tx, c); err != nil {
			return nil, err
		}
	}
	l := &List[Event]{Data: []Event{}}
	for m.Len() > 0 && len(l.Data) < q.Limit {
		ev := m.heads[0].event
		if err := tx.reveal(id, &ev); err != nil {
			return nil, err
		}
		l.Data = append(l.Data, ev)
		if err := m.advance(tx); err != nil {
			return nil, err
		}
	}
	if n := len(l.Data); n > 0 {
		if backwards {
			slices.Reverse(l.Data)
		}
		if q.latest && m.Len() > 0 {
			l.Before = string(l.Data[0].ID)
		}
		if m.Len() > 0 || backwards {
			l.After = string(l.Data[n-1].ID)
		}
	}
	return l, nil
}

// span is the part of an index in which events of one kind lie in the order of
// their ids.
type span struct {
	index  string
	prefix []byte
}

// spans are the parts of indexes that hold what is asked for, and nothing else but
// what bounds on ids exclude: a filter costs what it finds, not what it passes over.
func (q *EventQuery) spans(id EnvironmentID) (out []span) {
	names := slices.Compact(slices.Sorted(slices.Values(q.Names)))
	if q.Organization != "" && len(names) == 0 {
		names = EventNames()
	}
	for _, n := range names {
		if q.Organization != "" {
			out = append(out, span{"on_organization", key(string(id), q.Organization, n)})
		} else {
			out = append(out, span{"on_event", key(string(id), n)})
		}
	}
	if len(names) == 0 {
		out = append(out, span{"on_environment", key(string(id))})
	}
	return out
}

// firstEventAt is the least id that an event of the time could have.
func firstEventAt(t time.Time) string {
	ms := t.UnixMilli()
	if ms < 0 {
		ms = 0
	}
	var u ulid.ULID
	if err := u.SetTime(min(uint64(ms), ulid.MaxTime())); err != nil {
		return eventPrefix
	}
	return eventPrefix + u.String()
}

// merge is a heap of cursors by the id of the event that each is at.
type merge struct {
	heads     []head
	backwards bool
}

// head is a cursor and the event it is at.
type head struct {
	cursor *database.Cursor
	event  Event
}

// add puts a cursor at its first event, if it has one.
func (m *merge) add(tx *Tx, c *database.Cursor) error {
	d, err := c.Next(tx.ctx)
	if err == nil && d != nil {
		heap.Push(m, head{c, readEvent(Record{d.Object()})})
	}
	return err
}

// advance moves the foremost cursor on.
func (m *merge) advance(tx *Tx) error {
	h := heap.Pop(m).(head)
	return m.add(tx, h.cursor)
}

// Len, Less, Swap, Push and Pop are container/heap's.
func (m *merge) Len() int { return len(m.heads) }

// Less orders by id.
func (m *merge) Less(i, j int) bool {
	return m.heads[i].event.ID < m.heads[j].event.ID != m.backwards
}

// Swap swaps.
func (m *merge) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }

// Push adds at the end.
func (m *merge) Push(x any) { m.heads = append(m.heads, x.(head)) }

// Pop takes from the end.
func (m *merge) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}
