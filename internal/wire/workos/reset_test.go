package workos_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/lentil-dev/lentil/internal/database"
	"github.com/lentil-dev/lentil/internal/identity"
	"github.com/lentil-dev/lentil/internal/passkey"
)

// stays are the tables whose rows a reset leaves.
var stays = []string{"environments", "api_keys", "signing_keys", "redirect_uris", "cors_origins", "branding", "connect_settings", "webhook_endpoints", "action_endpoints",
	"authorization_types", "connections", "connection_domains", "test_identity_providers"}

// rowsOf counts, by table, the rows that say they are of an environment, and under
// "", how many rows say nothing.
func rowsOf(t *testing.T, ids *identity.Service, env identity.EnvironmentID) (said, unsaid map[string]int) {
	t.Helper()
	said, unsaid = map[string]int{}, map[string]int{}
	check(t, ids.View(t.Context(), func(tx *identity.Tx) error {
		for _, table := range tx.Tables() {
			if table.System() {
				continue
			}
			err := tx.Each(table.Name, database.ByID, database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
				switch f.Text("environment") {
				case string(env):
					said[table.Name]++
				case "":
					unsaid[table.Name]++
				}
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return said, unsaid
}

// TestResetReachesEveryTable puts rows of two environments into every table of every
// room and empties one environment: no row of it is left but of what stays, and none
// of the other is gone.
func TestResetReachesEveryTable(t *testing.T) {
	t.Parallel()
	h := open(t)
	keys := &passkey.Service{Identity: h.identity}
	check(t, keys.Open(t.Context()))
	tenant := h.want(201, h.key, "POST", "/_lentil/v1/environments", `{"name":"tenant","redirect_uris":["http://localhost:3000/callback"]}`)
	theirs := fmt.Sprint(tenant["api_key"])
	var other identity.EnvironmentID
	check(t, h.identity.View(t.Context(), func(tx *identity.Tx) error {
		return tx.Each("api_keys", database.ByID, database.Interval{}, database.Asc, func(f identity.Found) (bool, error) {
			if e := identity.EnvironmentID(f.Text("environment")); e != h.env.ID {
				other = e
			}
			return true, nil
		})
	}))

	// What the rows are of goes with everything that hangs on it.
	_, none := rowsOf(t, h.identity, other)
	for _, key := range []string{h.key, theirs} {
		user := fmt.Sprint(h.want(201, key, "POST", "/user_management/users", fmt.Sprintf(`{"email":"ann@example.com","password":%q}`, password))["id"])
		org := fmt.Sprint(h.want(201, key, "POST", "/organizations", `{"name":"Soup"}`)["id"])
		member := fmt.Sprint(h.want(201, key, "POST", "/user_management/organization_memberships", fmt.Sprintf(`{"user_id":%q,"organization_id":%q}`, user, org))["id"])
		group := fmt.Sprint(h.want(201, key, "POST", "/organizations/"+org+"/groups", `{"name":"Cooks"}`)["id"])
		h.want(200, key, "POST", "/organizations/"+org+"/groups/"+group+"/organization-memberships", fmt.Sprintf(`{"organization_membership_id":%q}`, member))
		h.want(201, key, "POST", "/user_management/users/"+user+"/auth_factors", `{"type":"totp"}`)
		check(t, h.identity.Update(t.Context(), func(tx *identity.Tx) error { return keys.Decline(tx, identity.UserID(user)) }))
	}
	_, hanging := rowsOf(t, h.identity, other)

	// One row, and more than a batch's worth in a table that only a secret leads into.
	var tables []string
	check(t, h.identity.Update(t.Context(), func(tx *identity.Tx) error {
		tables = nil
		for _, table := range tx.Tables() {
			if table.System() || table.Name == "environments" || table.Name == "outbox" {
				continue
			}
			tables = append(tables, table.Name)
			if table.Name == "users" || table.Name == "organizations" {
				continue // two of which were made
			}
			for _, e := range []identity.EnvironmentID{h.env.ID, other} {
				n := 1
				if table.Name == "connect_codes" {
					n = 450
				}
				for range n {
					if err := tx.Add(table.Name, identity.Row{identity.Text("environment", e)}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}))
	mine, _ := rowsOf(t, h.identity, h.env.ID)
	before, _ := rowsOf(t, h.identity, other)
	if len(tables) < 60 {
		t.Errorf("only %d tables: not every room is open", len(tables))
	}

	h.want(204, h.key, "POST", "/_lentil/v1/reset", "")
	left, hang := rowsOf(t, h.identity, h.env.ID)
	for _, table := range tables {
		switch n := left[table]; {
		case slices.Contains(stays, table) && n != mine[table]:
			t.Errorf("%s: %d rows of %d stayed", table, n, mine[table])
		case table == "roles" && n == 2: // the first ones, anew
		case table == "operations" && n == 1: // this call
		case !slices.Contains(stays, table) && n != 0:
			t.Errorf("%s: %d rows are left", table, n)
		}
	}
	for table, n := range hanging {
		if want := none[table] + (n-none[table])/2; hang[table] != want {
			t.Errorf("%s: %d rows are left that hang on something, wanted %d", table, hang[table], want)
		}
	}
	if after, _ := rowsOf(t, h.identity, other); !maps.Equal(before, after) {
		t.Errorf("the other environment had %v and has %v", before, after)
	}
	h.want(201, h.key, "POST", "/user_management/users", `{"email":"ann@example.com"}`)
	// The rows were no real ones: the house is left without them.
	h.want(204, theirs, "POST", "/_lentil/v1/reset", "")
}
