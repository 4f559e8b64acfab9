package convexhttp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"testing"
)

func TestByteRange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		header  string
		size    int64
		from, n int64
		partial bool
		ok      bool
	}{
		{"", 10, 0, 10, false, true},
		{"bytes=0-0", 10, 0, 1, true, true},
		{"bytes=2-4", 10, 2, 3, true, true},
		{"bytes=2-", 10, 2, 8, true, true},
		{"bytes=-4", 10, 6, 4, true, true},
		{"bytes=-40", 10, 0, 10, true, true},
		{"bytes=9-40", 10, 9, 1, true, true},
		{"bytes=10-", 10, 0, 0, false, false},
		{"bytes=-0", 10, 0, 0, false, false},
		{"bytes=0-", 0, 0, 0, false, false},
		{"bytes=-1", 0, 0, 0, false, false},
		{"bytes=0-1,3-4", 10, 0, 0, false, false},
		{"bytes=4-2", 10, 0, 10, false, true},
		{"bytes=a-b", 10, 0, 10, false, true},
		{"bytes=-", 10, 0, 10, false, true},
		{"bytes=5", 10, 0, 10, false, true},
		{"bytes=99999999999999999999-", 10, 0, 10, false, true},
		{"lines=1-2", 10, 0, 10, false, true},
	} {
		from, n, partial, ok := byteRange(tt.header, tt.size)
		if from != tt.from || n != tt.n || partial != tt.partial || ok != tt.ok {
			t.Errorf("%q of %d: %d+%d %v %v", tt.header, tt.size, from, n, partial, ok)
		}
	}
}

func FuzzByteRange(f *testing.F) {
	f.Add("bytes=2-4", int64(10))
	f.Add("bytes=-3", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		size &= 1<<50 - 1
		from, n, partial, ok := byteRange(header, size)
		if ok && (from < 0 || n < 0 || from+n > size || partial && n == 0 || !partial && n != size) {
			t.Fatalf("%d+%d of %d, partial %v", from, n, size, partial)
		}
	})
}

func TestDigestOf(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("x"))
	text := base64.StdEncoding.EncodeToString(sum[:])
	for header, want := range map[string]bool{"sha-256=" + text: true, "md5=abc, SHA-256=" + text: true, "sha-256=" + hex.EncodeToString(sum[:]): true, "md5=abc": false, "": false} {
		got, err := digestOf([]string{header})
		if err != nil || (got != nil) != want || got != nil && *got != sum {
			t.Errorf("%q: %v, %v", header, got, err)
		}
	}
	if _, err := digestOf([]string{"sha-256=abc"}); err == nil {
		t.Error("a malformed digest passes")
	}
}
