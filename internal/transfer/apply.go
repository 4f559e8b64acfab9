package transfer

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Caller makes a call to the API with the key of the environment that is seeded.
// A call that got no answer is an error; a refusal is not.
type Caller func(ctx context.Context, method, path string, body any) (status int, answer map[string]any, err error)

// Report says what became of a seed.
type Report struct {
	Made  map[string]int `json:"made"`  // by member of the seed
	Kept  map[string]int `json:"kept"`  // was there already
	Notes []string       `json:"notes"` // what has no counterpart here
}

// applying is one application of a seed.
type applying struct {
	ctx           context.Context
	call          Caller
	seed          *Seed
	report        *Report
	users         map[string]string // ids by address
	organizations map[string]string // ids by name
}

// Apply makes what the seed names and is not there yet. It stops at the first thing
// that the API refuses.
func (s *Seed) Apply(ctx context.Context, call Caller) (*Report, error) {
	a := &applying{ctx: ctx, call: call, seed: s, users: map[string]string{}, organizations: map[string]string{},
		report: &Report{Made: map[string]int{}, Kept: map[string]int{}, Notes: []string{}}}
	for _, step := range []func() error{
		a.settings, a.permissions, a.addOrganizations, a.roles, a.addUsers, a.memberships, a.template, a.invitations, a.keys,
		a.applications, a.endpoints, a.connections, a.flags, a.hooks,
	} {
		if err := step(); err != nil {
			return a.report, err
		}
	}
	if len(s.ConnectedAccounts) > 0 {
		a.note("connectedAccounts are not seeded: set up a data integration and POST …/connected_accounts/{slug}")
	}
	return a.report, nil
}

// note says that something has no counterpart here, once.
func (a *applying) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(a.report.Notes, n) {
		a.report.Notes = append(a.report.Notes, n)
	}
}

// ask makes a call that must succeed, but for the statuses of fine.
func (a *applying) ask(at, method, path string, body any, fine ...int) (int, map[string]any, error) {
	status, answer, err := a.call(a.ctx, method, path, body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", at, err)
	}
	if status == http.StatusNotImplemented {
		a.note("%s: %v", at, answer["message"])
		return status, nil, nil
	}
	if status >= 300 && !slices.Contains(fine, status) {
		why := answer["message"]
		if faults, ok := answer["errors"].([]any); ok && len(faults) > 0 {
			why = fmt.Sprintf("%v %v", why, faults)
		}
		return status, answer, Problem{at, fmt.Sprintf("%s %s answers %d: %v", method, path, status, why)}
	}
	return status, answer, nil
}

// make posts one thing. A conflict, or a refusal with one of the codes, means that
// it is there already.
func (a *applying) make(kind, at, path string, body any, there ...string) (answer map[string]any, made bool, err error) {
	status, answer, err := a.call(a.ctx, http.MethodPost, path, body)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", at, err)
	}
	code, _ := answer["code"].(string)
	switch {
	case status == http.StatusNotImplemented:
		a.note("%s: %v", at, answer["message"])
		return nil, false, nil
	case status < 300:
		a.report.Made[kind]++
		return answer, true, nil
	case status == http.StatusConflict || slices.Contains(there, code):
		a.report.Kept[kind]++
		return answer, false, nil
	}
	return nil, false, Problem{at, fmt.Sprintf("POST %s answers %d: %v %v", path, status, answer["message"], answer["errors"])}
}

