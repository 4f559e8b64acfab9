package archive

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
)

// Where a chunk ends is told by the documents themselves, so that one that is added or
// removed moves no other boundary: behind a document whose id is one of every boundary,
// once there is enough. About 600 kB come together in small documents.
const (
	minChunk      = 256 << 10
	maxChunk      = 4 << 20
	boundaryBits  = 10
	boundaryMask  = 1<<boundaryBits - 1
	boundaryBytes = 8
)

// job is a base to be made.
type job struct {
	baseID
	v      *vault
	stores []inUse
	rest   []Store // closed ones, in which nothing happens
	files  []File
	undo   []func()
	broken unopened // what cannot be opened, and is not in it
}

// end gives everything back.
func (j *job) end() {
	for _, f := range j.undo {
		f()
	}
	done(j.stores)
}

// begin settles all stores at one moment and holds them there. If fresh is set, a chain
// begins with it.
func (a *Archiver) begin(ctx context.Context, fresh bool) (*job, error) {
	if fresh {
		a.letGo()
	}
	list, rest, broken, now, err := a.active(ctx, fresh)
	for name := range broken {
		// Who restores would begin from this base, and lack what those before it have.
		if err == nil && !fresh && a.known[name] != nil {
			done(list)
			err = broken
		}
	}
	if err != nil {
		return nil, err
	}
	j := &job{baseID: baseID{now, a.note.Chain}, v: a.vault, stores: list, rest: rest, broken: broken}
	for _, s := range list {
		if s.Pause != nil {
			j.undo = append(j.undo, s.Pause())
		}
		release, err := s.DB.Hold(now)
		if err != nil {
			j.end()
			return nil, err
		}
		j.undo = append(j.undo, release)
	}
	if j.files, err = a.House.Files(ctx); err == nil && fresh {
		err = a.newChain(j)
	}
	if err != nil {
		j.end()
		return nil, err
	}
	return j, nil
}

// newChain makes a job's base the first of a chain.
func (a *Archiver) newChain(j *job) error {
	a.note, a.through, a.shipped, a.known, a.files = note{Chain: j.at}, j.at, time.Now(), map[string]*follow{}, map[string]time.Time{}
	j.chain = j.at
	for _, s := range j.stores {
		a.known[s.Name] = &follow{open: s.Open, opened: s.Opened, db: s.DB}
		if s.Blobs != nil && a.Follow {
			s.Blobs.Changes() // the base lists what there is
		}
	}
	uncopied := map[string]bool{}
	for _, s := range j.rest {
		a.known[s.Name], uncopied[s.Name] = &follow{opened: s.Opened}, true
	}
	a.mu.Lock()
	a.uncopied, a.left = uncopied, nil
	a.mu.Unlock()
	a.tell(func(st *State) { st.Through, st.Base = time.Time{}, time.Time{} })
	if err := a.holdAll(j.stores); err != nil {
		return err
	}
	return a.saveNote()
}

