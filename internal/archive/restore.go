package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/depot"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// Site is where a house is restored.
type Site interface {
	// Check says whether the files that a base has, by name, can be of use: whether
	// the keys of the house can be opened.
	Check(files map[string][]byte) error
	// Store opens a store, or makes it; Restore closes it, and may ask for it again.
	Store(name string) (persistence.Store, error)
	// Blobs opens the place of a store's files.
	Blobs(name string) (blob.Store, error)
	// File writes a file of the house.
	File(name string, content []byte) error
	// Remove undoes what Store and Blobs made.
	Remove(name string) error
}

// Progress is how far a restore or a verification is.
type Progress struct {
	Doing       string
	Done, Total int64 // of what Doing says; Total 0: not known
}

// Restored is what was restored.
type Restored struct {
	At     time.Time       `json:"at"`   // the moment whose state it is
	Base   time.Time       `json:"base"` // the base that it began from
	Stores []RestoredStore `json:"stores"`
	// Commits are those that came after the base.
	Commits int64 `json:"commits"`
	Bytes   int64 `json:"bytes"` // of documents and files
	// Without are stores that could not be opened when they were to be backed up.
	Without []string `json:"without,omitempty"`
}

// RestoredStore is a store that was restored.
type RestoredStore struct {
	Name string `json:"name"`
	// Documents are counted by the name of their table.
	Documents map[string]int `json:"documents"`
	Files     int            `json:"files"`
	FileBytes int64          `json:"fileBytes"`
}

// parallel is how many objects are read at a time.
const parallel = 4

// maxOpen bounds the stores that are open at a time.
const maxOpen = 32

// restorer is a restore in progress.
type restorer struct {
	v      *vault
	site   Site
	at     persistence.Timestamp
	base   baseID
	tell   func(Progress)
	stores map[string]*rebuilt
	open   []*rebuilt // the longest unused first
	files  map[string][]File
	out    Restored

	current   *rebuilt // that records are of
	fileBytes int64
}

// rebuilt is a store that is being restored.
type rebuilt struct {
	name   string
	refill database.Refill
	last   persistence.Timestamp
	blobs  map[string]int64
	chunks []record
}

// Restore makes a house at a site as it was at a moment, zero being the newest one. It
// reads everything through its checksum. After an error the site is of no use.
func Restore(ctx context.Context, d depot.Depot, key []byte, at time.Time, site Site, tell func(Progress)) (*Restored, error) {
	v, _, err := openVault(ctx, d, key)
	if err != nil {
		return nil, err
	}
	c, err := v.look(ctx)
	if err != nil {
		return nil, err
	}
	ts := persistence.Timestamp(0)
	if !at.IsZero() {
		ts = persistence.Timestamp(at.UnixNano())
	}
	base, path, exact, err := c.find(ts)
	if err != nil {
		return nil, err
	}
	r := &restorer{v: v, site: site, at: exact, base: base, tell: tell, stores: map[string]*rebuilt{}, files: map[string][]File{}}
	if r.tell == nil {
		r.tell = func(Progress) {}
	}
	defer r.closeAll()
	r.out.At, r.out.Base = exact.Time(), base.at.Time()
	// Only segments that begin before the moment have something to say.
	path = slices.DeleteFunc(path, func(s segment) bool { return s.after >= exact })
	if err := r.run(ctx, path); err != nil {
		return nil, err
	}
	return &r.out, nil
}

