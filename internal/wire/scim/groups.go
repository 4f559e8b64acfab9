package scim

import (
	"maps"
	"net/http"

	"github.com/lentil-dev/lentil/internal/apierr"
	"github.com/lentil-dev/lentil/internal/directory"
)

// groupKeys are the attributes of groups that an index finds.
var groupKeys = map[path]directory.Key{{name: "id"}: directory.BySelf, {name: "displayName"}: directory.ByName, {name: "externalId"}: directory.ByExternal}

// memberKeys are the ways to ask for the groups of a user; Entra ID asks so whether
// somebody is in a group, by "id eq … and members eq …".
var memberKeys = map[path]directory.Key{{name: "members"}: directory.ByMember, {name: "members", sub: "value"}: directory.ByMember}

// notFound is the refusal for a resource that is not there.
func notFound(kind, id string) error {
	return apierr.New(apierr.NotFound, "notFound", "%s not found: '%.100s'.", kind, id)
}

// listGroups is GET /Groups.
func (a *API) listGroups(w http.ResponseWriter, r *request) error {
	start, count, err := r.page()
	if err != nil {
		return err
	}
	q := directory.Search[directory.Group]{Start: start, Count: count}
	if s := r.URL.Query().Get("filter"); s != "" {
		e, err := parseFilter(s)
		if err != nil {
			return err
		}
		if q.Key, q.Value, e = indexed(e, memberKeys); q.Key == directory.Every {
			q.Key, q.Value, e = indexed(e, groupKeys)
		}
		if e != nil && names(e, "members") {
			return invalidFilter(`Groups are found by their members with members.value eq "id" only, alone or joined by and.`)
		}
		if e != nil {
			q.Match = func(g *directory.Group) bool { return e.holds(r.showGroup(g)) }
		}
	}
	total, list, err := a.Directory.SearchGroups(r.Context(), r.dir, q)
	if err != nil {
		return err
	}
	resources := make([]any, 0, len(list))
	members := 0
	for i := range list {
		o, n, err := a.withMembers(r, &list[i])
		if err != nil {
			return err
		}
		// A page of large groups is cut short; the client asks for the rest by startIndex.
		if members += n; members > directory.MaxMembers && len(resources) > 0 {
			break
		}
		resources = append(resources, r.project(o))
	}
	writeList(w, total, start, resources)
	return nil
}

// createGroup is POST /Groups.
func (a *API) createGroup(w http.ResponseWriter, r *request) error {
	attributes, members, _, err := r.group()
	if err != nil {
		return err
	}
	g, err := a.Directory.CreateGroup(r.Context(), r.dir, attributes, members)
	if err != nil {
		return err
	}
	o, _, err := a.withMembers(r, g)
	if err != nil {
		return err
	}
	r.answer(w, http.StatusCreated, g.Version, o)
	return nil
}

// group reads a group's body; given tells whether it has members.
func (r *request) group() (attributes directory.Attributes, members []directory.UserID, given bool, err error) {
	b, err := r.body()
	if err != nil {
		return nil, nil, false, err
	}
	if attributes, err = readResource(b); err != nil {
		return nil, nil, false, err
	}
	if v := attributes["members"]; v != nil {
		given = true
		members, err = readMembers(v)
	}
	return attributes, members, given, err
}

// getGroup is GET /Groups/{id}.
func (a *API) getGroup(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	_, list, err := a.Directory.SearchGroups(r.Context(), r.dir, directory.Search[directory.Group]{Key: directory.BySelf, Value: id, Start: 1, Count: 1})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return notFound("Group", id)
	}
	return a.writeGroup(w, r, &list[0])
}

// writeGroup answers with a group as it is now.
func (a *API) writeGroup(w http.ResponseWriter, r *request, g *directory.Group) error {
	o, _, err := a.withMembers(r, g)
	if err != nil {
		return err
	}
	r.answer(w, http.StatusOK, g.Version, o)
	return nil
}

// replaceGroup is PUT /Groups/{id}. A body without members leaves them: nobody who
// only renames a group means to empty it.
func (a *API) replaceGroup(w http.ResponseWriter, r *request) error {
	attributes, members, given, err := r.group()
	if err != nil {
		return err
	}
	g, err := a.Directory.ChangeGroup(r.Context(), r.dir, directory.GroupID(r.PathValue("id")), r.ifMatch(), func(directory.Attributes) (directory.Attributes, directory.Members, error) {
		return maps.Clone(attributes), directory.Members{Replace: given, Add: members}, nil
	})
	if err != nil {
		return err
	}
	return a.writeGroup(w, r, g)
}

// patchGroup is PATCH /Groups/{id}. It answers without the group, which may be
// large, unless attributes of it are asked for (RFC 7644 §3.5.2).
func (a *API) patchGroup(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	all, err := readPatch(b)
	if err != nil {
		return err
	}
	var own, ofMembers []operation
	for _, o := range all {
		if o.at.schema == "" && o.at.name == "members" {
			ofMembers = append(ofMembers, o)
		} else {
			own = append(own, o)
		}
	}
	members, err := memberChange(ofMembers)
	if err != nil {
		return err
	}
	g, err := a.Directory.ChangeGroup(r.Context(), r.dir, directory.GroupID(r.PathValue("id")), r.ifMatch(), func(is directory.Attributes) (directory.Attributes, directory.Members, error) {
		for _, o := range own {
			if err := o.apply(is); err != nil {
				return nil, directory.Members{}, err
			}
		}
		return is, members, nil
	})
	if err != nil {
		return err
	}
	if r.URL.Query().Get("attributes") != "" {
		return a.writeGroup(w, r, g)
	}
	w.Header().Set("ETag", etag(g.Version))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteGroup is DELETE /Groups/{id}.
func (a *API) deleteGroup(w http.ResponseWriter, r *request) error {
	if err := a.Directory.DeleteGroup(r.Context(), r.dir, directory.GroupID(r.PathValue("id")), r.ifMatch()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
