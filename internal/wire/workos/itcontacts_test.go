package workos

import (
	"net/url"
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

// TestContactLink follows the link of an IT contact until it is revoked.
func TestContactLink(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	o, err := h.Identity.CreateOrganization(t.Context(), h.env.ID, identity.NewOrganization{Name: "Foo"})
	check(t, err)
	var c *identity.Contact
	check(t, h.Identity.Update(t.Context(), func(tx *identity.Tx) (err error) {
		c, err = tx.AddContact(h.env.ID, o.ID, "it@foo.com")
		return err
	}))
	letters := h.Letters.(*letterbox)
	// invite gives the secret of the link that was mailed.
	invite := func() string {
		t.Helper()
		status, body := h.answer("POST", "/organizations/"+string(o.ID)+"/it_contacts/"+string(c.ID)+"/invite", `{"intents":["sso","dsync"]}`, "Authorization", "Bearer "+h.key)
		last := strings.Fields(letters.lines[len(letters.lines)-1])
		if status != 204 || len(last) != 4 || last[0] != "setup" || last[1] != "it@foo.com" || last[3] != "Foo" {
			t.Fatalf("%d %s, mailed %q", status, body, last)
		}
		link, err := url.Parse(last[2])
		check(t, err)
		return link.Query().Get("secret")
	}
	first := invite()
	for range 2 { // it may be opened again
		visit, err := h.SSO.EnterPortal(t.Context(), first)
		check(t, err)
		p, _, err := h.SSO.Visit(t.Context(), visit)
		check(t, err)
		if p.Organization != o.ID || p.Intent != "" {
			t.Errorf("%+v", p)
		}
	}
	second := invite()
	if _, err := h.SSO.EnterPortal(t.Context(), first); err == nil {
		t.Error("the former link is good beside the new one")
	}
	if status, body := h.answer("POST", "/organizations/"+string(o.ID)+"/it_contacts/"+string(c.ID)+"/revoke", `{}`, "Authorization", "Bearer "+h.key); status != 204 {
		t.Errorf("revoke: %d %s", status, body)
	}
	if _, err := h.SSO.EnterPortal(t.Context(), second); err == nil {
		t.Error("a revoked link is good")
	}
}
