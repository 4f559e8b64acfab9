package authflow

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// Breached is a list of passwords that are known from breaches: a file of lines
// "<SHA-1 in upper-case hexadecimal>:<count>", sorted, as the downloader of Have I
// Been Pwned makes it. Some forty gigabytes are looked up with some thirty reads;
// nothing is kept in memory and nobody outside is asked. A nil list is empty.
type Breached struct {
	file io.ReaderAt
	size int64
}

// Bounds of a list: what is read at once, and so the longest line and a bit.
const (
	breachedLine = 128
	breachedHash = 2 * sha1.Size
)

// OpenBreached opens a list and looks at its first line.
func OpenBreached(path string) (*Breached, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	b := &Breached{file: f, size: st.Size()}
	if _, err := b.lineAt(0); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is no sorted list of SHA-1 hashes (HASH:COUNT): %w", path, err)
	}
	return b, nil
}

// Close closes the file.
func (b *Breached) Close() error {
	if c, ok := b.file.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// errNoLine reports a place at which no line begins.
var errNoLine = errors.New("not a line of the list")

// lineAt is the hash of the line that begins at a place.
func (b *Breached) lineAt(at int64) (hash []byte, err error) {
	buf := make([]byte, breachedHash+1)
	n, err := b.file.ReadAt(buf, at)
	if n < breachedHash || err != nil && !errors.Is(err, io.EOF) {
		return nil, errNoLine
	}
	for _, c := range buf[:breachedHash] {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return nil, errNoLine
		}
	}
	if n > breachedHash && buf[breachedHash] != ':' && buf[breachedHash] != '\r' && buf[breachedHash] != '\n' {
		return nil, errNoLine
	}
	return buf[:breachedHash], nil
}

// after is where the first line begins that does not begin before a place.
func (b *Breached) after(at int64) (int64, error) {
	if at == 0 {
		return 0, nil
	}
	buf := make([]byte, breachedLine)
	n, err := b.file.ReadAt(buf, at-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	i := bytes.IndexByte(buf[:n], '\n')
	if i < 0 {
		if at-1+int64(n) >= b.size {
			return b.size, nil // the last line
		}
		return 0, errNoLine
	}
	return at + int64(i), nil
}

// Has reports whether a password is in the list. A list that cannot be read is an
// error, not an answer.
func (b *Breached) Has(password string) (bool, error) {
	if b == nil {
		return false, nil
	}
	sum := sha1.Sum([]byte(password))
	want := bytes.ToUpper(hex.AppendEncode(nil, sum[:]))
	low, high := int64(0), b.size // the line, if there is one, begins within
	for low < high {
		mid := low + (high-low)/2
		at, err := b.after(mid)
		if err != nil {
			return false, fmt.Errorf("authflow: breached passwords: %w", err)
		}
		if at >= high {
			high = mid
			continue
		}
		hash, err := b.lineAt(at)
		if err != nil {
			if at >= b.size-1 { // nothing but the end of the last line
				high = mid
				continue
			}
			return false, fmt.Errorf("authflow: breached passwords: %w", err)
		}
		switch c := bytes.Compare(hash, want); {
		case c == 0:
			return true, nil
		case c < 0:
			low = at + breachedHash
		default:
			high = mid
		}
	}
	return false, nil
}
