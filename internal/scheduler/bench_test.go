package scheduler

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/persistence/pebblestore"
)

// BenchmarkWorkerDrains measures what a due job costs besides its function, with
// many of them due at once.
func BenchmarkWorkerDrains(b *testing.B) {
	store, err := pebblestore.Open(b.TempDir(), pebblestore.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	db, err := database.Open(b.Context(), database.Options{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := Open(b.Context(), db); err != nil {
		b.Fatal(err)
	}
	for left := b.N; left > 0; left -= 1000 {
		if _, err := db.Update(b.Context(), func(tx *database.Tx) error {
			for range min(left, 1000) {
				if _, err := Schedule(b.Context(), tx, Call{Path: "a", At: millis(time.Now())}, time.Now()); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var mu sync.Mutex
	left := b.N
	w := &Worker{DB: db, Log: slog.New(slog.DiscardHandler), Run: func(ctx context.Context, j Job) error {
		ran := false
		_, err := db.Update(ctx, func(tx *database.Tx) error {
			c, err := Begin(ctx, tx, j)
			if ran = c != nil; err != nil || !ran {
				return err
			}
			return End(ctx, tx, j, nil, time.Now())
		})
		mu.Lock()
		defer mu.Unlock()
		if ran && err == nil {
			if left--; left == 0 {
				stop()
			}
		}
		return err
	}}
	b.ResetTimer()
	if err := w.Work(ctx); err != nil {
		b.Fatal(err)
	}
}
