package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"

	"github.com/lentil-dev/lentil/internal/apierr"
)

// Body reads a request's body whole, decoded by its Content-Encoding (br, gzip,
// or none), up to limit bytes both as sent and as decoded. Its errors are
// *apierr.Error: BadRequest, TooLarge, or Unsupported for another encoding.
func Body(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	src := io.Reader(&limitedReader{r: r.Body, left: limit})
	switch enc := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
	case "br":
		src = &limitedReader{r: brotli.NewReader(src), left: limit}
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, bodyError(err, limit)
		}
		defer z.Close()
		src = &limitedReader{r: z, left: limit}
	default:
		return nil, apierr.New(apierr.BadRequest, "UnsupportedContentEncoding",
			"The request body's Content-Encoding %q is not understood; send br, gzip or none.", enc)
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, 1<<20)) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(src); err != nil {
		return nil, bodyError(err, limit)
	}
	return buf.Bytes(), nil
}

// JSON reads a body as with Body and decodes it into v. An empty body is
// refused; unknown members are ignored; text after the value is refused.
func JSON(r *http.Request, limit int64, v any) error {
	b, err := Body(r, limit)
	if err != nil {
		return err
	}
	return Decode(b, v)
}

// Decode decodes a JSON text into v with errors that name the place of the
// fault.
func Decode(b []byte, v any) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return apierr.New(apierr.BadRequest, "BadJsonBody", "The request body is empty; a JSON object is expected.")
	}
	if err := json.Unmarshal(b, v); err != nil {
		if e, ok := apierr.As(err); ok {
			return e
		}
		return apierr.New(apierr.BadRequest, "BadJsonBody", "The request body is not the JSON that is expected: %s.", jsonFault(err)).Wrap(err)
	}
	return nil
}

// jsonFault says where a JSON text is wrong, without echoing it.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("%s (at byte %d)", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	case errors.As(err, &typ) && typ.Field != "":
		return fmt.Sprintf("member %q cannot be a JSON %s", typ.Field, typ.Value)
	case errors.As(err, &typ):
		return fmt.Sprintf("it cannot be a JSON %s", typ.Value)
	default:
		return strings.TrimPrefix(err.Error(), "json: ")
	}
}

// IsJSON tells whether a Content-Type is application/json or a kind of it.
func IsJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

// errTooLarge ends a limitedReader.
var errTooLarge = errors.New("wire: body too large")

// limitedReader fails, rather than ends, when more than left bytes come.
type limitedReader struct {
	r    io.Reader
	left int64
}

// Read reads up to one byte more than allowed, to tell the end from an excess.
func (l *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if int64(n) > l.left {
		n, l.left = int(l.left), 0
		return n, errTooLarge
	}
	l.left -= int64(n)
	return n, err
}

// tooLarge is the refusal of a body above limit.
func tooLarge(limit int64) error {
	return apierr.New(apierr.TooLarge, "RequestBodyTooLarge", "The request body is larger than the limit of %d bytes.", limit)
}

// bodyError tells a caller's fault in a body from a broken connection.
func bodyError(err error, limit int64) error {
	if errors.Is(err, errTooLarge) {
		return tooLarge(limit)
	}
	var mb *http.MaxBytesError
	if errors.As(err, &mb) {
		return tooLarge(mb.Limit)
	}
	return apierr.New(apierr.BadRequest, "BadRequestBody", "The request body could not be read or decoded.").Wrap(err)
}

// WriteJSON answers with a JSON text and status 200.
func WriteJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("wire: encode answer: %w", err)
	}
	return WriteRawJSON(w, b)
}

// WriteRawJSON answers with JSON that is encoded already.
func WriteRawJSON(w http.ResponseWriter, b []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b))) // else a longer answer is sent in chunks
	_, err := w.Write(b)
	if err != nil {
		return ErrAborted
	}
	return nil
}
