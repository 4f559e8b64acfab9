package convexsync

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestLedgerBoundsStalledWrites: a thousand clients that never read hold no more
// than the limit, and one that reads is served in spite of them.
func TestLedgerBoundsStalledWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size, limit = 1 << 20, 16 << 20
		l := &ledger{limit: limit}
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				s := &session{}
				cut, once := make(chan struct{}), sync.Once{}
				l.acquire(t.Context(), s, size, func() { once.Do(func() { close(cut) }) })
				l.mu.Lock()
				if l.total > limit {
					t.Errorf("%d bytes are being written", l.total)
				}
				l.mu.Unlock()
				select {
				case <-cut:
				case <-time.After(writeLimit):
				}
				l.release(s)
			})
		}
		synctest.Wait()
		reader, began := &session{}, time.Now()
		l.acquire(t.Context(), reader, size, func() { t.Error("a reader was cut off") })
		l.release(reader)
		if took := time.Since(began); took > 1000/16*stalling+stalling {
			t.Errorf("a reader waited %v", took)
		}
		wg.Wait()
		if l.total != 0 || len(l.writing) != 0 {
			t.Errorf("%d bytes of %d writes were left behind", l.total, len(l.writing))
		}
	})
}

func TestLedgerLetsGoOfThoseThatEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{limit: 1}
		first, second := &session{}, &session{}
		l.acquire(t.Context(), first, 10, func() {}) // alone, whatever its size
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.acquire(ctx, second, 10, func() {})
			l.release(second)
		}()
		synctest.Wait()
		cancel()
		<-ended
		l.release(first)
	})
}
