package workos

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/lentil-dev/lentil/internal/authflow"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/diagnosis"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/persistence"
	"github.com/lentil-dev/lentil/internal/token"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

// house is an API over a real identity service on the in-memory store.
type house struct {
	*API
	t   testing.TB
	env *identity.Environment
	key string
	log *strings.Builder
	// judged is the API under the eyes of the contract: an answer that breaks it
	// fails the test.
	judged http.Handler
}

// ServeHTTP answers one request and judges the answer.
func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.judged.ServeHTTP(w, r) }

// newHouse makes a house with one development environment whose app lives at
// http://localhost:5173.
func newHouse(t testing.TB, flow Flow) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	db, err := database.Open(ctx, database.Options{Store: persistence.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; db.Close() })
	svc := &identity.Service{DB: db, Sealer: token.NewSealer([]byte("a master key of thirty-two bytes"))}
	h := &house{t: t, log: &strings.Builder{}}
	h.API = &API{Identity: svc, Flow: flow, Hasher: plainHasher{}, Letters: &letterbox{}, Pages: &pages{}, BaseURL: "http://localhost:4100", Refusals: &diagnosis.Ledger{},
		Log: slog.New(slog.NewTextHandler(h.log, nil))}
	check(t, svc.Open(ctx))
	h.env, err = svc.CreateEnvironment(ctx, identity.NewEnvironment{Name: "soup", Kind: identity.Development})
	check(t, err)
	_, h.key, err = svc.CreateAPIKey(ctx, h.env.ID, "test", "")
	check(t, err)
	_, err = svc.AddCORSOrigin(ctx, h.env.ID, appOrigin)
	check(t, err)
	openServices(t, h.API)
	check(t, h.Open())
	h.judged = contract.Judge(h.API, func(line string) { t.Error(line) })
	t.Cleanup(func() { checkEvents(t, svc, h.env.ID); checkRows(t, svc) })
	return h
}

// appOrigin is the registered origin of the tests.
const appOrigin = "http://localhost:5173"

// check fails the test on an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do sends a request; a body is JSON unless a header says otherwise.
func (h *house) do(method, target, body string, headers ...string) *http.Response {
	r := httptest.NewRequestWithContext(h.t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// plainHasher stands in for the slow hasher where hashes are not what is tried.
type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, password string) (string, error) {
	return "$argon2id$v=19$m=65536,t=1,p=1$c2FsdHNhbHQ$" + strings.Repeat("A", 43), nil
}

// pages notes what it was asked to show.
type pages struct {
	request *authflow.AuthorizeRequest
	out     *authflow.LoggedOut
	kept    string
	refused error
}

func (p *pages) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
func (p *pages) Mounts() []string                                 { return []string{"/{$}"} }

func (p *pages) Authorize(w http.ResponseWriter, _ *http.Request, q authflow.AuthorizeRequest) error {
	p.request = &q
	w.WriteHeader(http.StatusFound)
	return nil
}

func (p *pages) KeepLink(_ http.ResponseWriter, _ *http.Request, client identity.ClientID, kept string) {
	p.kept = string(client) + " " + kept
}

func (p *pages) SignedOut(w http.ResponseWriter, _ *http.Request, out *authflow.LoggedOut, _ string) error {
	p.out = out
	w.Header().Set("Location", out.RedirectTo)
	w.WriteHeader(http.StatusFound)
	return nil
}

func (p *pages) Refuse(w http.ResponseWriter, _ *http.Request, err error) {
	p.refused = err
	w.WriteHeader(http.StatusBadRequest)
}

// letterbox is a Letters that keeps what it is given.
type letterbox struct {
	mu    sync.Mutex // guards lines
	lines []string
}

// put keeps a line.
func (l *letterbox) put(line ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.Join(line, " "))
	return nil
}

// SendCode keeps a code.
func (l *letterbox) SendCode(_ *identity.Environment, c *identity.OneTimeCode) error {
	return l.put(string(c.Kind), c.Email, c.Code)
}

// SendInvitation keeps an invitation.
func (l *letterbox) SendInvitation(_ *identity.Environment, i *identity.Invitation, link, who, organization string) error {
	return l.put("invitation", i.Email, link, who, organization)
}

// SendMoved keeps a former address.
func (l *letterbox) SendMoved(_ *identity.Environment, former string) error {
	return l.put("moved", former)
}

// SendPasswordChanged keeps whose password changed.
func (l *letterbox) SendPasswordChanged(_ *identity.Environment, user identity.UserID) error {
	return l.put("changed", string(user))
}

// SendSetup keeps a link to the portal.
func (l *letterbox) SendSetup(_ *identity.Environment, email, link, organization string) error {
	return l.put("setup", email, link, organization)
}

// SendWaiting keeps who waits.
func (l *letterbox) SendWaiting(_ *identity.Environment, email string) error {
	return l.put("waiting", email)
}
