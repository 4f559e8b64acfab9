package identity_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/identity"
)

// answer answers a user's code in a transaction of its own.
func answer(t *testing.T, s *identity.Service, e *identity.Environment, u identity.UserID, text string) (v identity.CodeVerdict) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
		_, v, err = tx.AnswerCode(e.ID, identity.CodeMagicAuth, u, text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return v
}

// magic makes a code of magic_auth.
func magic(t *testing.T, s *identity.Service, e *identity.Environment, u *identity.User) (c *identity.OneTimeCode) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
		c, err = tx.CreateCode(e.ID, identity.NewCode{Kind: identity.CodeMagicAuth, User: u.ID, Email: u.Email})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// off is a code that is not c.
func off(c *identity.OneTimeCode) string {
	return string('0'+(c.Code[0]-'0'+1)%10) + c.Code[1:]
}

func TestOneTimeCodeVerdicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{})
		u := user(t, s, e, "a@foo.com")
		if v := answer(t, s, e, u.ID, "123456"); v != identity.CodeNone {
			t.Errorf("without a code: %d", v)
		}
		first := magic(t, s, e, u)
		if len(first.Code) != 6 || !identity.ValidID("magic_auth_", string(first.ID)) {
			t.Fatalf("%+v", first)
		}
		c := magic(t, s, e, u)
		if first.Code != c.Code {
			if v := answer(t, s, e, u.ID, first.Code); v != identity.CodeWrong {
				t.Errorf("the code before: %d", v)
			}
		}
		if err := s.View(t.Context(), func(tx *identity.Tx) error {
			got, err := tx.OneTimeCode(e.ID, identity.CodeMagicAuth, c.ID)
			if err != nil || got.Code != c.Code || got.Email != u.Email {
				t.Errorf("%+v %v", got, err)
			}
			if _, err := tx.OneTimeCode(e.ID, identity.CodeEmailVerification, c.ID); apierr.KindOf(err) != apierr.NotFound {
				t.Errorf("as another kind: %v", err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]identity.CodeVerdict{off(c): identity.CodeWrong, "": identity.CodeWrong} {
			if v := answer(t, s, e, u.ID, text); v != want {
				t.Errorf("%q: %d", text, v)
			}
		}
		if v := answer(t, s, e, u.ID, c.Code); v != identity.CodeRight {
			t.Errorf("right: %d", v)
		}
		if v := answer(t, s, e, u.ID, c.Code); v != identity.CodeUsed {
			t.Errorf("again: %d", v)
		}
		c = magic(t, s, e, u)
		for range 5 {
			answer(t, s, e, u.ID, off(c))
		}
		if v := answer(t, s, e, u.ID, c.Code); v != identity.CodeTooMany {
			t.Errorf("right after five wrong: %d", v)
		}
		c = magic(t, s, e, u)
		time.Sleep(10 * time.Minute) // of the bubble
		if v := answer(t, s, e, u.ID, c.Code); v != identity.CodeExpired {
			t.Errorf("late: %d", v)
		}
		for _, ev := range history(t, s, e, 0) {
			if strings.Contains(ev, "email_change") {
				t.Error("an event of an e-mail change, which has none")
			}
		}
		if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
			for err == nil {
				_, err = tx.CreateCode(e.ID, identity.NewCode{Kind: identity.CodeMagicAuth, User: u.ID, Email: u.Email})
			}
			return err
		}); code(err) != "daily_quota_exceeded" {
			t.Errorf("endlessly: %v", err)
		}
	})
}

func TestPasswordResetOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, e := house(t, identity.Settings{})
		u, err := s.CreateUser(t.Context(), e.ID, identity.NewUser{Email: "a@foo.com", PasswordHash: "old"})
		if err != nil {
			t.Fatal(err)
		}
		var p, before *identity.PasswordReset
		var session *identity.Session
		if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
			if before, err = tx.CreatePasswordReset(e.ID, u.ID); err != nil {
				return err
			}
			if p, err = tx.CreatePasswordReset(e.ID, u.ID); err != nil {
				return err
			}
			session, _, err = tx.StartSession(e, identity.NewSession{User: u.ID})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		reset := func(token string) error {
			return s.Update(t.Context(), func(tx *identity.Tx) error {
				_, err := tx.ResetPassword(e.ID, token, "new")
				return err
			})
		}
		for token, want := range map[string]string{"": "entity_not_found", "x": "entity_not_found", p.Token + "x": "entity_not_found", before.Token: "password_reset_error"} {
			if err := reset(token); code(err) != want {
				t.Errorf("%q: %v", token, err)
			}
		}
		if err := reset(p.Token); err != nil {
			t.Fatal(err)
		}
		if err := reset(p.Token); code(err) != "password_reset_error" {
			t.Errorf("twice: %v", err)
		}
		if got, err := s.User(t.Context(), e.ID, u.ID); err != nil || !got.EmailVerified {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := s.Session(t.Context(), e.ID, session.ID); err != nil || got.Ended.IsZero() {
			t.Errorf("still signed in: %+v %v", got, err)
		}
		if err := s.Update(t.Context(), func(tx *identity.Tx) (err error) {
			p, err = tx.CreatePasswordReset(e.ID, u.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // of the bubble
		if err := reset(p.Token); code(err) != "password_reset_error" {
			t.Errorf("late: %v", err)
		}
		if err := s.View(t.Context(), func(tx *identity.Tx) error {
			got, err := tx.PasswordReset(e.ID, p.ID)
			if err == nil && got.Token != p.Token {
				t.Errorf("%+v", got)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}
