package search

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// vectors are the vectors of a segment's entries, of length 1 each, twice:
// rounded to a byte a dimension for scanning, and exact for the final order.
type vectors struct {
	dimensions int
	rounded    []int8    // stride a row, zero behind the dimensions
	step       []float32 // what 1 in a row of rounded stands for
	lost       []float32 // length of the difference between a vector and its rounding
	exact      []float32
	mapped     []byte // the file that exact is in, if it is not in memory of our own
}

// lanes is what the length of a row of rounded is a multiple of.
const lanes = 32

// newVectors makes a list of vectors without any.
func newVectors(dimensions int) *vectors { return &vectors{dimensions: dimensions} }

// stride is the length of a row of rounded.
func (v *vectors) stride() int { return (v.dimensions + lanes - 1) &^ (lanes - 1) }

// bytes is the memory that the vectors take.
func (v *vectors) bytes() int { return len(v.rounded) + 4*len(v.exact) }

// unit scales a vector to length 1; one without length stays as it is.
func unit(in []float32) []float32 {
	sum := 0.0
	for _, f := range in {
		sum += float64(f) * float64(f)
	}
	out := slices.Clone(in)
	if sum > 0 && !math.IsInf(sum, 0) {
		scale := 1 / math.Sqrt(sum)
		for i, f := range in {
			out[i] = float32(float64(f) * scale)
		}
	}
	return out
}

// add appends a vector.
func (v *vectors) add(in []float32) {
	u := unit(in)
	largest := float32(0)
	for _, f := range u {
		largest = max(largest, f, -f)
	}
	step := largest / 127
	row := make([]int8, v.stride())
	lost := 0.0
	for i, f := range u {
		if step > 0 {
			row[i] = int8(math.RoundToEven(float64(f / step)))
		}
		d := float64(f) - float64(row[i])*float64(step)
		lost += d * d
	}
	v.rounded = append(v.rounded, row...)
	v.step, v.lost = append(v.step, step), append(v.lost, float32(math.Sqrt(lost)))
	v.exact = append(v.exact, u...)
}

// row is the exact vector of an entry.
func (v *vectors) row(n uint32) []float32 {
	return v.exact[int(n)*v.dimensions : (int(n)+1)*v.dimensions]
}

// mergeVectors joins the vectors of segments whose entries go where moved says.
func mergeVectors(sources []*segment, moved []renumbering, n int) *vectors {
	first := sources[0].vectors
	out := newVectors(first.dimensions)
	stride := first.stride()
	out.rounded, out.exact = make([]int8, 0, n*stride), make([]float32, 0, n*first.dimensions)
	for i, s := range sources {
		v := s.vectors
		for doc := range s.ids {
			if moved[i].of(uint32(doc)) == gone {
				continue
			}
			out.rounded = append(out.rounded, v.rounded[doc*stride:(doc+1)*stride]...)
			out.exact = append(out.exact, v.row(uint32(doc))...)
			out.step, out.lost = append(out.step, v.step[doc]), append(out.lost, v.lost[doc])
		}
	}
	return out
}

// VectorQuery asks for the documents whose vectors point most in a direction.
type VectorQuery struct {
	Vector []float32
	Limit  int
	// Any is a filter: one of these values in these filter fields, by
	// position. Without any, every document is asked for.
	Any []Equal
}

// Equal is a condition on a filter field.
type Equal struct {
	Field int
	Value value.Value
}

// VectorHit is a document and the cosine of the angle to what was asked.
type VectorHit struct {
	ID    value.InternalID
	Score float64
}

// probe is a query prepared for scanning: rounded to 12 bits a dimension, so
// that a sum of products fits in 32 bits, and that its own rounding is small.
type probe struct {
	exact   []float32
	rounded []int16
	step    float64
	lost    float64
}

// newProbe prepares a query.
func newProbe(in []float32, stride int) *probe {
	p := &probe{exact: unit(in), rounded: make([]int16, stride)}
	largest := 0.0
	for _, f := range p.exact {
		largest = max(largest, math.Abs(float64(f)))
	}
	p.step = largest / 2047
	lost := 0.0
	for i, f := range p.exact {
		if p.step > 0 {
			p.rounded[i] = int16(math.RoundToEven(float64(f) / p.step))
		}
		d := float64(f) - float64(p.rounded[i])*p.step
		lost += d * d
	}
	p.lost = math.Sqrt(lost)
	return p
}

// near is an entry that may be among the nearest.
type near struct {
	seg *segment
	doc uint32
	// at least and at most are bounds of its score.
	least, most float64
}