// base writes everything as of a job's moment.
func (a *Archiver) base(ctx context.Context, j *job) (Summary, error) {
	sum := Summary{At: j.at.Time()}
	defer a.doing("")
	there := map[string]bool{}
	for o, err := range a.Depot.List(ctx, chunkPrefix) {
		if err != nil {
			return sum, err
		}
		there[o.Name] = true
	}
	pace := newPacer(a.Rate)
	v := j.v
	_, err := v.put(ctx, listPrefix+j.String(), func(w io.Writer) error {
		r := newRecords(w, head{House: a.House.ID(), Through: j.at})
		for _, f := range j.files {
			r.file(f)
		}
		copyOne := func(s inUse) error {
			a.doing(fmt.Sprintf("copying %s (%d documents and %d files so far)", s.Name, sum.Documents, sum.Files))
			r.kind(storeRecord)
			r.text(s.Name)
			sum.Stores++
			c := chunker{v: v, house: a.House.ID(), there: there, each: func(name string, documents int) {
				sum.Documents += int64(documents)
				sum.Chunks++
				r.kind(chunkRecord)
				r.text(name)
				r.number(uint64(documents))
			}}
			err := c.copy(ctx, s.DB, j.at, pace)
			if err == nil && s.Blobs != nil {
				err = a.allBlobs(ctx, s, pace, func(b blob.Info) error {
					sum.Files++
					sum.FileBytes += b.Size
					r.blob(b)
					return r.err
				})
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			return nil
		}
		for _, s := range j.stores {
			if err := copyOne(s); err != nil {
				return err
			}
		}
		for _, s := range j.rest {
			in, err := s.Use(ctx)
			if err != nil && ctx.Err() == nil {
				if still, gerr := a.again(ctx, s.Name, 0); gerr == nil && still.Name == "" {
					continue // it was deleted meanwhile, as the next segment tells
				}
				if a.leaveOut(s.Name, err) {
					j.broken[s.Name] = err
					continue
				}
			}
			if err != nil {
				return fmt.Errorf("open %s: %w", s.Name, err)
			}
			err = copyOne(inUse{s, in})
			in.Release()
			if err != nil {
				return err
			}
			a.copied(s.Name)
		}
		return r.close()
	})
	if err != nil {
		return sum, err
	}
	sum.Without = slices.Sorted(maps.Keys(j.broken))
	if err := v.putJSON(ctx, basePrefix+j.String(), sum); err != nil {
		return sum, err
	}
	a.tell(func(st *State) {
		st.Base, st.Newest = j.at.Time(), sum
		if len(j.broken) > 0 {
			st.partial = j.broken
		}
		if st.Through.IsZero() {
			st.Through = j.at.Time()
		}
	})
	return sum, nil
}

// doing notes what is going on, for a person.
func (a *Archiver) doing(what string) { a.tell(func(s *State) { s.Doing = what }) }

// chunker cuts documents into chunks and puts those that the depot has not.
type chunker struct {
	v     *vault
	house string
	there map[string]bool
	each  func(name string, documents int)

	content bytes.Buffer
	sum     hash.Hash
	records *recordWriter
	n       int
}

// copy puts the documents of a database.
func (c *chunker) copy(ctx context.Context, db *database.DB, at persistence.Timestamp, pace *pacer) error {
	table := uint32(0)
	for rev, err := range db.Contents(ctx, at) {
		if err != nil {
			return err
		}
		if rev.Doc.Table != table {
			if err := c.cut(ctx); err != nil {
				return err
			}
			table = rev.Doc.Table
		}
		if c.records == nil {
			c.sum = sha256.New()
			if c.v.key != nil { // the names must not tell what is in them
				c.sum = hmac.New(sha256.New, c.v.key)
			}
			c.content.Reset()
			c.records = newRecords(io.MultiWriter(&c.content, c.sum), head{House: c.house})
		}
		c.records.kind(docRecord)
		c.records.number(uint64(rev.TS))
		c.records.id(rev.Doc)
		c.records.bytes(rev.Body)
		c.n++
		if err := pace.wait(ctx, len(rev.Body)); err != nil {
			return err
		}
		size := c.content.Len() + c.records.w.Buffered()
		boundary := binary.BigEndian.Uint64(rev.Doc.Internal[16-boundaryBytes:])&boundaryMask == 0
		if size >= maxChunk || boundary && size >= minChunk {
			if err := c.cut(ctx); err != nil {
				return err
			}
		}
	}
	return c.cut(ctx)
}

// cut ends a chunk.
func (c *chunker) cut(ctx context.Context) error {
	if c.records == nil {
		return nil
	}
	if err := c.records.close(); err != nil {
		return err
	}
	sum := hex.EncodeToString(c.sum.Sum(nil))
	name := chunkPrefix + sum[:2] + "/" + sum
	if !c.there[name] {
		if _, err := c.v.put(ctx, name, func(w io.Writer) error {
			_, err := w.Write(c.content.Bytes())
			return err
		}); err != nil {
			return err
		}
		c.there[name] = true
	}
	c.each(name, c.n)
	c.records, c.n = nil, 0
	return nil
}

// pacer keeps what is done below a number of bytes a second.
type pacer struct {
	rate  int64
	began time.Time
	bytes int64
}

// newPacer begins to count.
func newPacer(rate int64) *pacer { return &pacer{rate: rate, began: time.Now()} }

// wait waits until n more bytes are due.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p == nil || p.rate <= 0 {
		return ctx.Err()
	}
	p.bytes += int64(n)
	ahead := time.Duration(float64(p.bytes)/float64(p.rate)*float64(time.Second)) - time.Since(p.began)
	if ahead < 20*time.Millisecond {
		if ahead < -time.Second { // what was not used is not saved up
			p.began, p.bytes = time.Now(), 0
		}
		return ctx.Err()
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
