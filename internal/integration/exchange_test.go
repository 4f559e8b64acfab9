package integration

import (
	"slices"
	"testing"
	"time"
)

func TestAnswersOfTokenEndpoints(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name, kind, body string
		access           string
		expires          time.Duration // 0 for none
		scopes           []string
	}{
		{"as the RFC has it", "application/json", `{"access_token":"a","expires_in":60,"scope":"r w"}`, "a", time.Minute, []string{"r", "w"}},
		{"text for a number", "application/json", `{"access_token":"a","expires_in":"60"}`, "a", time.Minute, []string{"asked"}},
		{"a list of scopes", "application/json", `{"access_token":"a","scope":["r","w"]}`, "a", 0, []string{"r", "w"}},
		{"commas", "application/json", `{"access_token":"a","scope":"r,w"}`, "a", 0, []string{"r", "w"}},
		{"a form", "application/x-www-form-urlencoded; charset=utf-8", `access_token=a&scope=r%20w&expires_in=60`, "a", time.Minute, []string{"r", "w"}},
		{"never ends", "application/json", `{"access_token":"a","expires_in":0}`, "a", 0, []string{"asked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, err := readAnswer(c.kind, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			var want time.Time
			if c.expires > 0 {
				want = now.Add(c.expires)
			}
			if a.Access != c.access || !a.expires(now).Equal(want) || !slices.Equal(a.scopes([]string{"asked"}), c.scopes) {
				t.Errorf("%+v %v %v", a, a.expires(now), a.scopes([]string{"asked"}))
			}
		})
	}
}

// FuzzAnswer: whatever a service sends is read or refused.
func FuzzAnswer(f *testing.F) {
	f.Add("application/json", []byte(`{"access_token":"a","expires_in":60,"scope":"r w"}`))
	f.Add("application/x-www-form-urlencoded", []byte(`access_token=a&scope=r`))
	f.Fuzz(func(t *testing.T, kind string, b []byte) {
		a, err := readAnswer(kind, b)
		if err != nil {
			return
		}
		for _, s := range a.scopes(nil) {
			if s == "" {
				t.Error("an empty scope")
			}
		}
		a.expires(time.Now())
	})
}
