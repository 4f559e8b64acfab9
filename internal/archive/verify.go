package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/depot"
)

// Verified is what reading a whole backup found.
type Verified struct {
	Bases     int      `json:"bases"`
	Segments  int      `json:"segments"`
	Chunks    int      `json:"chunks"`
	Files     int      `json:"files"`
	Documents int64    `json:"documents"` // in chunks, each counted once
	Commits   int64    `json:"commits"`
	Bytes     int64    `json:"bytes"`    // of content that was read
	Damaged   []string `json:"damaged"`  // a line for each object that is damaged or missing; never null
	Windows   []Window `json:"windows"`  // what can be restored if nothing is damaged
	Unneeded  int      `json:"unneeded"` // objects that nothing names; the next backup removes them
}

// verifier is a verification in progress.
type verifier struct {
	v    *vault
	tell func(Progress)

	mu     sync.Mutex // over what follows
	out    Verified
	looked map[string]bool
	gone   map[string]error // what was not there, as long as it is not known why
	read   map[string]bool  // lists and segments that were read before, and are not counted again
	total  int64
	done   int64
}

// Verify reads everything in a depot and checks it against its checksums, and that
// nothing is missing of what bases and segments name.
func Verify(ctx context.Context, d depot.Depot, key []byte, tell func(Progress)) (*Verified, error) {
	v, _, err := openVault(ctx, d, key)
	if err != nil {
		return nil, err
	}
	c, err := v.look(ctx)
	if err != nil {
		return nil, err
	}
	if tell == nil {
		tell = func(Progress) {}
	}
	ver := &verifier{v: v, tell: tell, looked: map[string]bool{markerName: true}, gone: map[string]error{}, read: map[string]bool{}}
	ver.out.Damaged, ver.out.Windows = []string{}, c.windows()
	all := map[string]bool{}
	for o, err := range d.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		all[o.Name] = true
	}
	ver.total = int64(len(all)) - 1
	if err := ver.run(ctx, c); err != nil {
		return nil, err
	}
	if err := ver.settle(ctx, c); err != nil {
		return nil, err
	}
	for name := range all {
		if !ver.looked[name] {
			ver.out.Unneeded++
		}
	}
	slices.Sort(ver.out.Damaged)
	ver.out.Damaged = slices.Compact(ver.out.Damaged) // a list that was read twice is damaged once
	return &ver.out, nil
}

// settle finds out about what was not there: a house that runs merges segments and
// removes what nothing needs any more. Where the place has changed since it was listed, what
// is listed now is looked at; what it names and has not is missing.
func (ver *verifier) settle(ctx context.Context, c *contents) error {
	for len(ver.gone) > 0 {
		now, err := ver.v.look(ctx)
		if err != nil {
			return err
		}
		if now.equal(c) {
			for _, err := range ver.gone {
				ver.out.Damaged = append(ver.out.Damaged, err.Error())
			}
			return nil
		}
		for name := range ver.looked {
			_, absent := ver.gone[name]
			if names := strings.HasPrefix(name, listPrefix) || strings.HasPrefix(name, logPrefix); absent || names {
				delete(ver.looked, name)
				ver.read[name] = names && !absent
			}
		}
		before := ver.gone
		ver.gone, ver.out.Bases, ver.out.Segments, ver.out.Windows = map[string]error{}, 0, 0, now.windows()
		if err := ver.run(ctx, now); err != nil {
			return err
		}
		for name := range before {
			ver.looked[name] = true
		}
		c = now
	}
	return nil
}

// equal says whether two looks have found the same.
func (c *contents) equal(o *contents) bool {
	return slices.Equal(c.bases, o.bases) && maps.EqualFunc(c.segments, o.segments, func(a, b []segment) bool {
		sort := func(list []segment) []segment {
			return slices.SortedFunc(slices.Values(list), func(a, b segment) int {
				return cmp.Or(cmp.Compare(a.after, b.after), cmp.Compare(a.through, b.through))
			})
		}
		return slices.Equal(sort(a), sort(b))
	})
}

