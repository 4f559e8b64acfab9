package workos

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTrailTellsWhoChangedWhat(t *testing.T) {
	h := newHouse(t, nil)
	bearer := []string{"Authorization", "Bearer " + h.key, "User-Agent", "operator/1"}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/user_management/users", `{"email":"ada@example.com","password":"correct horse battery staple"}`, 201},
		{"POST", "/user_management/users", `{"email":"ada@example.com"}`, 400},
		{"DELETE", "/user_management/users/user_01J0000000000000000000000A", "", 404},
		{"GET", "/user_management/users", "", 200},
	} {
		if res := h.do(c.method, c.path, c.body, bearer...); res.StatusCode != c.status {
			t.Fatalf("%s %s: %d", c.method, c.path, res.StatusCode)
		}
	}
	h.do("POST", "/user_management/users", `{"email":"bob@example.com"}`, "Authorization", "Bearer sk_test_of_a_stranger")
	type page struct {
		Data []operationObject `json:"data"`
		Meta listMetadata      `json:"list_metadata"`
	}
	list := func(query string) (p page) {
		res := h.do("GET", "/_lentil/v1/operations"+query, "", bearer...)
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil || res.StatusCode != 200 {
			t.Fatalf("status %d, %v", res.StatusCode, err)
		}
		return p
	}
	p := list("?order=asc")
	var got []string
	for _, o := range p.Data {
		got = append(got, o.Method+" "+o.Path+" "+strings.Repeat("x", o.Status/100))
		if o.RequestID == "" || o.APIKeyID == "" || o.UserAgent == nil || *o.UserAgent != "operator/1" || o.CreatedAt == "" {
			t.Errorf("entry %+v", o)
		}
	}
	want := "POST /user_management/users xx, POST /user_management/users xxxx, DELETE /user_management/users/user_01J0000000000000000000000A xxxx"
	if strings.Join(got, ", ") != want {
		t.Errorf("trail:\n got %s\nwant %s", strings.Join(got, ", "), want)
	}
	if p := list("?api_key_id=" + p.Data[0].APIKeyID + "&limit=2"); len(p.Data) != 2 || p.Data[0].Method != "DELETE" || p.Meta.After == nil {
		t.Errorf("of one key: %+v", p)
	}
	if p := list("?api_key_id=api_key_01J0000000000000000000000A"); len(p.Data) != 0 {
		t.Errorf("of another key: %+v", p)
	}
	b, _ := json.Marshal(p)
	if strings.Contains(string(b), "battery") || strings.Contains(h.log.String(), "battery") {
		t.Error("a password is in the trail or in the log")
	}
}