// slack is added to bounds for the rounding of floating-point sums.
const slack = 1e-5

// searchVectors finds the nearest vectors that a snapshot sees. mu is held for
// reading.
//
// The scan works on rounded vectors and is exact all the same: by the
// inequality of Cauchy and Schwarz the score that rounding hides differs by no
// more than the length of what was rounded away, so that every entry whose
// best possible score reaches the worst possible one of the limit-th is
// compared exactly.
func (x *index) searchVectors(ctx context.Context, at persistence.Timestamp, q VectorQuery) ([]VectorHit, error) {
	p := newProbe(q.Vector, newVectors(x.info.Dimensions).stride())
	var list []near
	floor := &floor{max: q.Limit}
	for _, seg := range x.segments {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		list = seg.scanVectors(at, p, q, floor, list)
	}
	worst := floor.worst()
	hits := make([]hit, 0, q.Limit)
	for _, c := range list {
		if c.most < worst {
			continue
		}
		score := max(-1, min(1, dotExact(p.exact, c.seg.vectors.row(c.doc))))
		hits = append(hits, hit{score, c.seg.created[c.doc], c.seg.ids[c.doc]})
	}
	slices.SortFunc(hits, compareHits)
	out := make([]VectorHit, min(len(hits), q.Limit))
	for i := range out {
		out[i] = VectorHit{hits[i].id, hits[i].score}
	}
	return out, nil
}

// scanVectors appends the entries of a segment that may be among the nearest.
func (s *segment) scanVectors(at persistence.Timestamp, p *probe, q VectorQuery, f *floor, list []near) []near {
	v, stride, whole := s.vectors, s.vectors.stride(), s.whole(at)
	visit := func(doc uint32) {
		if !whole && !s.sees(doc, at) {
			return
		}
		row := v.rounded[int(doc)*stride : (int(doc)+1)*stride]
		score := float64(dotRounded(p.rounded, row)) * p.step * float64(v.step[doc])
		// q·v = q̂·v̂ + q̂·(v−v̂) + (q−q̂)·v, where |q̂| ≤ 1+lost and |v| = 1.
		off := float64(v.lost[doc])*(1+p.lost) + p.lost + slack
		if score+off >= f.worst() {
			list = append(list, near{s, doc, score - off, score + off})
			f.add(score - off)
		}
	}
	if len(q.Any) == 0 {
		for doc := range s.ids {
			visit(uint32(doc))
		}
		return list
	}
	for _, doc := range s.having(q.Any) {
		visit(doc)
	}
	return list
}

// having lists the entries that meet any of the conditions, each once.
func (s *segment) having(any []Equal) []uint32 {
	var docs []uint32
	for _, e := range any {
		if p, ok := s.lists.find(filterKey(e.Field, filterName(e.Value))); ok {
			for c := p.walk(); !c.done; c.next() {
				docs = append(docs, c.doc)
			}
		}
	}
	slices.Sort(docs)
	return slices.Compact(docs)
}

// floor keeps the highest so many lower bounds; the lowest of them is what a
// score must reach.
type floor struct {
	max  int
	list []float64 // sorted, highest first
}

// worst is the bound, as far as it is known.
func (f *floor) worst() float64 {
	if len(f.list) < f.max {
		return math.Inf(-1)
	}
	return f.list[f.max-1]
}

// add takes in a lower bound.
func (f *floor) add(least float64) {
	if len(f.list) == f.max && least <= f.list[f.max-1] {
		return
	}
	i, _ := slices.BinarySearchFunc(f.list, least, func(a, b float64) int { return cmp.Compare(b, a) })
	f.list = slices.Insert(f.list, i, least)
	f.list = f.list[:min(len(f.list), f.max)]
}

// dotExact is the product of two vectors.
func dotExact(a, b []float32) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, f := range a {
		sum += float64(f) * float64(b[i])
	}
	return sum
}

// dotPortable is dotRounded for processors without a version of their own.
func dotPortable(a []int16, b []int8) int32 {
	var s0, s1, s2, s3 int32
	a = a[:len(b)]
	for i := 0; i+4 <= len(b); i += 4 {
		s0 += int32(a[i]) * int32(b[i])
		s1 += int32(a[i+1]) * int32(b[i+1])
		s2 += int32(a[i+2]) * int32(b[i+2])
		s3 += int32(a[i+3]) * int32(b[i+3])
	}
	return s0 + s1 + s2 + s3
}
