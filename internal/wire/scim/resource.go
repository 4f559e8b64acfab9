package scim

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/lentil-dev/lentil/internal/directory"
	"github.com/lentil-dev/lentil/internal/identity"
)

// Bounds of a list's page.
const (
	defaultCount = 100
	maxCount     = 200
)

// readResource decodes a resource's attributes, names spelled as we store them.
func readResource(b []byte) (directory.Attributes, error) {
	var o map[string]any
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, invalidSyntax("The body is no resource: %s.", fault(err))
	}
	if o == nil {
		return nil, invalidSyntax("The body is no resource.")
	}
	return spelled(o).(map[string]any), nil
}

// meta is what the server says of a resource.
func meta(kind, location string, created, updated string, version int) map[string]any {
	return map[string]any{"resourceType": kind, "created": created, "lastModified": updated, "location": location, "version": etag(version)}
}

// showUser is a user as SCIM shows it, without its groups.
func (r *request) showUser(u *directory.User) map[string]any {
	o := maps.Clone(map[string]any(u.Attributes))
	if o["schemas"] == nil {
		o["schemas"] = []any{directory.UserSchema}
	}
	if _, said := o["active"]; !said {
		o["active"] = u.State == directory.Active
	}
	o["id"] = string(u.ID)
	o["meta"] = meta("User", r.base+"/Users/"+string(u.ID), identity.FormatTime(u.Created), identity.FormatTime(u.Updated), u.Version)
	return o
}

// showGroup is a group as SCIM shows it, without its members.
func (r *request) showGroup(g *directory.Group) map[string]any {
	o := maps.Clone(map[string]any(g.Attributes))
	if o["schemas"] == nil {
		o["schemas"] = []any{directory.GroupSchema}
	}
	o["id"] = string(g.ID)
	o["meta"] = meta("Group", r.base+"/Groups/"+string(g.ID), identity.FormatTime(g.Created), identity.FormatTime(g.Updated), g.Version)
	return o
}

// withGroups adds the groups of a user.
func (a *API) withGroups(r *request, u *directory.User) (map[string]any, error) {
	o := r.showUser(u)
	if !r.wants("groups") {
		return o, nil
	}
	groups, err := a.Directory.GroupsOf(r.Context(), r.dir, u.ID)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(groups))
	for _, g := range groups {
		list = append(list, map[string]any{"value": string(g.ID), "display": g.Name, "$ref": r.base + "/Groups/" + string(g.ID)})
	}
	o["groups"] = list
	return o, nil
}

// withMembers adds the members of a group, and tells how many.
func (a *API) withMembers(r *request, g *directory.Group) (map[string]any, int, error) {
	o := r.showGroup(g)
	if !r.wants("members") {
		return o, 0, nil
	}
	members, err := a.Directory.Members(r.Context(), r.dir, g.ID)
	if err != nil {
		return nil, 0, err
	}
	list := make([]any, 0, len(members))
	for _, m := range members {
		list = append(list, map[string]any{"value": string(m.ID), "display": m.Display, "type": "User", "$ref": r.base + "/Users/" + string(m.ID)})
	}
	o["members"] = list
	return o, len(list), nil
}

// named reads a query parameter that lists attributes.
func (r *request) named(parameter string) []path {
	var out []path
	for s := range strings.SplitSeq(clip(r.URL.Query().Get(parameter), maxFilter), ",") {
		if p, ok := parsePath(strings.TrimSpace(s)); ok {
			out = append(out, p)
		}
	}
	return out
}

// wants reports whether the answer is to have an attribute (RFC 7644 §3.9).
func (r *request) wants(name string) bool {
	if only := r.named("attributes"); len(only) > 0 {
		for _, p := range only {
			if p.schema == "" && p.name == name {
				return true
			}
		}
		return false
	}
	for _, p := range r.named("excludedAttributes") {
		if p == (path{name: name}) {
			return false
		}
	}
	return true
}

// project leaves of a resource what was asked for; id and schemas are always there.
func (r *request) project(o map[string]any) map[string]any {
	if only := r.named("attributes"); len(only) > 0 {
		out := map[string]any{"id": o["id"], "schemas": o["schemas"]}
		for _, p := range only {
			from, to := o, out
			if p.schema != "" {
				if from, _ = o[p.schema].(map[string]any); from == nil {
					continue
				}
				if p.name == "" {
					out[p.schema] = from
					continue
				}
				if to, _ = out[p.schema].(map[string]any); to == nil {
					to = map[string]any{}
					out[p.schema] = to
				}
			}
			if v, there := from[p.name]; there {
				to[p.name] = v
			}
		}
		return out
	}
	for _, p := range r.named("excludedAttributes") {
		switch {
		case p.schema != "" && p.name == "":
			delete(o, p.schema)
		case p.schema != "":
			if in, ok := o[p.schema].(map[string]any); ok {
				in = maps.Clone(in)
				delete(in, p.name)
				o[p.schema] = in
			}
		case p.name != "id" && p.name != "schemas" && p.sub == "":
			delete(o, p.name)
		}
	}
	return o
}

// page reads startIndex and count (RFC 7644 §3.4.2.4): what is out of bounds is
// moved into them.
func (r *request) page() (start, count int, err error) {
	start, count = 1, defaultCount
	q := r.URL.Query()
	for _, p := range []struct {
		name string
		into *int
	}{{"startIndex", &start}, {"count", &count}} {
		if s := q.Get(p.name); s != "" {
			if *p.into, err = strconv.Atoi(s); err != nil {
				return 0, 0, invalidValueOf(p.name)
			}
		}
	}
	return max(1, start), min(max(0, count), maxCount), nil
}

// invalidValueOf refuses a parameter that is no number.
func invalidValueOf(name string) error { return invalidSyntax("%s must be a number.", name) }

// writeList writes a page.
func writeList(w http.ResponseWriter, total, start int, resources []any) {
	if resources == nil {
		resources = []any{}
	}
	write(w, http.StatusOK, map[string]any{"schemas": []string{listSchema}, "totalResults": total, "startIndex": start, "itemsPerPage": len(resources), "Resources": resources})
}
