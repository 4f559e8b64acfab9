package database

import (
	"bytes"
	"math"
	"testing"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

func FuzzDecodeDocument(f *testing.F) {
	id := value.ID{Table: 10001, Internal: value.InternalID{1, 2, 3}}
	f.Add(newDocument(id, placeOf(id.Space, id.Table), 1.7e12, value.Object{}).stored)
	f.Add(newDocument(id, placeOf(id.Space, id.Table), math.Inf(1), value.NewObject(map[string]value.Value{"a": value.Array{value.Int64(1), value.Bytes("x")}})).stored)
	f.Add([]byte{documentFormat})
	f.Add([]byte{documentFormat + 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDocument(persistence.DocID{Table: uint32(placeOf(id.Space, id.Table)), Internal: id.Internal}, 7, b)
		if err != nil {
			return
		}
		if d.ID != id || d.TS != 7 || d.Size < 0 || len(d.JSON()) < 2 {
			t.Errorf("%x decodes to %+v", b, d)
		}
		if obj, err := value.ParseObject(d.JSON()); err == nil && !value.Equal(obj, d.Object()) {
			t.Errorf("%x: object differs", b)
		}
	})
}

func FuzzDecodeIndex(f *testing.F) {
	good := &indexMeta{id: 1 << 20, table: 10001, name: "by_x", fields: []string{"x", "y.z"}, state: Building, goal: Enabled}
	f.Add(value.JSON(good.object()))
	f.Add([]byte(`{"table":"x"}`))
	f.Add([]byte(`{"table":1,"index":{"$integer":"AQAAAAAAAAA="},"built":true,"fields":[1]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		obj, err := value.ParseObject(b)
		if err != nil {
			return
		}
		ix, err := decodeIndex(newDocument(value.ID{Table: indexesTable}, indexesTable, 1, obj.Without("_id").Without("_creationTime")))
		if err != nil {
			return
		}
		again, err := decodeIndex(newDocument(value.ID{Table: indexesTable}, indexesTable, 1, ix.object()))
		if err != nil || again.id != ix.id || again.name != ix.name || len(again.fields) != len(ix.fields) {
			t.Errorf("%s: %+v, %+v, %v", b, ix, again, err)
		}
	})
}

func FuzzIDBound(f *testing.F) {
	for _, b := range [][]byte{{}, {0x10}, {0xff}, value.AppendKey(nil, value.String("j57000820c20a1g7104gm2rc1m70ynr8"))} {
		f.Add(b, []byte("0123456789abcdef"))
	}
	f.Fuzz(func(t *testing.T, bound, internal []byte) {
		var id value.ID
		id.Table = 10001
		copy(id.Internal[:], internal)
		key := value.AppendKey(nil, value.String(id.String()))
		got := idBound(id.Table, bound)
		if bound == nil {
			return
		}
		// The id lies at or above the bound exactly if it does so in the store.
		if above := got != nil && bytes.Compare(id.Internal[:], got) >= 0; above != (bytes.Compare(key, bound) >= 0) {
			t.Errorf("bound %x became %x; id %s", bound, got, id)
		}
	})
}

// FuzzReadSet compares merged intervals with a look at each one.
func FuzzReadSet(f *testing.F) {
	f.Add([]byte("abcdefghi"), []byte("c"))
	f.Add([]byte{0, 0, 0, 255, 255, 255, 1, 2, 3}, []byte{2})
	f.Fuzz(func(t *testing.T, b, key []byte) {
		var raw []*read
		for i := 0; i+2 < len(b); i += 3 {
			r := &read{index: persistence.IndexID(b[i] % 3), span: persistence.Span{Lower: b[i+1 : i+2], Upper: b[i+2 : i+3]}}
			switch {
			case b[i]&4 != 0:
				r.span.Lower = nil
			case b[i]&8 != 0:
				r.span.Upper = nil
			case b[i+1] >= b[i+2]:
				continue
			}
			raw = append(raw, r)
		}
		set := newReadSet(raw)
		for ix := range persistence.IndexID(3) {
			want := false
			for _, r := range raw {
				want = want || r.index == ix && r.span.Contains(key)
			}
			if got := set.covers(ix, key); got != want {
				t.Errorf("covers(%d, %x) = %v, want %v", ix, key, got, want)
			}
		}
		for _, x := range set.reads {
			for i, s := range x.spans[1:] {
				if x.spans[i].Upper == nil || bytes.Compare(x.spans[i].Upper, s.Lower) >= 0 {
					t.Errorf("intervals touch: %v", x.spans)
				}
			}
		}
	})
}

// FuzzTrees compares the two treaps with plain lists.
func FuzzTrees(f *testing.F) {
	f.Add([]byte("insert some, remove some, look at all of them"))
	f.Add([]byte{1, 2, 3, 3, 2, 1, 0, 0, 0, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var log keyLog
		writes := map[string]persistence.Timestamp{}
		var root *spanNode
		spans := map[*watched]persistence.Span{}
		var owners []*watched
		for i := 0; i+2 < len(b); i += 3 {
			op, lo, hi := b[i], b[i+1:i+2], b[i+2:i+3]
			ts := persistence.Timestamp(i + 1)
			if op%4 == 3 {
				log.remove(1, lo, writes[string(lo)])
				delete(writes, string(lo))
				if len(owners) > 0 {
					o := owners[0]
					owners = owners[1:]
					root = root.remove(spans[o].Lower, o)
					delete(spans, o)
				}
			} else {
				log.add(touch{index: 1, key: lo}, ts)
				writes[string(lo)] = ts
				s := persistence.Span{Lower: lo, Upper: hi}
				if op&8 != 0 {
					s.Lower = nil
				}
				if op&16 != 0 {
					s.Upper = nil
				}
				o := &watched{id: uint64(i)}
				owners, spans[o] = append(owners, o), s
				root = root.insert(&spanNode{span: s, owner: o, priority: uint32(op) * 2654435761})
			}
			span := persistence.Span{Lower: lo, Upper: hi}
			newest := persistence.Timestamp(0)
			for k, ts := range writes {
				if span.Contains([]byte(k)) {
					newest = max(newest, ts)
				}
			}
			got := persistence.Timestamp(0)
			if tree := log.indexes[1]; tree != nil {
				got = tree.root.within(lo, hi)
			}
			if got != newest && bytes.Compare(lo, hi) < 0 {
				t.Fatalf("newest in %x is %d, want %d", span, got, newest)
			}
			met := map[*watched]bool{}
			for _, o := range root.stab(hi, nil) {
				met[o] = true
			}
			for o, s := range spans {
				if s.Contains(hi) != met[o] {
					t.Fatalf("%x met %x: %v", hi, s, met[o])
				}
			}
			if len(writes) != log.count {
				t.Fatalf("%d keys counted, want %d", log.count, len(writes))
			}
		}
	})
}
