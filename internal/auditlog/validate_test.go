package auditlog

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestShapeNamesEachFault(t *testing.T) {
	t.Parallel()
	sh, err := parseShape([]byte(`{"type":"object","required":["a"],"properties":{"a":{"type":["string","null"],"minLength":2,"pattern":"^x"},
		"n":{"type":"integer","minimum":1,"maximum":3},"l":{"type":"array","items":{"enum":["u","v"]}},"c/d":{"const":7}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.check(0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"fits", `{"a":"xy","n":2,"l":["u"],"c/d":7,"other":true}`, nil},
		{"null is allowed", `{"a":null}`, nil},
		{"lacks", `{}`, []string{" required"}},
		{"short and wrong", `{"a":"y"}`, []string{"/a minLength", "/a pattern"}},
		{"fraction", `{"a":"xy","n":1.5}`, []string{"/n type"}},
		{"too much", `{"a":"xy","n":4}`, []string{"/n maximum"}},
		{"of a list", `{"a":"xy","l":["u","w"]}`, []string{"/l/1 enum"}},
		{"escaped", `{"a":"xy","c/d":8}`, []string{"/c~1d const"}},
		{"no object", `7`, []string{" type"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var v any
			if err := json.Unmarshal([]byte(c.value), &v); err != nil {
				t.Fatal(err)
			}
			var f faults
			sh.fit("", v, &f)
			var got []string
			for _, x := range f {
				got = append(got, x.InstancePath+" "+x.Keyword)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("faults %v, wanted %v", got, c.want)
			}
		})
	}
}

// FuzzShape: no schema and no value makes the validator fail in another way than by
// saying no.
func FuzzShape(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"a":1}`)
	f.Add(`{"items":{"items":{}},"enum":[null]}`, `[[1]]`)
	f.Fuzz(func(t *testing.T, schema, text string) {
		sh, err := parseShape([]byte(schema))
		var v any
		if err != nil || sh == nil || sh.check(0) != nil || json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		var fs faults
		sh.fit("", v, &fs)
		if len(fs) > maxFaults {
			t.Errorf("%d faults", len(fs))
		}
	})
}
