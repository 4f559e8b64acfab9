package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
)

// house is a SCIM front over one directory of an organisation that has verified
// example.com, on the in-memory store.
type house struct {
	*API
	t     testing.TB
	id    *identity.Service
	env   *identity.Environment
	org   *identity.Organization
	dir   *directory.Directory
	token string
}

// newHouse makes a house; roles maps groups to roles.
func newHouse(t testing.TB, roles map[string]string) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	check(t, err)
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
	h := &house{t: t, id: &identity.Service{DB: db, Sealer: token.NewSealer([]byte("a master key of thirty-two bytes"))}}
	check(t, h.id.Open(ctx))
	h.API = &API{Directory: &directory.Service{Identity: h.id}, BaseURL: "http://localhost:4100"}
	check(t, h.Directory.Open(ctx))
	check(t, h.Open())
	h.env, err = h.id.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup", Kind: identity.Development})
	check(t, err)
	h.org, err = h.id.CreateOrganization(ctx, h.env.ID, identity.NewOrganization{Name: "Example", Domains: []identity.NewDomain{{Name: "example.com", State: identity.DomainVerified}}})
	check(t, err)
	h.dir, h.token, err = h.Directory.Create(ctx, h.env.ID, directory.New{Organization: h.org.ID, Name: "Staff", Roles: roles})
	check(t, err)
	return h
}

// check fails the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is a decoded answer.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    string
	body   map[string]any
}

// call sends a request with the directory's token; body is JSON text.
func (h *house) call(method, path, body string, headers ...string) *answer {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, Prefix+string(h.dir.ID)+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Content-Type", "application/scim+json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	b, err := io.ReadAll(res.Body)
	check(h.t, err)
	a := &answer{t: h.t, status: res.StatusCode, header: res.Header, raw: string(b)}
	if len(b) > 0 {
		check(h.t, json.Unmarshal(b, &a.body))
	}
	return a
}

// want fails unless the answer has the status, and of a refusal the scimType.
func (a *answer) want(status int, scimType ...string) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, wanted %d: %s", a.status, status, a.raw)
	}
	if status >= 400 && (a.body["status"] != fmt.Sprint(status) || a.body["detail"] == "") {
		a.t.Errorf("a refusal without status or detail: %s", a.raw)
	}
	if len(scimType) > 0 && a.body["scimType"] != scimType[0] {
		a.t.Errorf("scimType %v, wanted %s: %s", a.body["scimType"], scimType[0], a.raw)
	}
	return a
}

// at is the value at a path of member names and indexes, in JSON.
func (a *answer) at(path ...any) string {
	a.t.Helper()
	var v any = a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return "none"
			}
			v = l[p]
		}
	}
	b, err := json.Marshal(v)
	check(a.t, err)
	return string(b)
}

// id is the resource's id.
func (a *answer) id() string {
	a.t.Helper()
	s, ok := a.body["id"].(string)
	if !ok {
		a.t.Fatalf("no id in %s", a.raw)
	}
	return s
}

// is fails unless a value is as wanted, in JSON.
func (a *answer) is(want string, path ...any) *answer {
	a.t.Helper()
	if got := a.at(path...); got != want {
		a.t.Errorf("%v is %s, wanted %s", path, got, want)
	}
	return a
}

// user makes a user of the directory and gives its id.
func (h *house) user(name string) string {
	h.t.Helper()
	return h.call("POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":"%s@example.com","name":{"givenName":%q,"familyName":"Doe"},"active":true}`, directory.UserSchema, name, name)).want(201).id()
}

// events are the environment's events of the given kinds.
func (h *house) events(names ...string) []map[string]any {
	h.t.Helper()
	list, err := h.id.Events(h.t.Context(), h.env.ID, names, identity.Page{Limit: 100})
	check(h.t, err)
	var out []map[string]any
	for _, e := range list.Data {
		m := map[string]any{}
		check(h.t, json.Unmarshal(e.Data, &m))
		m["event"] = e.Name
		out = append(out, m)
	}
	return out
}

// member is the membership of whoever has an address; nil if there is none.
func (h *house) member(email string) (m *identity.Membership) {
	h.t.Helper()
	check(h.t, h.id.View(h.t.Context(), func(tx *identity.Tx) error {
		u, err := tx.UserByEmail(h.env.ID, email)
		if err != nil || u == nil {
			return err
		}
		m, err = tx.Membership(h.env.ID, u.ID, h.org.ID)
		return err
	}))
	return m
}
