package database

import "github.com/lentil-dev/lentil/internal/apierr"

// Usage counts what a transaction did to tables of users; the house's own
// tables are not the user's to pay for, except that every interval counts.
type Usage struct {
	DocumentsRead, BytesRead       int
	DocumentsWritten, BytesWritten int
	Intervals                      int // gets and scans
}

// Limits bounds a transaction's Usage. Zero means no limit, below zero nothing is permitted.
type Limits struct {
	DocumentsRead, BytesRead       int
	DocumentsWritten, BytesWritten int
	Intervals                      int
}

// DefaultLimits are the limits of one function execution: convex-runtime §5.5.
func DefaultLimits() Limits {
	return Limits{DocumentsRead: 32000, BytesRead: 16 << 20, DocumentsWritten: 16000, BytesWritten: 16 << 20, Intervals: 4096}
}

// advice ends the messages about reading too much.
const advice = "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."

// Usage is what the transaction did so far.
func (tx *Tx) Usage() Usage { return tx.usage }

// SetUsage makes u what was counted so far: for a transaction that another one pays for.
func (tx *Tx) SetUsage(u Usage) { tx.usage = u }

// SetLimits bounds what the transaction may do from now on; what it did before
// counts too.
func (tx *Tx) SetLimits(l Limits) { tx.SetLimitsFrom(l, Usage{}) }

// SetLimitsFrom is SetLimits for what goes beyond base.
func (tx *Tx) SetLimitsFrom(l Limits, base Usage) { tx.limits, tx.base = l, base }

// exceeded tells whether n is above a limit that is set.
func exceeded(n, limit int) bool { return limit != 0 && n > max(0, limit) }

// tooMany words that a limit was exceeded; unit comes after the number.
func tooMany(code, what string, limit int, unit, hint string) error {
	return apierr.New(apierr.BadRequest, code, "Too many %s in a single function execution (limit: %d%s)%s", what, max(0, limit), unit, hint)
}

// countInterval counts a get or a scan.
func (tx *Tx) countInterval() error {
	tx.usage.Intervals++
	if exceeded(tx.usage.Intervals-tx.base.Intervals, tx.limits.Intervals) {
		return tooMany("TooManyReads", "reads", tx.limits.Intervals, "", ". "+advice)
	}
	return nil
}

// countRead counts a document that was returned, or filtered out above.
func (tx *Tx) countRead(d *Document) error {
	if d.ID.Table < firstUserTable {
		return nil
	}
	tx.usage.DocumentsRead++
	tx.usage.BytesRead += d.Size
	if exceeded(tx.usage.DocumentsRead-tx.base.DocumentsRead, tx.limits.DocumentsRead) {
		return tooMany("TooManyDocumentsRead", "documents read", tx.limits.DocumentsRead, "", ". "+advice)
	}
	if exceeded(tx.usage.BytesRead-tx.base.BytesRead, tx.limits.BytesRead) {
		return tooMany("TooManyBytesRead", "bytes read", tx.limits.BytesRead, " bytes", ". "+advice)
	}
	return nil
}

// countWrite counts a write of size bytes.
func (tx *Tx) countWrite(t Table, size int) error {
	if t.Number < firstUserTable {
		return nil
	}
	tx.usage.DocumentsWritten++
	tx.usage.BytesWritten += size
	if exceeded(tx.usage.DocumentsWritten-tx.base.DocumentsWritten, tx.limits.DocumentsWritten) {
		return tooMany("TooManyWrites", "writes", tx.limits.DocumentsWritten, "", "")
	}
	if exceeded(tx.usage.BytesWritten-tx.base.BytesWritten, tx.limits.BytesWritten) {
		return tooMany("TooManyBytesWritten", "bytes written", tx.limits.BytesWritten, " bytes", "")
	}
	return nil
}
