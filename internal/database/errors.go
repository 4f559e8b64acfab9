package database

import (
	"errors"
	"fmt"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// ErrConflict is what errors.Is finds in the error of a commit that lost
// against a concurrent one. Running the transaction again helps.
var ErrConflict = errors.New("conflict with a concurrent transaction")

// Conflict says which table's change made a commit fail.
type Conflict struct {
	Table string                // name; "" if not known
	At    persistence.Timestamp // of the write that clashed, visible by now
	// Keys are lower bounds of intervals that were read and written since, at most
	// maxConflictKeys, to guess by what clashes next. They are keys of any index.
	Keys [][]byte
}

// maxConflictKeys bounds Conflict.Keys.
const maxConflictKeys = 8

// Error is for logs; what a client sees is udf's business.
func (c *Conflict) Error() string {
	t := c.Table
	if t == "" {
		t = "some table"
	}
	return fmt.Sprintf("database: %s changed during the transaction", t)
}

// Is makes every Conflict an ErrConflict.
func (c *Conflict) Is(target error) bool { return target == ErrConflict }

// IndexError is the answer to a scan of an index that cannot be queried.
type IndexError struct {
	Table, Index string
	Backfilling  bool // it exists but is not filled in yet; else it is missing
}

// Error is the text of the function runtime's contract (convex-runtime §5.3).
func (e *IndexError) Error() string {
	if e.Backfilling {
		return fmt.Sprintf("Index %s.%s is currently backfilling and not available to query yet.", e.Table, e.Index)
	}
	return fmt.Sprintf("Index %s.%s not found.", e.Table, e.Index)
}

// ErrTooOld is the answer to a snapshot that retention no longer holds.
var ErrTooOld = errors.New("database: snapshot is older than what is retained")

// ErrClosed is the answer to anything asked after Close.
var ErrClosed = errors.New("database: closed")
