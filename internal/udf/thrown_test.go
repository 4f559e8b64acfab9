package udf

import (
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/isolate"
)

// TestThrownDataMustBeAValue checks that a program cannot put broken JSON into answers.
func TestThrownDataMustBeAValue(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"code":"gone"}`: `{"code":"gone"}`, `"text"`: `"text"`, ``: ``,
		`{bad`: ``, `1,"x":2`: ``, `"\u0000` + "\x00" + `"`: ``,
		strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5): ``,
	} {
		if got := thrownBy(&isolate.Exception{Text: "x", Data: []byte(data)}); string(got.data) != want || got.text != "x" {
			t.Errorf("%.40q became %.40q", data, got.data)
		}
	}
}
