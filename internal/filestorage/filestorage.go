package filestorage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/blob"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/value"
)

// FileTable is the table of files as users know it.
const FileTable = "_storage"

// keyTable has a row for each key of the blob store: its state, its file (""
// while pending), and when it got into that state, in milliseconds.
const keyTable = "_storage_keys"

// Indexes of keyTable.
const (
	byKey   = "by_key"
	byFile  = "by_file"
	byState = "by_state_and_time"
)

// States of a key.
const (
	pending  = "pending"  // bytes are being written, or nobody attached them
	attached = "attached" // bytes of a file
	gone     = "gone"     // the file was deleted, or failed to come
)

// Tables are what Open makes sure of. Each component has its own FileTable; the keys
// of all files are in the app's namespace.
var Tables = []database.TableDef{
	{Name: FileTable},
	{Name: keyTable, Indexes: []database.IndexDef{
		{Name: byKey, Fields: []string{"key"}}, {Name: byFile, Fields: []string{"file"}}, {Name: byState, Fields: []string{"state", "time"}},
	}},
}

// Store is the file storage of one deployment. Fill the fields, call Open, and
// keep Run going.
type Store struct {
	DB    *database.DB
	Blobs blob.Store
	// Sealer seals upload links.
	Sealer *token.Sealer
	// CloudURL is the address that links begin with.
	CloudURL string
	Log      *slog.Logger

	pauses pauses
}

// Open makes sure of the tables.
func (s *Store) Open(ctx context.Context) error {
	if s.DB == nil || s.Blobs == nil || s.Sealer == nil || s.Log == nil {
		return errors.New("filestorage: Store needs DB, Blobs, Sealer and Log")
	}
	if err := s.DB.EnsureTables(ctx, Tables); err != nil {
		return fmt.Errorf("filestorage: open: %w", err)
	}
	return nil
}

// File is what is known of a stored file.
type File struct {
	ID          value.ID
	Key         string // the unguessable name in its address
	Size        int64
	SHA256      blob.Sum
	ContentType string // "" for none
}

// Bytes are written bytes that no file has yet.
type Bytes struct {
	Key    string
	Size   int64
	SHA256 blob.Sum
}

// newKey makes a random UUID.
func newKey() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IsKey tells whether s has the form of a key.
func IsKey(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		default:
			return false
		}
	}
	return true
}

// blobKey is where the bytes of a key are; folders keep directories small.
func blobKey(key string) string { return "files/" + key[:2] + "/" + key }

// Put writes bytes for Attach. Bytes that nobody attaches within a day are swept.
func (s *Store) Put(ctx context.Context, r io.Reader) (Bytes, error) {
	b := Bytes{Key: newKey()}
	if _, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Insert(ctx, keyTable, keyRow(b.Key, "", pending))
		return err
	}); err != nil {
		return b, fmt.Errorf("filestorage: announce %s: %w", b.Key, err)
	}
	var err error
	if b.Size, b.SHA256, err = s.Blobs.Put(ctx, blobKey(b.Key), r); err != nil {
		s.Discard(ctx, b)
		return b, fmt.Errorf("filestorage: put: %w", err)
	}
	return b, nil
}

// Discard gives up bytes that will not be attached, ahead of the sweep.
func (s *Store) Discard(ctx context.Context, b Bytes) {
	ctx = context.WithoutCancel(ctx)
	_, err := s.DB.Update(ctx, func(tx *database.Tx) error {
		return eachKey(ctx, tx, byKey, b.Key, func(doc *database.Document) error {
			if text(doc, "state") != pending {
				return nil
			}
			return tx.Replace(ctx, doc.ID, keyRow(b.Key, "", gone))
		})
	})
	if err != nil {
		s.Log.Warn("unused bytes left to the sweep", "key", b.Key, "err", err)
	}
}

// fileName names a file among those of all namespaces, in the rows of keys.
func fileName(id value.ID) string {
	if id.Space == 0 {
		return id.String()
	}
	return strconv.FormatUint(uint64(id.Space), 10) + "/" + id.String()
}

// parseFileName reads what fileName wrote.
func parseFileName(name string) (id value.ID, err error) {
	space, text, found := strings.Cut(name, "/")
	if !found {
		return value.ParseID(name)
	}
	n, err := strconv.ParseUint(space, 10, 32)
	if err == nil {
		id, err = value.ParseID(text)
	}
	id.Space = value.Space(n)
	return id, err
}

// Attach makes a file of written bytes when the transaction commits, in its namespace.
func (s *Store) Attach(ctx context.Context, tx *database.Tx, b Bytes, contentType string) (value.ID, error) {
	id, err := tx.Insert(ctx, FileTable, b.fields(contentType))
	if err != nil {
		return id, err
	}
	// The row of the pending key may be newer than the transaction: it is left to
	// the sweep, which sees that there is another.
	_, err = tx.In(0).Insert(ctx, keyTable, keyRow(b.Key, fileName(id), attached))
	return id, err
}

