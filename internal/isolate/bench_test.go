package isolate

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchProgram is a program of some size: 300 functions and a few thousand
// objects, as a small app with its libraries has.
func benchProgram(b *testing.B) *Program {
	var src strings.Builder
	src.WriteString("export const q = query(async () => { const out = []; for (let i = 0; i < 3; i++) out.push(await call('get', { i })); return out; });\n")
	src.WriteString("const table = {}; const schemas = [];\n")
	for range 300 {
		src.WriteString("schemas.push((x) => { if (typeof x !== 'object') throw new Error('no'); return { ...x, y: 1 }; });\n")
		src.WriteString("table['k' + schemas.length] = { kind: 'object', fields: { a: { kind: 'string' }, b: { kind: 'number' } } };\n")
	}
	return load(b, module("m.js", src.String()))
}

// answering is a host that gives a document of 1 KB to every call.
type answering struct{ doc []byte }

func (a answering) Syscall(string, []byte) ([]byte, error) { return a.doc, nil }

func (a answering) AsyncSyscall(context.Context, string, []byte) ([]byte, error) { return a.doc, nil }

func (a answering) Print(string, string) {}

// BenchmarkRun measures a query with three host calls: back to back (each
// makes its context), alone (the context is ready), and from many callers.
func BenchmarkRun(b *testing.B) {
	p := benchProgram(b)
	h := answering{[]byte(`{"body":"` + strings.Repeat("x", 1000) + `"}`)}
	call := callOf(Query, "q", h, Limits{})
	one := func(b *testing.B) {
		r, err := p.Run(context.Background(), call)
		if err != nil || r.Exception != nil {
			b.Fatal(err, r.Exception)
		}
	}
	b.Run("back-to-back", func(b *testing.B) {
		for b.Loop() {
			one(b)
		}
	})
	b.Run("alone", func(b *testing.B) {
		var wall time.Duration
		for b.Loop() {
			for ready := false; !ready; {
				time.Sleep(time.Millisecond)
				p.engine.mu.Lock()
				ready = slices.ContainsFunc(p.idle, func(h *heap) bool { return h.ready != nil || h.kept != nil })
				p.engine.mu.Unlock()
			}
			begun := time.Now()
			one(b)
			wall += time.Since(begun)
		}
		b.ReportMetric(float64(wall.Nanoseconds())/float64(b.N), "wall-ns/op")
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				one(b)
			}
		})
	})
}

// BenchmarkLoad measures what a push costs.
func BenchmarkLoad(b *testing.B) {
	e, err := shared()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p, err := e.Load(context.Background(), []Module{module("m.js", "export const q = query(async () => 1);"), {Path: "_deps/REG.js", Source: registered}}, Import{})
		if err != nil {
			b.Fatal(err)
		}
		p.Release()
	}
}
