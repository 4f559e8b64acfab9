package archive

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// mergeEvery is how often small segments become larger ones.
const mergeEvery = time.Hour

// A merged segment has the commits of about an hour, unless they are very many.
const (
	mergeSpan = time.Hour
	mergeSize = 64 << 20
	// mergeAfter is how old a segment must be: whoever restores right now has listed the
	// newest ones.
	mergeAfter = 5 * time.Minute
)

// tidy merges segments and removes what nothing needs. Nothing else may make a base
// meanwhile; segments may come.
type tidy struct {
	v     *vault
	house string
	chain chain // that is going on
	keep  Keep
	now   time.Time
	// settle waits until every blob that was put by now is named by a segment.
	settle func(context.Context) error
}

// run does all of it.
func (t *tidy) run(ctx context.Context) error {
	if err := t.merge(ctx); err != nil {
		return fmt.Errorf("merge segments: %w", err)
	}
	return t.expire(ctx)
}

// merge writes segments of one hour of the present chain into one.
func (t *tidy) merge(ctx context.Context) error {
	c, err := t.v.look(ctx)
	if err != nil {
		return err
	}
	if len(c.segments[t.chain]) == 0 {
		return nil
	}
	first := slices.MinFunc(c.segments[t.chain], func(a, b segment) int { return int(max(-1, min(1, a.after-b.after))) })
	list, _ := c.path(t.chain, first.after)
	var group []segment
	var size int64
	flush := func() error {
		defer func() { group, size = nil, 0 }()
		if len(group) < 2 {
			return nil
		}
		return t.mergeOne(ctx, group)
	}
	for _, s := range list {
		if t.now.Sub(s.through.Time()) < mergeAfter {
			break
		}
		hour := func(ts persistence.Timestamp) time.Time { return ts.Time().Truncate(mergeSpan) }
		if len(group) > 0 && (hour(group[0].through) != hour(s.through) || size+s.size > mergeSize) {
			if err := flush(); err != nil {
				return err
			}
		}
		group, size = append(group, s), size+s.size
	}
	return flush()
}

// mergeOne writes a list of segments, each beginning where the one before ends, as one,
// and then removes them.
func (t *tidy) mergeOne(ctx context.Context, list []segment) error {
	whole := segment{after: list[0].after, through: list[len(list)-1].through}
	_, err := t.v.put(ctx, whole.name(t.chain), func(w io.Writer) error {
		out := newRecords(w, head{House: t.house, After: whole.after, Through: whole.through})
		for _, s := range list {
			if err := t.v.records(ctx, s.name(t.chain), func(rec record) error {
				out.record(rec)
				return out.err
			}); err != nil {
				return err
			}
		}
		return out.close()
	})
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.after == whole.after && s.through == whole.through {
			continue
		}
		if err := t.v.depot.Delete(ctx, s.name(t.chain)); err != nil {
			return err
		}
	}
	return nil
}

// record writes what was read.
func (r *recordWriter) record(rec record) {
	switch rec.kind {
	case storeRecord:
		r.kind(rec.kind)
		r.text(rec.name)
	case chunkRecord, blobRecord, gapRecord, goneRecord:
		r.kind(rec.kind)
		r.text(rec.name)
		r.number(rec.n)
	case fileRecord:
		r.file(File{Name: rec.name, Changed: time.Unix(0, int64(rec.n)), Content: rec.body})
	case commitRecord:
		r.commit(rec.ts, rec.revs)
	}
}

