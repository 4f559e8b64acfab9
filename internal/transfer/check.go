package transfer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// pinned is what an id that a seed chooses may look like: it stands in paths.
var pinned = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) })

// checker collects problems.
type checker struct{ problems []Problem }

// say notes a problem.
func (c *checker) say(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{path, fmt.Sprintf(format, args...)})
}

// need notes that a text is missing.
func (c *checker) need(path, value string) {
	if strings.TrimSpace(value) == "" {
		c.say(path, "is required")
	}
}

// oneOf notes a text that is none of a few.
func (c *checker) oneOf(path, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		c.say(path, "must be %s", strings.Join(allowed, ", "))
	}
}

// email notes what is no address.
func (c *checker) email(path, value string) {
	name, host, ok := strings.Cut(strings.TrimSpace(value), "@")
	if !ok || name == "" || host == "" || strings.ContainsAny(value, " \t\n") && strings.TrimSpace(value) != value {
		c.say(path, "must be an e-mail address")
	}
}

// once notes what is there twice.
func (c *checker) once(seen map[string]bool, path, value string) {
	if value == "" {
		return
	}
	if seen[value] {
		c.say(path, "is there twice: %s", value)
	}
	seen[value] = true
}

// address is an e-mail address in comparable form.
func address(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// check says what is wrong with a seed that could be read: what is missing, and
// references to what the seed does not have.
func (s *Seed) check() []Problem {
	c := &checker{}
	users, ids := map[string]bool{}, map[string]bool{}
	for i, u := range s.Users {
		at := fmt.Sprintf("users[%d]", i)
		c.email(at+".email", u.Email)
		c.once(users, at+".email", address(u.Email))
		c.once(ids, at+".id", u.ID)
		if u.ID != "" && !pinned().MatchString(u.ID) {
			c.say(at+".id", "must consist of letters, digits, _ and -")
		}
	}
	organizations := s.checkOrganizations(c, users, ids)
	named := func(path, name string, required bool) {
		if name == "" && !required {
			return
		}
		if !organizations[name] {
			c.say(path, "must name an organization of the seed")
		}
	}
	for i, p := range s.Permissions {
		at := fmt.Sprintf("permissions[%d]", i)
		c.need(at+".slug", p.Slug)
		c.need(at+".name", p.Name)
	}
	for i, r := range s.Roles {
		at := fmt.Sprintf("roles[%d]", i)
		c.need(at+".slug", r.Slug)
		c.need(at+".name", r.Name)
		c.oneOf(at+".type", r.Type, "EnvironmentRole", "OrganizationRole")
		named(at+".organization", r.Organization, r.Type == "OrganizationRole")
	}
	for i, n := range s.Connections {
		at := fmt.Sprintf("connections[%d]", i)
		c.need(at+".name", n.Name)
		named(at+".organization", n.Organization, true)
		c.oneOf(at+".state", n.State, "active", "inactive", "validating")
	}
	for i, n := range s.Invitations {
		at := fmt.Sprintf("invitations[%d]", i)
		c.email(at+".email", n.Email)
		named(at+".organization", n.Organization, false)
	}
	for i, k := range s.APIKeys.Keys {
		at := fmt.Sprintf("apiKeys[%d]", i)
		c.need(at+".name", k.Name)
		named(at+".organization", k.Organization, true)
		if k.Value != "" && !strings.HasPrefix(k.Value, "sk_") {
			c.say(at+".value", "must begin with sk_")
		}
	}
	clients := map[string]bool{}
	for i, a := range s.ConnectApplications {
		at := fmt.Sprintf("connectApplications[%d]", i)
		c.need(at+".name", a.Name)
		c.oneOf(at+".type", a.Type, "m2m", "oauth")
		named(at+".organization", a.Organization, a.Type != "oauth")
		c.once(clients, at+".client_id", a.ClientID)
	}
	for i, e := range s.WebhookEndpoints {
		at := fmt.Sprintf("webhookEndpoints[%d].endpoint_url", i)
		if a := e.address(); !strings.HasPrefix(a, "http://") && !strings.HasPrefix(a, "https://") {
			c.say(at, "must be an address that begins with http:// or https://")
		}
	}
	return c.problems
}

// checkOrganizations checks organizations and what stands below them, and gives
// their names.
func (s *Seed) checkOrganizations(c *checker, users, ids map[string]bool) map[string]bool {
	names := map[string]bool{}
	for i, o := range s.Organizations {
		at := fmt.Sprintf("organizations[%d]", i)
		c.need(at+".name", o.Name)
		c.once(names, at+".name", o.Name)
		c.once(ids, at+".id", o.ID)
		if o.ID != "" && !pinned().MatchString(o.ID) {
			c.say(at+".id", "must consist of letters, digits, _ and -")
		}
		for j, d := range o.Domains {
			at := fmt.Sprintf("%s.domains[%d]", at, j)
			c.need(at+".domain", d.Domain)
			c.oneOf(at+".state", d.State, "verified", "pending")
		}
		members := map[string]bool{}
		for j, m := range o.Memberships {
			at := fmt.Sprintf("%s.memberships[%d]", at, j)
			if !users[address(m.Email)] {
				c.say(at+".email", "must be the address of a user of the seed")
			}
			c.once(members, at+".email", address(m.Email))
			c.oneOf(at+".status", m.Status, "active", "inactive", "pending")
		}
		for j, g := range o.Groups {
			at := fmt.Sprintf("%s.groups[%d]", at, j)
			c.need(at+".name", g.Name)
			for k, m := range g.Members {
				if !members[address(m)] {
					c.say(fmt.Sprintf("%s.members[%d]", at, k), "must be the address of a member of the organization")
				}
			}
		}
	}
	return names
}