// Add attaches bytes in a transaction of its own.
func (s *Store) Add(ctx context.Context, space value.Space, b Bytes, contentType string) (id value.ID, err error) {
	_, err = s.DB.Update(ctx, func(tx *database.Tx) error {
		if err := eachKey(ctx, tx, byKey, b.Key, func(doc *database.Document) error { return tx.Delete(ctx, doc.ID) }); err != nil {
			return err
		}
		id, err = s.Attach(ctx, tx.In(space), b, contentType)
		return err
	})
	if err != nil {
		s.Discard(ctx, b)
		return id, fmt.Errorf("filestorage: add: %w", err)
	}
	return id, nil
}

// Get finds a file by its id; nil if there is none.
func (s *Store) Get(ctx context.Context, tx *database.Tx, id value.ID) (*File, error) {
	if name, ok := tx.TableNamed(id.Table); !ok || name != FileTable {
		return nil, nil
	}
	doc, err := tx.Get(ctx, id)
	if err != nil || doc == nil {
		return nil, err
	}
	id = doc.ID
	f := &File{ID: id, Size: int64(number(doc, "size")), ContentType: text(doc, "contentType")}
	sum, err := base64.StdEncoding.DecodeString(text(doc, "sha256"))
	if err != nil || len(sum) != len(f.SHA256) {
		return nil, fmt.Errorf("filestorage: row of file %s has no digest", id)
	}
	copy(f.SHA256[:], sum)
	err = eachKey(ctx, tx, byFile, fileName(id), func(doc *database.Document) error {
		f.Key = text(doc, "key")
		return nil
	})
	if err == nil && f.Key == "" {
		err = fmt.Errorf("filestorage: file %s has no bytes", id)
	}
	return f, err
}

// Find finds a file by its key; nil if there is none.
func (s *Store) Find(ctx context.Context, tx *database.Tx, key string) (*File, error) {
	var f *File
	err := eachKey(ctx, tx, byKey, key, func(doc *database.Document) (err error) {
		if text(doc, "state") != attached {
			return nil
		}
		id, err := parseFileName(text(doc, "file"))
		if err == nil {
			f, err = s.Get(ctx, tx.In(id.Space), id)
		}
		return err
	})
	return f, err
}

// Delete deletes a file when the transaction commits; its bytes go later. It
// tells whether there was one.
func (s *Store) Delete(ctx context.Context, tx *database.Tx, id value.ID) (bool, error) {
	f, err := s.Get(ctx, tx, id)
	if err != nil || f == nil {
		return false, err
	}
	if err := tx.Delete(ctx, id); err != nil {
		return false, err
	}
	return true, eachKey(ctx, tx, byFile, fileName(f.ID), func(doc *database.Document) error {
		return tx.In(0).Replace(ctx, doc.ID, keyRow(f.Key, "", gone))
	})
}

// Read opens the bytes of a file from an offset on.
func (s *Store) Read(ctx context.Context, f *File, offset int64) (io.ReadCloser, error) {
	r, err := s.Blobs.Open(ctx, blobKey(f.Key), offset)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, ErrNoFile
	}
	if err != nil {
		return nil, fmt.Errorf("filestorage: read %s: %w", f.ID, err)
	}
	return r, nil
}

// ErrNoFile says that there is no such file.
var ErrNoFile = apierr.New(apierr.NotFound, "FileNotFound", "File not found.")

// ParseSum reads a SHA-256 digest in base64 or hexadecimal.
func ParseSum(s string) (sum blob.Sum, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil {
		b, err = base64.StdEncoding.DecodeString(s)
	}
	if err != nil || len(b) != len(sum) {
		return sum, false
	}
	copy(sum[:], b)
	return sum, true
}

// keyRow is the row of a key that gets into a state now.
func keyRow(key, file, state string) value.Object {
	return value.ObjectOf(
		value.Field{Name: "key", Value: value.String(key)},
		value.Field{Name: "file", Value: value.String(file)},
		value.Field{Name: "state", Value: value.String(state)},
		value.Field{Name: "time", Value: value.Float64(time.Now().UnixMilli())},
	)
}

// eachKey calls f for the rows of keyTable that an index has under a text.
func eachKey(ctx context.Context, tx *database.Tx, index, text string, f func(*database.Document) error) error {
	c := tx.In(0).Scan(keyTable, index, database.Prefix(value.AppendKey(nil, value.String(text))), database.Asc)
	defer c.Close()
	for {
		doc, err := c.Next(ctx)
		if err != nil || doc == nil {
			return err
		}
		if err := f(doc); err != nil {
			return err
		}
	}
}

// text is a string member of a row; "" when absent.
func text(doc *database.Document, name string) string {
	v, _ := doc.Object().Get(name)
	s, _ := v.(value.String)
	return string(s)
}

// number is a number member of a row; 0 when absent.
func number(doc *database.Document, name string) float64 {
	v, _ := doc.Object().Get(name)
	f, _ := v.(value.Float64)
	return float64(f)
}
