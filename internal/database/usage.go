package database

import "github.com/lentil-dev/lentil/internal/apierr"

// Usage counts what a transaction did to tables of users; the house's own
// tables are not the user's to pay for, except that every interval counts.
type Usage struct {
	DocumentsRead, BytesRead       int
	DocumentsWritten, BytesWritten int
	Intervals                      int // gets and scans
}

// Limits bounds a transaction's Usage. A zero means no limit.
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

// SetLimits bounds what the transaction may do from now on; what it did before
// counts too.
func (tx *Tx) SetLimits(l Limits) { tx.limits = l }

// exceeded tells whether n is above a limit that is set.
func exceeded(n, limit int) bool { return limit > 0 && n > limit }

// countInterval counts a get or a scan.
func (tx *Tx) countInterval() error {
	tx.usage.Intervals++
	if exceeded(tx.usage.Intervals, tx.limits.Intervals) {
		return apierr.New(apierr.BadRequest, "TooManyReads",
			"Too many reads in a single function execution (limit: %d). %s", tx.limits.Intervals, advice)
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
	if exceeded(tx.usage.DocumentsRead, tx.limits.DocumentsRead) {
		return apierr.New(apierr.BadRequest, "TooManyDocumentsRead",
			"Too many documents read in a single function execution (limit: %d). %s", tx.limits.DocumentsRead, advice)
	}
	if exceeded(tx.usage.BytesRead, tx.limits.BytesRead) {
		return apierr.New(apierr.BadRequest, "TooManyBytesRead",
			"Too many bytes read in a single function execution (limit: %d bytes). %s", tx.limits.BytesRead, advice)
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
	if exceeded(tx.usage.DocumentsWritten, tx.limits.DocumentsWritten) {
		return apierr.New(apierr.BadRequest, "TooManyWrites",
			"Too many writes in a single function execution (limit: %d)", tx.limits.DocumentsWritten)
	}
	if exceeded(tx.usage.BytesWritten, tx.limits.BytesWritten) {
		return apierr.New(apierr.BadRequest, "TooManyBytesWritten",
			"Too many bytes written in a single function execution (limit: %d bytes)", tx.limits.BytesWritten)
	}
	return nil
}
