package udf

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/isolate"
	"github.com/lentil-dev/lentil/internal/node"
	"github.com/lentil-dev/lentil/internal/value"
)

// maxFileInMemory is the largest file that functions can hold: half of what their
// memory is bounded to. Larger ones go by their links.
const maxFileInMemory = 32 << 20

// chargeFile holds the files of a mutation against the limits. Actions have none.
func (x *execution) chargeFile(files, bytes meter, size int, verb string) error {
	if x.tx == nil {
		return nil
	}
	if err := x.charge(files, 1, func(limit int) error {
		return invalid("TooManyFiles", "Too many files %s in a single function execution (limit: %d)", verb, limit)
	}); err != nil {
		return err
	}
	return x.charge(bytes, size, func(limit int) error {
		return invalid("TooManyFileBytes", "Too many bytes of files %s in a single function execution (limit: %d bytes)", verb, limit)
	})
}

// storageArgs are the arguments of the operations on files.
type storageArgs struct {
	StorageID   json.RawMessage `json:"storageId"`
	Blob        string          `json:"blob"` // base64
	ContentType string          `json:"contentType"`
	SHA256      string          `json:"sha256"` // base64 or hexadecimal; "" for none
}

// files gives the file storage of the deployment.
func (x *execution) files() (*filestorage.Store, error) {
	if s := x.run.r.Files; s != nil {
		return s, nil
	}
	return nil, unsupported(featureStorage)
}

// read runs f in the transaction, or for an action in a view.
func (x *execution) read(ctx context.Context, f func(*database.Tx) error) error {
	if x.tx != nil {
		return f(x.tx)
	}
	return x.run.r.DB.View(ctx, func(tx *database.Tx) error { return f(tx.In(x.space())) })
}

// file finds the file that arguments name; nil if there is none.
func (x *execution) file(ctx context.Context, args json.RawMessage, method string) (f *filestorage.File, id string, err error) {
	s, err := x.files()
	if err != nil {
		return nil, "", err
	}
	var a storageArgs
	if err := decode(args, method, &a); err != nil {
		return nil, "", err
	}
	if json.Unmarshal(a.StorageID, &id) != nil {
		return nil, "", invalidArgument("storageId", method, "expected a string")
	}
	parsed, err := value.ParseID(id)
	if err != nil {
		return nil, id, invalidArgument("storageId", method, "Unable to decode ID: "+messageOf(err))
	}
	err = x.read(ctx, func(tx *database.Tx) error {
		if name, _ := tx.TableName(parsed.Table); name != "" && name != filestorage.FileTable {
			return invalidArgument("storageId", method, fmt.Sprintf("expected to be an Id<\"%s\">, got Id<\"%s\"> instead.", filestorage.FileTable, name))
		}
		f, err = s.Get(ctx, tx, parsed)
		return err
	})
	return f, id, err
}

// storageGetURL answers ctx.storage.getUrl.
func (x *execution) storageGetURL(ctx context.Context, args json.RawMessage) ([]byte, error) {
	f, _, err := x.file(ctx, args, "storage.getUrl")
	if err != nil || f == nil {
		return nullJSON, err
	}
	return value.AppendQuoted(nil, x.run.r.Files.URL(f)), nil
}

// storageGetMetadata answers ctx.storage.getMetadata, whose digest is hexadecimal.
func (x *execution) storageGetMetadata(ctx context.Context, args json.RawMessage) ([]byte, error) {
	f, id, err := x.file(ctx, args, "storage.getMetadata")
	if err != nil || f == nil {
		return nullJSON, err
	}
	return json.Marshal(map[string]any{
		"storageId": id, "sha256": hex.EncodeToString(f.SHA256[:]), "size": f.Size, "contentType": orNull(f.ContentType),
	})
}

// storageGenerateUploadURL answers ctx.storage.generateUploadUrl.
func (x *execution) storageGenerateUploadURL(context.Context, json.RawMessage) ([]byte, error) {
	s, err := x.files()
	if err != nil {
		return nil, err
	}
	return value.AppendQuoted(nil, s.UploadURL(x.space())), nil
}

// storageDelete answers ctx.storage.delete.
func (x *execution) storageDelete(ctx context.Context, args json.RawMessage) ([]byte, error) {
	f, id, err := x.file(ctx, args, "storage.delete")
	if err != nil {
		return nil, err
	}
	deleted := false
	if f != nil {
		if x.tx != nil {
			deleted, err = x.run.r.Files.Delete(ctx, x.tx, f.ID)
		} else {
			_, err = x.run.r.DB.Update(ctx, func(tx *database.Tx) error {
				deleted, err = x.run.r.Files.Delete(ctx, tx.In(x.space()), f.ID)
				return err
			})
		}
	}
	if err == nil && !deleted {
		err = invalid("StorageIdNotFound", "Storage id %s not found: the file does not exist or was deleted.", id)
	}
	return nullJSON, err
}

// storageStore answers ctx.storage.store of mutations: the bytes are written at once,
// the file is there when the mutation commits.
func (x *execution) storageStore(ctx context.Context, args json.RawMessage) ([]byte, error) {
	var a storageArgs
	if err := decode(args, "storage.store", &a); err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(a.Blob)
	if err != nil {
		return nil, invalidArgument("blob", "storage.store", "expected base64")
	}
	b, err := x.putFile(ctx, bytes.NewReader(raw), len(raw), a.SHA256)
	if err != nil {
		return nil, err
	}
	id, err := x.run.r.Files.Attach(ctx, x.tx, b, a.ContentType)
	if err != nil {
		return nil, err
	}
	return value.AppendQuoted(nil, id.String()), nil
}