// run restores: the base's documents, the commits after it, the indexes, the files.
func (r *restorer) run(ctx context.Context, path []segment) error {
	if err := r.list(ctx); err != nil {
		return err
	}
	if err := r.checkKeys(ctx, path); err != nil {
		return err
	}
	if err := r.documents(ctx); err != nil {
		return err
	}
	done := int64(0)
	if err := r.along(ctx, path, func(name string, left int) error {
		r.tell(Progress{"commits", done, done + int64(left)})
		done++
		r.current = nil
		return r.segment(ctx, name, func(ctx context.Context, rec record) error { return r.apply(ctx, name, rec) })
	}); err != nil {
		return err
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	var sum Summary
	if r.v.getJSON(ctx, basePrefix+r.base.String(), &sum) == nil { // else the restore is as good
		r.out.Without = slices.DeleteFunc(sum.Without, func(name string) bool { return r.stores[name] != nil && r.stores[name].last != 0 })
	}
	for name, versions := range r.files {
		if err := r.site.File(name, r.version(versions)); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
	}
	return nil
}

// along goes through the segments that lead from the base to the moment. A house that runs
// merges them meanwhile: where one has gone since they were listed, they are listed again.
// What comes twice then is told by its time.
func (r *restorer) along(ctx context.Context, path []segment, each func(name string, left int) error) error {
	for end := r.base.at; len(path) > 0; {
		s := path[0]
		err := each(s.name(r.base.chain), len(path))
		if err == nil {
			end, path = s.through, path[1:]
			continue
		}
		if !errors.Is(err, depot.ErrNotFound) {
			return err
		}
		c, lerr := r.v.look(ctx)
		if lerr != nil {
			return lerr
		}
		now, through := c.path(r.base.chain, end)
		if through < r.at || slices.ContainsFunc(now, func(o segment) bool { return o.after == s.after && o.through == s.through }) {
			return err // it is missing
		}
		path = slices.DeleteFunc(now, func(s segment) bool { return s.after >= r.at })
	}
	return nil
}

// version is a file as of the moment: the newest that is no newer, else the oldest.
func (r *restorer) version(all []File) []byte {
	slices.SortStableFunc(all, func(a, b File) int { return a.Changed.Compare(b.Changed) })
	best := all[0]
	for _, f := range all {
		if !f.Changed.After(r.at.Time()) {
			best = f
		}
	}
	return best.Content
}

// list reads what the base has.
func (r *restorer) list(ctx context.Context) error {
	name := listPrefix + r.base.String()
	var s *rebuilt
	return r.segment(ctx, name, func(_ context.Context, rec record) error {
		if s == nil && (rec.kind == chunkRecord || rec.kind == blobRecord) {
			return damaged(name, "what it lists is of no store")
		}
		switch rec.kind {
		case storeRecord:
			s = r.store(rec.name)
		case chunkRecord:
			s.chunks = append(s.chunks, rec)
		case blobRecord:
			s.blobs[rec.name] = int64(rec.n)
		case fileRecord:
			return r.file(name, rec)
		}
		return nil
	})
}

// maxFiles bounds the house's own files in a backup, all versions together: they are
// held in memory, and compress as well as whoever made them wants.
const maxFiles = 128 << 20

// file remembers a version of a file of an object.
func (r *restorer) file(object string, rec record) error {
	if r.fileBytes += int64(len(rec.body)); r.fileBytes > maxFiles {
		return damaged(object, "the files of the house have more than %d MB", maxFiles>>20)
	}
	r.files[rec.name] = append(r.files[rec.name], File{rec.name, time.Unix(0, int64(rec.n)), rec.body})
	return nil
}

// store finds or begins a store.
func (r *restorer) store(name string) *rebuilt {
	s := r.stores[name]
	if s == nil {
		s = &rebuilt{name: name, blobs: map[string]int64{}}
		r.stores[name] = s
	}
	return s
}

// checkKeys finds out early whether the house's keys can be opened. The base's version
// may be under a master key that was replaced since; then those of the segments decide.
func (r *restorer) checkKeys(ctx context.Context, path []segment) error {
	check := func() error {
		now := map[string][]byte{}
		for name, versions := range r.files {
			now[name] = r.version(versions)
		}
		return r.site.Check(now)
	}
	err := check()
	if err == nil {
		return nil
	}
	before, bytes := map[string][]File{}, r.fileBytes
	for name, versions := range r.files {
		before[name] = slices.Clone(versions)
	}
	if err := r.along(ctx, path, func(name string, _ int) error {
		return r.segment(ctx, name, func(_ context.Context, rec record) error {
			if rec.kind == fileRecord {
				return r.file(name, rec)
			}
			return nil
		})
	}); err != nil {
		return err
	}
	err = check()
	r.files, r.fileBytes = before, bytes
	return err
}

// segment reads the records of an object.
func (r *restorer) segment(ctx context.Context, name string, each func(context.Context, record) error) error {
	return r.v.records(ctx, name, func(rec record) error { return each(ctx, rec) })
}

// records reads an object of records.
func (v *vault) records(ctx context.Context, name string, each func(record) error) error {
	src, err := v.get(ctx, name)
	if err != nil {
		return err
	}
	defer src.Close()
	records, err := readRecords(src, name)
	if err != nil {
		return err
	}
	for {
		rec, err := records.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(rec); err != nil {
			return err
		}
	}
}

// use opens a store, and closes another if too many are open.
func (r *restorer) use(ctx context.Context, s *rebuilt) error {
	r.open = slices.DeleteFunc(r.open, func(o *rebuilt) bool { return o == s })
	if s.refill.Store == nil {
		if len(r.open) >= maxOpen {
			if err := r.close(ctx, r.open[0]); err != nil {
				return err
			}
		}
		store, err := r.site.Store(s.name)
		if err != nil {
			return err
		}
		s.refill.Store = store
	}
	r.open = append(r.open, s)
	return nil
}

// close gives a store back; it can be used again.
func (r *restorer) close(ctx context.Context, s *rebuilt) error {
	err := s.refill.Flush(ctx)
	err = errors.Join(err, s.refill.Store.Close())
	s.refill.Store = nil
	r.open = slices.DeleteFunc(r.open, func(o *rebuilt) bool { return o == s })
	return err
}

// closeAll gives back what an error has left open.
func (r *restorer) closeAll() {
	for _, s := range r.open {
		s.refill.Store.Close()
	}
}

// documents reads the base's chunks.
func (r *restorer) documents(ctx context.Context) error {
	var total, done int64
	for _, s := range r.stores {
		for _, c := range s.chunks {
			total += int64(c.n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.stores)) {
		s := r.stores[name]
		if err := r.use(ctx, s); err != nil {
			return err
		}
		var mu sync.Mutex // over the store and the counts
		g, each := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		for _, chunk := range s.chunks {
			g.Go(func() error {
				n := uint64(0)
				err := r.segment(each, chunk.name, func(ctx context.Context, rec record) error {
					if rec.kind != docRecord {
						return nil
					}
					n++
					mu.Lock()
					defer mu.Unlock()
					r.out.Bytes += int64(len(rec.revs[0].Body))
					s.last = max(s.last, rec.revs[0].TS)
					return s.refill.Add(ctx, rec.revs[0])
				})
				if err == nil && n != chunk.n {
					err = damaged(chunk.name, "it has %d documents, not %d", n, chunk.n)
				}
				mu.Lock()
				defer mu.Unlock()
				done += int64(n)
				r.tell(Progress{"documents", done, total})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		s.chunks = nil
		s.last = max(s.last, r.base.at)
	}
	return nil
}

// apply takes a record of a segment.
func (r *restorer) apply(ctx context.Context, object string, rec record) error {
	if r.current == nil && (rec.kind == blobRecord || rec.kind == gapRecord || rec.kind == commitRecord) {
		return damaged(object, "a change in it is of no store")
	}
	switch rec.kind {
	case fileRecord:
		return r.file(object, rec)
	case storeRecord:
		r.current = r.store(rec.name)
	case blobRecord:
		r.current.blobs[rec.name] = int64(rec.n)
	case gapRecord:
		if persistence.Timestamp(rec.n) <= r.at {
			delete(r.current.blobs, rec.name)
		}
	case goneRecord:
		if persistence.Timestamp(rec.n) <= r.at {
			return r.drop(rec.name)
		}
	case commitRecord:
		s := r.current
		if rec.ts > r.at || rec.ts <= s.last {
			return nil
		}
		if err := r.use(ctx, s); err != nil {
			return err
		}
		for _, rev := range rec.revs {
			r.out.Bytes += int64(len(rev.Body))
		}
		r.out.Commits++
		s.last = rec.ts
		return s.refill.Commit(ctx, rec.ts, rec.revs)
	}
	return nil
}

// drop undoes what was restored of a store that was no more. If its name comes again,
// that is another store.
func (r *restorer) drop(name string) error {
	s := r.store(name)
	r.open = slices.DeleteFunc(r.open, func(o *rebuilt) bool { return o == s })
	var err error
	if s.refill.Store != nil {
		err = s.refill.Store.Close()
	}
	if err == nil {
		err = r.site.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", name, err)
	}
	delete(r.stores, name)
	if r.current == s {
		r.current = nil
	}
	return nil
}

// finish builds the indexes of every store, and then fetches its files.
func (r *restorer) finish(ctx context.Context) error {
	var total, done int64
	names := slices.Sorted(maps.Keys(r.stores))
	for i, name := range names {
		s := r.stores[name]
		r.tell(Progress{"indexes", int64(i), int64(len(names))})
		if s.last == 0 {
			continue // it came later, or was no more
		}
		if err := r.use(ctx, s); err != nil {
			return err
		}
		documents, err := s.refill.Finish(ctx)
		if err == nil {
			err = r.close(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
		one := RestoredStore{Name: name, Documents: documents, Files: len(s.blobs)}
		for _, size := range s.blobs {
			one.FileBytes += size
		}
		total += one.FileBytes
		r.out.Stores = append(r.out.Stores, one)
	}
	for _, one := range r.out.Stores {
		if err := r.blobs(ctx, r.stores[one.Name], func(size int64) {
			done += size
			r.out.Bytes += size
			r.tell(Progress{"bytes of files", done, total})
		}); err != nil {
			return err
		}
	}
	return nil
}

// blobs fetches the files of a store.
func (r *restorer) blobs(ctx context.Context, s *rebuilt, count func(int64)) error {
	if len(s.blobs) == 0 {
		return nil
	}
	to, err := r.site.Blobs(s.name)
	if err != nil {
		return fmt.Errorf("restore %s: %w", s.name, err)
	}
	var mu sync.Mutex
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, key := range slices.Sorted(maps.Keys(s.blobs)) {
		g.Go(func() error {
			name := blobName(s.name, key)
			src, err := r.v.get(each, name)
			if err != nil {
				return err
			}
			defer src.Close()
			size, _, err := to.Put(each, key, src)
			if err == nil && size != s.blobs[key] {
				err = damaged(name, "it has %d bytes, not %d", size, s.blobs[key])
			}
			mu.Lock()
			defer mu.Unlock()
			count(size)
			return err
		})
	}
	return g.Wait()
}
