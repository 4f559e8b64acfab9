package login

import (
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lentil-dev/lentil/internal/authflow"
)

// FuzzForm posts anything: what comes out is an answer of ours whose texts are valid
// and short, or a refusal.
func FuzzForm(f *testing.F) {
	f.Add("step=sign-in&email=a%40b.c&password=x&way=code")
	f.Add("step=sign-up&email=a%40b.c&password=%00%ff")
	f.Add("step=organization&organization=org_1&organization=org_2")
	f.Add("step=recovery-code&code=" + strings.Repeat("a", 300))
	f.Add("step=%zz")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/login/attempt_1", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		ans, err := decodeAnswer(httptest.NewRecorder(), r)
		if err != nil {
			return
		}
		var texts []string
		switch a := ans.(type) {
		case authflow.EnterPassword:
			texts = []string{a.Email, a.Password}
		case authflow.Register:
			texts = []string{a.Email, a.Password}
		case authflow.AskForCode:
			texts = []string{a.Email}
		case authflow.EnterCode:
			texts = []string{a.Code}
		case authflow.EnterRecoveryCode:
			texts = []string{a.Code}
		case authflow.ForgotPassword:
			texts = []string{a.Email}
		case authflow.ChoosePassword:
			texts = []string{a.Password}
		case authflow.ChooseOrganization:
			texts = []string{string(a.Organization)}
		case nil:
			t.Fatal("no answer and no refusal")
		}
		for _, s := range texts {
			if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || len(s) > 4*1025 {
				t.Errorf("%q of %q", s, body)
			}
		}
	})
}