// putFile writes bytes whose digest, if the program gave one, must match. Their number
// matters in mutations only.
func (x *execution) putFile(ctx context.Context, r io.Reader, size int, digest string) (filestorage.Bytes, error) {
	s, err := x.files()
	if err != nil {
		return filestorage.Bytes{}, err
	}
	if err := x.chargeFile(filesWritten, fileWriteBytes, size, "stored"); err != nil {
		return filestorage.Bytes{}, err
	}
	b, err := s.Put(ctx, r)
	if err != nil {
		return b, err
	}
	if digest != "" {
		if want, ok := filestorage.ParseSum(digest); !ok || want != b.SHA256 {
			s.Discard(ctx, b)
			return b, invalid("BadDigest", "The bytes to store do not have the SHA-256 digest %s, but %s.",
				clip([]byte(digest)), base64.StdEncoding.EncodeToString(b.SHA256[:]))
		}
	}
	return b, nil
}

// storageGet answers ctx.storage.get of mutations.
func (x *execution) storageGet(ctx context.Context, args json.RawMessage) ([]byte, error) {
	f, _, err := x.file(ctx, args, "storage.get")
	if err != nil || f == nil {
		return nullJSON, err
	}
	raw, err := x.readFile(ctx, f)
	if err != nil {
		return nullJSON, err
	}
	return json.Marshal(map[string]any{"blob": base64.StdEncoding.EncodeToString(raw), "contentType": orNull(f.ContentType)})
}

// readFile gives all bytes of a file.
func (x *execution) readFile(ctx context.Context, f *filestorage.File) ([]byte, error) {
	if f.Size > maxFileInMemory {
		return nil, invalid("FileTooLarge", "The file %s is too large to be read by a function (actual: %s, limit: %s). Fetch its URL in pieces instead.",
			f.ID, value.FormatSize(int(f.Size)), value.FormatSize(maxFileInMemory))
	}
	if err := x.chargeFile(filesRead, fileReadBytes, int(f.Size), "read"); err != nil {
		return nil, err
	}
	r, err := x.run.r.Files.Read(ctx, f, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw := make([]byte, f.Size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("udf: read file %s: %w", f.ID, err)
	}
	return raw, nil
}

// storageJS answers the operations on files of isolate's runtime/host.js.
func (x *execution) storageJS(ctx context.Context, op string, args, body []byte) (text, raw []byte, err error) {
	switch op {
	case "storage/storeBlob":
		text, err = x.storeFile(ctx, args, bytes.NewReader(body))
		return text, nil, err
	case "storage/getBlob":
		f, _, err := x.file(ctx, args, "storage.get")
		if err != nil || f == nil {
			return nullJSON, nil, err
		}
		text, err = json.Marshal(map[string]any{"contentType": orNull(f.ContentType)})
		return text, nil, err
	case "storage/readBlob":
		f, err := x.fileToRead(ctx, args)
		if err != nil {
			return nil, nil, err
		}
		raw, err = x.readFile(ctx, f)
		return nil, raw, deletedMeanwhile(err, f)
	}
	return nil, nil, &isolate.Throw{Message: "Unknown operation " + op}
}

// storeFile keeps what an action stores.
func (x *execution) storeFile(ctx context.Context, args []byte, r io.Reader) ([]byte, error) {
	var a storageArgs
	if err := decode(args, "storage.store", &a); err != nil {
		return nil, err
	}
	b, err := x.putFile(ctx, r, 0, a.SHA256)
	if err != nil {
		return nil, err
	}
	id, err := x.run.r.Files.Add(ctx, x.space(), b, a.ContentType)
	if err != nil {
		return nil, err
	}
	return value.AppendQuoted(nil, id.String()), nil
}

// fileToRead finds a file that was there a moment ago.
func (x *execution) fileToRead(ctx context.Context, args []byte) (*filestorage.File, error) {
	f, id, err := x.file(ctx, args, "storage.get")
	if err == nil && f == nil {
		err = invalid("StorageIdNotFound", "Storage id %s not found: the file was deleted while it was read.", id)
	}
	return f, err
}

// deletedMeanwhile words that a file vanished while it was read.
func deletedMeanwhile(err error, f *filestorage.File) error {
	if errors.Is(err, filestorage.ErrNoFile) {
		return &isolate.Throw{Message: "The file " + f.ID.String() + " was deleted while it was read."}
	}
	return err
}

var _ node.FileHost = (*execution)(nil)

// StoreFile keeps a file of any size that an action in Node.js stores.
func (x *execution) StoreFile(ctx context.Context, args []byte, r io.Reader) ([]byte, error) {
	text, err := x.storeFile(ctx, args, r)
	return text, toJS(err)
}

// OpenFile gives a file of any size to an action in Node.js, whose own memory is what bounds it.
func (x *execution) OpenFile(ctx context.Context, args []byte) (io.ReadCloser, error) {
	f, err := x.fileToRead(ctx, args)
	if err != nil {
		return nil, toJS(err)
	}
	r, err := x.run.r.Files.Read(ctx, f, 0)
	return r, toJS(deletedMeanwhile(err, f))
}
