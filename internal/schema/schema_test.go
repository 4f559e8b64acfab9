package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// seed is a schema that has one of everything.
const seed = `{"schemaValidation":true,"tables":[
 {"tableName":"posts","indexes":[{"indexDescriptor":"by_author","fields":["author","meta.likes"]}],"stagedDbIndexes":[{"indexDescriptor":"by_body","fields":["body"]}],
  "searchIndexes":[{"indexDescriptor":"search","searchField":"body","filterFields":["author"]}],"vectorIndexes":[{"indexDescriptor":"near","vectorField":"e","dimensions":3,"filterFields":[]}],
  "documentType":{"type":"object","value":{"author":{"fieldType":{"type":"id","tableName":"users"},"optional":false},"body":{"fieldType":{"type":"string"},"optional":true}}}},
 {"tableName":"free","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":null},
 {"tableName":"any","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"any"}}]}`

func TestParseSchema(t *testing.T) {
	t.Parallel()
	s, err := ParseSchema([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	posts, ok := s.Table("posts")
	if !ok || len(s.Tables) != 3 || !s.Validate {
		t.Fatalf("schema %+v", s)
	}
	if got := fmt.Sprint(posts.Indexes, posts.Search, posts.Vector); got != "[{by_author [author meta.likes] false} {by_body [body] true}] [{search body [author] false}] [{near e 3 [] false}]" {
		t.Errorf("indexes %s", got)
	}
	again, err := ParseSchema(s.JSON())
	if err != nil || !bytes.Equal(again.JSON(), s.JSON()) {
		t.Errorf("%s became %s: %v", seed, s.JSON(), err)
	}
	if _, ok := s.Table("nothing"); ok {
		t.Error("found a table that is not there")
	}
}

func TestCheckDocument(t *testing.T) {
	t.Parallel()
	s, err := ParseSchema([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	good := value.ObjectOf(value.Field{Name: "_id", Value: value.String("x")}, value.Field{Name: "_creationTime", Value: value.Float64(1)}, value.Field{Name: "author", Value: value.String(userID)})
	for _, table := range []string{"posts", "free", "any", "elsewhere"} {
		if err := s.CheckDocument(table, good, town); err != nil {
			t.Errorf("%s: %v", table, err)
		}
	}
	err = s.CheckDocument("posts", good.With("body", value.Int64(1)), town)
	want := "Failed to insert or update a document in table \"posts\" because it does not match the schema: Value does not match validator.\nPath: .body\nValue: 1n\nValidator: v.string()\n"
	if e, ok := apierr.As(err); !ok || e.Code != "SchemaEnforcementError" || e.Message != want {
		t.Errorf("got %q", err)
	}
	var m *Mismatch
	posts, _ := s.Table("posts")
	if err := posts.CheckDocument(good.Without("author"), town); !errors.As(err, &m) || !strings.Contains(m.Error(), "missing the required field `author`") {
		t.Errorf("got %v", err)
	}
	if err := (*Schema)(nil).CheckDocument("posts", value.Object{}, town); err != nil {
		t.Errorf("no schema: %v", err)
	}
	s.Validate = false
	if err := s.CheckDocument("posts", value.Object{}, town); err != nil {
		t.Errorf("schemaValidation false: %v", err)
	}
}

func TestParseSchemaRefusals(t *testing.T) {
	t.Parallel()
	table := func(members string) string {
		return `{"schemaValidation":true,"tables":[{"tableName":"t",` + members + `}]}`
	}
	index := func(name, fields string) string {
		return `{"indexDescriptor":"` + name + `","fields":[` + fields + `]}`
	}
	var many []string
	for i := range 65 {
		many = append(many, index(fmt.Sprint("i", i), fmt.Sprintf(`"f%d"`, i)))
	}
	for _, c := range []struct{ in, want string }{
		{`[]`, "not an object"}, {`{"tables":[{"tableName":"a b"}]}`, "table name"}, {`{"tables":[{"tableName":"_t"}]}`, "reserved"}, {`{"tables":[{"tableName":"t"},{"tableName":"t"}]}`, "twice"},
		{table(`"documentType":{"type":"string"}`), "must be an object"}, {table(`"documentType":{"type":"union","value":[{"type":"string"}]}`), "must be an object"}, {table(`"documentType":{"type":"x"}`), "In table \"t\": Unrecognized"},
		{table(`"documentType":` + object("_x", str)), "starts with an underscore"},
		{table(`"indexes":[` + index("by_id", `"a"`) + `]`), "reserved"}, {table(`"indexes":[` + index("_x", `"a"`) + `]`), "reserved"}, {table(`"indexes":[` + index("a-b", `"a"`) + `]`), "index name"},
		{table(`"indexes":[` + index("x", ``) + `]`), "at least one field"}, {table(`"indexes":[` + index("x", `"a","a"`) + `]`), "twice"}, {table(`"indexes":[` + index("x", `"a","_creationTime"`) + `]`), "_creationTime"},
		{table(`"indexes":[` + index("x", `"_id"`) + `]`), "_id"}, {table(`"indexes":[` + index("x", `"a..b"`) + `]`), "empty"}, {table(`"indexes":[` + index("x", `"a"`) + `,` + index("x", `"b"`) + `]`), "two indexes named \"x\""},
		{table(`"indexes":[` + index("x", `"a"`) + `],"stagedDbIndexes":[` + index("y", `"a"`) + `]`), "same fields"}, {table(`"indexes":[` + strings.Join(many, ",") + `]`), "65 indexes"},
		{table(`"indexes":[` + index("x", strings.TrimSuffix(strings.Repeat(`"a",`, 17), ",")) + `]`), "17 fields"},
		{table(`"vectorIndexes":[{"indexDescriptor":"v","vectorField":"e","dimensions":1}]`), "dimensions"},
	} {
		s, err := ParseSchema([]byte(c.in))
		if err == nil {
			t.Errorf("%.80s = %s, want an error", c.in, s.JSON())
		} else if apierr.KindOf(err) != apierr.BadRequest || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s: %v, want %q", c.in, err, c.want)
		}
	}
	if _, err := ParseSchema([]byte(table(`"documentType":{"type":"union","value":[` + object("_id", anyv, "a", str) + `,{"type":"union","value":[` + object("b", num) + `]}]}`))); err != nil {
		t.Errorf("union of objects: %v", err)
	}
}

func FuzzParseSchema(f *testing.F) {
	f.Add([]byte(seed))
	f.Add([]byte(`{"tables":[]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := ParseSchema(in)
		if err != nil {
			if apierr.KindOf(err) != apierr.BadRequest {
				t.Fatalf("%v is not for callers", err)
			}
			return
		}
		again, err := ParseSchema(s.JSON())
		if err != nil || !bytes.Equal(again.JSON(), s.JSON()) {
			t.Fatalf("%q became %q: %v", in, s.JSON(), err)
		}
	})
}
