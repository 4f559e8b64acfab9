package pebblestore

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lentil-dev/lentil/internal/persistence"
)

// The layout of keys. Each is a prefix, which ends with a zero byte, and for
// versioned kinds a suffix of the inverted timestamp and the byte 9, the
// suffix's length. So versions of one thing lie together, the newest first, and
// the last byte tells whether there is a suffix.
//
//	c name 00                             a cell
//	d table(4) internal(16) 00 ^ts(8) 09  a document revision; empty if deleted
//	i index(8) key 00 ^ts(8) 09           an index entry
//	l ts(8) 00                            a commit in the log
//
// Numbers are big-endian.
const (
	cellKind  = 'c'
	docKind   = 'd'
	indexKind = 'i'
	logKind   = 'l'

	suffixLen = 9
)

// comparer tells Pebble how keys are made, so that bloom filters are over
// prefixes and NextPrefix passes over versions. Its name is part of the format.
var comparer = &pebble.Comparer{
	Name:                 "lentil.versions.1",
	Split:                split,
	Compare:              compare,
	Equal:                bytes.Equal,
	ComparePointSuffixes: bytes.Compare,
	CompareRangeSuffixes: bytes.Compare,
	AbbreviatedKey:       abbreviate,
	Separator:            separator,
	Successor:            func(dst, a []byte) []byte { return append(dst, a...) },
	ImmediateSuccessor:   func(dst, a []byte) []byte { return append(append(dst, a...), 0) },
	FormatKey:            func(k []byte) fmt.Formatter { return hexKey(k) },
}

// hexKey prints a key.
type hexKey []byte

// Format is part of fmt.Formatter.
func (k hexKey) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "%x", []byte(k)) }

// split is the length of a key's prefix.
func split(k []byte) int {
	if n := len(k); n > suffixLen && k[n-1] == suffixLen {
		return n - suffixLen
	}
	return len(k)
}

// compare orders by prefix, then by suffix.
func compare(a, b []byte) int {
	i, j := split(a), split(b)
	if c := bytes.Compare(a[:i], b[:j]); c != 0 {
		return c
	}
	return bytes.Compare(a[i:], b[j:])
}

// abbreviate is the first bytes of the prefix as a number.
func abbreviate(k []byte) uint64 {
	k = k[:split(k)]
	if len(k) >= 8 {
		return binary.BigEndian.Uint64(k)
	}
	var b [8]byte
	copy(b[:], k)
	return binary.BigEndian.Uint64(b[:])
}

// separator is a short key in [a, b): a prefix without a suffix where the two
// prefixes leave room for one, else a itself.
func separator(dst, a, b []byte) []byte {
	p, q := a[:split(a)], b[:split(b)]
	n := 0
	for n < len(p) && n < len(q) && p[n] == q[n] {
		n++
	}
	if n+2 < len(p) && n < len(q) && p[n] < 0xff && p[n]+1 < q[n] {
		dst = append(dst, p[:n]...)
		return append(dst, p[n]+1, 0)
	}
	return append(dst, a...)
}

// appendSuffix adds the suffix of a version.
func appendSuffix(k []byte, ts persistence.Timestamp) []byte {
	return append(binary.BigEndian.AppendUint64(k, ^uint64(ts)), suffixLen)
}

// appendDoc adds the prefix of a document's revisions.
func appendDoc(k []byte, id persistence.DocID) []byte {
	k = binary.BigEndian.AppendUint32(append(k, docKind), id.Table)
	return append(append(k, id.Internal[:]...), 0)
}

// appendIndex adds the prefix of the entries with a key, in any index.
func appendIndex(k []byte, ix persistence.IndexID, key []byte) []byte {
	if table, primary := ix.Table(); primary {
		k = binary.BigEndian.AppendUint32(append(k, docKind), table)
	} else {
		k = binary.BigEndian.AppendUint64(append(k, indexKind), uint64(ix))
	}
	return append(append(k, key...), 0)
}

// bounds are the store's keys of a span of an index.
func bounds(ix persistence.IndexID, s persistence.Span) (lower, upper []byte) {
	lower = appendIndex(nil, ix, s.Lower)
	if s.Upper != nil {
		return lower, appendIndex(nil, ix, s.Upper)
	}
	return lower, afterIndex(ix)
}

// afterIndex is above every key of an index, and at or below those of the next.
func afterIndex(ix persistence.IndexID) []byte {
	table, primary := ix.Table()
	switch {
	case primary && table == 1<<32-1:
		return []byte{docKind + 1, 0}
	case primary:
		return binary.BigEndian.AppendUint32([]byte{docKind}, table+1)
	}
	return binary.BigEndian.AppendUint64([]byte{indexKind}, uint64(ix)+1)
}

// indexKey takes an entry's prefix apart; the result shares its memory.
func indexKey(ix persistence.IndexID, prefix []byte) []byte {
	if _, primary := ix.Table(); primary {
		return prefix[5 : len(prefix)-1]
	}
	return prefix[9 : len(prefix)-1]
}

// version is the timestamp in a suffix.
func version(suffix []byte) persistence.Timestamp {
	if len(suffix) != suffixLen {
		return 0
	}
	return persistence.Timestamp(^binary.BigEndian.Uint64(suffix))
}

// logKey is where a commit is in the log.
func logKey(ts persistence.Timestamp) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{logKind}, uint64(ts)), 0)
}

// cellKey is where a cell is.
func cellKey(name string) []byte { return append(append([]byte{cellKind}, name...), 0) }
