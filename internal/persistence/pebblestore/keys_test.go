package pebblestore

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lentil-dev/lentil/internal/persistence"
)

func TestComparer(t *testing.T) {
	t.Parallel()
	var prefixes, suffixes [][]byte
	for _, key := range []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x09", "a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09", "a\xff", "b", "\xff\xff"} {
		prefixes = append(prefixes, appendIndex(nil, 40, []byte(key)))
	}
	prefixes = append(prefixes, appendIndex(nil, 41, nil))
	suffixes = append(suffixes, nil)
	for _, ts := range []persistence.Timestamp{persistence.Max, 1 << 60, 256, 255, 1} {
		suffixes = append(suffixes, appendSuffix(nil, ts))
	}
	if err := pebble.CheckComparer(comparer, prefixes, suffixes); err != nil {
		t.Error(err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	c := crashCommit(7)
	f.Add(appendRecord(nil, &c))
	c = persistence.Commit{TS: 7, Revisions: []persistence.Revision{{Doc: persistence.DocID{Table: 3}}}}
	f.Add(appendRecord(nil, &c))
	f.Add([]byte{0, 0})
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := decodeRecord(7, b)
		if err != nil {
			return
		}
		again := persistence.Commit{TS: 7, Revisions: rec.revisions, Entries: rec.removed}
		for i, gone := range rec.gone {
			if !gone {
				again.Revisions[i].Body = []byte{1}
			}
		}
		one := appendRecord(nil, &again)
		rec, err = decodeRecord(7, one)
		if err != nil || len(rec.revisions) != len(again.Revisions) || len(rec.removed) != len(again.Entries) {
			t.Errorf("%x does not survive encoding: %v", b, err)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	id := persistence.DocID{Table: 10001, Internal: [16]byte{1, 2, 3}}
	key := append([]byte("key"), id.Internal[:]...)
	f.Add(key, appendEntry(nil, &persistence.IndexWrite{Key: key, Doc: id}))
	f.Add([]byte("key"), appendEntry(nil, &persistence.IndexWrite{Key: []byte("key"), Doc: id}))
	f.Add(key, appendEntry(nil, &persistence.IndexWrite{Key: key, Deleted: true}))
	f.Fuzz(func(t *testing.T, key, v []byte) {
		doc, deleted, err := decodeEntry(key, v)
		if err != nil {
			return
		}
		one := appendEntry(nil, &persistence.IndexWrite{Key: key, Doc: doc, Deleted: deleted})
		doc2, deleted2, err := decodeEntry(key, one)
		if err != nil || doc2 != doc || deleted2 != deleted {
			t.Errorf("%x under %x: %v", v, key, err)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("a"), []byte("a\x00"), uint64(1), uint64(2))
	f.Add([]byte("a"), []byte("a\x09"), uint64(0), uint64(1<<63))
	f.Fuzz(func(t *testing.T, a, b []byte, s, u uint64) {
		x := appendSuffix(appendIndex(nil, 40, a), persistence.Timestamp(s>>1))
		y := appendSuffix(appendIndex(nil, 40, b), persistence.Timestamp(u>>1))
		want := bytes.Compare(a, b)
		if want == 0 && s>>1 != u>>1 {
			want = 1
			if s>>1 > u>>1 {
				want = -1 // the newer one comes first
			}
		}
		if got := compare(x, y); got != want {
			t.Errorf("compare(%x, %x) = %d, want %d", x, y, got, want)
		}
		if want < 0 {
			if sep := separator(nil, x, y); compare(x, sep) > 0 || compare(sep, y) >= 0 {
				t.Errorf("separator(%x, %x) = %x", x, y, sep)
			}
		}
	})
}
