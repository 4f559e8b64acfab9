package database

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// IndexKind tells indexes apart by how they are asked.
type IndexKind string

// The kinds of index. Only an Ordered one has entries in the store; the others
// are kept by a Searcher, which the database tells of every change.
const (
	Ordered IndexKind = ""
	Text    IndexKind = "text"
	Vector  IndexKind = "vector"
)

// Searched declares an index of another kind than Ordered.
type Searched struct {
	Kind       IndexKind
	Field      string   // the text or the vector
	Filters    []string // fields that searches may ask to be equal to something
	Dimensions int      // of a Vector index
}

// Fields are the index's fields as Index has them: the one searched, then the filters.
func (s Searched) Fields() []string { return append([]string{s.Field}, s.Filters...) }

// Searcher keeps the indexes that are not Ordered. It is another room's.
type Searcher interface {
	// Build makes the index answer for every document as of a snapshot, and
	// after it as Committed tells.
	Build(ctx context.Context, ix Index, at persistence.Timestamp) error
	// Committed tells of a commit that touched an index, in the order of
	// commits and before any transaction can see it. It must not block.
	Committed(ts persistence.Timestamp, ix persistence.IndexID, changes []Change)
	// Digest is what a Text index over fields sees of a document.
	Digest(fields []string, d *Document) *Digest
}

// Change is what a commit, or a transaction so far, did to one document.
type Change struct {
	ID       value.ID
	Old, New *Document // nil: did not exist, is deleted
}

// Digest is what a Text index sees of a document. A document without the text
// has none.
type Digest struct {
	Terms   []string // sorted, distinct
	Filters []string // of each filter field, a name for its value: equal values have equal names
}

// Match is a search as part of a read set: the documents that have one of some
// terms and certain values in some filter fields. It is immutable.
type Match struct {
	Index   persistence.IndexID
	Terms   []string       // any of them
	Prefix  string         // or any term that begins so; "" is none
	Filters map[int]string // and these values, by position among the filter fields
}

// Meets tells whether a document is one that the search could have found.
func (m *Match) Meets(d *Digest) bool {
	if d == nil {
		return false
	}
	for i, v := range m.Filters {
		if i >= len(d.Filters) || d.Filters[i] != v {
			return false
		}
	}
	for _, t := range m.Terms {
		if _, ok := slices.BinarySearch(d.Terms, t); ok {
			return true
		}
	}
	if m.Prefix != "" {
		i, _ := slices.BinarySearch(d.Terms, m.Prefix)
		return i < len(d.Terms) && len(d.Terms[i]) >= len(m.Prefix) && d.Terms[i][:len(m.Prefix)] == m.Prefix
	}
	return false
}

// spans are intervals of terms, in one of which a document that is met has a term.
func (m *Match) spans() []persistence.Span {
	var out []persistence.Span
	for _, t := range m.Terms {
		out = append(out, point([]byte(t)))
	}
	if m.Prefix != "" {
		out = append(out, persistence.Span(Prefix([]byte(m.Prefix))))
	}
	return out
}

// SetSearcher names who keeps the indexes that are searched. It is called once,
// before anything is written.
func (db *DB) SetSearcher(s Searcher) { db.searcher = s }

// AddSearchIndex declares an index of another kind; see AddIndex.
func (tx *Tx) AddSearchIndex(ctx context.Context, table, name string, def Searched, state IndexState) error {
	return tx.addIndex(ctx, table, state, indexMeta{name: name, fields: def.Fields(), kind: def.Kind, dimensions: def.Dimensions})
}

// SearchIndex finds an index that can be searched. ok is false, without an
// error, when the table does not exist.
func (tx *Tx) SearchIndex(table, index string, kind IndexKind) (ix Index, ok bool, err error) {
	t := tx.named(table)
	if t == nil {
		return Index{}, false, nil
	}
	tx.recordMeta(indexesByName, indexNameKey(t.place, index))
	meta := t.index(index)
	switch {
	case meta == nil || meta.state == Staged || meta.kind != kind:
		return Index{}, true, &IndexError{Table: table, Index: index}
	case meta.state != Enabled:
		return Index{}, true, &IndexError{Table: table, Index: index, Backfilling: true}
	}
	return meta.public(t), true, nil
}

// SearchedIndexes lists all indexes of the newest snapshot that a Searcher keeps.
func (db *DB) SearchedIndexes() []Index {
	var out []Index
	for _, t := range db.visible.Load().cat.byPlace {
		for _, ix := range t.searched() {
			out = append(out, ix.public(t))
		}
	}
	return out
}

