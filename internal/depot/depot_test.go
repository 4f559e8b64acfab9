package depot_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/lentil-dev/lentil/internal/depot"
)

// noEnv is an empty environment.
func noEnv(string) string { return "" }

// storage is S3 in process, with a bucket and one pair of keys; front sees every
// request before it does, and may answer it.
func storage(t *testing.T, front func(w http.ResponseWriter, r *http.Request) bool) (address string, getenv func(string) string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("backups"); err != nil {
		t.Fatal(err)
	}
	s3 := gofakes3.New(backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The implementation takes any key; a real one does not.
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=the-key/") {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `<Error><Code>InvalidAccessKeyId</Code><Message>The key does not exist.</Message></Error>`)
			return
		}
		if front != nil && front(w, r) {
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	env := map[string]string{"AWS_ACCESS_KEY_ID": "the-key", "AWS_SECRET_ACCESS_KEY": "the-secret"}
	return "s3://backups/of/lentil?endpoint=" + srv.URL, func(name string) string { return env[name] }
}

// open opens a depot.
func open(t *testing.T, address string, getenv func(string) string) depot.Depot {
	t.Helper()
	d, err := depot.Open(address, getenv, true)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// put stores text.
func put(t *testing.T, d depot.Depot, name, text string) {
	t.Helper()
	if n, err := d.Put(t.Context(), name, strings.NewReader(text)); err != nil || n != int64(len(text)) {
		t.Fatalf("put %s: %d, %v", name, n, err)
	}
}

// get reads an object.
func get(d depot.Depot, name string) (string, error) {
	r, err := d.Open(context.Background(), name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// names lists objects.
func names(t *testing.T, d depot.Depot, prefix string) (list []string) {
	t.Helper()
	for o, err := range d.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %d", o.Name, o.Size))
	}
	return list
}

func TestDepots(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) depot.Depot{
		"directory": func(t *testing.T) depot.Depot { return open(t, t.TempDir(), noEnv) },
		"S3":        func(t *testing.T) depot.Depot { a, env := storage(t, nil); return open(t, a, env) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := make(t)
			put(t, d, "log/b/2", "two")
			put(t, d, "log/a", "a")
			put(t, d, "log-x", "x")
			put(t, d, "log/b/1", "one")
			put(t, d, "log/b/2", "deux")
			if got, err := get(d, "log/b/2"); got != "deux" || err != nil {
				t.Errorf("log/b/2 = %q, %v", got, err)
			}
			if _, err := get(d, "log/c"); !errors.Is(err, depot.ErrNotFound) || !strings.Contains(err.Error(), "log/c") {
				t.Errorf("what is not there: %v", err)
			}
			for prefix, want := range map[string][]string{
				"":       {"log-x 1", "log/a 1", "log/b/1 3", "log/b/2 4"},
				"log/":   {"log/a 1", "log/b/1 3", "log/b/2 4"},
				"log/b/": {"log/b/1 3", "log/b/2 4"},
				"lo":     {"log-x 1", "log/a 1", "log/b/1 3", "log/b/2 4"},
				"none/":  nil,
			} {
				if got := names(t, d, prefix); !slices.Equal(got, want) {
					t.Errorf("list %q = %q", prefix, got)
				}
			}
			for range 2 {
				if err := d.Delete(t.Context(), "log/a"); err != nil {
					t.Fatal(err)
				}
			}
			if got := names(t, d, "log/a"); got != nil {
				t.Errorf("after deleting: %q", got)
			}
			for _, bad := range []string{"", "../x", "a//b", ".hidden", "a/../b", strings.Repeat("x", 900)} {
				if _, err := d.Put(t.Context(), bad, strings.NewReader("")); err == nil {
					t.Errorf("the name %q was taken", bad)
				}
			}
			// What its reader breaks off is not there, small or in parts.
			for _, n := range []int64{10, 20 << 20} {
				src := io.MultiReader(io.LimitReader(rand.Reader, n), errReader{})
				if _, err := d.Put(t.Context(), "broken", src); !errors.Is(err, errBroken) {
					t.Errorf("put of %d bytes that breaks: %v", n, err)
				}
			}
			big := bytes.Repeat([]byte("0123456789abcdef"), 20<<16) // 20 MiB: three parts
			put(t, d, "big", string(big))
			if got, err := get(d, "big"); got != string(big) || err != nil {
				t.Errorf("big: %d bytes, %v", len(got), err)
			}
			if got := names(t, d, "b"); !slices.Equal(got, []string{"big 20971520"}) {
				t.Errorf("at the end there are %q", got)
			}
		})
	}
}

// errReader fails.
type errReader struct{}

var errBroken = errors.New("the source broke")

// Read is part of io.Reader.
func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func TestS3InterruptedUploads(t *testing.T) {
	t.Parallel()
	var parts, aborts, fail atomic.Int32
	address, env := storage(t, func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		if r.Method == http.MethodDelete && q.Has("uploadId") {
			aborts.Add(1)
		}
		if r.Method == http.MethodPut && q.Has("partNumber") && parts.Add(1) == fail.Load() {
			panic(http.ErrAbortHandler) // the connection is cut in the middle of a part
		}
		return false
	})
	d := open(t, address, env)
	big := strings.Repeat("x", 20<<20)
	// One connection that is cut is made up for.
	fail.Store(2)
	put(t, d, "big", big)
	if got, err := get(d, "big"); got != big || err != nil {
		t.Errorf("after a cut: %d bytes, %v", len(got), err)
	}
	// One that was given up leaves nothing that would be paid for.
	ctx, cancel := context.WithCancel(t.Context())
	src := io.MultiReader(strings.NewReader(big), funcReader(func() { cancel() }))
	if _, err := d.Put(ctx, "other", src); err == nil {
		t.Error("it was put all the same")
	}
	if aborts.Load() != 1 {
		t.Errorf("%d uploads were aborted", aborts.Load())
	}
	if got := names(t, d, ""); !slices.Equal(got, []string{"big 20971520"}) {
		t.Errorf("there are %q", got)
	}
}

