package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/value"
)

// countLife is how long the number of a table's documents is believed: counting
// reads the whole index, which a page must not do for each write.
const countLife = 3 * time.Second

// countShare is how much of the time may go into counting one table.
const countShare = 50

// countKey names a table of the house.
type countKey struct {
	deployment string
	space      value.Space
	table      string
}

// counted is a number of documents, and until when it is believed.
type counted struct {
	text  string
	until time.Time
}

// counts remembers how many documents tables have.
type counts struct {
	mu    sync.Mutex
	known map[countKey]counted
}

// maxCounts bounds what is remembered; above it everything is forgotten.
const maxCounts = 10_000

// of is the number of a table's documents; "" where it cannot be told.
func (c *counts) of(ctx context.Context, d *deployment.Deployment, space value.Space, table string) string {
	k := countKey{d.Name, space, table}
	now := time.Now()
	c.mu.Lock()
	known, ok := c.known[k]
	c.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.text
	}
	// Not by the page's own context: the page is not to wake for each write of a table
	// of which it shows no more than a number.
	tx, err := d.DB.Begin(ctx)
	if err != nil {
		return ""
	}
	n, err := countIn(ctx, tx.In(space), table)
	if err != nil {
		return ""
	}
	known = counted{count(int64(n)), now.Add(max(countLife-100*time.Millisecond, countShare*time.Since(now)))}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) > maxCounts {
		c.known = map[countKey]counted{}
	}
	c.known[k] = known
	return known.text
}

func countIn(ctx context.Context, tx *database.Tx, table string) (int, error) {
	return tx.Count(ctx, table)
}

// forget makes the next look count anew, after a change of the page's own.
func (c *counts) forget(deployment string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.known {
		if k.deployment == deployment {
			delete(c.known, k)
		}
	}
}
