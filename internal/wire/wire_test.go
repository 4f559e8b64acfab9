package wire_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/wire"
)

// compress encodes b for a Content-Encoding.
func compress(encoding string, b []byte) []byte {
	var buf bytes.Buffer
	switch encoding {
	case "br":
		w := brotli.NewWriter(&buf)
		w.Write(b)
		w.Close()
	case "gzip":
		w := gzip.NewWriter(&buf)
		w.Write(b)
		w.Close()
	default:
		return b
	}
	return buf.Bytes()
}

func TestBody(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("hello ", 1000))
	for _, tt := range []struct {
		name, encoding string
		body           []byte
		limit          int64
		code           string
	}{
		{"plain", "", text, 6000, ""},
		{"identity", "identity", text, 6000, ""},
		{"brotli", "br", compress("br", text), 6000, ""},
		{"gzip", "gzip", compress("gzip", text), 6000, ""},
		{"plain, one too many", "", text, 5999, "RequestBodyTooLarge"},
		{"brotli, one too many", "br", compress("br", text), 5999, "RequestBodyTooLarge"},
		{"gzip, one too many", "gzip", compress("gzip", text), 5999, "RequestBodyTooLarge"},
		{"no gzip", "gzip", text, 6000, "BadRequestBody"},
		{"no brotli", "br", []byte("\xff\xff\xffhello"), 6000, "BadRequestBody"},
		{"gzip cut off", "gzip", compress("gzip", text)[:20], 6000, "BadRequestBody"},
		{"unknown", "zstd", text, 6000, "UnsupportedContentEncoding"},
	} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest("POST", "/", bytes.NewReader(tt.body))
			if chunked {
				r.ContentLength = -1
			}
			r.Header.Set("Content-Encoding", tt.encoding)
			b, err := wire.Body(r, tt.limit)
			if tt.code != "" {
				if e, ok := apierr.As(err); !ok || e.Code != tt.code {
					t.Errorf("%s: %v", tt.name, err)
				}
			} else if err != nil || !bytes.Equal(b, text) {
				t.Errorf("%s: %d bytes, %v", tt.name, len(b), err)
			}
		}
	}
}

func TestFrontAnswersErrorsAndPanics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	front := wire.Front{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Dialect: func(w http.ResponseWriter, _ *http.Request, e *apierr.Error) {
			w.WriteHeader(wire.Status(e.Kind))
			io.WriteString(w, e.Code+" "+e.Message)
		},
	}
	for _, tt := range []struct {
		name   string
		h      wire.Handler
		status int
		body   string
	}{
		{"fine", func(w http.ResponseWriter, r *http.Request) error {
			io.WriteString(w, wire.RequestID(r.Context())[:0]+"ok")
			return nil
		}, 200, "ok"},
		{"refusal", func(http.ResponseWriter, *http.Request) error {
			return apierr.New(apierr.NotFound, "None", "No such thing.")
		}, 404, "None No such thing."},
		{"fault", func(http.ResponseWriter, *http.Request) error { return errors.New("secret detail") }, 500, "InternalServerError"},
		{"panic", func(http.ResponseWriter, *http.Request) error { panic("secret detail") }, 500, "InternalServerError"},
	} {
		w := httptest.NewRecorder()
		front.Handle(tt.h).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 2 || !strings.Contains(log.String(), "secret detail") {
		t.Errorf("faults are not logged once each:\n%s", log.String())
	}
}

func FuzzBody(f *testing.F) {
	for _, enc := range []string{"", "br", "gzip"} {
		f.Add(enc, compress(enc, []byte(`{"a":1}`)))
	}
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header["Content-Encoding"] = []string{encoding}
		b, err := wire.Body(r, 1000)
		if len(b) > 1000 {
			t.Fatalf("%d bytes pass a limit of 1000", len(b))
		}
		if _, ok := apierr.As(err); err != nil && !ok {
			t.Fatalf("an error of ours: %v", err)
		}
		var v struct{ A int }
		if err == nil {
			wire.Decode(b, &v)
		}
	})
}
