package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/lentil-dev/lentil/internal/depot"
)

// The form of an object. Objects are written and read as streams of any length; a
// frame at a time is in memory.
//
// 1 (November 2026): the magic; a byte of flags; if sealed, a salt of 32 bytes. Then
// frames: the length of what is stored as 4 bytes big-endian, the bytes, and the
// SHA-256 of the object's name, a zero byte, the frame's number as 8 bytes and the
// bytes. What is stored is zstd, and if sealed that is in AES-256-GCM with a key
// derived from the backup key and the salt, the frame's number as nonce and the name
// as additional data. Last comes a frame of no bytes whose checksum is that of all
// checksums before.
const (
	magic     = "lentil\x00\x01"
	saltLen   = 32
	frameSize = 1 << 20 // of content
	maxStored = frameSize + frameSize/8 + 1024
)

// sealedFlag says that the frames are sealed.
const sealedFlag = 1

// ErrDamaged means that an object is not what was written.
var ErrDamaged = errors.New("damaged")

// ErrSealed means that a backup is sealed, and the key was not given or is another.
var ErrSealed = errors.New("the backup is sealed by a key; give it in LENTIL_BACKUP_KEY or LENTIL_BACKUP_KEY_FILE")

// damaged is an error that names an object.
func damaged(name, format string, args ...any) error {
	return fmt.Errorf("%s is %w: %s", name, ErrDamaged, fmt.Sprintf(format, args...))
}

// encoders and decoders are used for single frames. They are safe for concurrent use.
var codecs = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(frameSize))
	if err != nil {
		panic(err) // the options are right
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(2*frameSize))
	if err != nil {
		panic(err)
	}
	return e, d
})

// aead is what seals the frames of one object.
func aead(key, salt []byte) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, key, salt, "lentil archive object", 32)
	if err != nil {
		return nil, err
	}
	b, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// nonce is that of a frame; keys are an object's own, so numbers do.
func nonce(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 4, 12), n)
}

// frameSum is the checksum of a frame.
func frameSum(name string, n uint64, stored []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(append([]byte(name), 0))
	h.Write(binary.BigEndian.AppendUint64(nil, n))
	h.Write(stored)
	h.Sum(sum[:0])
	return sum
}

// objectWriter makes an object of content that is written to it.
type objectWriter struct {
	w    io.Writer
	name string
	seal cipher.AEAD // nil: not sealed
	buf  []byte
	n    uint64
	all  hash.Hash
	out  []byte
}

// newObject begins an object.
func newObject(w io.Writer, name string, key []byte) (*objectWriter, error) {
	o := &objectWriter{w: w, name: name, all: sha256.New(), buf: make([]byte, 0, frameSize)}
	head := append([]byte(magic), 0)
	if key != nil {
		head[len(magic)] = sealedFlag
		salt := make([]byte, saltLen)
		rand.Read(salt)
		var err error
		if o.seal, err = aead(key, salt); err != nil {
			return nil, err
		}
		head = append(head, salt...)
	}
	_, err := w.Write(head)
	return o, err
}

