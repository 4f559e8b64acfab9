package scim

import (
	"maps"
	"net/http"

	"github.com/lentil-dev/lentil/internal/directory"
)

// userKeys are the attributes of users that an index finds.
var userKeys = map[path]directory.Key{{name: "id"}: directory.BySelf, {name: "userName"}: directory.ByUsername, {name: "externalId"}: directory.ByExternal}

// listUsers is GET /Users.
func (a *API) listUsers(w http.ResponseWriter, r *request) error {
	start, count, err := r.page()
	if err != nil {
		return err
	}
	q := directory.Search[directory.User]{Start: start, Count: count}
	if s := r.URL.Query().Get("filter"); s != "" {
		e, err := parseFilter(s)
		if err != nil {
			return err
		}
		if names(e, "groups") {
			return invalidFilter("Users are not found by their groups; read the group's members.")
		}
		if q.Key, q.Value, e = indexed(e, userKeys); e != nil {
			q.Match = func(u *directory.User) bool { return e.holds(r.showUser(u)) }
		}
	}
	total, list, err := a.Directory.SearchUsers(r.Context(), r.dir, q)
	if err != nil {
		return err
	}
	resources := make([]any, 0, len(list))
	for i := range list {
		o, err := a.withGroups(r, &list[i])
		if err != nil {
			return err
		}
		resources = append(resources, r.project(o))
	}
	writeList(w, total, start, resources)
	return nil
}

// createUser is POST /Users.
func (a *API) createUser(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	attributes, err := readResource(b)
	if err != nil {
		return err
	}
	u, err := a.Directory.CreateUser(r.Context(), r.dir, attributes)
	if err != nil {
		return err
	}
	o, err := a.withGroups(r, u)
	if err != nil {
		return err
	}
	r.answer(w, http.StatusCreated, u.Version, o)
	return nil
}

// findUser finds the user that the path names.
func (a *API) findUser(r *request) (*directory.User, error) {
	id := r.PathValue("id")
	_, list, err := a.Directory.SearchUsers(r.Context(), r.dir, directory.Search[directory.User]{Key: directory.BySelf, Value: id, Start: 1, Count: 1})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, notFound("User", id)
	}
	return &list[0], nil
}

// getUser is GET /Users/{id}.
func (a *API) getUser(w http.ResponseWriter, r *request) error {
	u, err := a.findUser(r)
	if err != nil {
		return err
	}
	return a.writeUser(w, r, u)
}

// writeUser answers with a user as it is now.
func (a *API) writeUser(w http.ResponseWriter, r *request, u *directory.User) error {
	o, err := a.withGroups(r, u)
	if err != nil {
		return err
	}
	r.answer(w, http.StatusOK, u.Version, o)
	return nil
}

// replaceUser is PUT /Users/{id}: what is not in the body is gone, but active, which
// clients leave out when they mean no change.
func (a *API) replaceUser(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	attributes, err := readResource(b)
	if err != nil {
		return err
	}
	u, err := a.Directory.ChangeUser(r.Context(), r.dir, directory.UserID(r.PathValue("id")), r.ifMatch(), func(was directory.Attributes) (directory.Attributes, error) {
		is := maps.Clone(attributes)
		if v, there := was["active"]; there && is["active"] == nil {
			is["active"] = v
		}
		return is, nil
	})
	if err != nil {
		return err
	}
	return a.writeUser(w, r, u)
}

// patchUser is PATCH /Users/{id}.
func (a *API) patchUser(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	ops, err := readPatch(b)
	if err != nil {
		return err
	}
	u, err := a.Directory.ChangeUser(r.Context(), r.dir, directory.UserID(r.PathValue("id")), r.ifMatch(), func(is directory.Attributes) (directory.Attributes, error) {
		for _, o := range ops {
			if err := o.apply(is); err != nil {
				return nil, err
			}
		}
		return is, nil
	})
	if err != nil {
		return err
	}
	return a.writeUser(w, r, u)
}

// deleteUser is DELETE /Users/{id}.
func (a *API) deleteUser(w http.ResponseWriter, r *request) error {
	if err := a.Directory.DeleteUser(r.Context(), r.dir, directory.UserID(r.PathValue("id")), r.ifMatch()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