// run looks at every base and segment, and at what they name.
func (ver *verifier) run(ctx context.Context, c *contents) error {
	for _, b := range c.bases {
		ver.out.Bases++
		base := basePrefix + b.String()
		if err := ver.check(ctx, base, func() error {
			var s Summary
			return ver.v.getJSON(ctx, base, &s)
		}); err != nil {
			return err
		}
		if err := ver.named(ctx, listPrefix+b.String()); err != nil {
			return err
		}
	}
	for ch, list := range c.segments {
		for _, s := range list {
			ver.out.Segments++
			if err := ver.named(ctx, s.name(ch)); err != nil {
				return err
			}
		}
	}
	return nil
}

// check looks at an object once; what is wrong with it is noted.
func (ver *verifier) check(ctx context.Context, name string, look func() error) error {
	ver.mu.Lock()
	before := ver.looked[name]
	ver.looked[name] = true
	ver.mu.Unlock()
	if before {
		return nil
	}
	err := look()
	ver.mu.Lock()
	defer ver.mu.Unlock()
	ver.done++
	ver.tell(Progress{"objects", ver.done, max(ver.total, ver.done)})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, depot.ErrNotFound):
		ver.gone[name] = err
		return nil
	case errors.Is(err, ErrDamaged):
		ver.out.Damaged = append(ver.out.Damaged, err.Error())
		return nil
	}
	return err
}

// named looks at a list or a segment and all that it names.
func (ver *verifier) named(ctx context.Context, name string) error {
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	store := ""
	err := ver.check(ctx, name, func() error {
		return ver.v.records(ctx, name, func(rec record) error {
			switch rec.kind {
			case storeRecord:
				store = rec.name
			case commitRecord:
				if ver.read[name] {
					return nil
				}
				ver.count(func(o *Verified) {
					o.Commits++
					for _, r := range rec.revs {
						o.Bytes += int64(len(r.Body))
					}
				})
			case chunkRecord:
				g.Go(func() error { return ver.chunk(each, rec) })
			case blobRecord:
				object := blobName(store, rec.name)
				g.Go(func() error { return ver.blob(each, object, int64(rec.n)) })
			}
			return nil
		})
	})
	if werr := g.Wait(); err == nil {
		err = werr
	}
	return err
}

// count changes the figures.
func (ver *verifier) count(f func(*Verified)) {
	ver.mu.Lock()
	defer ver.mu.Unlock()
	f(&ver.out)
}

// chunk looks at a chunk.
func (ver *verifier) chunk(ctx context.Context, c record) error {
	return ver.check(ctx, c.name, func() error {
		n, bytes := uint64(0), int64(0)
		err := ver.v.records(ctx, c.name, func(rec record) error {
			if rec.kind == docRecord {
				n++
				bytes += int64(len(rec.revs[0].Body))
			}
			return nil
		})
		if err == nil && n != c.n {
			err = damaged(c.name, "it has %d documents, not %d", n, c.n)
		}
		ver.count(func(o *Verified) {
			o.Chunks++
			o.Documents += int64(n)
			o.Bytes += bytes
		})
		return err
	})
}

// blob looks at a file.
func (ver *verifier) blob(ctx context.Context, name string, size int64) error {
	return ver.check(ctx, name, func() error {
		r, err := ver.v.get(ctx, name)
		if err != nil {
			return err
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, r)
		if err == nil && n != size {
			err = damaged(name, "it has %d bytes, not %d", n, size)
		}
		ver.count(func(o *Verified) {
			o.Files++
			o.Bytes += n
		})
		return err
	})
}

// Line is the result in a sentence.
func (v *Verified) Line(took time.Duration) string {
	return fmt.Sprintf("%d bases, %d segments, %d chunks and %d files were read in %v", v.Bases, v.Segments, v.Chunks, v.Files, took.Round(time.Millisecond))
}
