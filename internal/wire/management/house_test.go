package management

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/deployment"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/platform"
	"github.com/lentil-dev/lentil/internal/token"
)

// secret is the house's in these tests.
var secret = []byte("a secret of sixteen bytes or more")

// fleet knows names only; what a real one does is tested where it is.
type fleet struct {
	mu      sync.Mutex
	removed []string
	full    error // why nothing can be opened
}

func (f *fleet) Open(context.Context, string) (*deployment.Deployment, error) { return nil, f.full }
func (f *fleet) Addresses(_ context.Context, name string) (string, string, error) {
	return "https://" + name + ".convex.example", "https://" + name + ".site.convex.example", nil
}
func (f *fleet) AdminKey(name string) (string, error) { return token.AdminKeyOf(secret, name) }
func (f *fleet) CheckAdminKey(name, key string) error {
	s, err := token.DeploymentSecret(secret, name)
	if err != nil {
		return err
	}
	return token.NewAdminKeys(name, s).Check(key)
}
func (f *fleet) Remove(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = append(f.removed, name)
	return nil
}

// houseToken is the owner's in these tests.
const houseToken = "the token of the house"

// house is a control plane with its API.
type house struct {
	t     testing.TB
	api   *API
	fleet *fleet
	home  *platform.Deployment
	mails []Invitation
	now   time.Time
}

// open makes a house in memory. edit may set further fields of the API.
func open(t testing.TB, edit func(*API)) *house {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-ended
		db.Close()
	})
	sealer := token.NewSealer(secret)
	ids := &identity.Service{DB: db, Sealer: sealer}
	if err := ids.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, fleet: &fleet{}, now: time.Now()}
	p := &platform.Service{DB: db, Identity: ids, Sealer: sealer, Fleet: h.fleet, HouseToken: houseToken}
	if err := p.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.home, err = p.EnsureDeployment(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	h.api = &API{Platform: p, BaseURL: "http://localhost:6789", Now: func() time.Time { return h.now },
		Invite: func(_ context.Context, i Invitation) error { h.mails = append(h.mails, i); return nil }}
	h.api.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	if edit != nil {
		edit(h.api)
	}
	if err := h.api.Open(); err != nil {
		t.Fatal(err)
	}
	return h
}

// answer is what came back.
type answer struct {
	status int
	body   any
	header http.Header
}

// at walks into the answer's JSON; nil where there is nothing.
func (a answer) at(path ...any) any {
	v := a.body
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// text is a string within the answer.
func (a answer) text(path ...any) string {
	s, _ := a.at(path...).(string)
	return s
}

// ask sends a request with a token; a body makes it a POST unless method says else.
func (h *house) ask(token, method, path string, body any) answer {
	h.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			h.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, &b)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.api.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			h.t.Fatalf("%s %s: %d, not JSON: %s", method, path, w.Code, w.Body)
		}
	}
	return a
}

// get and post must be answered 200.
func (h *house) get(token, path string) answer {
	h.t.Helper()
	return h.must(h.ask(token, "GET", path, nil), path)
}

func (h *house) post(token, path string, body any) answer {
	h.t.Helper()
	return h.must(h.ask(token, "POST", path, body), path)
}

func (h *house) must(a answer, path string) answer {
	h.t.Helper()
	if a.status != http.StatusOK {
		h.t.Fatalf("%s: %d %v", path, a.status, a.body)
	}
	return a
}

// refusedAs checks a refusal's status and code.
func (h *house) refusedAs(a answer, status int, code string) {
	h.t.Helper()
	if a.status != status || a.text("code") != code || a.text("message") == "" {
		h.t.Errorf("answered %d %v, want %d %s", a.status, a.body, status, code)
	}
}

// key makes a credential.
func (h *house) key(n platform.NewCredential) string {
	h.t.Helper()
	_, text, err := h.api.Platform.CreateCredential(h.t.Context(), n)
	if err != nil {
		h.t.Fatal(err)
	}
	return text
}

// body is short for a JSON object.
type body = map[string]any
