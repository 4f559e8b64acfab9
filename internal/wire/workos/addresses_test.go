package workos

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// TestEmailChange moves a user to another address by the code that was mailed there.
func TestEmailChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	u, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@foo.com", PasswordHash: "$argon2id$…"})
	check(t, err)
	ask := func(path, body string) (int, string) {
		return h.answer("POST", "/user_management/users/"+string(u.ID)+path, body, "Authorization", "Bearer "+h.key)
	}
	var reset *identity.PasswordReset
	check(t, h.Identity.Update(t.Context(), func(tx *identity.Tx) (err error) {
		reset, err = tx.CreatePasswordReset(h.env.ID, u.ID)
		return err
	}))
	if status, body := ask("/email_change/send", `{"new_email":"Ada@bar.com"}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	letters := h.Letters.(*letterbox)
	code, ok := strings.CutPrefix(letters.lines[0], "email_change Ada@bar.com ")
	if !ok || len(code) != 6 {
		t.Fatalf("letters %q", letters.lines)
	}
	// Somebody else takes the address meanwhile, and gives it up again.
	rival, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "ada@bar.com"})
	check(t, err)
	if status, body := ask("/email_change/confirm", `{"code":"`+code+`"}`); status != 409 || !strings.Contains(body, "email_not_available") {
		t.Errorf("taken meanwhile: %d %s", status, body)
	}
	check(t, h.Identity.DeleteUser(t.Context(), h.env.ID, rival.ID))
	status, body := ask("/email_change/confirm", `{"code":"`+code+`"}`)
	var got struct {
		User struct {
			Email    string
			Verified bool `json:"email_verified"`
		}
	}
	if json.Unmarshal([]byte(body), &got) != nil || status != 200 || got.User.Email != "Ada@bar.com" || !got.User.Verified {
		t.Errorf("%d %s", status, body)
	}
	if status, body := ask("/email_change/confirm", `{"code":"`+code+`"}`); status != 409 || !strings.Contains(body, "email_change_code_previously_used") {
		t.Errorf("used twice: %d %s", status, body)
	}
	if last := letters.lines[len(letters.lines)-1]; last != "moved ada@foo.com" {
		t.Errorf("the former address was told %q", last)
	}
	if err := h.Identity.View(t.Context(), func(tx *identity.Tx) error {
		_, err := tx.PasswordResetByToken(h.env.ID, reset.Token)
		return err
	}); err == nil {
		t.Error("a link in the former mailbox still resets the password")
	}
	other, err := h.Identity.CreateOrganization(t.Context(), h.env.ID, identity.NewOrganization{Name: "Foo"})
	check(t, err)
	_, err = h.Identity.AddMembership(t.Context(), h.env.ID, identity.NewMembership{User: u.ID, Organization: other.ID, DirectoryManaged: true})
	check(t, err)
	if status, body := ask("/email_change/send", `{"new_email":"ada@baz.com"}`); status != 409 || !strings.Contains(body, "email_change_not_allowed") {
		t.Errorf("of a directory: %d %s", status, body)
	}
	if status, body := h.answer("PUT", "/user_management/users/"+string(u.ID), `{"email":"ada@baz.com"}`, "Authorization", "Bearer "+h.key); status != 400 || !strings.Contains(body, "email_change_not_allowed") {
		t.Errorf("of a directory, directly: %d %s", status, body)
	}
	if status, body := h.answer("PUT", "/user_management/users/"+string(u.ID), `{"email":"Ada@bar.com","first_name":"Ada"}`, "Authorization", "Bearer "+h.key); status != 200 {
		t.Errorf("the same address: %d %s", status, body)
	}
}
