package workos

import (
	"strings"
	"testing"

	"github.com/lentil-dev/lentil/internal/identity"
)

func TestWidgetTokensNeedPermissions(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	user, org := h.member("ada@example.com", "Soup")
	const scope = "widgets:users-table:manage"
	body := object{"user_id": user, "organization_id": org, "scopes": []string{scope}}
	if no := h.call("POST", "/widgets/token", body).want(400); !strings.Contains(no.text("message"), scope) {
		t.Errorf("without the permission: %s", no.raw)
	}
	h.call("POST", "/widgets/token", object{"user_id": user, "organization_id": org, "scopes": []string{"widgets:everything"}}).want(422)
	h.call("POST", "/widgets/token", object{"scopes": []string{scope}}).want(422)
	h.call("POST", "/widgets/token", object{"user_id": user, "organization_id": "org_x"}).want(404)
	check(t, h.Identity.Update(t.Context(), func(tx *identity.Tx) error {
		if _, err := tx.Permission(h.env.ID, scope); err != nil {
			if _, err := tx.CreatePermission(h.env.ID, identity.NewPermission{Slug: scope, Name: "Manage users"}); err != nil {
				return err
			}
		}
		_, err := tx.UpdateRole(h.env.ID, "", "member", func(r *identity.Role) { r.Permissions = append(r.Permissions, scope) })
		return err
	}))
	c := payload(t, h.call("POST", "/widgets/token", body).want(201).text("token"))
	if c["iss"] != "http://localhost:4100/widgets" || c["sub"] != string(user) || c["org_id"] != string(org) || c["scopes"].([]any)[0] != scope {
		t.Errorf("claims: %v", c)
	}
	client := payload(t, h.call("POST", "/client/token", object{"user_id": user, "organization_id": org}).want(201).text("token"))
	if client["iss"] != "http://localhost:4100/client" || client["scopes"] != nil {
		t.Errorf("claims: %v", client)
	}
	stranger, err := h.Identity.CreateUser(t.Context(), h.env.ID, identity.NewUser{Email: "eve@example.com"})
	check(t, err)
	h.call("POST", "/client/token", object{"user_id": stranger.ID, "organization_id": org}).want(404)
	h.stranger().call("POST", "/client/token", object{"user_id": user, "organization_id": org}).want(404)
}