// funcReader calls a function and ends.
type funcReader func()

// Read is part of io.Reader.
func (f funcReader) Read([]byte) (int, error) { f(); return 0, context.Canceled }

func TestS3SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	address, env := storage(t, nil)
	busy, busyEnv := storage(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>`)
		return true
	})
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id = the-key\naws_secret_access_key = the-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(vars ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(vars); i += 2 {
				if vars[i] == name {
					return vars[i+1]
				}
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name, address string
		env           func(string) string
		is            error
		contains      string
	}{
		{"right", address, env, nil, ""},
		{"keys in a file", address, with("AWS_SHARED_CREDENTIALS_FILE", file), nil, ""},
		{"wrong keys", address, with("AWS_ACCESS_KEY_ID", "other", "AWS_SECRET_ACCESS_KEY", "x"), depot.ErrCredentials, "AWS_ACCESS_KEY_ID"},
		{"no keys", address, noEnv, depot.ErrCredentials, "AWS_ACCESS_KEY_ID"},
		{"no bucket", strings.Replace(address, "backups", "elsewhere", 1), env, depot.ErrNoBucket, `"elsewhere"`},
		{"nobody there", "s3://backups?endpoint=http://127.0.0.1:9", env, depot.ErrUnreachable, "endpoint"},
		{"busy", busy, busyEnv, nil, "SlowDown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, tt.address, tt.env)
			_, err := d.Put(t.Context(), "x", strings.NewReader("x"))
			if tt.contains == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.contains) || strings.Contains(err.Error(), "\n") {
				t.Errorf("put: %v", err)
			}
			for _, lerr := range d.List(t.Context(), "") {
				if lerr == nil || tt.is != nil && !errors.Is(lerr, tt.is) {
					t.Errorf("list: %v", lerr)
				}
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ address, is, wrong string }{
		{dir, dir, ""},
		{"dir:" + dir, dir, ""},
		{"s3://bucket", "s3://bucket", ""},
		{"s3://bucket/a/b/?region=eu-central-1&endpoint=https://minio.example.com:9000", "s3://bucket/a/b", ""},
		{"", "", "missing"},
		{"dir:", "", "path"},
		{filepath.Join(dir, "none"), "", "no directory"},
		{file, "", "not a directory"},
		{"s3:bucket", "", "s3://bucket/prefix"},
		{"s3://key:secret@bucket", "", "AWS_ACCESS_KEY_ID"},
		{"s3://bucket?regoin=x", "", `"regoin"`},
		{"s3://bucket?endpoint=ftp://x", "", "endpoint"},
		{"s3://bucket/../x", "", "malformed"},
		{"gs://bucket/x", "", "gs://"},
	} {
		d, err := depot.Open(tt.address, noEnv, false)
		switch {
		case tt.wrong == "" && (err != nil || d.String() != tt.is):
			t.Errorf("%q = %v, %v", tt.address, d, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%q: %v", tt.address, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("%q: the error has the secret: %v", tt.address, err)
		}
	}
}
