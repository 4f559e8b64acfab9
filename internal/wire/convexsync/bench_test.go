package convexsync_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/lentil-dev/lentil/internal/udf"
)

// subscribers connects n clients to one query and calls heard for every message
// after the first transition.
func subscribers(b *testing.B, srv *httptest.Server, n int, heard func()) {
	b.Helper()
	var ready sync.WaitGroup
	for range n {
		conn, _, err := websocket.Dial(b.Context(), srv.URL+"/api/1.48.0/sync", nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.CloseNow() })
		conn.Write(b.Context(), websocket.MessageText, []byte(`{"type":"Connect","sessionId":"`+session+`"}`))
		conn.Write(b.Context(), websocket.MessageText, []byte(add(0, 0, "list", "messages")))
		ready.Add(1)
		go func() {
			for first := true; ; first = false {
				if _, _, err := conn.Read(context.Background()); err != nil {
					return
				}
				if first {
					ready.Done()
				} else {
					heard()
				}
			}
		}()
	}
	ready.Wait()
}

// BenchmarkFanOut is a write that reaches every subscriber of one query.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f, srv := house(b)
			var wg sync.WaitGroup
			subscribers(b, srv, n, wg.Done)
			for b.Loop() {
				wg.Add(n)
				if _, err := f.Mutation(context.Background(), udf.Request{Args: []byte(`[{"table":"messages"}]`)}); err != nil {
					b.Fatal(err)
				}
				wg.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/subscriber")
		})
	}
}

// BenchmarkMutation is a client that sends mutations one after the other.
func BenchmarkMutation(b *testing.B) {
	_, srv := house(b)
	conn, _, err := websocket.Dial(b.Context(), srv.URL+"/api/1.48.0/sync", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.CloseNow()
	conn.Write(b.Context(), websocket.MessageText, []byte(`{"type":"Connect","sessionId":"`+session+`"}`))
	id := 0
	for b.Loop() {
		conn.Write(b.Context(), websocket.MessageText, fmt.Appendf(nil, `{"type":"Mutation","requestId":%d,"udfPath":"send","args":[{"table":"m"}]}`, id))
		id++
		for range 2 { // the response, and the transition that makes it count
			if _, _, err := conn.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkIdle reports what an idle socket costs, client's side included.
func BenchmarkIdle(b *testing.B) {
	_, srv := house(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g := runtime.NumGoroutine()
	const n = 2000
	subscribers(b, srv, n, func() {})
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
	}
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/socket")
	b.ReportMetric(float64(runtime.NumGoroutine()-g)/n, "goroutines/socket")
}
