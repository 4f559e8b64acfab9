package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Timestamp orders commits: nanoseconds since the Unix epoch as the committer
// handed them out, strictly increasing. Zero is before the first commit.
type Timestamp int64

// Max is later than every commit.
const Max = Timestamp(1<<63 - 1)

// Time is the wall-clock moment of t, as near as the committer's clock had it.
func (t Timestamp) Time() time.Time { return time.Unix(0, int64(t)) }

// DocID names a document: the number of its table and its 16 bytes therein.
type DocID struct {
	Table    uint32
	Internal [16]byte
}

// String is for logs and test failures; it is not a document id's public text.
func (d DocID) String() string { return fmt.Sprintf("%d/%x", d.Table, d.Internal) }

// IndexID names an index for good: an id is never used for a second index.
type IndexID uint64

// primaryBit marks the index ids that stand for the documents of a table.
const primaryBit = IndexID(1) << 63

// Primary is the index by document id that every table has without asking:
// its keys are the 16 internal bytes, its entries carry bodies. It is derived
// from the revisions themselves; nobody writes entries to it.
func Primary(table uint32) IndexID { return primaryBit | IndexID(table) }

// Table reports the table whose primary index this is.
func (ix IndexID) Table() (table uint32, primary bool) {
	return uint32(ix), ix&primaryBit != 0
}

// Revision is one state of a document: what a commit made of it.
type Revision struct {
	TS   Timestamp
	Doc  DocID
	Prev Timestamp // of the revision this one replaced; 0 if there was none
	Body []byte    // nil means that the document was deleted
}

// IndexWrite is a new version of one index entry.
type IndexWrite struct {
	Index   IndexID
	Key     []byte
	Doc     DocID
	Deleted bool      // no document has this key from now on
	TS      Timestamp // only in a backfill: the revision's own, earlier timestamp
}

// Commit is what happened at one timestamp.
type Commit struct {
	TS        Timestamp
	Revisions []Revision // their TS need not be filled in
	Entries   []IndexWrite

	// Backfill marks entries and revisions of the past, written for an index
	// that nobody reads yet or into a store that is being restored: each has
	// its own TS, the commit none, and Log does not tell of it.
	Backfill bool
	// Drop names indexes whose entries vanish at all timestamps, because no
	// reader is left that could ask for them.
	Drop []IndexID
}

// Entry is one row of an index as a reader sees it.
type Entry struct {
	Key  []byte
	TS   Timestamp // of this version of the entry
	Doc  DocID
	Body []byte // primary indexes only
}

// Span is a half-open range of keys, [Lower, Upper). A nil bound is open.
type Span struct{ Lower, Upper []byte }

// Contains tells whether key lies within s.
func (s Span) Contains(key []byte) bool {
	return (s.Lower == nil || bytes.Compare(key, s.Lower) >= 0) && (s.Upper == nil || bytes.Compare(key, s.Upper) < 0)
}

// Order is the direction of a walk.
type Order bool

// The two directions.
const (
	Asc  Order = false
	Desc Order = true
)

// Store is an append-only, timestamp-ordered log of document revisions, with
// the index entries derived from them. See the package comment for what it
// promises.
type Store interface {
	// Append writes a batch of commits, atomically and durably. Their
	// timestamps increase and lie above all earlier ones.
	Append(ctx context.Context, batch []Commit) error
	// Log yields the revisions of the commits in (after, through], in commit
	// order. What was pruned is missing.
	Log(ctx context.Context, after, through Timestamp, o Order) iter.Seq2[Revision, error]
	// Scan yields the entries of an index within a span as of a timestamp, in
	// key order. Keys and bodies may be kept by the caller.
	Scan(ctx context.Context, ix IndexID, at Timestamp, s Span, o Order) iter.Seq2[Entry, error]
	// Prior finds the newest revision at or before a timestamp of each id, in
	// the order of ids; for a document that did not exist then, or had been
	// deleted, the Body is nil.
	Prior(ctx context.Context, ids []DocID, at Timestamp) ([]Revision, error)
	// Cell reads a small named fact; nil if it was never set.
	Cell(ctx context.Context, name string) ([]byte, error)
	// SetCell writes one, durably.
	SetCell(ctx context.Context, name string, b []byte) error
	// Prune forgets revisions and entries that no reader at or after before
	// can see, and the log up to there, doing about limit deletions. It
	// returns how many it did; fewer than limit means that it is done. The
	// newest commit always stays in the log.
	Prune(ctx context.Context, before Timestamp, limit int) (int, error)
	// Close releases the store. Nothing may be in progress.
	Close() error
}

// Errors that stores return wrapped, for callers to tell apart.
var (
	// ErrLocked means that another process has the store open.
	ErrLocked = errors.New("already open in another process")
	// ErrNewerFormat means that a newer Lentil wrote the store.
	ErrNewerFormat = errors.New("written by a newer version of Lentil")
	// ErrReadOnly means that the disk or directory cannot be written.
	ErrReadOnly = errors.New("read-only")
	// ErrFull means that the disk has no room left.
	ErrFull = errors.New("no space left on the disk")
	// ErrClosed means that the store was used after Close.
	ErrClosed = errors.New("store is closed")
)

// Newest is the timestamp of the last commit in the log, 0 in a new store.
func Newest(ctx context.Context, s Store) (Timestamp, error) {
	for r, err := range s.Log(ctx, 0, Max, Desc) {
		return r.TS, err
	}
	return 0, nil
}
