package authflow_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lentil-dev/lentil/internal/identity"
)

// TestSendLetters mails what an application asks for.
func TestSendLetters(t *testing.T) {
	inHouse(t, identity.Settings{}, func(t *testing.T, h *house) {
		const link = "https://id.example/invite?token=a&b=1"
		for _, err := range []error{
			h.flow.SendInvitation(h.env, &identity.Invitation{Email: "bob@example.com"}, link, "Ada\r\nBcc: x", "Foo <Corp>"),
			h.flow.SendInvitation(h.env, &identity.Invitation{Email: "carol@example.com"}, link, "", ""),
			h.flow.SendCode(h.env, &identity.OneTimeCode{Kind: identity.CodeEmailChange, Email: "new@example.com", Code: "123456"}),
			h.flow.SendMoved(h.env, "old@example.com"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for to, want := range map[string]struct{ subject, text, html, code string }{
			"bob@example.com":   {"Join Foo <Corp> on " + h.env.Name, "Ada Bcc: x invites you to Foo <Corp>.", `<a href="https://id.example/invite?token=a&amp;b=1">`, ""},
			"carol@example.com": {"You are invited to " + h.env.Name, "\n" + link + "\n", "You are invited. Follow", ""},
			"new@example.com":   {"Confirm your new " + h.env.Name + " address", "123456", "letter-spacing:6px;margin:0 0 16px\">123456", "123456"},
			"old@example.com":   {"Your " + h.env.Name + " address was changed", "not you", "not you", ""},
		} {
			l, err := h.outbox.List(t.Context(), to)
			if err != nil || len(l) != 1 {
				t.Errorf("%s: %+v %v", to, l, err)
				continue
			}
			m := l[0]
			if m.Subject != want.subject || !strings.Contains(m.Text, want.text) || !strings.Contains(m.HTML, want.html) || m.Code != want.code || strings.Contains(m.HTML, "<Corp>") {
				t.Errorf("%s: %+v", to, m.Message)
			}
		}
		if err := h.flow.SendCode(h.env, &identity.OneTimeCode{Kind: "other"}); err == nil {
			t.Error("a code of no kind was mailed")
		}
	})
}
