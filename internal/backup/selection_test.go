package backup

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

func TestSelection(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("people", `{"name":"Ada","secret":"x","n":{"$integer":"AQAAAAAAAAA="}}`)
	h.insert("notes", `{"text":"hi"}`)
	for _, tt := range []struct {
		name, selection string
		people          []string // the members that are seen; nil for no document
		notes           bool
	}{
		{"everything", `{"_other":"included"}`, []string{"_creationTime", "_id", "n", "name", "secret"}, true},
		{"nothing", `{"_other":"excluded"}`, nil, false},
		{"not the app", `{"_other":"included","":"excluded"}`, nil, false},
		{"not a table", `{"_other":"excluded","":{"_other":"included","people":"excluded"}}`, nil, true},
		{"not a field", `{"_other":"excluded","":{"_other":"excluded","people":{"_other":"included","secret":"excluded"}}}`, []string{"_creationTime", "_id", "n", "name"}, false},
		{"one field", `{"_other":"included","":{"_other":"included","people":{"_other":"excluded","name":"included"}}}`, []string{"_id", "name"}, true},
	} {
		for _, encoded := range []bool{false, true} {
			f := StreamFilter{Selection: new(Selection), Encoded: encoded}
			if err := json.Unmarshal([]byte(tt.selection), f.Selection); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			snapshot, err := h.ListSnapshot(t.Context(), 0, "", f)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := h.Deltas(t.Context(), 0, f)
			if err != nil {
				t.Fatal(err)
			}
			for what, values := range map[string][]json.RawMessage{"snapshot": snapshot.Values, "changes": changes.Values} {
				var people []string
				notes := false
				for _, v := range values {
					o, err := value.ParseObject([]byte(strings.NewReplacer(`"_component"`, `"component"`, `"_deleted"`, `"deleted"`, `"_table"`, `"table"`, `"_ts"`, `"ts"`).Replace(string(v))))
					if err != nil {
						t.Fatal(err)
					}
					if text(o, "table") == "notes" {
						notes = true
						continue
					}
					if n, _ := o.Get("n"); n != nil && (n.Kind() == value.KindInt64) != encoded {
						t.Errorf("%s: %s in the wrong format", tt.name, v)
					}
					for name := range o.All() {
						if name != "component" && name != "deleted" && name != "table" && name != "ts" {
							people = append(people, name)
						}
					}
				}
				if strings.Join(people, " ") != strings.Join(tt.people, " ") || notes != tt.notes {
					t.Errorf("%s, %s: %s", tt.name, what, values)
				}
			}
		}
	}
	for _, bad := range []string{
		`3`, `[]`, `"included"`, `{}`, `{"_other":3}`, `{"_other":{"_other":"included"}}`, `{"":"included"}`, `{"_other":"included","":{}}`,
		`{"_other":"included","":{"_other":"included","people":{"name":"included"}}}`,
		`{"_other":"included","":{"_other":"included","people":{"_other":"included","name":{"_other":"included"}}}}`,
		`{"_other":"included","":"most"}`,
	} {
		if err := json.Unmarshal([]byte(bad), new(Selection)); code(err) != "InvalidSelection" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzSyncCursor holds that any text is a cursor or refused with words for its sender.
func FuzzSyncCursor(f *testing.F) {
	f.Add("")
	f.Add(newSyncCursor(7, nil).text())
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := parseSyncCursor(s, nil); err != nil {
			if _, ok := apierr.As(err); !ok {
				t.Fatal(err)
			}
		}
	})
}

// FuzzSelection holds that any JSON is a selection or refused with words for its sender.
func FuzzSelection(f *testing.F) {
	f.Add([]byte(`{"_other":"included","":{"_other":"excluded","a":{"_other":"included","b":"excluded"}}}`))
	f.Add([]byte(`{"_other":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		s := new(Selection)
		if err := s.UnmarshalJSON(b); err != nil {
			if _, ok := apierr.As(err); !ok {
				t.Fatal(err)
			}
			return
		}
		s.at("").at("a").narrow(value.Object{})
	})
}
