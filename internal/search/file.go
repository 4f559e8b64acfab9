package search

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"unsafe"

	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/value"
)

// A file of a segment: magic, fileFormat, the number of sections, and of each
// its length in bytes and CRC-32C; then the sections one after the other, each
// padded to 8 bytes. Sections are arrays as they are in memory, least
// significant byte first, in the order of parts.
const segmentMagic = "LNTLSEG\n"

// fileFormat is the version of both kinds of files.
//
// 1 (November 2026): as described here and at manifest.
const fileFormat = 1

// errFile says that a file is not what was written there.
var errFile = errors.New("search: damaged file")

// castagnoli is the polynomial that processors know.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// number is what arrays in files are made of.
type number interface {
	~int8 | ~uint8 | ~uint32 | ~uint64 | ~int64 | ~float32 | ~float64 | value.InternalID
}

// asBytes is the memory of an array.
func asBytes[T number](a []T) []byte {
	if len(a) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&a[0])), len(a)*int(unsafe.Sizeof(a[0])))
}

// asNumbers is the array that some memory holds. Memory of more than a few bytes
// that Go or the system hands out is aligned for any number.
func asNumbers[T number](b []byte) []T {
	var t T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(t)))
}

// part is one section: how to write it, and how to take it over.
type part struct {
	bytes []byte
	set   func(b []byte)
	width int
}

// partOf is the section of an array.
func partOf[T number](a *[]T) part {
	var t T
	return part{asBytes(*a), func(b []byte) { *a = asNumbers[T](b) }, int(unsafe.Sizeof(t))}
}

// parts are the sections of a frozen segment. The exact vectors are the last, so
// that a reader can leave them where they are.
func (s *segment) parts() []part {
	f := s.lists.(*frozen)
	list := []part{
		partOf(&s.ids), partOf(&s.born), partOf(&s.created), partOf(&s.table.slots), partOf(&s.lengths),
		partOf(&f.keys), partOf(&f.keyEnd), partOf(&f.end), partOf(&f.n), partOf(&f.last), partOf(&f.data),
	}
	if v := s.vectors; v != nil {
		list = append(list, partOf(&v.rounded), partOf(&v.step), partOf(&v.lost), partOf(&v.exact))
	}
	return list
}

// padding fills a section up to a multiple of 8 bytes.
func padding(n int) int { return (8 - n%8) % 8 }

// write writes a frozen segment into a new file, durably.
func (s *segment) write(path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("search: write segment: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = fmt.Errorf("search: write segment: %w", errors.Join(err, os.Remove(path)))
		}
	}()
	parts := s.parts()
	head := []byte(segmentMagic)
	head = binary.LittleEndian.AppendUint32(head, fileFormat)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(parts)))
	for _, p := range parts {
		head = binary.LittleEndian.AppendUint64(head, uint64(len(p.bytes)))
		head = binary.LittleEndian.AppendUint64(head, uint64(crc32.Checksum(p.bytes, castagnoli)))
	}
	w := bufio.NewWriterSize(&gently{f: f}, 1<<20)
	w.Write(head) // errors stay until Flush
	for _, p := range parts {
		w.Write(p.bytes)
		w.Write(make([]byte, padding(len(p.bytes))))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

// gently writes a file and sees to it that little of it is on its way to the
// disk at a time: commits, which wait for the same disk, pass in between.
type gently struct {
	f *os.File
	n int
}

// syncEvery is how many bytes are on their way at most.
const syncEvery = 4 << 20

// Write is part of io.Writer.
func (g *gently) Write(b []byte) (done int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		n, err = g.f.Write(b[:min(len(b), syncEvery-g.n)])
		done, b = done+n, b[n:]
		if g.n += n; err == nil && g.n == syncEvery {
			g.n, err = 0, g.f.Sync()
		}
	}
	return done, err
}

