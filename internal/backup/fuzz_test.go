package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/value"
)

// id is the text of an id.
func id(table value.TableNumber, n byte) string {
	return value.ID{Table: table, Internal: value.InternalID{15: n}}.String()
}

// FuzzRecords holds that a text file of any content is read to its end or refused
// with words for its sender, and that what is read are documents.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"", "{}\n{\"a\":1}", "[{\"a\":1},{}]", "a,b\n1,\"x\"\n", "a\n\"", "[", "\xff", "{\"_id\":\"" + id(10001, 1) + "\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, r := range map[string]reader{
			"lines": newJSONLines(bytes.NewReader(b)), "array": newJSONArray(bytes.NewReader(b)), "csv": newCSV(bytes.NewReader(b)),
		} {
			n := 0
			for {
				rec, err := r.next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					if _, ok := apierr.As(err); !ok {
						t.Fatalf("%s: %v", name, err)
					}
					break
				}
				if n++; n > len(b)+1 {
					t.Fatalf("%s: more documents than bytes", name)
				}
				if _, err := value.ParseObject(value.JSON(rec.fields)); err != nil && name != "csv" {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}

// FuzzZip does the same with ZIP files.
func FuzzZip(f *testing.F) {
	f.Add(zipOf(f, "a/documents.jsonl", "{}", "_tables/documents.jsonl", `{"name":"a","id":10001}`, "_storage/"+id(600, 1)+".png", "x"))
	f.Add(zipOf(f, "_components/c/a/documents.jsonl", "{}", "_storage/documents.jsonl", `{"_id":"`+id(600, 1)+`"}`))
	f.Add(zipOf(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		refused := func(err error) bool {
			if err == nil {
				return false
			}
			if _, ok := apierr.As(err); !ok {
				t.Fatal(err)
			}
			return true
		}
		a, err := openZip(bytes.NewReader(b), int64(len(b)))
		if refused(err) {
			return
		}
		for _, b := range a.tables {
			n, err := peekNumber(b, a)
			if refused(err) {
				continue
			}
			tg := &target{bringing: b, number: n}
			if b.name == storageFolder {
				_, err = checkFiles(context.Background(), tg, a.files[b.folder])
			} else {
				err = tg.read(context.Background(), func(incoming) error { return nil })
			}
			refused(err)
		}
	})
}
