package backup

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/filestorage"
)

// everyKind is a document with values of every kind and at the edges.
const everyKind = `{"a":[null,true,-0.5,1e300,{"$integer":"AAAAAAAAAIA="},{"$float":"AAAAAAAAAIA="},{"$float":"AAAAAAAA+H8="},{"$bytes":"AP8="}],"":{"ö":"x"},"s":"\u0000 \"\\"}`

func TestZipRoundTrip(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	kind := strings.Replace(everyKind, `"":{"ö":"x"}`, `"":{"o":"ö"}`, 1)
	h.insert("first", `{"n":1}`)
	h.insert("second", kind, `{}`)
	h.update(func(tx *database.Tx) error {
		_, err := tx.CreateTable(t.Context(), "empty")
		return err
	})
	b, err := h.Files.Put(t.Context(), strings.NewReader("soup"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Files.Add(t.Context(), 0, b, "text/plain; charset=utf-8"); err != nil {
		t.Fatal(err)
	}
	file := h.zip(true)
	tables := []string{"first", "second", "empty", filestorage.FileTable}
	want := map[string][]string{}
	for _, table := range tables {
		want[table] = h.rows(table)
	}

	// Into a new deployment, whose tables had other numbers, and over itself.
	other := newHouse(t)
	for name, into := range map[string]*house{"new": other, "over": h} {
		mode := RequireEmpty
		if name == "over" {
			mode = ReplaceAll
		}
		confirm := into.good(ImportOptions{Mode: mode, Format: formatZip}, file)
		for _, table := range tables {
			if diff := cmp.Diff(want[table], into.rows(table)); diff != "" {
				t.Errorf("%s: table %s (-want +got):\n%s\n%s", name, table, diff, confirm)
			}
		}
		err := into.DB.View(t.Context(), func(tx *database.Tx) error {
			return documents(t.Context(), tx, filestorage.FileTable, func(d *database.Document) error {
				f, err := into.Files.Get(t.Context(), tx, d.ID)
				if err != nil {
					return err
				}
				r, err := into.Files.Read(t.Context(), f, 0)
				if err != nil {
					return err
				}
				defer r.Close()
				if text, err := io.ReadAll(r); string(text) != "soup" || f.ContentType != "text/plain; charset=utf-8" {
					t.Errorf("%s: the file is %q, %v, %q", name, text, err, f.ContentType)
				}
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, format, file, want string }{
		{"lines", formatJSONLines, "{\"a\":1}\n\n  {\"a\":{\"$integer\":\"AQAAAAAAAAA=\"}}\r\n{\"a\":null}", `{"a":1}|{"a":null}|{"a":{"$integer":"AQAAAAAAAAA="}}`},
		{"no lines", formatJSONLines, "", ""},
		{"array", formatJSONArray, ` [ {"a":1} , {"b":[2]} ] `, `{"a":1}|{"b":[2]}`},
		{"no elements", formatJSONArray, "[]", ""},
		{"csv", formatCSV, "a,b c\n1,x\n-2.5e3,\n\"1,5\",\"say \"\"hi\"\"\"\n0x10,NaN\n", `{"a":"0x10","b c":"NaN"}|{"a":"1,5","b c":"say \"hi\""}|{"a":-2500,"b c":""}|{"a":1,"b c":"x"}`},
		{"csv without rows", formatCSV, "a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.good(ImportOptions{Mode: RequireEmpty, Format: c.format, Table: "t"}, []byte(c.file))
			if got := strings.Join(h.bare("t"), "|"); got != c.want {
				t.Errorf("documents %s, want %s", got, c.want)
			}
		})
	}
}

func TestFaultsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord+1)
	for _, c := range []struct{ name, format, file, want string }{
		{"broken line", formatJSONLines, "{\"a\":1}\n{\"a\":}\n", "line 2: "},
		{"no object", formatJSONLines, "[1]", "line 1: it is array, but a document is an object."},
		{"long line", formatJSONLines, long, "line 1 is longer than"},
		{"bad field", formatJSONLines, `{"_x":1}`, "line 1: Field '_x' starts with an underscore"},
		{"bad id", formatJSONLines, `{"_id":"x"}`, "line 1: Invalid document ID"},
		{"bad time", formatJSONLines, `{"_creationTime":"x"}`, "line 1: _creationTime must be"},
		{"two tables", formatJSONLines, `{"_id":"` + id(10001, 1) + "\"}\n" + `{"_id":"` + id(10002, 1) + `"}`, "line 2: the _id"},
		{"twice", formatJSONLines, `{"_id":"` + id(10001, 1) + "\"}\n" + `{"_id":"` + id(10001, 1) + `"}`, "line 2: There is a document with the id"},
		{"not an array", formatJSONArray, `{"a":1}`, "does not begin with `[`"},
		{"half an array", formatJSONArray, `[{"a":1},`, "ends within the array, after element 2"},
		{"more than an array", formatJSONArray, `[] []`, "text after the end"},
		{"broken element", formatJSONArray, `[{"a":1},{"a":x}]`, "element 2, at byte 13"},
		{"long element", formatJSONArray, `[{"a":"` + long + long, "element 1 is longer"},
		{"empty array file", formatJSONArray, ``, "the file is empty"},
		{"empty csv", formatCSV, "", "the file is empty"},
		{"csv fields", formatCSV, "a,b\n1,2\n1\n", "line 3: the row has 1 fields, but the first line names 2"},
		{"csv twice", formatCSV, "a,a\n", "line 1: the field a is there twice"},
		{"csv quote", formatCSV, "a\n\"x", "line 2, column"},
		{"csv encoding", formatCSV, "a\n\xff\n", "line 2: field a is not valid UTF-8"},
		{"no zip", formatZip, "PK", "The ZIP file is damaged or is none"},
		{"empty zip", formatZip, string(zipOf(t)), "The ZIP file has no tables"},
		{"zip line", formatZip, string(zipOf(t, "a/documents.jsonl", "{}\n{")), "a/documents.jsonl: line 2: "},
		{"zip system table", formatZip, string(zipOf(t, "_modules/documents.jsonl", "{}")), "names of tables that begin with an underscore are the system's"},
		{"zip name", formatZip, string(zipOf(t, "a-b/documents.jsonl", "{}")), "Invalid table name"},
		{"zip file without bytes", formatZip, string(zipOf(t, "_storage/documents.jsonl", `{"_id":"`+id(600, 1)+`"}`)), "the bytes of file"},
		{"zip file with a bad name", formatZip, string(zipOf(t, "_storage/x.png", ``)), "Invalid document ID"},
		{"zip bad digest", formatZip, string(zipOf(t, "_storage/documents.jsonl", `{"_id":"`+id(600, 1)+`","sha256":"`+strings.Repeat("A", 43)+`="}`, "_storage/"+id(600, 1), "x")), "do not have the sha256"},
		{"zip table row", formatZip, string(zipOf(t, "_tables/documents.jsonl", `{"name":"a","id":1.5}`)), "line 1: a table has a name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			how := ImportOptions{Mode: RequireEmpty, Format: c.format}
			if c.format != formatZip {
				how.Table = "t"
			}
			i, _ := h.run(how, []byte(c.file))
			if i.State != failed || !strings.Contains(i.Message, c.want) {
				t.Errorf("import is %s: %.300s", i.State, i.Message)
			}
			if rows := append(h.rows("t"), h.rows("a")...); len(rows) > 0 {
				t.Errorf("it left %s", rows)
			}
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.insert("t", `{"n":1}`)
	h.insert("u", `{"n":2}`)
	lines := []byte(`{"n":3}`)
	if i, _ := h.run(ImportOptions{Mode: RequireEmpty, Format: formatJSONLines, Table: "t"}, lines); i.State != failed || !strings.Contains(i.Message, "--append") {
		t.Errorf("requireEmpty: %s %s", i.State, i.Message)
	}
	check := func(mode Mode, table, wantT, wantU, wantConfirm string) {
		t.Helper()
		confirm := h.good(ImportOptions{Mode: mode, Format: formatJSONLines, Table: table}, lines)
		if got := strings.Join(h.bare("t"), ""); got != wantT {
			t.Errorf("%s: t has %s", mode, got)
		}
		if got := strings.Join(h.bare("u"), ""); got != wantU {
			t.Errorf("%s: u has %s", mode, got)
		}
		if !strings.HasPrefix(confirm, wantConfirm) {
			t.Errorf("%s: to confirm:\n%s", mode, confirm)
		}
	}
	check(Append, "t", `{"n":1}{"n":3}`, `{"n":2}`, "Import change summary:\ntable | create | delete |\n------+--------+--------+\nt     | 1      | 0 of 1 |\n")
	check(Replace, "t", `{"n":3}`, `{"n":2}`, "Import change summary:\ntable | create | delete |\n------+--------+--------+\nt     | 1      | 2 of 2 |\n")
	check(ReplaceAll, "t", `{"n":3}`, ``, "Import change summary:\ntable | create | delete |\n------+--------+--------+\nt     | 1      | 1 of 1 |\nu     | 0      | 1 of 1 |\n")
	if kind := apierr.KindOf(h.Perform(t.Context(), "x")); kind != apierr.NotFound {
		t.Errorf("perform of nothing: %v", kind)
	}
}
