package database_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
	"github.com/lentil-dev/lentil/internal/value"
)

// benchDB opens a database with a table of 1 KB documents and one index.
func benchDB(b *testing.B, store persistence.Store, rows int) (*database.DB, []value.ID) {
	b.Helper()
	ctx := context.Background()
	db, err := database.Open(ctx, database.Options{Store: store})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := db.EnsureTables(ctx, []database.TableDef{{Name: "t", Indexes: []database.IndexDef{{Name: "by_n", Fields: []string{"n"}}}}}); err != nil {
		b.Fatal(err)
	}
	var ids []value.ID
	for len(ids) < rows {
		_, err := db.Update(ctx, func(tx *database.Tx) error {
			for range min(1000, rows-len(ids)) {
				id, err := tx.Insert(ctx, "t", benchDoc(len(ids)))
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return db, ids
}

// benchBody fills a document up to 1 KB.
var benchBody = strings.Repeat("lentil ", 130)

// benchDoc is the n-th document.
func benchDoc(n int) value.Object { return obj("n", n, "body", benchBody) }

// benchStore opens one of the stores.
func benchStore(b *testing.B, name string) persistence.Store {
	b.Helper()
	if name == "memory" {
		return persistence.NewMemory()
	}
	s, err := pebblestore.Open(b.TempDir(), pebblestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkCommit(b *testing.B) {
	for _, store := range []string{"memory", "pebble"} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/clients=%d", store, clients), func(b *testing.B) {
				db, ids := benchDB(b, benchStore(b, store), 2000)
				ctx := context.Background()
				var next atomic.Int64
				b.SetParallelism(max(clients/2, 1))
				work := func() {
					n := int(next.Add(1))
					id := ids[n*7919%len(ids)]
					if _, err := db.Update(ctx, func(tx *database.Tx) error { return tx.Replace(ctx, id, benchDoc(n)) }); err != nil {
						b.Error(err)
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				if clients == 1 {
					for b.Loop() {
						work()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						work()
					}
				})
				s := db.Stats().Commit
				b.ReportMetric(float64(s.Commits)/float64(s.Batches), "commits/batch")
			})
		}
	}
}

// BenchmarkSubscribed commits under selective subscriptions that the writes do
// not meet, and one that they do: the curve must be flat.
func BenchmarkSubscribed(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			db, ids := benchDB(b, persistence.NewMemory(), 10001)
			ctx := context.Background()
			for i := range n {
				tx, _ := db.Begin(ctx)
				c := tx.Scan("t", "by_n", database.Prefix(value.AppendKey(nil, value.Float64(i+1))), database.Asc)
				for d, err := c.Next(ctx); d != nil; d, err = c.Next(ctx) {
					if err != nil {
						b.Fatal(err)
					}
				}
				defer db.Subscribe(tx.Reads(), tx.Snapshot()).Close()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				tx, _ := db.Begin(ctx)
				if _, err := tx.Get(ctx, ids[0]); err != nil {
					b.Fatal(err)
				}
				sub := db.Subscribe(tx.Reads(), tx.Snapshot())
				if err := tx.Replace(ctx, ids[0], benchDoc(0)); err != nil {
					b.Fatal(err)
				}
				if _, err := db.Commit(ctx, tx); err != nil {
					b.Fatal(err)
				}
				<-sub.Done()
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, store := range []string{"memory", "pebble"} {
		for _, cache := range []string{"hot", "cold"} {
			db, ids := benchDB(b, benchStore(b, store), 20000)
			if cache == "cold" { // the block cache holds the data, the document cache does not
				cold, err := database.Open(context.Background(), database.Options{Store: keepOpen(db), CacheSize: 1})
				if err != nil {
					b.Fatal(err)
				}
				db = cold
			}
			ctx := context.Background()
			b.Run(store+"/get/"+cache, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					tx, _ := db.Begin(ctx)
					if d, err := tx.Get(ctx, ids[i*7919%len(ids)]); d == nil || err != nil {
						b.Fatal(d, err)
					}
				}
			})
			for _, rows := range []int{1, 100} {
				b.Run(fmt.Sprintf("%s/scan%d/%s", store, rows, cache), func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						tx, _ := db.Begin(ctx)
						c := tx.Scan("t", "by_n", database.Interval{Lower: value.AppendKey(nil, value.Float64(i*7919%19000))}, database.Asc)
						for range rows {
							if d, err := c.Next(ctx); d == nil || err != nil {
								b.Fatal(d, err)
							}
						}
					}
				})
			}
		}
	}
}

// keepOpen is the store of a database, for a second one.
func keepOpen(db *database.DB) persistence.Store { return stepped{database.StoreOf(db)} }
