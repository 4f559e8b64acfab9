package value

import (
	"bytes"
	"crypto/rand"
	"math"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// ascending are values in strictly ascending order.
var ascending = []Value{
	Undefined{}, Null{},
	Int64(math.MinInt64), Int64(-1 << 40), Int64(-1<<32 - 1), Int64(-1 << 32), Int64(-65537), Int64(-65536), Int64(-257),
	Int64(-256), Int64(-255), Int64(-1), Int64(0), Int64(1), Int64(255), Int64(256), Int64(65535), Int64(65536),
	Int64(1<<32 - 1), Int64(1 << 32), Int64(math.MaxInt64), CommitTS{},
	Float64(math.Float64frombits(0xFFF8000000000001)), Float64(math.Inf(-1)), Float64(-1e300), Float64(-1), Float64(-5e-324),
	Float64(math.Copysign(0, -1)), Float64(0), Float64(5e-324), Float64(1), Float64(1.5), Float64(1e300), Float64(math.Inf(1)), Float64(math.NaN()),
	Bool(false), Bool(true),
	String(""), String("\x00"), String("\x00\x00"), String("\x00a"), String("\x01"), String("a"), String("a\x00"), String("a\x00b"), String("aa"),
	String("b"), String("é"), String("\uffff"), String("😀"),
	Bytes{}, Bytes{0}, Bytes{0, 0xFF}, Bytes{0, 0xFF, 1}, Bytes{1}, Bytes{0xFF}, Bytes{0xFF, 0xFF},
	Array{}, Array{Undefined{}}, Array{Null{}}, Array{Null{}, Null{}}, Array{String("a")}, Array{String("a"), Int64(1)}, Array{Array{}}, Array{Array{Null{}}},
	Object{}, ObjectOf(Field{"", Null{}}), ObjectOf(Field{"a", Null{}}), ObjectOf(Field{"a", Null{}}, Field{"b", Null{}}),
	ObjectOf(Field{"a", Int64(1)}), ObjectOf(Field{"a", Int64(1)}, Field{"b", Null{}}), ObjectOf(Field{"aa", Null{}}), ObjectOf(Field{"b", Null{}}),
}

func TestCompareAndKeyAgree(t *testing.T) {
	t.Parallel()
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%#v, %#v) = %d, want %d", a, b, got, want)
			}
			ka, kb := AppendKey(nil, a), AppendKey(nil, b)
			if got := bytes.Compare(ka, kb); got != want {
				t.Errorf("keys of %#v and %#v compare %d, want %d", a, b, got, want)
			}
			if i != j && bytes.HasPrefix(kb, ka) {
				t.Errorf("key of %#v is a prefix of that of %#v", a, b)
			}
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    Value
		want int
	}{
		{Undefined{}, 0}, {Null{}, 1}, {Bool(true), 1}, {Int64(7), 9}, {Float64(7), 9}, {String("abc"), 5}, {Bytes{1, 2}, 4},
		{Array{Null{}, Null{}}, 4}, {ObjectOf(Field{"ab", Null{}}), 6}, {Object{}, 2},
	} {
		if got := Size(c.v); got != c.want {
			t.Errorf("Size(%s) = %d, want %d", JSON(c.v), got, c.want)
		}
	}
	if d := Depth(Array{ObjectOf(Field{"a", Array{}}), Null{}}); d != 3 {
		t.Errorf("Depth = %d, want 3", d)
	}
}

func TestIDVectors(t *testing.T) {
	t.Parallel()
	var stability, counting, ones, days InternalID
	b := byte(251)
	for i := range stability {
		stability[i] = b
		b = byte(int(b) * 251)
		counting[i] = byte(i)
		ones[i] = 0xFF
	}
	days[14], days[15] = 0x4e, 0x20
	for _, c := range []struct {
		id   ID
		want string
	}{
		{ID{Table: 1017, Internal: stability}, "z43zp6c3e75gkmz1kfwj6mbbx5sw281h"},
		{ID{Table: 10001, Internal: counting}, "j57000820c20a1g7104gm2rc1m70ynr8"},
		{ID{Table: 1, Internal: ones}, "07zzzzzzzzzzzzzzzzzzzzzzzzzz328"},
		{ID{Table: 10001, Internal: days}, "j5700000000000000000000001720k8w"},
	} {
		if got := c.id.String(); got != c.want {
			t.Errorf("%v = %q, want %q", c.id, got, c.want)
		}
		got, err := ParseID(c.want)
		if err != nil || got != c.id {
			t.Errorf("ParseID(%q) = %v, %v", c.want, got, err)
		}
	}
}