// RecordMatch notes that the transaction searched.
func (tx *Tx) RecordMatch(m *Match) error {
	tx.matches, tx.readSet = append(tx.matches, m), nil
	return tx.countInterval()
}

// ChangesOf are the transaction's own changes to the table of an index.
func (tx *Tx) ChangesOf(ix Index) []Change {
	table := uint32(ix.at)
	var out []Change
	for _, ch := range tx.order {
		if ch.doc.Table == table && (ch.old != nil || ch.new != nil) {
			out = append(out, Change{ID: ch.id(), Old: ch.old, New: ch.new})
		}
	}
	return out
}

// Found reads documents that a search has found. The search is what they are
// read by, so they add nothing to the read set; each is counted by CountFound.
func (tx *Tx) Found(ctx context.Context, ids []value.ID) ([]*Document, error) {
	docs := make([]*Document, len(ids))
	var missing []persistence.DocID
	var at []int
	for i, id := range ids {
		doc := tx.docID(id)
		if ch := tx.changes[doc]; ch != nil {
			docs[i] = ch.new
		} else if docs[i] = tx.db.cache.get(doc, tx.snap); docs[i] == nil {
			missing, at = append(missing, doc), append(at, i)
		}
	}
	if len(missing) > 0 {
		got, err := tx.db.fetch(ctx, missing, tx.snap)
		if err != nil {
			return nil, err
		}
		for i, d := range got {
			docs[at[i]] = d
		}
	}
	for i, d := range docs {
		if d == nil {
			return nil, fmt.Errorf("database: a search found document %s, which does not exist at %d", ids[i], tx.snap)
		}
	}
	return docs, nil
}

// CountFound counts a document of a search that was returned.
func (tx *Tx) CountFound(d *Document) error { return tx.countRead(d) }

// EachDocument yields every document of an index's table as of a snapshot, for
// building the index. The documents do not enter the cache.
func (db *DB) EachDocument(ctx context.Context, ix Index, at persistence.Timestamp, yield func(*Document) error) error {
	table := persistence.Primary(uint32(ix.at))
	for e, err := range db.store.Scan(ctx, table, at, persistence.Span{}, Asc) {
		if err != nil {
			return fmt.Errorf("database: read table %s: %w", ix.Table, err)
		}
		d, err := decodeDocument(e.Doc, e.TS, e.Body)
		if err != nil {
			return err
		}
		if err := yield(d); err != nil {
			return err
		}
	}
	return db.retained(at)
}

// Replay yields what the commits in (after, through] did to the documents of an
// index's table, in their order. Of what was replaced it tells no more than
// that there was something. after must be the timestamp of a commit that the
// database knows; it is an error if it does not, or not any more.
func (db *DB) Replay(ctx context.Context, ix Index, after, through persistence.Timestamp, yield func(persistence.Timestamp, Change) error) error {
	known := false
	for _, err := range db.store.Log(ctx, after-1, after, Asc) {
		if err != nil {
			return fmt.Errorf("database: replay: %w", err)
		}
		known = true
		break
	}
	if !known {
		return fmt.Errorf("database: replay after %d: %w", after, ErrTooOld)
	}
	table := uint32(ix.at)
	for r, err := range db.store.Log(ctx, after, through, Asc) {
		if err != nil {
			return fmt.Errorf("database: replay: %w", err)
		}
		if r.Doc.Table != table {
			continue
		}
		ch := Change{ID: value.ID{Table: ix.Number, Internal: r.Doc.Internal, Space: ix.Space}}
		if r.Prev != 0 {
			ch.Old = &Document{ID: ch.ID, TS: r.Prev}
		}
		if r.Body != nil {
			if ch.New, err = decodeDocument(r.Doc, r.TS, r.Body); err != nil {
				return err
			}
		}
		if err := yield(r.TS, ch); err != nil {
			return err
		}
	}
	return db.retained(after)
}

// tellSearcher tells the searcher of a commit that becomes visible.
func (db *DB) tellSearcher(p *prepared) {
	if p.searcher == nil {
		return
	}
	var told map[persistence.IndexID][]Change
	for i, ch := range p.changes {
		for _, ix := range p.tables[i].indexes {
			if ix.kind == Ordered {
				continue
			}
			if told == nil {
				told = map[persistence.IndexID][]Change{}
			}
			told[ix.id] = append(told[ix.id], Change{ID: ch.id(), Old: ch.old, New: ch.new})
		}
	}
	for ix, changes := range told {
		p.searcher.Committed(p.commit.TS, ix, changes)
	}
}

// seen is a change as a Text index sees it. It is digested when somebody first
// has to know, which is never where nobody searches.
type seen struct {
	searcher Searcher
	fields   []string
	change   *change
	once     sync.Once
	old, new *Digest
}