// find looks through a list for what fits.
func (a *applying) find(at, path string, fits func(map[string]any) bool) (map[string]any, error) {
	_, answer, err := a.ask(at, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	data, _ := answer["data"].([]any)
	for _, item := range data {
		if m, ok := item.(map[string]any); ok && fits(m) {
			return m, nil
		}
	}
	return nil, nil
}

// id is the id of an answer.
func id(answer map[string]any) string {
	s, _ := answer["id"].(string)
	return s
}

// given is an object of those members that have a value.
func given(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			if v == "" {
				continue
			}
		case int:
			if v == 0 {
				continue
			}
		case []string:
			if v == nil {
				continue
			}
		case map[string]string:
			if v == nil {
				continue
			}
		}
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// settings sets addresses and settings of the environment.
func (a *applying) settings() error {
	for i, uri := range a.seed.RedirectURIs {
		at := fmt.Sprintf("redirectUris[%d]", i)
		if _, _, err := a.make("redirectUris", at, "/user_management/redirect_uris", given("uri", uri), "duplicate_redirect_uri"); err != nil {
			return err
		}
	}
	for i, origin := range a.seed.CORSOrigins {
		at := fmt.Sprintf("corsOrigins[%d]", i)
		if _, _, err := a.make("corsOrigins", at, "/user_management/cors_origins", given("origin", origin)); err != nil {
			return err
		}
	}
	if len(a.seed.Settings) > 0 {
		if _, _, err := a.ask("settings", http.MethodPatch, "/_lentil/v1/settings", a.seed.Settings); err != nil {
			return err
		}
		a.report.Made["settings"] = len(a.seed.Settings)
	}
	return nil
}

// permissions makes permissions.
func (a *applying) permissions() error {
	for i, p := range a.seed.Permissions {
		at := fmt.Sprintf("permissions[%d]", i)
		if _, _, err := a.make("permissions", at, "/authorization/permissions",
			given("slug", p.Slug, "name", p.Name, "description", p.Description, "resource_type_slug", p.ResourceType)); err != nil {
			return err
		}
	}
	return nil
}

// roles makes roles and gives them their permissions; those every environment has
// get only the latter.
func (a *applying) roles() error {
	type owned struct {
		Role
		at string
	}
	var all []owned
	for i, r := range a.seed.Roles {
		all = append(all, owned{r, fmt.Sprintf("roles[%d]", i)})
	}
	for i, o := range a.seed.Organizations {
		for j, r := range o.Roles {
			r.Organization = o.Name
			all = append(all, owned{r, fmt.Sprintf("organizations[%d].roles[%d]", i, j)})
		}
	}
	for _, r := range all {
		path := "/authorization/roles"
		if r.Organization != "" {
			path = "/authorization/organizations/" + a.organizations[r.Organization] + "/roles"
		}
		_, made, err := a.make("roles", r.at, path, given("slug", r.Slug, "name", r.Name, "description", r.Description, "resource_type_slug", r.ResourceType))
		if err != nil {
			return err
		}
		if r.Permissions == nil || !made && len(r.Permissions) == 0 {
			continue
		}
		if _, _, err := a.ask(r.at+".permissions", http.MethodPut, path+"/"+url.PathEscape(r.Slug)+"/permissions", given("permissions", r.Permissions)); err != nil {
			return err
		}
	}
	return nil
}

// addOrganizations makes organizations with their domains.
func (a *applying) addOrganizations() error {
	for i, o := range a.seed.Organizations {
		at := fmt.Sprintf("organizations[%d]", i)
		there, err := a.find(at, "/organizations?limit=100&search="+url.QueryEscape(o.Name), func(m map[string]any) bool {
			return m["name"] == o.Name && (o.ID == "" || o.ID == m["id"])
		})
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["organizations"]++
			a.organizations[o.Name] = id(there)
			continue
		}
		var domains []map[string]string
		for _, d := range o.Domains {
			if d.State == "" {
				d.State = "pending"
			}
			domains = append(domains, map[string]string{"domain": d.Domain, "state": d.State})
		}
		body := given("id", o.ID, "name", o.Name, "external_id", o.ExternalID, "metadata", o.Metadata)
		if domains != nil {
			body["domain_data"] = domains
		}
		_, answer, err := a.ask(at, http.MethodPost, "/organizations", body)
		if err != nil {
			return err
		}
		a.report.Made["organizations"]++
		a.organizations[o.Name] = id(answer)
		if len(o.Entitlements) > 0 {
			if _, _, err := a.ask(at, http.MethodPut, "/_lentil/v1/organizations/"+id(answer)+"/entitlements", map[string]any{"entitlements": o.Entitlements}); err != nil {
				return err
			}
		}
	}
	return nil
}

