package workos

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// hooksPath is where the official emulator keeps its error hooks.
const hooksPath = "/_emulate/hooks"

// hookHeader tells the developer which hook an answer comes from.
const hookHeader = "X-Lentil-Error-Hook"

// maxHooks bounds the hooks of an environment.
const maxHooks = 100

// errorHook makes requests fail, in the form of the official emulator.
type errorHook struct {
	ID     string          `json:"id"`
	Method string          `json:"method"` // "*" is any
	Path   string          `json:"path"`   // "*" is any, "/a/*" is /a and all below
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"`
	Count  *int            `json:"count,omitempty"` // how often; nil is always

	environment identity.EnvironmentID
}

// fits reports whether the hook is for such a request.
func (h *errorHook) fits(method, path string) bool {
	if h.Method != "*" && !strings.EqualFold(h.Method, method) {
		return false
	}
	if below, ok := strings.CutSuffix(h.Path, "/*"); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return h.Path == "*" || h.Path == path
}

// errorHooks are the hooks of all test environments. They live in memory: a house
// that starts again has none.
type errorHooks struct {
	mu  sync.Mutex // leaf
	all []*errorHook
}

// add notes a hook.
func (s *errorHooks) add(h *errorHook) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, other := range s.all {
		if other.environment == h.environment {
			n++
		}
	}
	if n >= maxHooks {
		return apierr.New(apierr.Conflict, "too_many_hooks", "This environment has %d error hooks already. Delete some.", n)
	}
	s.all = append(s.all, h)
	return nil
}

// list gives an environment's hooks, oldest first.
func (s *errorHooks) list(env identity.EnvironmentID) []errorHook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []errorHook{}
	for _, h := range s.all {
		if h.environment == env {
			out = append(out, *h)
		}
	}
	return out
}

// remove drops one of an environment's hooks, or all if id is empty.
func (s *errorHooks) remove(env identity.EnvironmentID, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.all)
	s.all = slices.DeleteFunc(s.all, func(h *errorHook) bool { return h.environment == env && (id == "" || h.ID == id) })
	return len(s.all) < n
}

// candidates lists the environments that have a hook for such a request.
func (s *errorHooks) candidates(method, path string) []identity.EnvironmentID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var envs []identity.EnvironmentID
	for _, h := range s.all {
		if h.fits(method, path) {
			envs = append(envs, h.environment)
		}
	}
	return envs
}

// strike uses an environment's first hook for such a request; nil if there is none.
func (s *errorHooks) strike(env identity.EnvironmentID, method, path string) *errorHook {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, h := range s.all {
		if h.environment != env || !h.fits(method, path) {
			continue
		}
		if h.Count != nil {
			left := *h.Count - 1
			h.Count = &left
			if left <= 0 {
				s.all = slices.Delete(s.all, i, i+1)
			}
		}
		return h
	}
	return nil
}

// hooked lets error hooks answer in place of next.
func (a *API) hooked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if envs := a.hooks.candidates(r.Method, r.URL.Path); envs != nil && !strings.HasPrefix(r.URL.Path, "/_") {
			if env := a.environmentOf(r); slices.Contains(envs, env) {
				if h := a.hooks.strike(env, r.Method, r.URL.Path); h != nil {
					h.answer(w)
					return
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// environmentOf tells as well as can be whose request this is, before anything is
// done with it: by its API key, or by the client it names.
func (a *API) environmentOf(r *http.Request) identity.EnvironmentID {
	if key, ok := bearer(r); ok {
		if e, _, err := a.Identity.AuthenticateKey(r.Context(), key); err == nil {
			return e.ID
		}
	}
	client := clientOf(r.URL)
	if client == "" && r.Method == http.MethodPost {
		client = clientInBody(r)
	}
	if client == "" {
		return a.TestEnvironment
	}
	e, err := a.Identity.EnvironmentByClient(r.Context(), identity.ClientID(client))
	if err != nil {
		return ""
	}
	return e.ID
}

// clientInBody looks for client_id in a body, which stays to be read.
func clientInBody(r *http.Request) string {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAuthenticate))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b), r.Body), r.Body}
	if err != nil {
		return ""
	}
	body, err := decodeAuthenticate(r.Header.Get("Content-Type"), b)
	if err != nil {
		return ""
	}
	return body.ClientID
}

// answer answers as the hook says.
func (h *errorHook) answer(w http.ResponseWriter) {
	w.Header().Set(hookHeader, h.ID)
	if len(h.Body) > 0 {
		writeJSON(w, h.Status, h.Body)
		return
	}
	code, message := "error", http.StatusText(h.Status)
	switch h.Status {
	case http.StatusBadRequest:
		code = "bad_request"
	case http.StatusUnauthorized:
		code = "unauthorized"
	case http.StatusForbidden:
		code = "forbidden"
	case http.StatusNotFound:
		code = "not_found"
	case http.StatusConflict:
		code = "conflict"
	case http.StatusUnprocessableEntity:
		code = "unprocessable_entity"
	case http.StatusTooManyRequests:
		code = "rate_limit_exceeded"
		w.Header().Set("Retry-After", retryAfter)
	case http.StatusInternalServerError:
		code = "server_error"
	case http.StatusServiceUnavailable:
		code = "service_unavailable"
	}
	writeJSON(w, h.Status, map[string]string{"code": code, "message": message})
}

// listHooks is GET /_emulate/hooks.
func (a *API) listHooks(w http.ResponseWriter, r *http.Request) error {
	env, err := a.hookCaller(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a.hooks.list(env))
	return nil
}

// createHook is POST /_emulate/hooks.
func (a *API) createHook(w http.ResponseWriter, r *http.Request) error {
	env, err := a.hookCaller(r)
	if err != nil {
		return err
	}
	var h errorHook
	if err := decodeBody(r, &h); err != nil {
		return err
	}
	if err := a.addHook(env, &h); err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, h)
	return nil
}

// addHook checks a hook and notes it.
func (a *API) addHook(env identity.EnvironmentID, h *errorHook) error {
	switch {
	case h.Method == "" || h.Path == "" || h.Status == 0:
		return apierr.New(apierr.BadRequest, "bad_request", "method, path and status are required.")
	case h.Status < 400 || h.Status > 599:
		return apierr.New(apierr.BadRequest, "bad_request", "status must lie between 400 and 599.")
	case h.Path != "*" && !strings.HasPrefix(h.Path, "/") || len(h.Path) > 512 || len(h.Method) > 16:
		return apierr.New(apierr.BadRequest, "bad_request", "path must be \"*\" or begin with a slash.")
	case h.Count != nil && *h.Count < 1:
		return apierr.New(apierr.BadRequest, "bad_request", "count must be at least 1.")
	}
	h.ID, h.environment = identity.NewID("hook_"), env
	return a.hooks.add(h)
}

// deleteHook is DELETE /_emulate/hooks/{id}.
func (a *API) deleteHook(w http.ResponseWriter, r *http.Request) error {
	env, err := a.hookCaller(r)
	if err != nil {
		return err
	}
	if !a.hooks.remove(env, r.PathValue("id")) {
		return apierr.New(apierr.NotFound, "not_found", "Hook not found.")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteHooks is DELETE /_emulate/hooks: all of them.
func (a *API) deleteHooks(w http.ResponseWriter, r *http.Request) error {
	env, err := a.hookCaller(r)
	if err != nil {
		return err
	}
	a.hooks.remove(env, "")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// loopback reports whether an address is this machine's own.
func loopback(address string) bool {
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}
