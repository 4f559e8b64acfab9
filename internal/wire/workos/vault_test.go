package workos

import (
	"slices"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// object is a JSON object to send.
type object = map[string]any

func TestVaultObjectsLifeIsVersioned(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.call("POST", "/vault/v1/kv", object{"name": "stripe/live", "value": "hush", "key_context": object{"organization_id": "org_1"}}).want(201)
	id, first := made.text("id"), made.text("version_id")
	if made.text("updated_by", "name") != "test" || made.text("environment_id") != string(h.env.ID) || made.text("context", "organization_id") != "org_1" {
		t.Errorf("metadata: %s", made.raw)
	}
	h.call("POST", "/vault/v1/kv", object{"name": "stripe/live", "value": "x", "key_context": object{}}).want(409)
	if got := h.call("GET", "/vault/v1/kv/name/stripe%2Flive", nil).want(200); got.text("value") != "hush" || got.text("id") != id {
		t.Errorf("by name: %s", got.raw)
	}
	second := h.call("PUT", "/vault/v1/kv/"+id, object{"value": "quiet", "version_check": first}).want(201)
	if second.text("metadata", "version_id") == first || strings.Contains(string(second.raw), "quiet") {
		t.Errorf("update: %s", second.raw)
	}
	lost := h.call("PUT", "/vault/v1/kv/"+id, object{"value": "loud", "version_check": first}).want(409)
	if lost.text("error") == "" || lost.text("code") != "version_conflict" {
		t.Errorf("conflict: %s", lost.raw)
	}
	if got := h.call("GET", "/vault/v1/kv/"+id, nil).want(200); got.text("value") != "quiet" {
		t.Errorf("value: %s", got.raw)
	}
	versions := h.call("GET", "/vault/v1/kv/"+id+"/versions", nil).want(200)
	if versions.size("data") != 2 || versions.at("data", 0, "current_version") != true || versions.at("data", 1, "current_version") != false || versions.text("data", 1, "id") != first || versions.at("data", 0, "size") != 5.0 {
		t.Errorf("versions: %s", versions.raw)
	}
	if meta := h.call("GET", "/vault/v1/kv/"+id+"/metadata", nil).want(200); strings.Contains(string(meta.raw), "value\"") {
		t.Errorf("metadata shows the value: %s", meta.raw)
	}
	h.call("DELETE", "/vault/v1/kv/"+id+"?version_check="+first, nil).want(409)
	if gone := h.call("DELETE", "/vault/v1/kv/"+id, nil).want(200); gone.at("success") != true || gone.text("name") != "stripe/live" {
		t.Errorf("delete: %s", gone.raw)
	}
	h.call("GET", "/vault/v1/kv/"+id, nil).want(404)
	want := []string{"vault.kek.created", "vault.data.created", "vault.data.read", "vault.data.updated", "vault.data.read", "vault.metadata.read", "vault.metadata.read", "vault.data.deleted"}
	if got := h.events(); !slices.Equal(got, want) {
		t.Errorf("events %v, wanted %v", got, want)
	}
}

func TestVaultListsByPageAndName(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	for _, n := range []string{"alpha", "beta", "Alphabet"} {
		h.call("POST", "/vault/v1/kv", object{"name": n, "value": "v", "key_context": object{}}).want(201)
	}
	page := h.call("GET", "/vault/v1/kv?limit=2&order=asc", nil).want(200)
	if page.size("data") != 2 {
		t.Fatalf("page: %s", page.raw)
	}
	rest := h.call("GET", "/vault/v1/kv?limit=2&order=asc&after="+page.text("list_metadata", "after"), nil).want(200)
	if rest.size("data") != 1 || rest.text("data", 0, "id") <= page.text("data", 1, "id") {
		t.Errorf("rest: %s", rest.raw)
	}
	if found := h.call("GET", "/vault/v1/kv?search=alpha", nil).want(200); found.size("data") != 2 {
		t.Errorf("search: %s", found.raw)
	}
	if none := h.call("GET", "/vault/v1/kv?updated_after=2100-01-01T00:00:00.000Z", nil).want(200); none.size("data") != 0 {
		t.Errorf("later: %s", none.raw)
	}
	h.call("GET", "/vault/v1/kv?updatedAfter=soon", nil).want(422)
}

func TestVaultDataKeysOpenWhereTheyWereMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	made := h.call("POST", "/vault/v1/keys/data-key", object{"context": object{"org": "a"}}).want(200)
	opened := h.call("POST", "/vault/v1/keys/decrypt", object{"keys": made.text("encrypted_keys")}).want(200)
	if opened.text("data_key") != made.text("data_key") || opened.text("id") != made.text("id") {
		t.Errorf("opened: %s", opened.raw)
	}
	moved := h.call("POST", "/vault/v1/keys/rekey", object{"context": object{"org": "b"}, "encrypted_keys": made.text("encrypted_keys")}).want(200)
	if moved.text("data_key") != made.text("data_key") || moved.text("encrypted_keys") == made.text("encrypted_keys") || moved.text("context", "org") != "b" {
		t.Errorf("rekeyed: %s", moved.raw)
	}
	bent := []byte(made.text("encrypted_keys"))
	bent[len(bent)-8] ^= 1
	for _, keys := range []string{"", "bm9wZQ==", string(bent)} {
		if no := h.call("POST", "/vault/v1/keys/decrypt", object{"keys": keys}).want(400); no.text("error") == "" {
			t.Errorf("no error: %s", no.raw)
		}
	}
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	check(t, err)
	_, key, err := h.Identity.CreateAPIKey(t.Context(), other.ID, "other", "")
	check(t, err)
	h.key = key
	h.call("POST", "/vault/v1/keys/decrypt", object{"keys": made.text("encrypted_keys")}).want(400)
}

func TestVaultIsClosedToOtherEnvironmentsAndBadInput(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	id := h.call("POST", "/vault/v1/kv", object{"name": "n", "value": "v", "key_context": object{}}).want(201).text("id")
	for _, body := range []object{
		{"name": "m", "value": "v"}, {"name": "m", "key_context": object{}}, {"value": "v", "key_context": object{}},
	} {
		h.call("POST", "/vault/v1/kv", body).want(422)
	}
	h.call("POST", "/vault/v1/kv", object{"name": strings.Repeat("n", 201), "value": "v", "key_context": object{}}).want(400)
	h.call("POST", "/vault/v1/kv", object{"name": "m", "value": "v", "key_context": object{"k": strings.Repeat("v", 501)}}).want(400)
	h.call("POST", "/vault/v1/kv", object{"name": "m", "value": strings.Repeat("v", 129<<10), "key_context": object{}}).want(413)
	other, err := h.Identity.CreateEnvironment(t.Context(), identity.NewEnvironment{Name: "other"})
	check(t, err)
	_, key, err := h.Identity.CreateAPIKey(t.Context(), other.ID, "other", "")
	check(t, err)
	h.key = key
	for _, c := range [][2]string{{"GET", ""}, {"PUT", ""}, {"DELETE", ""}, {"GET", "/metadata"}, {"GET", "/versions"}} {
		h.call(c[0], "/vault/v1/kv/"+id+c[1], object{"value": "mine"}).want(404)
	}
	h.call("GET", "/vault/v1/kv/name/n", nil).want(404)
}
