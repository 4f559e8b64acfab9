package convexhttp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/wire"
)

// fileCaching is how long a file may be kept by the browser that fetched it: it never
// changes under its address.
const fileCaching = "private, max-age=2592000"

// maxContentType bounds the content type that is kept with a file.
const maxContentType = 1024

// uploadReader remembers whether it was the client's side of a copy that failed.
type uploadReader struct {
	r   io.Reader
	err error
}

// Read reads from the client.
func (u *uploadReader) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// uploadFile answers POST /api/storage/upload (convex-runtime.md §8.2). The body goes
// to the disk as it comes.
func (s *Server) uploadFile(q *request) error {
	space, err := s.Files.CheckUpload(q.URL.Query().Get("token"))
	if err != nil {
		return err
	}
	contentType := q.Header.Get("Content-Type")
	if len(contentType) > maxContentType || strings.ToValidUTF8(contentType, "") != contentType {
		return apierr.New(apierr.BadRequest, "BadContentType", "The Content-Type of an upload must be text of at most %d bytes.", maxContentType)
	}
	want, err := digestOf(q.Header.Values("Digest"))
	if err != nil {
		return err
	}
	body := &uploadReader{r: q.Body}
	b, err := s.Files.Put(q.Context(), body)
	switch {
	case body.err != nil:
		return apierr.New(apierr.BadRequest, "UploadBrokenOff", "The upload broke off before all bytes had come.").Wrap(body.err)
	case err != nil:
		return err
	}
	if want != nil && *want != b.SHA256 {
		s.Files.Discard(q.Context(), b)
		return apierr.New(apierr.BadRequest, "BadDigest", "The upload's SHA-256 digest is %s, not the one its Digest header announced.",
			base64.StdEncoding.EncodeToString(b.SHA256[:]))
	}
	id, err := s.Files.Add(q.Context(), space, b, contentType)
	if err != nil {
		return err
	}
	return wire.WriteJSON(q.w, map[string]string{"storageId": id.String()})
}

// digestOf finds the SHA-256 digest in Digest headers (RFC 3230 §4.3.2); nil if there is
// none. Other algorithms are passed over.
func digestOf(headers []string) (*[32]byte, error) {
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			name, text, _ := strings.Cut(strings.TrimSpace(part), "=")
			if !strings.EqualFold(name, "sha-256") {
				continue
			}
			sum, ok := filestorage.ParseSum(strings.TrimSpace(text))
			if !ok {
				return nil, apierr.New(apierr.BadRequest, "BadDigest", "The Digest header must have the form `sha-256=<base64>`.")
			}
			return &sum, nil
		}
	}
	return nil, nil
}

// serveFile answers GET and HEAD of a file's address.
func (s *Server) serveFile(q *request) error {
	key := q.PathValue("key")
	if !filestorage.IsKey(key) {
		return apierr.New(apierr.BadRequest, "InvalidStoragePath", "Invalid storage path: \"%s\". It must end with a UUID.", clip(key))
	}
	var f *filestorage.File
	err := s.DB.View(q.Context(), func(tx *database.Tx) (err error) {
		f, err = s.Files.Find(q.Context(), tx, key)
		return err
	})
	if err != nil {
		return err
	}
	if f == nil {
		return noFile(q.w)
	}
	h := q.w.Header()
	h.Set("Accept-Ranges", "bytes")
	from, n, partial, ok := byteRange(q.Header.Get("Range"), f.Size)
	if !ok {
		h.Set("Content-Range", "bytes */"+strconv.FormatInt(f.Size, 10))
		h.Set("Content-Type", "application/json")
		q.w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		_, _ = io.WriteString(q.w, `{"code":"RangeNotSatisfiable","message":"The range is not within the file, or there is more than one."}`)
		return nil
	}
	body, err := s.Files.Read(q.Context(), f, from)
	if errors.Is(err, filestorage.ErrNoFile) {
		return noFile(q.w) // deleted and swept a moment ago
	}
	if err != nil {
		return err
	}
	defer body.Close()
	h["Content-Type"] = nil // nothing is guessed
	if f.ContentType != "" {
		h.Set("Content-Type", f.ContentType)
	}
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	h.Set("Cache-Control", fileCaching)
	h.Set("Digest", "sha-256="+base64.StdEncoding.EncodeToString(f.SHA256[:]))
	status := http.StatusOK
	if partial {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, f.Size))
		status = http.StatusPartialContent
	}
	q.w.WriteHeader(status)
	if q.Method == http.MethodHead {
		return nil
	}
	if _, err := io.CopyN(q.w, body, n); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// noFile answers for an address without a file. Unlike the routes that tools call, this
// one may say 404: nobody takes it for a missing route.
func noFile(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	out := append([]byte(`{"code":`), quote(filestorage.ErrNoFile.Code)...)
	out = append(append(out, `,"message":`...), quote(filestorage.ErrNoFile.Message)...)
	if _, err := w.Write(append(out, '}')); err != nil {
		return wire.ErrAborted
	}
	return nil
}

// byteRange reads a Range header for a file: where to begin and how much to send.
// A header that makes no sense is passed over (RFC 9110 §14.2); ok is false if
// nothing of the file is asked for, or several ranges.
func byteRange(header string, size int64) (from, n int64, partial, ok bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	if !found {
		return 0, size, false, true
	}
	if strings.Contains(spec, ",") {
		return 0, 0, false, false
	}
	first, last, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found {
		return 0, size, false, true
	}
	a, errA := strconv.ParseUint(first, 10, 62)
	b, errB := strconv.ParseUint(last, 10, 62)
	switch {
	case first == "" && errB == nil: // the last b bytes
		if b == 0 || size == 0 {
			return 0, 0, false, false
		}
		n = min(int64(b), size)
		return size - n, n, true, true
	case errA != nil, last != "" && errB != nil, last != "" && b < a:
		return 0, size, false, true
	case int64(a) >= size:
		return 0, 0, false, false
	case last == "":
		b = uint64(size - 1)
	}
	return int64(a), min(int64(b), size-1) - int64(a) + 1, true, true
}
