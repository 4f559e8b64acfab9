package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNotFound is what Get and Open return for a key that holds nothing.
var ErrNotFound = errors.New("blob: not found")

// Sum is the SHA-256 of stored bytes.
type Sum = [sha256.Size]byte

// Store is a place for bytes. All methods may be called from many goroutines.
type Store interface {
	// Put stores everything r gives under key and returns only when it is durable.
	// If r fails, or ctx ends, the key keeps what it had.
	Put(ctx context.Context, key string, r io.Reader) (size int64, sum Sum, err error)
	// Get returns all bytes of key.
	Get(ctx context.Context, key string) ([]byte, error)
	// Open reads key from offset on. An offset at or beyond the end reads nothing.
	Open(ctx context.Context, key string, offset int64) (io.ReadCloser, error)
	// Delete removes key; a key that holds nothing is fine.
	Delete(ctx context.Context, key string) error
	// Has says whether key holds something.
	Has(ctx context.Context, key string) (bool, error)
}

// maxKey bounds a key, well under what file systems allow for a path.
const maxKey = 512

// checkKey refuses keys that could leave the store's directory or that two file
// systems would read differently. Keys are made by the house, never by callers,
// so a bad one is a broken invariant of ours.
func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("blob: key of %d bytes", len(key))
	}
	for seg := range strings.SplitSeq(key, "/") {
		if seg == "" || seg[0] == '.' || len(seg) > 200 {
			return fmt.Errorf("blob: malformed key %q", key)
		}
		for i := range len(seg) {
			c := seg[i]
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			default:
				return fmt.Errorf("blob: malformed key %q", key)
			}
		}
	}
	return nil
}

// ctxReader ends a copy when its context ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

// Read reads from the inner reader unless the context has ended.
func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
