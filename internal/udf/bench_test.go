package udf

import (
	"fmt"
	"testing"
)

// BenchmarkQuery measures queries through JavaScript, and the same from the cache.
func BenchmarkQuery(b *testing.B) {
	h := newApp(b, "testdata/app")
	for i := range 20 {
		h.mustMutate(Request{Path: "messages:send", Args: fmt.Appendf(nil, `{"body":"message %d"}`, i)})
	}
	b.Run("run", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				at := h.DB.Latest()
				if out, _, err := h.runQuery(b.Context(), &Request{Path: "messages:newest", Args: []byte(`{"n":10}`)}, at); err != nil || out.Failure != nil {
					b.Fatal(out, err)
				}
			}
		})
	})
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				h.mustQuery(Request{Path: "messages:newest", Args: []byte(`{"n":10}`)})
			}
		})
	})
}

// BenchmarkMutation measures inserts through JavaScript on the in-memory store.
func BenchmarkMutation(b *testing.B) {
	h := newApp(b, "testdata/app")
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.mustMutate(Request{Path: "messages:send", Args: []byte(`{"body":"hello"}`)})
		}
	})
}
