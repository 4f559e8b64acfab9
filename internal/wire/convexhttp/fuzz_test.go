package convexhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/filestorage"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire/convexhttp"
)

// FuzzBodies sends arbitrary bodies to the routes that decode them before
// anything is run; none may answer 404 or 500, or with anything but JSON.
func FuzzBodies(f *testing.F) {
	for _, b := range []string{`{}`, `{"path":"a:b","args":{},"format":"json"}`, `{"queries":[{"path":""}]}`, `{"adminKey":"otter|00"}`, `[`, `{"path":3}`, `{"ts":"AAAAAAAAAAA="}`} {
		f.Add("/api/x", []byte(b))
		f.Add("/api/deploy2/start_push", []byte(b))
	}
	h := (&convexhttp.Server{Name: "otter", Gate: fuzzGate, Files: &filestorage.Store{Sealer: token.NewSealer([]byte("0123456789abcdef"))}}).Handler()
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		for _, p := range []string{"/api/deploy2/start_push", "/api/deploy2/finish_push", "/api/get_config_hashes", "/api/update_environment_variables", "/api/run/x", path} {
			// No admin key and no function can come out of this, so nothing runs.
			if p == path && !strings.HasPrefix(p, "/api/") || strings.ContainsAny(p, "?%# ") {
				continue
			}
			r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
			r.URL.Path = p
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == 404 || w.Code == 500 || w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s answers %d %s", p, w.Code, w.Body)
			}
		}
	})
}

// fuzzGate knows no provider and a key that no fuzzer finds.
var fuzzGate = &token.Gate{
	Admin: token.NewAdminKeys("otter", []byte("a secret of more than sixteen bytes")), Verifier: &token.Verifier{},
	Providers: func(context.Context) ([]token.Provider, error) { return nil, nil },
}