// Write is part of io.Writer.
func (o *objectWriter) Write(p []byte) (n int, err error) {
	n = len(p)
	for len(p) > 0 {
		k := min(len(p), frameSize-len(o.buf))
		o.buf, p = append(o.buf, p[:k]...), p[k:]
		if len(o.buf) == frameSize {
			if err := o.frame(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// frame writes what has come together.
func (o *objectWriter) frame() error {
	enc, _ := codecs()
	stored := enc.EncodeAll(o.buf, o.out[:0])
	if o.seal != nil {
		stored = o.seal.Seal(nil, nonce(o.n), stored, []byte(o.name))
	}
	o.buf, o.out = o.buf[:0], stored
	return o.put(stored)
}

// put writes one frame.
func (o *objectWriter) put(stored []byte) error {
	sum := frameSum(o.name, o.n, stored)
	o.all.Write(sum[:])
	o.n++
	for _, b := range [][]byte{binary.BigEndian.AppendUint32(nil, uint32(len(stored))), stored, sum[:]} {
		if _, err := o.w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the object; without it, what was written is not one.
func (o *objectWriter) Close() error {
	if len(o.buf) > 0 {
		if err := o.frame(); err != nil {
			return err
		}
	}
	_, err := o.w.Write(o.all.Sum(make([]byte, 4)))
	return err
}

// objectReader gives the content of an object, checked.
type objectReader struct {
	r    *bufio.Reader
	name string
	seal cipher.AEAD
	n    uint64
	all  hash.Hash
	rest []byte
	raw  []byte
	out  []byte
	err  error
}

// readObject begins to read an object.
func readObject(r io.Reader, name string, key []byte) (*objectReader, error) {
	o := &objectReader{r: bufio.NewReaderSize(r, 64<<10), name: name, all: sha256.New()}
	head := make([]byte, len(magic)+1)
	if _, err := io.ReadFull(o.r, head); err != nil {
		return nil, o.cut(err)
	}
	if string(head[:len(magic)-1]) != magic[:len(magic)-1] {
		return nil, damaged(name, "it does not begin as an object of a backup")
	}
	if head[len(magic)-1] != magic[len(magic)-1] || head[len(magic)] > sealedFlag {
		return nil, fmt.Errorf("%s was written by a newer version of Lentil: restore with that one", name)
	}
	if key != nil && head[len(magic)] != sealedFlag {
		// Whoever keeps the backup could otherwise put what they like in its place.
		return nil, damaged(name, "it is not sealed, as everything in this backup is")
	}
	if head[len(magic)] == sealedFlag {
		if key == nil {
			return nil, ErrSealed
		}
		salt := make([]byte, saltLen)
		if _, err := io.ReadFull(o.r, salt); err != nil {
			return nil, o.cut(err)
		}
		var err error
		if o.seal, err = aead(key, salt); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// cut says of an object that ended early what it is; other errors are the depot's.
func (o *objectReader) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged(o.name, "it ends too early")
	}
	return fmt.Errorf("%s: %w", o.name, err)
}

// Read is part of io.Reader.
func (o *objectReader) Read(p []byte) (int, error) {
	for len(o.rest) == 0 && o.err == nil {
		o.err = o.frame()
	}
	if len(o.rest) > 0 {
		n := copy(p, o.rest)
		o.rest = o.rest[n:]
		return n, nil
	}
	return 0, o.err
}

// frame reads the next one; io.EOF is the object's proper end.
func (o *objectReader) frame() error {
	var head [4]byte
	if _, err := io.ReadFull(o.r, head[:]); err != nil {
		return o.cut(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxStored {
		return damaged(o.name, "frame %d has %d bytes", o.n, n)
	}
	if cap(o.raw) < int(n) {
		o.raw = make([]byte, n)
	}
	o.raw = o.raw[:n]
	var sum [sha256.Size]byte
	if _, err := io.ReadFull(o.r, o.raw); err != nil {
		return o.cut(err)
	}
	if _, err := io.ReadFull(o.r, sum[:]); err != nil {
		return o.cut(err)
	}
	if n == 0 {
		if !bytes.Equal(o.all.Sum(nil), sum[:]) {
			return damaged(o.name, "frames are missing")
		}
		if _, err := o.r.ReadByte(); !errors.Is(err, io.EOF) {
			return damaged(o.name, "something follows its end")
		}
		return io.EOF
	}
	if frameSum(o.name, o.n, o.raw) != sum {
		return damaged(o.name, "the checksum of frame %d is another", o.n)
	}
	o.all.Write(sum[:])
	stored := o.raw
	if o.seal != nil {
		var err error
		if stored, err = o.seal.Open(nil, nonce(o.n), stored, []byte(o.name)); err != nil {
			return ErrSealed // the checksum is right, so it is the key
		}
	}
	_, dec := codecs()
	out, err := dec.DecodeAll(stored, o.out[:0])
	if err != nil || len(out) > frameSize {
		return damaged(o.name, "frame %d cannot be unpacked", o.n)
	}
	o.out, o.rest, o.n = out, out, o.n+1
	return nil
}

// put writes an object whose content fill gives, and tells how large it is.
func (v *vault) put(ctx context.Context, name string, fill func(io.Writer) error) (size int64, err error) {
	r, w := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o, err := newObject(w, name, v.key)
		if err == nil {
			err = fill(o)
		}
		if err == nil {
			err = o.Close()
		}
		w.CloseWithError(err)
	}()
	size, err = v.depot.Put(ctx, name, r)
	r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	<-ended // fill looks at nothing any more
	return size, err
}

// get reads the content of an object. It must be read to its end, where it turns out
// to be whole.
func (v *vault) get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := v.depot.Open(ctx, name)
	if errors.Is(err, depot.ErrNotFound) {
		return nil, fmt.Errorf("%s is missing: %w", name, err)
	}
	if err != nil {
		return nil, err
	}
	o, err := readObject(r, name, v.key)
	if err != nil {
		r.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{o, r}, nil
}

// vault is a depot with the key that its objects are sealed by.
type vault struct {
	depot depot.Depot
	key   []byte // nil: they are not
}
