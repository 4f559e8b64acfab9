package workos

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/lentil-dev/lentil/internal/authorization"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/sso"
	"github.com/lentil-dev/lentil/internal/web/portal"
	"github.com/lentil-dev/lentil/internal/web/testidp"
	"github.com/lentil-dev/lentil/internal/webhook"
)

// openServices puts the smaller services behind the API of a test house.
func openServices(t testing.TB, a *API) {
	t.Helper()
	openSmaller(t, a)
	a.Webhooks = &webhook.Service{Identity: a.Identity}
	check(t, a.Webhooks.Open(t.Context()))
	a.Directory = &directory.Service{Identity: a.Identity}
	check(t, a.Directory.Open(t.Context()))
	a.Authorization = &authorization.Service{Identity: a.Identity}
	check(t, a.Authorization.Open(t.Context()))
	a.SSO = &sso.Service{Identity: a.Identity, Sealer: a.Identity.Sealer, BaseURL: a.BaseURL}
	check(t, a.SSO.Open(t.Context()))
	idp := &testidp.IdP{SSO: a.SSO, Sealer: a.Identity.Sealer}
	check(t, idp.Open())
	pages := &portal.Portal{SSO: a.SSO, Directory: a.Directory}
	check(t, pages.Open())
	a.Beside = map[string]http.Handler{testidp.Mount: idp, portal.Mount: pages}
}

// answer is a decoded JSON answer.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    []byte
	body   any
}

// bodyHeader stands, in a list of headers, for a body that is no JSON.
const bodyHeader = "X-Test-Body"

// call sends a request with the environment's key; body is encoded as JSON unless nil.
func (h *house) call(method, target string, body any, headers ...string) *answer {
	h.t.Helper()
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		check(h.t, err)
		text = string(b)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == bodyHeader {
			text = headers[i+1]
		}
	}
	resp := h.do(method, target, text, append([]string{"Authorization", "Bearer " + h.key}, headers...)...)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	check(h.t, err)
	out := &answer{t: h.t, status: resp.StatusCode, header: resp.Header, raw: raw}
	if len(bytes.TrimSpace(raw)) > 0 && resp.Header.Get("Content-Type") == "application/json" {
		check(h.t, json.Unmarshal(raw, &out.body))
	}
	return out
}

// want fails unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, wanted %d: %s", a.status, status, a.raw)
	}
	return a
}

// at is the member at a path of names and indexes.
func (a *answer) at(path ...any) any {
	a.t.Helper()
	v := a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				a.t.Fatalf("no %v in %s", path, a.raw)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				a.t.Fatalf("no %v in %s", path, a.raw)
			}
			v = l[p]
		}
	}
	return v
}

// text is the string at a path.
func (a *answer) text(path ...any) string {
	a.t.Helper()
	s, ok := a.at(path...).(string)
	if !ok {
		a.t.Fatalf("no string at %v in %s", path, a.raw)
	}
	return s
}

// size is the length of the list at a path.
func (a *answer) size(path ...any) int {
	a.t.Helper()
	l, ok := a.at(path...).([]any)
	if !ok {
		a.t.Fatalf("no list at %v in %s", path, a.raw)
	}
	return len(l)
}

// events are the names of the environment's events, oldest first.
func (h *house) events() (names []string) {
	h.t.Helper()
	list, err := h.Identity.Events(h.t.Context(), h.env.ID, nil, identity.Page{Limit: 100})
	check(h.t, err)
	for _, e := range list.Data {
		names = append(names, e.Name)
	}
	return names
}
