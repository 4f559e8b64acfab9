package workos

import (
	"slices"
	"strings"
	"testing"
)

func TestInventoryIsWhole(t *testing.T) {
	t.Parallel()
	ops := Inventory()
	if len(ops) != 212 {
		t.Errorf("%d operations, the description has 212", len(ops))
	}
	names, places, paths := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, op := range ops {
		place := op.Method + " " + shape(op.Path)
		if names[op.Name] || places[place] {
			t.Errorf("%s (%s) is there twice", op.Name, place)
		}
		names[op.Name], places[place], paths[op.Path] = true, true, true
		if !slices.Contains([]string{"key", "token", "public"}, op.Auth) {
			t.Errorf("%s may be called by %q", op.Name, op.Auth)
		}
		found, _ := lookup(op.Method, strings.NewReplacer("{", "", "}", "").Replace(op.Path))
		if found == nil || found.Name != op.Name {
			t.Errorf("%s %s is found as %v", op.Method, op.Path, found)
		}
	}
	if len(paths) != 148 {
		t.Errorf("%d paths, the description has 148", len(paths))
	}
}

func TestNoRouteStandsTwice(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range new(API).routes() {
		place := r.Method + " " + shape(r.Path)
		if seen[place] {
			t.Errorf("%s stands twice", place)
		}
		seen[place] = true
	}
}

func TestLookupPrefersLiterals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/organizations/external_id/x", "getOrganizationByExternalId"},
		{"GET", "/organizations/external_id/api_keys", "getOrganizationByExternalId"},
		{"GET", "/organizations/org_1/api_keys", "listOrganizationApiKeys"},
		{"GET", "/organizations/org_1/", "getOrganization"},
		{"GET", "/organizations/org_1/none", ""},
		{"GET", "/organizations//api_keys", ""},
		{"PATCH", "/organizations/org_1", ""},
		{"GET", "/", ""},
		{"GET", "/" + strings.Repeat("a/", 40), ""},
	} {
		op, _ := lookup(c.method, c.path)
		if got := ""; op != nil && op.Name != c.want || op == nil && c.want != got {
			t.Errorf("%s %s: %v, want %q", c.method, c.path, op, c.want)
		}
	}
	if _, methods := lookup("PATCH", "/organizations/org_1"); len(methods) != 3 {
		t.Errorf("methods of a known path: %v", methods)
	}
}

func TestEveryRouteIsInTheInventory(t *testing.T) {
	t.Parallel()
	if _, err := Coverage(); err != nil {
		t.Error(err)
	}
	md, err := CoverageMarkdown()
	if err != nil || !strings.Contains(md, "`POST /user_management/authenticate`") || !strings.Contains(md, "`GET /health`") {
		t.Errorf("%v\n%s", err, md)
	}
}

func TestCallsBeyondTheInventoryAreRefusedByName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, op := range beyond {
		if status, text := h.answer(op.Method, fill(op.Path), "", "Authorization", "Bearer "+h.key); status == 404 && strings.Contains(text, `"not_found"`) ||
			status == 501 && !strings.Contains(text, "unsupported_operation."+op.Name) {
			t.Errorf("%s: %d %s", op.Name, status, text)
		}
		if found, _ := lookup(op.Method, fill(op.Path)); found != nil {
			t.Errorf("%s is %s of the inventory", op.Name, found.Name)
		}
	}
}