func TestParseIDRefusals(t *testing.T) {
	t.Parallel()
	good := ID{Table: 10001, Internal: InternalID{}}.String()
	for _, s := range []string{
		"", "x", good + "0", good[1:], strings.ToUpper(good), "i" + good[1:], good[:len(good)-1] + "9", strings.Repeat("z", 37),
		strings.Repeat("0", 31), "é" + good[2:], strings.Repeat("a", 1<<16),
	} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("ParseID(%.40q) = %v, want an error", s, id)
		} else if apierr.KindOf(err) != apierr.BadRequest {
			t.Errorf("ParseID(%.40q): %v is no bad request", s, err)
		}
	}
}

func TestNewInternalID(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // not parallel: the source of randomness is shared
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a, b := NewInternalID(rand.Reader, at), NewInternalID(rand.Reader, at)
	if a == b {
		t.Error("two ids are equal")
	}
	if days := int(a[14])<<8 | int(a[15]); days != int(at.Unix()/86400) {
		t.Errorf("id carries day %d", days)
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	o := ObjectOf(Field{"b", Int64(1)}, Field{"a", Int64(2)}, Field{"b", Int64(3)})
	if got := string(JSON(o)); got != `{"a":{"$integer":"AgAAAAAAAAA="},"b":{"$integer":"AwAAAAAAAAA="}}` {
		t.Errorf("ObjectOf: %s", got)
	}
	p := o.With("c", Null{}).With("a", Bool(true)).Without("b").Without("nothing")
	if got := string(JSON(p)); got != `{"a":true,"c":null}` {
		t.Errorf("With and Without: %s", got)
	}
	q := p.Merge(ObjectOf(Field{"a", Undefined{}}, Field{"b", String("x")}, Field{"c", Bool(false)}, Field{"z", Undefined{}}))
	if got := string(JSON(q)); got != `{"b":"x","c":false}` {
		t.Errorf("Merge: %s", got)
	}
	if got := string(JSON(p)); got != `{"a":true,"c":null}` {
		t.Errorf("Merge changed its receiver: %s", got)
	}
	deep := ObjectOf(Field{"a", ObjectOf(Field{"b", String("x")})})
	for path, want := range map[string]Value{"a.b": String("x"), "a.c": Undefined{}, "a.b.c": Undefined{}, "": Undefined{}} {
		if got := Path(deep, path); Compare(got, want) != 0 {
			t.Errorf("Path(%q) = %s", path, JSON(got))
		}
	}
	if v, ok := o.Get("zz"); ok || v != nil {
		t.Errorf("Get of a missing field = %v", v)
	}
}

func TestCheckDocument(t *testing.T) {
	t.Parallel()
	deep := Value(Null{})
	for range 15 {
		deep = Array{deep}
	}
	ok := ObjectOf(Field{"_id", String("x")}, Field{"_creationTime", Float64(1)}, Field{"", deep})
	if err := CheckDocument(ok); err != nil {
		t.Errorf("good document: %v", err)
	}
	for _, c := range []struct {
		doc  Object
		want string
	}{
		{ObjectOf(Field{"_x", Null{}}), "Field '_x' starts with an underscore, which is only allowed for system fields like '_id'"},
		{ObjectOf(Field{"a", Array{deep}}), "Document is too nested (nested 17 levels deep > maximum nesting 16)"},
		{ObjectOf(Field{"a", String(strings.Repeat("x", 1<<20))}), "Value is too large (1 MiB > maximum size 1 MiB)"},
		{ObjectOf(Field{"a", Undefined{}}), "undefined"},
	} {
		if err := CheckDocument(c.doc); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("CheckDocument = %v, want %q", err, c.want)
		}
	}
}