// readSegment reads a segment's file. The exact vectors are not read but mapped.
func readSegment(path string, id uint64, dimensions int) (_ *segment, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("search: read segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("search: read segment: %w", err)
	}
	s := &segment{id: id, lists: &frozen{}, saved: true}
	if dimensions > 0 {
		s.vectors = newVectors(dimensions)
	}
	parts := s.parts()
	head := make([]byte, len(segmentMagic)+8+16*len(parts))
	if _, err := io.ReadFull(f, head); err != nil || string(head[:len(segmentMagic)]) != segmentMagic {
		return nil, errFile
	}
	head = head[len(segmentMagic):]
	if binary.LittleEndian.Uint32(head) != fileFormat || binary.LittleEndian.Uint32(head[4:]) != uint32(len(parts)) {
		return nil, errFile
	}
	head = head[8:]
	at := int64(len(segmentMagic) + 8 + 16*len(parts))
	rest := info.Size() - at
	for i, p := range parts {
		n := binary.LittleEndian.Uint64(head[16*i:])
		if n > uint64(max(rest, 0)) || n%uint64(p.width) != 0 {
			return nil, errFile
		}
		whole := int64(n) + int64(padding(int(n)))
		if rest -= whole; rest < 0 {
			return nil, errFile
		}
		var b []byte
		if s.vectors != nil && i == len(parts)-1 {
			if s.vectors.mapped, err = mapFile(f, int(at+whole)); err != nil {
				return nil, err
			}
			b = s.vectors.mapped[at : at+int64(n)]
		} else {
			b = make([]byte, whole)
			if _, err := io.ReadFull(f, b); err != nil {
				return nil, errFile
			}
			b = b[:n]
		}
		if uint64(crc32.Checksum(b, castagnoli)) != binary.LittleEndian.Uint64(head[16*i+8:]) {
			s.close()
			return nil, errFile
		}
		p.set(b)
		at += whole
	}
	if err := s.complete(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// complete checks that the sections of a segment fit together, and works out
// what is not in its file.
func (s *segment) complete() error {
	f, n := s.lists.(*frozen), len(s.ids)
	keys := len(f.keyEnd)
	ok := len(s.born) == n && len(s.created) == n && len(f.end) == keys && len(f.n) == keys && len(f.last) == keys
	if v := s.vectors; v != nil {
		ok = ok && len(v.rounded) == n*v.stride() && len(v.step) == n && len(v.lost) == n && len(v.exact) == n*v.dimensions
	} else {
		ok = ok && len(s.lengths) == n
	}
	size := len(s.table.slots)
	if !ok || size&(size-1) != 0 || size < n+1 || keys > 0 && (int(f.keyEnd[keys-1]) != len(f.keys) || f.end[keys-1] != uint64(len(f.data))) {
		return errFile
	}
	s.died = make([]persistence.Timestamp, n)
	for i := range s.died {
		s.died[i] = alive
		s.newest = max(s.newest, s.born[i])
	}
	for _, l := range s.lengths {
		s.length += uint64(l)
	}
	return nil
}

// useFile lets the exact vectors of a segment that was written be where they
// are in the file, and not in memory as well.
func (s *segment) useFile(path string, mu sync.Locker) error {
	if s.vectors == nil || s.vectors.mapped != nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("search: map segment: %w", err)
	}
	defer f.Close()
	parts := s.parts()
	at := len(segmentMagic) + 8 + 16*len(parts)
	for _, p := range parts[:len(parts)-1] {
		at += len(p.bytes) + padding(len(p.bytes))
	}
	n := len(parts[len(parts)-1].bytes)
	mapped, err := mapFile(f, at+n)
	if err != nil {
		return err
	}
	mu.Lock()
	s.vectors.mapped, s.vectors.exact = mapped, asNumbers[float32](mapped[at:at+n])
	mu.Unlock()
	return nil
}

// close gives back what a segment has mapped. Nobody may use it any more.
func (s *segment) close() {
	if s.vectors != nil && s.vectors.mapped != nil {
		unmapFile(s.vectors.mapped)
		s.vectors.mapped, s.vectors.exact = nil, nil
	}
}