// newSeen prepares a change to be looked at.
func newSeen(s Searcher, ix *indexMeta, ch *change) *seen {
	c := *ch // the transaction's own goes on being its own
	return &seen{searcher: s, fields: ix.fields, change: &c}
}

// digest looks at the change, once.
func (s *seen) digest() {
	s.once.Do(func() {
		if s.change.old != nil {
			s.old = s.searcher.Digest(s.fields, s.change.old)
		}
		if s.change.new != nil {
			s.new = s.searcher.Digest(s.fields, s.change.new)
		}
	})
}

// cost is roughly the memory that the change keeps from being freed.
func (s *seen) cost() int {
	n := 0
	if s != nil {
		n = 200
		for _, d := range [...]*Document{s.change.old, s.change.new} {
			if d != nil {
				n += d.cost()
			}
		}
	}
	return n
}

// meets tells whether the search could have found the document before or after.
func (s *seen) meets(m *Match) bool {
	s.digest()
	return m.Meets(s.old) || m.Meets(s.new)
}

// seenLog remembers the changes to the documents of one Text index, oldest first.
type seenLog struct {
	table uint32
	list  []seenAt
}

// seenAt is one change with its time.
type seenAt struct {
	ts persistence.Timestamp
	*seen
}

// addSeen notes a change of a document of a Text index.
func (l *keyLog) addSeen(t touch, ts persistence.Timestamp) {
	if l.searched == nil {
		l.searched = map[persistence.IndexID]*seenLog{}
	}
	log := l.searched[t.index]
	if log == nil {
		log = &seenLog{table: t.table}
		l.searched[t.index] = log
	}
	log.list = append(log.list, seenAt{ts, t.seen})
	l.count++
}

// removeSeen forgets the oldest change of a Text index, which has the timestamp.
func (l *keyLog) removeSeen(ix persistence.IndexID, ts persistence.Timestamp) {
	log := l.searched[ix]
	if log == nil || log.list[0].ts != ts {
		return
	}
	log.list[0] = seenAt{}
	l.count--
	if log.list = log.list[1:]; len(log.list) == 0 {
		delete(l.searched, ix)
	}
}

// maxLooks is how many changes are looked at, newest first, before one is taken
// to be met: each may have to be digested, and commits wait meanwhile.
const maxLooks = 5000

// metSeen finds a change after a timestamp that a search of a read set meets.
// It looks at each change since then, which for a transaction are few.
func (l *keyLog) metSeen(r *ReadSet, after persistence.Timestamp) (table uint32, ts persistence.Timestamp) {
	for _, m := range r.matches {
		log := l.searched[m.Index]
		if log == nil {
			continue
		}
		for i := len(log.list) - 1; i >= 0 && log.list[i].ts > after; i-- {
			if len(log.list)-i > maxLooks || log.list[i].meets(m) {
				return log.table, log.list[i].ts
			}
		}
	}
	return 0, 0
}

// addMatches puts the searches of a node into the trees of their indexes, by
// the terms they look for. The lock is held.
func (w *watch) addMatches(n *watched) {
	for _, m := range n.reads.matches {
		for _, s := range m.spans() {
			w.trees[m.Index] = w.trees[m.Index].insert(&spanNode{span: s, owner: n, priority: rand.Uint32()})
		}
	}
}

// removeMatches takes them out again. The lock is held.
func (w *watch) removeMatches(n *watched) {
	for _, m := range n.reads.matches {
		root := w.trees[m.Index]
		for _, s := range m.spans() {
			root = root.remove(s.Lower, n)
		}
		if root == nil {
			delete(w.trees, m.Index)
		} else {
			w.trees[m.Index] = root
		}
	}
}

// matchSeen takes out the nodes whose searches meet a change: those that look
// for one of its terms, if the filters fit too. The lock is held.
func (w *watch) matchSeen(t touch, met []*watched) []*watched {
	if w.trees[t.index] == nil {
		return met
	}
	t.seen.digest()
	var near []*watched
	for _, d := range [...]*Digest{t.seen.old, t.seen.new} {
		if d == nil {
			continue
		}
		for _, term := range d.Terms {
			near = w.trees[t.index].stab([]byte(term), near)
		}
	}
	for _, n := range near {
		if n.gone || !slices.ContainsFunc(n.reads.matches, func(m *Match) bool { return m.Index == t.index && t.seen.meets(m) }) {
			continue
		}
		w.remove(n)
		met = append(met, n)
	}
	return met
}

// String is for logs.
func (m *Match) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q", m.Terms)
	if m.Prefix != "" {
		fmt.Fprintf(&b, " %q…", m.Prefix)
	}
	return b.String()
}
