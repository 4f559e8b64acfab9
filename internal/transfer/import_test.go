package transfer

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzRows makes sure that no file stops the house, and that reading one ends.
func FuzzRows(f *testing.F) {
	for _, s := range []string{
		"email,name\na@example.com,A\n", "[{\"email\":\"a@example.com\"}]", "{\"email\":\"a@example.com\"}\n{\"email\":1}\n", "{\"users\":[{\"localId\":\"1\"}]}",
		"{\n\"email\":\"a\"\n}\n{\n}", "email;organizations\na@b.co;[{\"id\":\"org_1\",\"roles\":[\"a\"]}]", "\"", "[", "[1,null,[]]", "\xef\xbb\xbf", "email\n\"a",
		`{"Users":[{"Username":"u","Attributes":[{"Name":"email","Value":"a@b.co"}]}]}`, `{"user_id":"a|b","custom_password_hash":{"algorithm":"argon2","hash":{"value":"x"}}}`,
		"password_hash,email\npbkdf2_sha256$1$a$b,a@b.co\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, _, err := open(strings.NewReader(text))
		if err != nil {
			return
		}
		var d *reader
		for n := 0; ; n++ {
			row, line, err := all.next()
			if err == io.EOF {
				return
			}
			if n > len(text)+2 {
				t.Fatal("reading does not end")
			}
			if bad := (badRow{}); errors.As(err, &bad) {
				continue
			}
			if err != nil {
				return
			}
			if line < 1 {
				t.Fatalf("line %d", line)
			}
			if d == nil {
				src, err := sourceOf("", row, all.columns())
				if err != nil {
					t.Fatal(err)
				}
				d = &reader{source: src, hash: func(_, text, _ string) (string, error) { return text, nil }}
			}
			d.person(row)
		}
	})
}
