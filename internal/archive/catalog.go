package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// Window is a span of time of which every moment can be restored. A single state has
// From and Through alike.
type Window struct {
	From    time.Time `json:"from"`
	Through time.Time `json:"through"`
	Bases   int       `json:"bases"`
}

// Catalog is what a depot holds.
type Catalog struct {
	Depot    string    `json:"depot"`
	House    string    `json:"house"`
	Sealed   bool      `json:"sealed"`
	Windows  []Window  `json:"windows"` // oldest first; never null
	Bases    []Summary `json:"bases"`   // oldest first; never null
	Segments int       `json:"segments"`
	Bytes    int64     `json:"bytes"` // of everything
	Objects  int       `json:"objects"`
}

// List tells what can be restored from a depot.
func List(ctx context.Context, d depot.Depot, key []byte) (*Catalog, error) {
	v, m, err := openVault(ctx, d, key)
	if err != nil {
		return nil, err
	}
	c, err := v.look(ctx)
	if err != nil {
		return nil, err
	}
	out := &Catalog{Depot: d.String(), House: m.House, Sealed: m.Sealed, Windows: c.windows(), Bases: []Summary{}}
	for _, b := range c.bases {
		var s Summary
		err := v.getJSON(ctx, basePrefix+b.String(), &s)
		if errors.Is(err, depot.ErrNotFound) {
			continue // its time was over, and the house has removed it since
		}
		if err != nil {
			return nil, err
		}
		out.Bases = append(out.Bases, s)
	}
	for _, list := range c.segments {
		out.Segments += len(list)
	}
	for o, err := range d.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		out.Bytes += o.Size
		out.Objects++
	}
	return out, nil
}

// windows are the spans that can be restored, oldest first.
func (c *contents) windows() []Window {
	out := []Window{}
	last := map[chain]int{}
	for _, b := range c.bases {
		_, end := c.path(b.chain, b.at)
		if i, ok := last[b.chain]; ok && !out[i].Through.Before(b.at.Time()) {
			out[i].Bases++
			if end.Time().After(out[i].Through) {
				out[i].Through = end.Time()
			}
			continue
		}
		last[b.chain] = len(out)
		out = append(out, Window{From: b.at.Time(), Through: end.Time(), Bases: 1})
	}
	slices.SortStableFunc(out, func(a, b Window) int { return cmp.Compare(a.From.UnixNano(), b.From.UnixNano()) })
	return out
}

// Layout of a moment for a person, who gives it back as --at.
const timeForm = "2006-01-02T15:04:05Z07:00"

// String tells of the span in whole seconds that are within it.
func (w Window) String() string {
	from := w.From.UTC().Add(time.Second - 1).Truncate(time.Second)
	through := w.Through.UTC().Truncate(time.Second)
	if !through.After(from) {
		return from.Format(timeForm)
	}
	return from.Format(timeForm) + " to " + through.Format(timeForm)
}

// find chooses the base and the segments that lead to a moment; zero stands for the
// newest one.
func (c *contents) find(at persistence.Timestamp) (base baseID, list []segment, exact persistence.Timestamp, err error) {
	if len(c.bases) == 0 {
		return base, nil, 0, fmt.Errorf("%w that is whole: its first base was not finished", ErrNoBackup)
	}
	if at == 0 {
		for _, b := range c.bases {
			if _, end := c.path(b.chain, b.at); end > at {
				at = end
			}
		}
	}
	for _, b := range slices.Backward(c.bases) {
		if b.at > at {
			continue
		}
		path, end := c.path(b.chain, b.at)
		if end >= at {
			return b, path, at, nil
		}
		// A single state goes by the second that a list tells it with.
		if len(path) == 0 && at-b.at < persistence.Timestamp(time.Second) {
			return b, nil, b.at, nil
		}
	}
	var text strings.Builder
	for _, w := range c.windows() {
		fmt.Fprintf(&text, "\n  %s", w)
	}
	return base, nil, 0, fmt.Errorf("%s cannot be restored; these times can:%s", at.Time().UTC().Format(time.RFC3339Nano), text.String())
}