// addUsers makes users.
func (a *applying) addUsers() error {
	for i, u := range a.seed.Users {
		at := fmt.Sprintf("users[%d]", i)
		email := strings.TrimSpace(u.Email)
		there, err := a.find(at, "/user_management/users?email="+url.QueryEscape(email), func(map[string]any) bool { return true })
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["users"]++
			a.users[address(u.Email)] = id(there)
			continue
		}
		body := given("id", u.ID, "email", email, "password", u.Password, "first_name", u.FirstName, "last_name", u.LastName, "name", u.Name,
			"external_id", u.ExternalID, "locale", u.Locale, "metadata", u.Metadata, "email_verified", u.EmailVerified)
		_, answer, err := a.ask(at, http.MethodPost, "/user_management/users", body)
		if err != nil {
			return err
		}
		a.report.Made["users"]++
		a.users[address(u.Email)] = id(answer)
		if u.TOTP {
			if _, _, err := a.ask(at+".totp", http.MethodPost, "/user_management/users/"+id(answer)+"/auth_factors", given("type", "totp")); err != nil {
				return err
			}
		}
		if u.OAuthProvider != "" || u.OAuthID != "" || u.Impersonator != nil {
			a.note("oauth_provider, oauth_idp_id and impersonator of users are not seeded: people really sign in here")
		}
	}
	return nil
}

// memberships makes people members, and groups of them.
func (a *applying) memberships() error {
	for i, o := range a.seed.Organizations {
		org := a.organizations[o.Name]
		members := map[string]string{}
		for j, m := range o.Memberships {
			at := fmt.Sprintf("organizations[%d].memberships[%d]", i, j)
			there, err := a.find(at, "/user_management/organization_memberships?statuses=active,inactive,pending&organization_id="+org+"&user_id="+a.users[address(m.Email)],
				func(map[string]any) bool { return true })
			if err != nil {
				return err
			}
			if there != nil {
				a.report.Kept["memberships"]++
				members[address(m.Email)] = id(there)
				continue
			}
			_, answer, err := a.ask(at, http.MethodPost, "/user_management/organization_memberships",
				given("organization_id", org, "user_id", a.users[address(m.Email)], "role_slug", m.Role))
			if err != nil {
				return err
			}
			a.report.Made["memberships"]++
			members[address(m.Email)] = id(answer)
			switch m.Status {
			case "inactive":
				if _, _, err := a.ask(at+".status", http.MethodPut, "/user_management/organization_memberships/"+id(answer)+"/deactivate", nil); err != nil {
					return err
				}
			case "pending":
				a.note("memberships that are pending are seeded as active: invite people for the others")
			}
		}
		if err := a.groups(i, org, o.Groups, members); err != nil {
			return err
		}
	}
	return nil
}

// groups makes the groups of an organization.
func (a *applying) groups(i int, org string, groups []Group, members map[string]string) error {
	for j, g := range groups {
		at := fmt.Sprintf("organizations[%d].groups[%d]", i, j)
		path := "/organizations/" + org + "/groups"
		there, err := a.find(at, path+"?limit=100", func(m map[string]any) bool { return m["name"] == g.Name })
		if err != nil {
			return err
		}
		if there != nil {
			a.report.Kept["groups"]++
			continue
		}
		_, answer, err := a.ask(at, http.MethodPost, path, given("name", g.Name, "description", g.Description))
		if err != nil {
			return err
		}
		a.report.Made["groups"]++
		for k, m := range g.Members {
			at := fmt.Sprintf("%s.members[%d]", at, k)
			if _, _, err := a.ask(at, http.MethodPost, path+"/"+id(answer)+"/organization-memberships", given("organization_membership_id", members[address(m)])); err != nil {
				return err
			}
		}
	}
	return nil
}
