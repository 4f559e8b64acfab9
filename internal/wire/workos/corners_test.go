package workos

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/wire/workos/contract"
)

// fill puts an id of nothing for every placeholder of a path.
func fill(path string) string {
	segs := strings.Split(path, "/")
	for i, s := range segs {
		if strings.HasPrefix(s, "{") {
			segs[i] = "nothing_01HXNOTHINGNOTHINGNOTHIN"
		}
	}
	return strings.Join(segs, "/")
}

// answer is the status and body of one request.
func (h *house) answer(method, target, body string, headers ...string) (int, string) {
	res := h.do(method, target, body, headers...)
	b, err := io.ReadAll(res.Body)
	check(h.t, err)
	return res.StatusCode, string(b)
}

// takesTheUnknown are operations that answer something else than 404 about an id
// that names nothing, and why.
var takesTheUnknown = map[string]string{
	"revokeSession":    "the description has 400 only",
	"listSchemas":      "creating a schema makes the action that it names",
	"addFlagTarget":    "an id of no kind is 400 invalid_resource_id_format",
	"removeListEntry":  "lists have fixed names; another is 400",
	"removeFlagTarget": "an id of no kind is 400 invalid_resource_id_format",
	"deleteDirectory":  "deleting is the same twice; the description has no 404",
}

// TestEveryOperationAtItsCorners asks each offered operation that takes an API key
// what must be refused: no key, wrong keys, ids of nothing, bodies that are no JSON,
// and bodies that lack a member (decodeBody sees to those by itself, from the
// inventory). The bodies are made from the contract; where the sample of a member
// is not good enough to get as far as the unknown id, contract.samples has better.
func TestEveryOperationAtItsCorners(t *testing.T) {
	t.Parallel()
	c := contract.Load()
	covered, err := Coverage()
	check(t, err)
	h := newHouse(t, &scripted{err: oauthError("invalid_grant", "No such grant.")}) // each asks about nothing, so one is enough
	for _, op := range covered {
		if !op.Offered || op.Auth != "key" {
			continue
		}
		o := c.Operations[op.Name]
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			target, key := fill(op.Path), "Bearer "+h.key
			body := ""
			if o.Body != nil {
				body = string(c.Sample(o.Body))
			}
			own := false
			for _, row := range Routes() {
				own = own || row.Operation == op.Name && row.ownAuth
			}
			if !own {
				if status, text := h.answer(op.Method, target, body); status != http.StatusUnauthorized {
					t.Errorf("without a key: %d %s", status, text)
				}
				for _, bad := range []string{"Bearer sk_test_wrong", "Bearer " + h.key + "x", "Basic " + h.key, "Bearer "} {
					if status, text := h.answer(op.Method, target, body, "Authorization", bad); status != http.StatusUnauthorized {
						t.Errorf("with %.20s: %d %s", bad, status, text)
					}
				}
			}
			if status, text := h.answer(op.Method, target, body, "Authorization", key); strings.Contains(op.Path, "{") {
				if _, ok := takesTheUnknown[op.Name]; !ok && status != http.StatusNotFound && c.Operations[op.Name].Answers["404"] != nil {
					t.Errorf("about an unknown id: %d %s", status, text)
				}
			} else if status >= 500 {
				t.Errorf("%d %s", status, text)
			}
			if o.Body == nil {
				return
			}
			for _, broken := range []string{"{", `["a"]`, `"a"`, "7", `{"a":`, "{}x", "\xff"} {
				if status, text := h.answer(op.Method, target, broken, "Authorization", key); status != 400 && status != 422 {
					t.Errorf("with the body %q: %d %s", broken, status, text)
				}
			}
			if own {
				return
			}
			for _, m := range c.Required(o.Body) {
				var members map[string]json.RawMessage
				check(t, json.Unmarshal(c.Sample(o.Body), &members))
				for _, without := range []string{"", "null"} {
					if delete(members, m.Name); without != "" {
						members[m.Name] = json.RawMessage(without)
					}
					b, err := json.Marshal(members)
					check(t, err)
					status, text := h.answer(op.Method, target, string(b), "Authorization", key)
					var says struct{ Errors []identityFault }
					if json.Unmarshal([]byte(text), &says) != nil || status != http.StatusUnprocessableEntity ||
						len(says.Errors) != 1 || says.Errors[0].Code == "" || says.Errors[0].Field != m.Name {
						t.Errorf("without %s (%q): %d %s", m.Name, without, status, text)
					}
				}
			}
		})
	}
}

// identityFault is a line of the errors list as clients read it.
type identityFault struct{ Code, Field string }

// TestEveryOperationKeepsEnvironmentsApart asks, with the key of another
// environment, about things that are there.
func TestEveryOperationKeepsEnvironmentsApart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	u, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@example.com"})
	check(t, err)
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other", Kind: identity.Development})
	check(t, err)
	_, key, err := h.Identity.CreateAPIKey(t.Context(), other.ID, "test", "")
	check(t, err)
	for _, row := range Routes() {
		if row.Auth != "key" || row.ownAuth || strings.Count(row.Path, "{") != 1 || !strings.HasPrefix(row.Path, "/user_management/users/{") {
			continue
		}
		target := strings.Replace(row.Path, row.Path[strings.Index(row.Path, "{"):strings.Index(row.Path, "}")+1], string(u.ID), 1)
		body := ""
		if o := contract.Load().Operations[row.Operation]; o != nil && o.Body != nil {
			body = string(contract.Load().Sample(o.Body))
		}
		if status, text := h.answer(row.Method, target, body, "Authorization", "Bearer "+key); status != http.StatusNotFound {
			t.Errorf("%s %s with another environment's key: %d %s", row.Method, target, status, text)
		}
	}
}
