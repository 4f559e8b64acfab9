package workos

import (
	"strings"
	"testing"
)

func TestJWTTemplateIsKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, &scripted{})
	const path = "/user_management/jwt_template"
	h.call("GET", path, nil).want(404)
	for _, bad := range []string{"", "{", `{"sub": "x"}`, `{"a": {{ nobody.name }}}`, `{"a": "` + strings.Repeat("x", 20<<10) + `"}`} {
		a := h.call("PUT", path, map[string]string{"content": bad}).want(422)
		if a.at("errors", 0, "field") != "content" {
			t.Errorf("%.20s: %s", bad, a.raw)
		}
	}
	h.call("GET", path, nil).want(404)
	const one, two = `{"email": {{ user.email }}}`, `{}`
	h.call("PUT", path, map[string]string{"content": one}).want(200)
	first := h.call("GET", path, nil).want(200)
	if first.at("content") != one {
		t.Errorf("%s", first.raw)
	}
	h.call("PUT", path, map[string]string{"content": two}).want(200)
	second := h.call("GET", path, nil).want(200)
	if second.at("content") != two || second.at("created_at") != first.at("created_at") || second.at("updated_at").(string) <= first.at("updated_at").(string) {
		t.Errorf("%s, then %s", first.raw, second.raw)
	}
}
