package udf

import (
	"fmt"

	"github.com/lentil-dev/lentil/internal/database"
)

// meter is one thing that is limited in a transaction, and measured by
// ctx.meta.getTransactionMetrics.
type meter int

// The meters (server/meta.ts).
const (
	bytesRead meter = iota
	bytesWritten
	databaseQueries
	documentsRead
	documentsWritten
	functionsScheduled
	scheduledArgsBytes
	filesWritten
	fileWriteBytes
	filesRead
	fileReadBytes
	meters
)

// meterNames are the meters as the library spells them.
var meterNames = [meters]string{
	"bytesRead", "bytesWritten", "databaseQueries", "documentsRead", "documentsWritten", "functionsScheduled",
	"scheduledFunctionArgsBytes", "filesWritten", "fileWriteBytes", "filesRead", "fileReadBytes",
}

// counts has a number for each meter.
type counts [meters]int

// maxima are the limits of a transaction (convex-runtime.md §5.5). The vendor
// publishes the meters of files, but not their values.
var maxima = func() (c counts) {
	l := database.DefaultLimits()
	c[bytesRead], c[bytesWritten], c[databaseQueries] = l.BytesRead, l.BytesWritten, l.Intervals
	c[documentsRead], c[documentsWritten] = l.DocumentsRead, l.DocumentsWritten
	c[functionsScheduled], c[scheduledArgsBytes] = 1000, 16<<20
	c[filesWritten], c[fileWriteBytes], c[filesRead], c[fileReadBytes] = 1000, 64<<20, 1000, 64<<20
	return c
}()

// budget is what a call may use: for each meter so much beyond from. Calls within
// one transaction have different budgets and share what was used.
type budget struct {
	limits, from counts
}

// newBudget is that of a function called from outside, after the transaction was
// used to find it.
func newBudget(tx *database.Tx) budget {
	b := budget{limits: maxima}
	b.from.set(tx.Usage())
	return b
}

// set takes over what the database counts.
func (c *counts) set(u database.Usage) {
	c[bytesRead], c[bytesWritten], c[databaseQueries] = u.BytesRead, u.BytesWritten, u.Intervals
	c[documentsRead], c[documentsWritten] = u.DocumentsRead, u.DocumentsWritten
}

// usage is the part of the counts that the database counts.
func (c *counts) usage() database.Usage {
	return database.Usage{
		BytesRead: c[bytesRead], BytesWritten: c[bytesWritten], Intervals: c[databaseQueries],
		DocumentsRead: c[documentsRead], DocumentsWritten: c[documentsWritten],
	}
}

// apply makes a transaction keep within the budget. To the database a limit of zero is
// none, and one below zero permits nothing.
func (b *budget) apply(tx *database.Tx) {
	l := b.limits
	for m := range l {
		if l[m] == 0 {
			l[m] = -1
		}
	}
	u := l.usage()
	tx.SetLimitsFrom(database.Limits(u), b.from.usage())
}

// left is what may still be used of a meter.
func (b *budget) left(m meter, used *counts) int { return max(0, b.limits[m]-(used[m]-b.from[m])) }

// narrow is the budget of a nested call with transactionLimits: each is what the call
// itself may use, within what its caller has left (server/meta.ts).
func (b budget) narrow(limits map[string]float64, used *counts) budget {
	for m, name := range meterNames {
		n, ok := limits[name]
		if ok && n >= 0 && n < float64(b.left(meter(m), used)) {
			b.limits[m], b.from[m] = int(n), used[m]
		}
	}
	return b
}

// used is what the transaction has used so far of each meter.
func (x *execution) used() counts {
	c := x.run.counts
	c.set(x.tx.Usage())
	return c
}

// charge counts n towards a meter that the database does not know, and refuses what is too much.
func (x *execution) charge(m meter, n int, refuse func(limit int) error) error {
	x.run.counts[m] += n
	if limit := x.budget.limits[m]; x.run.counts[m]-x.budget.from[m] > limit {
		return refuse(limit)
	}
	return nil
}

// warnShare is the share of a limit above which an execution is warned (convex-runtime.md §3.8).
const warnShare = 0.8

// advice ends warnings about reading too much.
const advice = " Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."

// warnings are the lines about limits that an execution came close to.
var warnings = []struct {
	meter            meter
	code, what, unit string
	hint             string
}{
	{documentsRead, "TooManyDocumentsRead", "Many documents read", "", advice},
	{bytesRead, "TooManyBytesRead", "Many bytes read", " bytes", advice},
	{databaseQueries, "TooManyReads", "Many reads", "", advice},
	{documentsWritten, "TooManyWrites", "Many documents written", "", ""},
	{bytesWritten, "TooManyBytesWritten", "Many bytes written", " bytes", ""},
	{functionsScheduled, "TooManyFunctionsScheduled", "Many functions scheduled", "", ""},
	{scheduledArgsBytes, "ScheduledFunctionsArgumentsTooLarge", "Large total size of the arguments of functions scheduled", " bytes", ""},
	{filesWritten, "TooManyFilesWritten", "Many files stored", "", ""},
	{fileWriteBytes, "TooManyFileBytesWritten", "Many bytes of files stored", " bytes", ""},
	{filesRead, "TooManyFilesRead", "Many files read", "", ""},
	{fileReadBytes, "TooManyFileBytesRead", "Many bytes of files read", " bytes", ""},
}

// warn adds them, after an execution that was called from outside.
func (x *execution) warn() {
	used := x.used()
	for _, w := range warnings {
		n, limit := used[w.meter]-x.budget.from[w.meter], x.budget.limits[w.meter]
		if float64(n) > warnShare*float64(limit) {
			x.run.logs.system(w.code, fmt.Sprintf("%s in a single function execution (actual: %d%s, limit: %d%s).%s", w.what, n, w.unit, limit, w.unit, w.hint))
		}
	}
}