// expire removes what is to be kept no longer: bases first, then segments, then what
// only those needed, so that whatever ends the process in between, nothing that stays
// lacks anything.
func (t *tidy) expire(ctx context.Context) error {
	c, err := t.v.look(ctx)
	if err != nil {
		return err
	}
	for _, b := range slices.Backward(c.bases) {
		if b.chain != t.chain {
			continue
		}
		var newest Summary
		if err := t.v.getJSON(ctx, basePrefix+b.String(), &newest); err != nil {
			return err
		}
		if len(newest.Without) > 0 {
			return nil // what it is without may be in those before it alone
		}
		break
	}
	stay, gone, from := t.keep.choose(c.bases, t.now)
	for _, b := range gone {
		for _, prefix := range []string{basePrefix, listPrefix} {
			if err := t.v.depot.Delete(ctx, prefix+b.String()); err != nil {
				return fmt.Errorf("remove the base of %s: %w", b.at.Time().UTC().Format(time.RFC3339), err)
			}
		}
	}
	kept := map[string]bool{}
	for _, b := range stay {
		kept[b.String()] = true
	}
	// Lists without a base are of bases that were broken off.
	for o, err := range t.v.depot.List(ctx, listPrefix) {
		if err != nil {
			return err
		}
		if !kept[strings.TrimPrefix(o.Name, listPrefix)] {
			if err := t.v.depot.Delete(ctx, o.Name); err != nil {
				return err
			}
		}
	}
	var segments []string
	for ch, list := range c.segments {
		based := slices.ContainsFunc(stay, func(b baseID) bool { return b.chain == ch })
		for _, s := range list {
			if s.through <= from.at || !based && ch != t.chain {
				if err := t.v.depot.Delete(ctx, s.name(ch)); err != nil {
					return err
				}
				continue
			}
			segments = append(segments, s.name(ch))
		}
	}
	return t.sweep(ctx, stay, segments)
}

// sweepMost bounds what one sweep removes; the next goes on.
const sweepMost = 20_000

// sweep removes chunks and blobs that nothing that stays needs.
func (t *tidy) sweep(ctx context.Context, bases []baseID, segments []string) error {
	needed := newSet()
	for _, b := range bases {
		if err := t.v.needs(ctx, listPrefix+b.String(), needed.add); err != nil {
			return err
		}
	}
	for _, name := range segments {
		if err := t.v.needs(ctx, name, needed.add); err != nil {
			return err
		}
	}
	var doomed []string
	for _, prefix := range []string{chunkPrefix, blobPrefix} {
		for o, err := range t.v.depot.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if !needed.has(o.Name) && len(doomed) < sweepMost {
				doomed = append(doomed, o.Name)
			}
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	// A blob may have been put whose segment had not come yet.
	if err := t.settle(ctx); err != nil {
		return err
	}
	c, err := t.v.look(ctx)
	if err != nil {
		return err
	}
	looked := map[string]bool{}
	for _, name := range segments {
		looked[name] = true
	}
	for ch, list := range c.segments {
		for _, s := range list {
			if name := s.name(ch); !looked[name] {
				if err := t.v.needs(ctx, name, needed.add); err != nil {
					return err
				}
			}
		}
	}
	for _, name := range doomed {
		if needed.has(name) {
			continue
		}
		if err := t.v.depot.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// needs tells which chunks and blobs a list or a segment names.
func (v *vault) needs(ctx context.Context, name string, add func(string)) error {
	store := ""
	return v.records(ctx, name, func(rec record) error {
		switch rec.kind {
		case storeRecord:
			store = rec.name
		case chunkRecord:
			add(rec.name)
		case blobRecord:
			add(blobName(store, rec.name))
		}
		return nil
	})
}

// set remembers names in bounded memory, and now and then one too many: what is in it
// stays, so that an error costs space until the next time, as each has a seed of its own.
type set struct {
	seed maphash.Seed
	bits []uint64
}

// setBits are 16 MiB: one name in a thousand too many with 9 million of them.
const setBits = 1 << 27

// newSet is an empty one.
func newSet() *set { return &set{maphash.MakeSeed(), make([]uint64, setBits/64)} }

// places are the bits of a name.
func (s *set) places(name string) (at [7]uint64) {
	h := maphash.String(s.seed, name)
	a, b := h&0xffffffff, h>>32|1
	for i := range at {
		at[i] = (a + uint64(i)*b) % setBits
	}
	return at
}

// add remembers a name.
func (s *set) add(name string) {
	for _, p := range s.places(name) {
		s.bits[p/64] |= 1 << (p % 64)
	}
}

// has tells whether a name may be in it; one that is always is.
func (s *set) has(name string) bool {
	for _, p := range s.places(name) {
		if s.bits[p/64]&(1<<(p%64)) == 0 {
			return false
		}
	}
	return true
}
